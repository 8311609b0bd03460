// A patient who keeps the keys grants a claim and what it cites, each alone: what the device makes opens for the grantee, and a gateway
// that lays out something else is caught.

import { bytesToHex, type Hex, keccak256 } from "viem";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Gateway } from "../../src/api/gateway";
import type { Intent } from "../../src/api/types";
import { type OwnRecords, citedIn } from "../../src/custody/alone";
import { bytes } from "../../src/custody/capsule";
import { Own } from "../../src/custody/own";
import { commitmentTo, slotOf } from "../../src/custody/place";
import { openWithFileKey } from "../../src/custody/record";
import { openRecordWrap } from "../../src/custody/seals";
import { layOutClaim } from "../../src/parts/own";
import { digestOf, hashOfStatement, RAW } from "../../src/proof/receipt";
import type { Session } from "../../src/session";
import { deployment, provider } from "./chain";
import { gatewayOf, sealed } from "./sealed";
import { vectors } from "./vectors";

const { wrap, epoch_secret: epoch } = vectors("envelope");
const { patient, grantee, scope } = vectors("record").places as Record<string, Hex>;
const BASE = "http://gateway.example/fhir/R4";
beforeAll(() => vi.stubGlobal("location", { origin: "http://gateway.example" }));
afterAll(() => vi.unstubAllGlobals());
const id = (byte: string) => byte.repeat(32);
const reference = (byte: string, version = "") => ({ reference: `DocumentReference/${id(byte)}${version}` });

test("a claim cites what the vector says, as the gateway reads it", () => {
  const { base, claim, cites } = vectors("claim");
  const byPlace = (found: object[]) => [...new Set(found.map((one) => JSON.stringify(one)))].sort();
  expect(byPlace(citedIn(claim, base))).toEqual(byPlace(cites));
});

/** A claim in two versions, two notes it cites, one of them in an older version, and one it does not. */
async function stored() {
  const place = { patient: patient!, scope: scope!, key: bytes(wrap.publicKey), epoch: 2 };
  const claim = { resourceType: "Claim", patient: reference("0a"), supportingInfo: [reference("0b"), reference("0c", "/_history/1"), reference("0d"), reference("0b")] };
  const note = (text: string) => ({ resourceType: "DocumentReference", description: text });
  const all = [
    { id: id("c1"), version: 2, resource: claim },
    { id: id("c1"), version: 1, resource: { ...claim, supportingInfo: [reference("0e")] } },
    { id: id("0c"), version: 2, resource: note("later") },
    { id: id("0c"), version: 1, resource: note("earlier") },
    { id: id("0b"), resource: note("cited") },
    { id: id("0e"), resource: note("not cited") },
    { id: id("0a"), resource: { resourceType: "Patient" } },
  ];
  return Promise.all(all.map((one) => sealed(wrap, { ...place, ...one })));
}

async function patientsOwn(answer?: (made: OwnRecords) => unknown, later = 0) {
  const all = await stored();
  const observation = { ...all[6]!, row: { ...all[6]!.row, resourceType: "Observation" } };
  const others = Array.from({ length: later }, (_, place) => ({ ...observation, row: { ...observation.row, recordId: `0x${place.toString(16).padStart(64, "f")}` as Hex } }));
  const rows = gatewayOf([...others, ...all], (path) => (path === `/v1/accounts/${grantee}` ? { encryptionKey: wrap.recipient } : path.startsWith("/v1/accounts/") ? { custody: "self" } : undefined));
  const handed: unknown[] = [];
  const post = async (_path: string, body: { own: OwnRecords }) => {
    handed.push(body);
    return answer!(body.own);
  };
  const gateway = Object.assign(new Gateway(), rows, { post }) as Gateway;
  const kit = { chainId: wrap.chainId, consent: wrap.consent, account: patient!, holds: "root" as const, secret: bytes(epoch.root) };
  const own = new Own(kit, { deployment, account: patient!, gateway, provider: provider([wrap.wrap]) });
  const session = { gateway: own.gateway, account: patient!, own } as unknown as Session;
  return { all, own, session, handed };
}

test("of the claim's newest version and each version it cites, the key is sealed to the grantee, bound to its own slot", async () => {
  const { all, own } = await patientsOwn();
  const { recipientKeyHash, records } = await own.alone(grantee!, `0x${id("c1")}`, BASE);
  expect(recipientKeyHash).toBe(keccak256(wrap.recipient));
  expect(records[0]!.opens).toEqual({ cid: all[0]!.row.cid, recordId: `0x${id("c1")}`, version: 2, scope, resourceType: "Claim" });
  expect(records.map(({ opens }) => `${opens.recordId.slice(2, 4)}/${opens.version}`).sort()).toEqual(["0b/1", "0c/1", "c1/2"]);
  expect(new Set(records.map(({ kept }) => kept.salt)).size).toBe(3);
  for (const { kept, commitment } of records) {
    const { statement, bytes: file } = all.find((one) => one.row.cid === kept.cid)!;
    expect(commitment).toBe(commitmentTo(hashOfStatement(statement, wrap.chainId, wrap.consent), kept.salt));
    const contentHash = digestOf(kept.cid, RAW);
    const at = { chainId: wrap.chainId, consent: wrap.consent, slot: slotOf(patient!, grantee!, { record: commitment }), serial: 1, epoch: 2, contentHash };
    const fileKey = await openRecordWrap(at, bytes(wrap.identity), bytes(kept.releaseKey), bytes(kept.wrap));
    expect((await openWithFileKey(file, contentHash, fileKey)).statement).toEqual(statement);
      expect(JSON.stringify(records)).not.toContain(bytesToHex(fileKey).slice(2));
    await expect(openRecordWrap({ ...at, epoch: 1 }, bytes(wrap.identity), bytes(kept.releaseKey), bytes(kept.wrap))).rejects.toThrow();
  }
  await expect(own.alone(grantee!, `0x${id("0b")}`, BASE)).rejects.toThrow("There is no such record.");
});

test("a claim is found among any number of records that came later", async () => {
  for (const later of [199, 200, 401]) {
    const { own } = await patientsOwn(undefined, later);
    expect((await own.alone(grantee!, `0x${id("c1")}`, BASE)).records.length, `${later}`).toBe(3);
  }
});

/** What an honest gateway lays out, with another word here and there. */
async function laidOut(change: (sign: { typedData: { message: Record<string, unknown> }; opens?: object }[]) => object[] = (sign) => sign) {
  const { all, own, session, handed } = await patientsOwn(({ records }) => {
    const sign = (records as unknown as { cid: string; salt: Hex }[]).map(({ cid, salt }, place) => {
      const record = commitmentTo(hashOfStatement(all.find((one) => one.row.cid === cid)!.statement, wrap.chainId, wrap.consent), salt);
      return { as: `grant:${place}`, signer: patient, typedData: { message: { record, serial: "1", grantee } }, opens: { resourceType: "Patient" } };
    });
    return { id: "1", sign: change(sign) } as unknown as Intent;
  });
  session.gateway = own.gateway;
  return { laid: layOutClaim(session, grantee!, `0x${id("c1")}`, { kind: "grantClaim" }), handed };
}

test("what is signed is of the records that were made ready, and the device says which they are", async () => {
  const { laid, handed } = await laidOut();
  const { sign } = await laid;
  expect(sign.map(({ opens }) => opens?.resourceType)).toEqual(["Claim", "DocumentReference", "DocumentReference"]);
  expect(handed).toMatchObject([{ kind: "grantClaim", own: { recipientKeyHash: keccak256(wrap.recipient) } }]);
  expect(Object.keys((handed[0] as { own: { records: object[] } }).own.records[0]!).sort()).toEqual(["cid", "releaseKey", "salt", "wrap"]);
});

const ANOTHER: Record<string, Parameters<typeof laidOut>[0]> = {
  "another commitment": ([first, ...rest]) => [{ ...first, typedData: { message: { ...first!.typedData.message, record: `0x${"77".repeat(32)}` } } }, ...rest],
  "another order": (sign) => sign.toReversed(),
  "another serial": ([first, ...rest]) => [{ ...first, typedData: { message: { ...first!.typedData.message, serial: 2 } } }, ...rest],
  "another grantee": ([first, ...rest]) => [{ ...first, typedData: { message: { ...first!.typedData.message, grantee: patient } } }, ...rest],
  "one more": (sign) => [...sign, sign[0]!],
  "one less": (sign) => sign.slice(1),
};

test.each(Object.keys(ANOTHER))("a gateway that lays out %s is caught, and nothing is signed", async (name) => {
  await expect((await laidOut(ANOTHER[name])).laid).rejects.toMatchObject({ trick: "other-decision" });
});
