// The vectors' chain: two epochs of one part, the second linked to the first, and a grant.

import { encodeAbiParameters, encodeEventTopics, type Hex, keccak256, parseAbiItem, parseAbiParameters, toFunctionSelector } from "viem";
import type { Deployment } from "../../src/api/types";
import { GRANTED, REWRAPPED } from "../../src/custody/chain";
import type { Provider } from "../../src/wallet/provider";
import { vectors } from "./vectors";

const { wrap, link } = vectors("envelope");
const { patient, grantee, scope, compartment } = vectors("record").places as Record<string, Hex>;
export const CUSTODIAN: Hex = `0x${"40".repeat(20)}`;
export const ZERO: Hex = `0x${"00".repeat(32)}`;

const ADVANCED = parseAbiItem("event Advanced(bytes32 indexed compartment, address indexed patient, string scope, uint32 epoch, uint16 suite, bytes key, bytes link, address by)");
type Shown = { event: typeof ADVANCED | typeof GRANTED | typeof REWRAPPED; indexed: Record<string, unknown>; rest: unknown[] };

/** What the contracts answer, by function. */
function answers(allowed: boolean): Record<Hex, Hex> {
  const of = (signature: string, types: string, values: unknown[]): [Hex, Hex] => {
    return [toFunctionSelector(signature), encodeAbiParameters(parseAbiParameters(types), values as never)];
  };
  return Object.fromEntries([
    of("custodianOf(address)", "address custodian, uint8 custody", [CUSTODIAN, 1]),
    of("encryptionKeyOf(address)", "uint16 suite, bytes32 keyHash", [1, keccak256(wrap.recipient)]),
    of("isAllowed(address,address,bytes32,uint8)", "bool allowed", [allowed]),
    of("slotState(bytes32)", "uint64 serial, uint64 revoked, uint64 until, uint8 permission", [1n, allowed ? 0n : 1n, 9n, 1]),
    of("isStatementKey(address,address,uint64)", "bool listed", [true]),
    of("authority(address)", "address controller, uint8 role, uint8 status, uint64 expiry", [CUSTODIAN, 1, 1, 0n]),
  ]);
}

/** A chain with two epochs, the second linked to the first, and one grant, which counts or has ended. `wraps`: the grant's. */
export function provider(wraps: Hex[], allowed = true): Provider {
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
      if (method === "eth_blockNumber") return "0x9";
      const [{ data }] = params as [{ data: Hex }];
      const answer = answers(allowed)[data?.slice(0, 10) as Hex];
      if (method === "eth_call" && answer) return answer;
      throw new Error(`not asked for here: ${method}`);
    },
  };
}

export const deployment = { chainId: wrap.chainId, contracts: { consent: wrap.consent, directory: `0x${"11".repeat(20)}` }, firstBlock: 1, organisations: [] } as unknown as Deployment;
