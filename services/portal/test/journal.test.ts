// The journal tells what happened, not what was tried.

import { expect, test } from "vitest";
import type { JournalEntry } from "../src/api/types";
import { entryWords } from "../src/words/journal";

const entry = (action: string, scope: string, refused?: string) => ({ action, refused, subject: { scope } }) as JournalEntry;

test("who was refused is not said to have read", () => {
  expect(entryWords(entry("read", "clinical"), "Sample Hospital")).toBe("Sample Hospital read from your clinical records");
  expect(entryWords(entry("read", "clinical", "not-live"), "Sample Hospital")).toBe("Sample Hospital tried to read from your clinical records and was refused");
  expect(entryWords(entry("print", "clinical", "not-live"), "Sample Hospital")).toBe("Sample Hospital tried something else with your clinical records and was refused");
});

test("a decision about the account is told as one, not as a part of the record", () => {
  expect(entryWords(entry("administer", "register"), "Sample Hospital")).toBe("Sample Hospital registered your account");
  expect(entryWords(entry("administer", "something new"), "Sample Hospital")).toBe("Sample Hospital changed something about your account");
});

test("several parts are listed, and an entry about none speaks of the record", () => {
  expect(entryWords(entry("search", "clinical claims"), "You")).toBe("You looked for records in your clinical records and insurance claims");
  expect(entryWords(entry("search", ""), "You")).toBe("You looked for records in your record");
});
