// Three languages. The English sentence is the key of its translations, so that pages read as they are read.
//
// English needs no catalogue; French and Arabic are loaded when they are chosen. `t` is called while rendering, never when
// a module is loaded: the language can change.

import type { ar } from "./ar";
import type { fr } from "./fr";

export type Language = "en" | "fr" | "ar";
/** One sentence, or one for each plural form of `{n}`. */
export type Text = string | Partial<Record<Intl.LDMLPluralRule, string>>;
export type Message = keyof typeof fr & keyof typeof ar;

/** Each by its own name. */
export const LANGUAGES: [Language, string][] = [
  ["en", "English"],
  ["fr", "Français"],
  ["ar", "العربية"],
];

const CATALOGUES: Record<Language, () => Promise<Record<string, Text>>> = {
  en: async () => (await import("./en")).en,
  fr: async () => (await import("./fr")).fr,
  ar: async () => (await import("./ar")).ar,
};

/** Where a person's choice is kept. Without a choice nothing is kept, and the browser's languages decide. */
const KEPT = "language";

let current: Language = "en";
let catalogue: Record<string, Text> = {};
const listeners = new Set<() => void>();

export function language(): Language {
  return current;
}

/** The chosen language with the browser's region, if that is of the same language. */
export function locale(): string {
  const regional = globalThis.navigator?.languages?.find((one) => one.split("-")[0] === current);
  return regional ?? current;
}

export function onLanguage(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The language kept, or the first of the browser's that there is. */
export async function startLanguage(): Promise<void> {
  const wanted = [localStorage.getItem(KEPT), ...navigator.languages.map((one) => one.split("-")[0])];
  await speak(wanted.map(known).find((one) => one !== undefined) ?? "en");
}

export async function choose(wanted: Language): Promise<void> {
  await speak(wanted);
  localStorage.setItem(KEPT, wanted);
}

/** Loads the catalogue first: until it is there, the page stays in the language it has. */
export async function speak(wanted: Language): Promise<void> {
  catalogue = await CATALOGUES[wanted]();
  current = wanted;
  if (globalThis.document) {
    document.documentElement.lang = current;
    document.documentElement.dir = direction();
  }
  for (const listener of listeners) listener();
}

function known(text: string | null | undefined): Language | undefined {
  return LANGUAGES.find(([code]) => code === text)?.[0];
}

function direction(): "ltr" | "rtl" {
  return current === "ar" ? "rtl" : "ltr";
}

/** The message in the chosen language; `{name}` stands for a value. A number `n` chooses the plural form. */
export function t(message: Message, values: Record<string, string | number> = {}): string {
  const text = Object.hasOwn(catalogue, message) ? catalogue[message]! : message;
  const form = typeof text === "string" ? text : (text[plural(values.n)] ?? text.other ?? message);
  return form.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    const shown = typeof value === "number" ? new Intl.NumberFormat(locale()).format(value) : value;
    // An address or an English name inside an Arabic sentence keeps its own direction.
    return direction() === "rtl" ? `\u2068${shown}\u2069` : shown;
  });
}

function plural(n: string | number | undefined): Intl.LDMLPluralRule {
  return new Intl.PluralRules(current).select(Number(n));
}

/** `a, b and c`, as the language joins them. */
export function listed(words: string[]): string {
  return new Intl.ListFormat(locale(), { type: "conjunction" }).format(words);
}
