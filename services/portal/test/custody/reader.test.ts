// Reading with a key of one's own, against the vectors: the chain's events, the release and the wrap are theirs, byte for byte.

import { bytesToHex, type Hex, toHex } from "viem";
import { expect, test } from "vitest";
import type { Gateway } from "../../src/api/gateway";
import type { Grant, Resource } from "../../src/api/types";
import { type Bytes, bytes, seal } from "../../src/custody/capsule";
import { type Asked, Reader, type Released, typedRelease } from "../../src/custody/reader";
import { commitmentTo, slotOf } from "../../src/custody/place";
import { openRecord } from "../../src/custody/record";
import { releaseContext, sealRecordWrap } from "../../src/custody/seals";
import { digestOf, hashOfStatement, RAW } from "../../src/proof/receipt";
import { explain } from "../../src/words/decision";
import { Names } from "../../src/words/names";
import { CUSTODIAN, deployment, provider, ZERO } from "./chain";
import { gatewayOf, type Sealed, sealed } from "./sealed";
import { vectors } from "./vectors";

const { wrap, release, link } = vectors("envelope");
const { patient, grantee, scope, compartment } = vectors("record").places as Record<string, Hex>;
const grant = { scope, serial: 1, epoch: 2, purpose: "TREAT" } as unknown as Grant;
function shared(wraps: Hex[] = [wrap.wrap], secret: Hex = wrap.identity, gateway = {} as Gateway, allowed = true) {
  const kit = { chainId: wrap.chainId, consent: wrap.consent, account: grantee!, holds: "key" as const, secret: bytes(secret) };
  return new Reader(kit, { deployment, account: grantee!, gateway, provider: provider(wraps, allowed) }).of(patient!);
}

const released: Released = { release: release.release, epoch: 2 };

/** What is asked, with the nonce of the vectors' release. */
const withNonce = (asked: Asked): Asked => ({ ...asked, release: { ...asked.release, nonce: release.nonce } });

test("what is signed names the chain's wrap and custodian, and has words", async () => {
  const asked = await shared().asked(grant);
  expect(asked.release).toMatchObject({ slot: wrap.slot, serial: 1, epoch: 2, reader: grantee, purpose: "TREAT", custodian: CUSTODIAN });
  expect((await shared().asked(grant)).release.nonce).not.toBe(asked.release.nonce);
  const words = explain(typedRelease(asked.release, wrap), { deployment, account: grantee!, names: new Names(deployment, grantee!) });
  expect(words.sentence).toBe("You ask 0x4040…4040 for the key of records that a patient lets you read.");
});

test("a release opens the wrap to the key on the chain, and the link leads to the epoch before", async () => {
  const mine = shared();
  expect(mine.holds(grant)).toBe(false);
  await expect((async () => (await mine.ring()).secret(compartment!, 2))()).rejects.toThrow("Go back and get it");
  await mine.take(withNonce(await mine.asked(grant)), released);
  expect(mine.holds(grant)).toBe(true);
  const ring = await mine.ring();
  expect([2, 1].map((epoch) => bytesToHex(ring.secret(compartment!, epoch)))).toEqual([wrap.secret, link.previousSecret]);
  // The next epoch's key is another.
  expect(mine.holds({ ...grant, epoch: 3 })).toBe(false);
});

test("of two wraps of one epoch, the one that was released counts", async () => {
  const mine = shared([toHex(new Uint8Array(80).fill(7)), wrap.wrap]);
  await mine.take(withNonce(await mine.asked(grant)), released);
  expect(mine.holds(grant)).toBe(true);
});

test("a release for another nonce, and a wrap that does not give the chain's key, are caught", async () => {
  const mine = shared();
  await expect(mine.take(await mine.asked(grant), released)).rejects.toMatchObject({ trick: "wrong-release" });
  const other = shared([toHex(new Uint8Array(80).fill(7))]);
  await expect(other.take(withNonce(await other.asked(grant)), released)).rejects.toMatchObject({ trick: "wrong-release" });
  expect([mine.holds(grant), other.holds(grant)]).toEqual([false, false]);
});

test("a grant made out to another key of the reader's is said to be", async () => {
  await expect(shared([wrap.wrap], wrap.secret).asked(grant)).rejects.toThrow("not made out to the key in this browser");
});

/** Two records of one part, sealed to one key; the first is granted alone. */
async function granted() {
  const place = { patient: patient!, scope: scope!, key: bytes(wrap.publicKey), epoch: 2 };
  const [first, second] = await Promise.all(["c1", "c2"].map((byte) => sealed(wrap, { ...place, id: byte.repeat(32), resource: { resourceType: "Claim", id: byte } })));
  const salt: Hex = `0x${"5a".repeat(32)}`;
  const record = commitmentTo(hashOfStatement(first!.statement, wrap.chainId, wrap.consent), salt);
  const contentHash = digestOf(first!.row.cid, RAW);
  const { fileKey } = await openRecord(first!.bytes, contentHash, bytes(wrap.secret), first!.statement.compartment);
  const at = { ...wrap, slot: slotOf(patient!, grantee!, { record }), contentHash };
  const { wrap: own, releaseKey } = await sealRecordWrap(at, bytes(wrap.recipient), fileKey);
  /** What the custodian answers, with another word here and there. */
  const answer = async (asked: Asked, change: Partial<NonNullable<Released["record"]>> = {}, key: Bytes = releaseKey): Promise<Released> => ({
    release: bytesToHex(await seal(bytes(wrap.recipient), key, releaseContext({ ...at, nonce: asked.release.nonce }))),
    epoch: 2,
    record: { cid: first!.row.cid, salt, wrap: bytesToHex(own), ...change },
  });
  const grant = { scope: "", record, serial: 1, epoch: 0, purpose: "HPAYMT" } as unknown as Grant;
  return { first: first!, second: second!, grant, answer, gateway: gatewayOf([second!, first!]) as unknown as Gateway };
}

test("a record that is granted alone opens by its release, and another of the same part does not", async () => {
  const { first, second, grant: alone, answer, gateway } = await granted();
  const mine = shared([wrap.wrap], wrap.identity, gateway);
  const asked = await mine.asked(alone);
  const slot = slotOf(patient!, grantee!, { record: alone.record });
  expect(asked.release).toMatchObject({ slot, serial: 1, epoch: 0, reader: grantee, custodian: CUSTODIAN });
  const around = { deployment, account: grantee!, names: new Names(deployment, grantee!) };
  expect(explain(typedRelease(asked.release, wrap), { ...around, opens: first.row }).sentence).toContain("the key of one record that a patient lets you read");
  expect(() => explain(typedRelease(asked.release, wrap), around)).toThrow("not said which record");
  const open = ({ row }: Sealed) => mine.gateway.get<Resource>(`/fhir/R4/Claim/${row.recordId.slice(2)}`);
  await expect(open(first)).rejects.toThrow("Go back and get it");

  await mine.take(asked, await answer(asked));
  expect([mine.holds(alone), mine.holds(grant)]).toEqual([true, false]);
  expect(await open(first)).toMatchObject({ resourceType: "Claim", id: "c1".repeat(32) });
  await expect(open(second)).rejects.toThrow("Go back and get it");
});

test("a later version is another record: what was granted alone is no newest version any more", async () => {
  const { first, grant: alone, answer } = await granted();
  const rows = { newest: [], all: [first.row] };
  const gateway = { ...gatewayOf([first]), get: async (path: string) => (path.includes("newest=true") ? rows.newest : rows.all) } as unknown as Gateway;
  const mine = shared([wrap.wrap], wrap.identity, gateway);
  const asked = await mine.asked(alone);
  await mine.take(asked, await answer(asked));
  const path = `/fhir/R4/Claim/${first.row.recordId.slice(2)}`;
  await expect(mine.gateway.get(path)).rejects.toThrow("There is no such record.");
  expect(await mine.gateway.search("Claim", {})).toMatchObject({ total: 0 });
  expect(await mine.gateway.get(`${path}/_history/1`)).toMatchObject({ id: first.row.recordId.slice(2) });
});

test("a custodian that hands out another record, salt or key is caught, and nothing of it is kept", async () => {
  const { second, grant: alone, answer, gateway } = await granted();
  const mine = shared([wrap.wrap], wrap.identity, gateway);
  const asked = await mine.asked(alone);
  const tricks: [string, Released][] = [
    ["other-record", await answer(asked, { salt: ZERO })],
    ["wrong-release", await answer(asked, { cid: second.row.cid })],
    ["wrong-release", await answer(asked, { wrap: toHex(new Uint8Array(64)) })],
    ["wrong-release", await answer(asked, {}, new Uint8Array(32))],
    ["wrong-release", { ...(await answer(asked)), epoch: 3 }],
    ["wrong-release", { release: (await answer(asked)).release, epoch: 2 }],
  ];
  for (const [trick, released] of tricks) await expect(mine.take(asked, released), trick).rejects.toMatchObject({ trick });
  expect(mine.holds(alone)).toBe(false);
  await mine.take(asked, await answer(asked));
});

test("a grant of one record that the chain does not know, or says has ended, is not asked for", async () => {
  const { grant: alone, gateway } = await granted();
  await expect(shared([wrap.wrap], wrap.identity, gateway, false).asked(alone)).rejects.toThrow("The chain does not know this permission");
});
