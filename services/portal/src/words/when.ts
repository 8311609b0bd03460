// Dates in the reader's language. Seconds since 1970, as the gateway has them.

import { locale, t } from "./language";

/** The largest second a Date can hold. */
const LAST = 8.64e12;

export function onDay(seconds: number): string {
  return seconds >= LAST ? t("any time, without an end") : written(seconds * 1000, { dateStyle: "long" });
}

export function atMinute(seconds: number): string {
  return seconds >= LAST ? t("any time, without an end") : written(seconds * 1000, { dateStyle: "medium", timeStyle: "short" });
}

/** A FHIR date or dateTime; what is none is shown as it came. */
export function fhirDate(text: string): string {
  const parsed = Date.parse(text);
  if (Number.isNaN(parsed)) return text;
  return text.length > 10 ? written(parsed, { dateStyle: "medium", timeStyle: "short" }) : written(parsed, { dateStyle: "long", timeZone: "UTC" });
}

function written(milliseconds: number, style: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(locale(), style).format(milliseconds);
}

/** A number of units, and their seconds. */
export type Length = [number, "day" | "week" | "month" | "year", number];

/** `[6, "month", …]` → `6 months`. */
export function lasting([count, unit]: Length): string {
  return new Intl.NumberFormat(locale(), { style: "unit", unit, unitDisplay: "long" }).format(count);
}

export const DAY = 86_400;

export function now(): number {
  return Math.floor(Date.now() / 1000);
}
