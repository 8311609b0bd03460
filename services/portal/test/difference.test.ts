import { describe, expect, test } from "vitest";
import { attachmentsOf } from "../src/record/details";
import { changesOf, differences } from "../src/record/difference";

const coverage = (more: object) => ({ resourceType: "Coverage", id: "a", status: "active", subscriberId: "S-1", payor: [{ display: "One" }], ...more });

describe("of a resource", () => {
  test("each row that changed, was added or taken out, by its name", () => {
    const after = coverage({ status: "cancelled", payor: [{ display: "One" }, { display: "Two" }], period: { start: "2026-01-31" } });
    const { subscriberId: _gone, ...kept } = after;
    expect(changesOf(coverage({}), kept)).toEqual([
      { name: "Status", before: "active", after: "cancelled" },
      { name: "Payer", after: "Two" },
      { name: "Period", after: "January 31, 2026" },
      { name: "Number of the subscriber", before: "S-1" },
    ]);
  });
  test("what machines wrote about it is none", () => {
    expect(changesOf(coverage({ meta: { versionId: "1" } }), coverage({ meta: { versionId: "2" }, id: "b" }))).toEqual([]);
  });
});

describe("of a text", () => {
  const old = "The right knee.\nRest for a week.";
  test("words that changed stand between those that did not", () => {
    expect(differences(old, "The left knee.\nRest for a week.")).toEqual([
      { kind: "same", text: "The " },
      { kind: "gone", text: "right" },
      { kind: "new", text: "left" },
      { kind: "same", text: " knee.\nRest for a week." },
    ]);
  });
  test("what is gone and what is same give the old text; what is new and what is same the new one", () => {
    // Drawn from few words, so that they repeat.
    let seed = 7;
    const drawn = () => Array.from({ length: 40 }, () => "abc de\n"[(seed = (seed * 1103515245 + 12345) % 2 ** 31) % 7]).join("");
    for (let round = 0; round < 200; round++) {
      const [one, other] = [drawn(), drawn()];
      const parts = differences(one, other);
      const text = (without: string) => parts.filter((part) => part.kind !== without).map((part) => part.text).join("");
      expect([text("new"), text("gone")]).toEqual([one, other]);
    }
  });
  test("texts too large for words are compared by lines, and beyond that shown one after the other", () => {
    const lines = (count: number, word: string) => Array.from({ length: count }, (_, at) => `${word}${at} is a line of some words here\n`).join("");
    const parts = differences(`${lines(900, "a")}same\n${lines(3, "a")}`, `${lines(900, "b")}same\n${lines(3, "b")}`);
    expect(parts.map((part) => part.kind)).toEqual(["gone", "new", "same", "gone", "new", "same"].slice(0, parts.length));
    expect(parts.some((part) => part.kind === "same" && part.text.includes("same\n"))).toBe(true);
    expect(differences(lines(9000, "a"), lines(9000, "b")).map((part) => part.kind)).toEqual(["gone", "new"]);
  });
});

test("documents are found wherever a resource has them", () => {
  const attachment = { contentType: "text/plain", data: "YQ==" };
  expect(attachmentsOf({ resourceType: "DiagnosticReport", presentedForm: [attachment], contained: [attachment] })).toEqual([attachment]);
  expect(attachmentsOf({ resourceType: "DocumentReference", content: [{ attachment }, { attachment }] })).toHaveLength(2);
});
