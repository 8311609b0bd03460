// Reading with a key of one's own, against the vectors: the chain's events, the release and the wrap are theirs, byte for byte.

import { bytesToHex, encodeAbiParameters, encodeEventTopics, type Hex, parseAbiItem, toHex } from "viem";
import { expect, test } from "vitest";
import type { Gateway } from "../../src/api/gateway";
import type { Deployment, Grant } from "../../src/api/types";
import { bytes } from "../../src/custody/capsule";
import { GRANTED, REWRAPPED } from "../../src/custody/chain";
import { type Asked, Reader, typedRelease } from "../../src/custody/reader";
import type { Provider } from "../../src/wallet/provider";
import { explain } from "../../src/words/decision";
import { Names } from "../../src/words/names";
import { vectors } from "./vectors";

const { wrap, release, link } = vectors("envelope");
const { patient, grantee, scope, compartment } = vectors("record").places as Record<string, Hex>;
const CUSTODIAN: Hex = `0x${"40".repeat(20)}`;
const ZERO: Hex = `0x${"00".repeat(32)}`;

const ADVANCED = parseAbiItem("event Advanced(bytes32 indexed compartment, address indexed patient, string scope, uint32 epoch, uint16 suite, bytes key, bytes link, address by)");
type Shown = { event: typeof ADVANCED | typeof GRANTED | typeof REWRAPPED; indexed: Record<string, unknown>; rest: unknown[] };

/** A chain with two epochs, the second linked to the first, and one grant. `wraps`: the grant's. */
function provider(wraps: Hex[]): Provider {
  const advanced = (epoch: number, key: Hex, back: Hex): Shown => ({ event: ADVANCED, indexed: { compartment, patient }, rest: [scope, epoch, 1, key, back, CUSTODIAN] });
  const granted: Shown = { event: GRANTED, indexed: { slot: wrap.slot, patient, grantee }, rest: [scope, ZERO, 1n, 1, 9n, "TREAT", 2, 1, wrap.recipientKeyHash, wraps[0], "0x"] };
  const again = (one: Hex): Shown => ({ event: REWRAPPED, indexed: { slot: wrap.slot }, rest: [1n, 2, 1, wrap.recipientKeyHash, one, CUSTODIAN] });
  const all = [advanced(1, link.previousPublicKey, "0x"), advanced(2, wrap.publicKey, link.link), granted, ...wraps.slice(1).map(again)];
  const logs = all.map(({ event, indexed, rest }) => {
    const inputs = event.inputs.filter((input) => !("indexed" in input && input.indexed));
    return { address: wrap.consent, topics: encodeEventTopics({ abi: [event], args: indexed } as never) as Hex[], data: encodeAbiParameters(inputs, rest as never), blockNumber: "0x1", logIndex: "0x0", transactionIndex: "0x0", transactionHash: ZERO, blockHash: ZERO, removed: false };
  });
  return {
    async request({ method, params = [] }) {
      if (method === "eth_getLogs") {
        const [{ topics }] = params as [{ topics: Hex[] }];
        return logs.filter((log) => log.topics[0] === [topics[0]].flat()[0]);
      }
      if (method === "eth_call") return encodeAbiParameters(parseAbiItem("function f(address custodian, uint8 custody)").inputs, [CUSTODIAN, 1]);
      throw new Error(`not asked for here: ${method}`);
    },
  };
}

const deployment = { chainId: wrap.chainId, contracts: { consent: wrap.consent, directory: `0x${"11".repeat(20)}` }, firstBlock: 1, organisations: [] } as unknown as Deployment;
const grant = { scope, serial: 1, epoch: 2, purpose: "TREAT" } as unknown as Grant;

function shared(wraps: Hex[] = [wrap.wrap], secret: Hex = wrap.identity) {
  const kit = { chainId: wrap.chainId, consent: wrap.consent, account: grantee!, holds: "key" as const, secret: bytes(secret) };
  return new Reader(kit, { deployment, account: grantee!, gateway: {} as Gateway, provider: provider(wraps) }).of(patient!);
}

/** What is asked, with the nonce of the vectors' release. */
const withNonce = ({ release: asked, ...rest }: Asked): Asked => ({ ...rest, release: { ...asked, nonce: release.nonce } });

test("what is signed names the chain's wrap and custodian, and has words", async () => {
  const asked = await shared().asked(grant);
  expect(asked.release).toMatchObject({ slot: wrap.slot, serial: 1, epoch: 2, reader: grantee, purpose: "TREAT", custodian: CUSTODIAN });
  expect((await shared().asked(grant)).release.nonce).not.toBe(asked.release.nonce);
  const words = explain(typedRelease(asked.release, wrap), { deployment, account: grantee!, names: new Names(deployment, grantee!) });
  expect(words.sentence).toBe("You ask 0x4040…4040 for the key of records that a patient lets you read.");
});

test("a release opens the wrap to the key on the chain, and the link leads to the epoch before", async () => {
  const one = shared();
  expect(one.holds(grant)).toBe(false);
  await expect((async () => (await one.ring()).secret(compartment!, 2))()).rejects.toThrow("Go back and get it");
  await one.take(withNonce(await one.asked(grant)), release.release);
  expect(one.holds(grant)).toBe(true);
  const ring = await one.ring();
  expect([2, 1].map((epoch) => bytesToHex(ring.secret(compartment!, epoch)))).toEqual([wrap.secret, link.previousSecret]);
  // The next epoch's key is another.
  expect(one.holds({ ...grant, epoch: 3 })).toBe(false);
});

test("of two wraps of one epoch, the one that was released counts", async () => {
  const one = shared([toHex(new Uint8Array(80).fill(7)), wrap.wrap]);
  await one.take(withNonce(await one.asked(grant)), release.release);
  expect(one.holds(grant)).toBe(true);
});

test("a release for another nonce, and a wrap that does not give the chain's key, are caught", async () => {
  const one = shared();
  await expect(one.take(await one.asked(grant), release.release)).rejects.toMatchObject({ trick: "wrong-release" });
  const other = shared([toHex(new Uint8Array(80).fill(7))]);
  await expect(other.take(withNonce(await other.asked(grant)), release.release)).rejects.toMatchObject({ trick: "wrong-release" });
  expect([one.holds(grant), other.holds(grant)]).toEqual([false, false]);
});

test("a grant made out to another key of the reader's is said to be", async () => {
  await expect(shared([wrap.wrap], wrap.secret).asked(grant)).rejects.toThrow("not made out to the key in this browser");
});
