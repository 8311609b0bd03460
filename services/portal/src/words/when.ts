// Dates in the reader's language. Seconds since 1970, as the gateway has them.

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const minute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
/** The largest second a Date can hold. */
const LAST = 8.64e12;

export function onDay(seconds: number): string {
  return seconds >= LAST ? "any time, without an end" : day.format(seconds * 1000);
}

export function atMinute(seconds: number): string {
  return seconds >= LAST ? "any time, without an end" : minute.format(seconds * 1000);
}

/** A FHIR date or dateTime; what is none is shown as it came. */
export function fhirDate(text: string): string {
  const parsed = Date.parse(text);
  if (Number.isNaN(parsed)) return text;
  return text.length > 10 ? minute.format(parsed) : new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeZone: "UTC" }).format(parsed);
}

export const DAY = 86_400;

export function now(): number {
  return Math.floor(Date.now() / 1000);
}
