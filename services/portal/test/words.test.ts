import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "vite";
import { afterEach, describe, expect, test } from "vitest";
import { Problem } from "../src/api/gateway";
import { ar } from "../src/words/ar";
import { en } from "../src/words/en";
import { fr } from "../src/words/fr";
import { type Language, speak, type Text, t } from "../src/words/language";
import { inWords } from "../src/words/problems";
import { may, scopeWords } from "../src/words/scopes";
import { lasting, onDay } from "../src/words/when";

const catalogues: [Language, Record<string, Text>][] = [["en", en as Record<string, Text>], ["fr", fr], ["ar", ar]];
const forms = (text: Text) => (typeof text === "string" ? [text] : Object.values(text));
const holes = (text: string) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();

afterEach(() => speak("en"));

describe("no key is missing", () => {
  test("French and Arabic have the same ones, and none is empty", () => {
    expect(Object.keys(ar).sort()).toEqual(Object.keys(fr).sort());
    for (const [, catalogue] of catalogues) for (const text of Object.values(catalogue)) for (const form of forms(text)) expect(form.trim()).not.toBe("");
  });
  test.each(catalogues)("%s fills in what English fills in, in each plural form it has", (language, catalogue) => {
    // Arabic writes one and two as words; French counts millions with a form of their own.
    const needed = new Intl.PluralRules(language).resolvedOptions().pluralCategories.filter((form) => form !== "many" || language === "ar");
    for (const [key, text] of Object.entries(catalogue)) {
      if (typeof text !== "string") expect(Object.keys(text), key).toEqual(expect.arrayContaining(needed));
      const last = typeof text === "string" ? text : text.other!;
      expect(holes(last), key).toEqual(holes(key));
    }
  });
  test("every plural form of a language is reached", async () => {
    await speak("ar");
    const said = [1, 2, 3, 11, 100].map((n) => t("{n} open requests", { n }));
    expect(new Set(said).size).toBe(5);
    expect(said[1]).toBe("طلبان مفتوحان");
  });
});

test("values, lengths, dates and parts are in the language", async () => {
  await speak("fr");
  expect(may(3, t("your {scope}", { scope: scopeWords("clinical") }))).toBe("lire et compléter vos dossiers cliniques");
  expect(lasting([6, "month", 0])).toMatch(/^6\smois$/);
  expect(onDay(1893456000)).toMatch(/2029|2030/);
  expect(onDay(1893456000)).toMatch(/décembre|janvier/);
  await speak("ar");
  expect(t("Suspend {address}", { address: "0xab" })).toBe("تعليق \u20680xab\u2069");
});

test("a refusal is said in the language; what the gateway adds in English stands behind it", async () => {
  await speak("fr");
  expect(inWords(new Problem(409, "already-registered", "x"))).toMatch(/^Cette adresse est déjà enregistrée/);
  expect(inWords(new Problem(422, "invalid", "until lies in the past"))).toBe("La passerelle a refusé (invalid). Until lies in the past.");
});

// Every sentence of the sources goes through a catalogue.
const SOURCES = join(import.meta.dirname, "../src");
const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.tsx?$/.test(name))
  .filter((name) => !/^(api\/openapi|words\/(fr|ar|en)\.|wallet\/(samples|sign-in))/.test(name));

/** What a person reads: attributes, by name. */
const READ = new Set(["aria-label", "title", "placeholder", "alt", "label"]);

interface Node {
  type: string;
  value?: unknown;
  [key: string]: unknown;
}

function* nodes(of: unknown): Generator<Node> {
  if (Array.isArray(of)) for (const one of of) yield* nodes(one);
  else if (of && typeof of === "object") {
    const node = of as Node;
    if (typeof node.type === "string") yield node;
    for (const inner of Object.values(node)) yield* nodes(inner);
  }
}

function untranslated(name: string, source: string): string[] {
  const found: string[] = [];
  for (const node of nodes(parseSync(name, source).program)) {
    const { value } = node;
    if (node.type === "JSXText" && /\p{L}{2}/u.test(String(value)) && String(value).trim() !== "Chartseal") found.push(String(value).trim());
    if (node.type === "JSXAttribute") {
      const { name: attribute, value: text } = node as unknown as { name: { name: string }; value: Node | null };
      if (READ.has(attribute.name) && text?.type === "Literal" && /\p{L}{2}/u.test(String(text.value))) found.push(String(text.value));
    }
    // A string that begins like a sentence and has more than one word is one.
    if (node.type === "Literal" && typeof value === "string" && /^[\p{Lu}{←].*\s.*\p{L}{2}/u.test(value) && !Object.hasOwn(fr, value)) found.push(value);
    if (node.type === "TemplateElement") {
      const { raw } = value as { raw: string };
      if (/\p{L}{2,} \p{L}{2,}/u.test(raw)) found.push(raw);
    }
    if (node.type === "NewExpression") {
      const { callee, arguments: [first] } = node as unknown as { callee: { name?: string }; arguments: Node[] };
      const thrown = callee.name === "Error" || callee.name === "Unexplained";
      // A wrong use of a hook is said to who writes the program.
      if (thrown && first?.type === "Literal" && !/ is used /.test(String(first.value))) found.push(String(first.value));
    }
  }
  return found;
}

describe("no page shows an untranslated string", () => {
  test.each(files)("%s", (name) => {
    expect(untranslated(name, readFileSync(join(SOURCES, name), "utf8"))).toEqual([]);
  });
  test("and each way of showing one is noticed", () => {
    for (const shown of ['<p>Hello</p>', '<p title="Hello" />', 'f("Hello there")', "`${x} said so`", 'new Error("hello")']) {
      expect(untranslated("a.tsx", `const a = ${shown};`), shown).toHaveLength(1);
    }
  });
  test("and nothing is translated that nobody says", () => {
    const said = files.map((name) => readFileSync(join(SOURCES, name), "utf8")).join("\n");
    expect(Object.keys(fr).filter((key) => !said.includes(`"${key}"`) && !said.includes(`${key}:`))).toEqual([]);
  });
});
