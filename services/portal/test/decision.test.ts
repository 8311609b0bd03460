import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Deployment, TypedData } from "../src/api/types";
import * as decision from "../src/words/decision";
import { explain, Unexplained } from "../src/words/decision";
import { Names } from "../src/words/names";

const A = "0x14dc79964da2c08b23698b3d3cc7ca32193d9955";
const B = "0x976ea74026e726554db657fa54763abd0c3a0aa9";
const CONSENT = "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512";
const ZERO = `0x${"0".repeat(64)}`;
const deployment: Deployment = {
  chainId: 31337,
  contracts: { directory: "0x5fbdb2315678afecb367f032d93f642f64180aa3", consent: CONSENT, anchors: "0x9fe46736679d2d9a65f0992f2272de9f3c7fa6e0" },
  firstBlock: 1,
  confirmations: 2,
  organisations: [],
  papersRecipient: "age1",
  papersBytes: 0,
};
const around = { deployment, account: A as `0x${string}`, names: new Names(deployment, A) };

function grant(change: (data: TypedData) => void = () => {}): TypedData {
  const types =
    "address patient,address grantee,string scope,bytes32 record,uint64 serial,uint8 permission,uint64 until,string purpose,uint32 epoch,uint16 suite,bytes32 recipientKeyHash,bytes32 wrapHash";
  const data: TypedData = {
    domain: { name: "Chartseal", version: "1", chainId: 31337, verifyingContract: CONSENT },
    types: { Grant: types.split(",").map((field) => ({ type: field.split(" ")[0]!, name: field.split(" ")[1]! })) },
    primaryType: "Grant",
    message: { patient: A, grantee: B, scope: "clinical", record: ZERO, serial: 1, permission: 1, until: 1893456000, purpose: "TREAT", epoch: 1, suite: 1, recipientKeyHash: ZERO, wrapHash: ZERO },
  };
  change(data);
  return data;
}

describe("a grant", () => {
  test("is one sentence made from its terms", () => {
    expect(explain(grant(), around).sentence).toMatch(/^You allow 0x976e…0aa9 to read your clinical records until .*20(29|30).*, for treatment\.$/);
    expect(explain(grant((d) => (d.message.permission = 3)), around).sentence).toContain("read and add to your clinical records");
    expect(explain(grant((d) => (d.message.scope = "claims")), around).sentence).toContain("insurance claims");
  });
  test("without an end says so", () => {
    expect(explain(grant((d) => (d.message.until = "18446744073709551615")), around).sentence).toContain("without an end");
  });
  test("of a part without words keeps the part's own name", () => {
    expect(explain(grant((d) => (d.message.scope = "constructor")), around).sentence).toContain("“constructor”");
  });
});

describe("a grant of one record", () => {
  const COMMITMENT = `0x${"1".repeat(64)}`;
  const opens = { cid: "bafkrei", recordId: `0x${"ab".repeat(32)}` as const, version: 2, resourceType: "Claim", scope: "claims" };
  const one = (change: (data: TypedData) => void = () => {}) =>
    grant((d) => {
      Object.assign(d.message, { scope: "", record: COMMITMENT, epoch: 0, suite: 0, purpose: "HPAYMT" });
      change(d);
    });
  test("says who reads which version of which record, and that it is no more", () => {
    const said = explain(one(), { ...around, opens });
    expect(said.sentence).toMatch(/^You allow 0x976e…0aa9 to read one record until .*20(29|30).*, for paying a claim\.$/);
    expect(said.terms).toContainEqual(["Record", "Insurance claim, from your insurance claims, number abababab…, version 2"]);
    expect(said.effect).toContain("nothing else");
  });
  test("is withdrawn by name too", () => {
    const revoke: TypedData = {
      ...grant(),
      types: { Revoke: ["address patient", "address grantee", "string scope", "bytes32 record", "uint64 serial"].map((field) => ({ type: field.split(" ")[0]!, name: field.split(" ")[1]! })) },
      primaryType: "Revoke",
      message: { patient: A, grantee: B, scope: "", record: COMMITMENT, serial: 1 },
    };
    expect(explain(revoke, { ...around, opens }).terms).toContainEqual(["Loses access to", expect.stringContaining("number abababab…")]);
    expect(() => explain(revoke, around)).toThrow(Unexplained);
  });
  const cases: [string, (data: TypedData) => void][] = [
    ["it also lets them write", (d) => (d.message.permission = 3)],
    ["it carries a wrap", (d) => (d.message.wrapHash = COMMITMENT)],
    ["it names an epoch", (d) => (d.message.epoch = 1)],
    ["it is of no record", (d) => (d.message.record = ZERO)],
  ];
  test.each(cases)("has no words where %s", (_, change) => {
    expect(() => explain(one(change), { ...around, opens })).toThrow(Unexplained);
  });
  test("has no words where nobody says which record it is", () => {
    expect(() => explain(one(), around)).toThrow(Unexplained);
  });
});

describe("no words, and so no signature, for", () => {
  const cases: [string, (data: TypedData) => void][] = [
    ["another patient's decision", (d) => (d.message.patient = B)],
    ["another chain", (d) => (d.domain.chainId = 1)],
    ["another contract", (d) => (d.domain.verifyingContract = B)],
    ["another product", (d) => (d.domain.name = "Other")],
    ["an unknown kind", (d) => (d.primaryType = "Permit")],
    ["a kind named like a property of every object", (d) => (d.primaryType = "toString")],
    ["a further field", (d) => (d.message.extra = 1)],
    ["a missing field", (d) => delete d.message.until],
    ["fields in another order", (d) => d.types.Grant!.reverse()],
    ["a further type", (d) => (d.types.Other = [])],
    ["an unknown permission", (d) => (d.message.permission = 7)],
    ["one record behind a commitment", (d) => (d.message.record = `0x${"1".repeat(64)}`)],
    ["a number that is none", (d) => (d.message.until = "soon")],
  ];
  test.each(cases)("%s", (_, change) => {
    expect(() => explain(grant(change), around)).toThrow(Unexplained);
  });
});

test("every kind has the fields that docs/format.md gives it", () => {
  const format = readFileSync(join(import.meta.dirname, "../../../docs/format.md"), "utf8");
  for (const [kind, fields] of Object.entries({ ...decision.CONSENT, ...decision.DIRECTORY })) expect(format).toContain(`    ${kind}(${fields})\n`);
});
