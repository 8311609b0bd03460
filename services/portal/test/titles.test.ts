import { describe, expect, test } from "vitest";
import { type Gateway, Problem } from "../src/api/gateway";
import type { RecordRow, Resource } from "../src/api/types";
import { Caught } from "../src/custody/caught";
import { titlesOf } from "../src/record/titles";
import { inWords } from "../src/words/problems";

const id = (n: number) => n.toString(16).padStart(64, "0");
const row = (n: number, resourceType: string) => ({ recordId: `0x${id(n)}`, resourceType }) as RecordRow;
const ROWS = [row(1, "DocumentReference"), row(2, "DocumentReference"), row(3, "DocumentReference"), row(4, "Claim")];
const RESOURCES: Resource[] = [
  { resourceType: "DocumentReference", id: id(1), description: "Letter" },
  { resourceType: "DocumentReference", id: id(2), description: "Changed" },
  { resourceType: "DocumentReference", id: id(3), description: "Picture" },
  { resourceType: "Claim", id: id(4), identifier: [{ value: "C-1" }] },
];

/** A gateway on which the second record does not open, so that no search over it does. */
function gateway(failed: unknown) {
  const asked: string[] = [];
  const opened = (resource: Resource) => {
    if (resource.id === id(2)) throw failed;
    return resource;
  };
  const faked = {
    search: async (type: string) => ({ entry: RESOURCES.filter((one) => one.resourceType === type).map((one) => ({ resource: opened(one) })) }),
    get: async (path: string) => {
      asked.push(path);
      return opened(RESOURCES.find((one) => path === `/fhir/R4/${one.resourceType}/${one.id}`)!);
    },
  };
  return { asked, gateway: faked as unknown as Gateway };
}

describe.each([
  ["by the gateway", new Problem(500, "content-corrupt", "x"), "does not match its proof"],
  ["in this browser", new Caught("changed-record"), "do not match its fingerprint"],
])("a record caught %s", (_, failed, words) => {
  test("is named, and so are all the others", async () => {
    const { asked, gateway: at } = gateway(failed);
    const { titles, caught } = await titlesOf(at, ROWS);
    expect([...titles.values()].sort()).toEqual(["Claim C-1", "Letter", "Picture"]);
    expect([...caught].map(([at, why]) => [at, inWords(why)])).toEqual([[`0x${id(2)}`, expect.stringContaining(words)]]);
    // Each opening stands in the journal: the claim, whose search held, is not opened again.
    expect(asked).toHaveLength(3);
  });
});

test("a gateway that is away is not blamed on a record", async () => {
  const { asked, gateway: at } = gateway(new Problem(0, "offline", "x"));
  await expect(titlesOf(at, ROWS)).rejects.toThrow(Problem);
  expect(asked).toEqual([]);
});
