// A receipt, checked in this browser: that the record stands under the root, and that the chain has the root.

import {
  bytesToHex,
  concat,
  createPublicClient,
  custom,
  encodeAbiParameters,
  hashTypedData,
  keccak256,
  recoverAddress,
} from "viem";
import type { Deployment, Hex, Receipt } from "../api/types";
import type { Provider } from "../wallet/provider";
import { type Message, t } from "../words/language";
import { same } from "../words/names";

export type Step = { says: Message; holds: boolean };

const ANCHORS = [
  {
    type: "function",
    name: "verify",
    stateMutability: "view",
    inputs: [
      { name: "org", type: "address" },
      { name: "root", type: "bytes32" },
      { name: "count", type: "uint32" },
      { name: "manifest", type: "bytes32" },
      { name: "leaf", type: "bytes32" },
      { name: "proof", type: "bytes32[]" },
    ],
    outputs: [{ type: "uint64" }],
  },
] as const;

const DIRECTORY = [
  {
    type: "function",
    name: "isStatementKey",
    stateMutability: "view",
    inputs: [
      { name: "who", type: "address" },
      { name: "key", type: "address" },
      { name: "block", type: "uint64" },
    ],
    outputs: [{ type: "bool" }],
  },
  {
    type: "function",
    name: "authority",
    stateMutability: "view",
    inputs: [{ name: "who", type: "address" }],
    outputs: [{ type: "address" }, { type: "uint8" }, { type: "uint8" }, { type: "uint64" }],
  },
] as const;

/** The SHA-256 in a CIDv1 of these lengths: `b`, version, codec, 0x12 0x20, 32 bytes. */
export function digestOf(cid: string, codec: number): Hex {
  if (!/^b[a-z2-7]+$/.test(cid)) throw new Error(t("The receipt names its content in a form this page cannot check, so it proves nothing."));
  const bytes: number[] = [];
  let [bits, held] = [0, 0];
  for (const letter of cid.slice(1)) {
    bits = ((bits << 5) | "abcdefghijklmnopqrstuvwxyz234567".indexOf(letter)) & 0xffff;
    held += 5;
    if (held >= 8) {
      held -= 8;
      bytes.push((bits >> held) & 0xff);
    }
  }
  const [version, named, hash, length] = bytes;
  if (version !== 1 || named !== codec || hash !== 0x12 || length !== 0x20 || bytes.length !== 36) {
    throw new Error(t("The receipt names its content in a form this page cannot check, so it proves nothing."));
  }
  return bytesToHex(Uint8Array.from(bytes.slice(4)));
}

export const RAW = 0x55;
const DAG_CBOR = 0x71;

/** OpenZeppelin's StandardMerkleTree leaf over (compartment, epoch, content hash). */
export function leaf(receipt: Receipt): Hex {
  const types = [{ type: "bytes32" }, { type: "uint32" }, { type: "bytes32" }] as const;
  const content = digestOf(receipt.cid, RAW);
  return keccak256(keccak256(encodeAbiParameters(types, [receipt.compartment, receipt.epoch, content])));
}

/** Whether the path leads from the leaf to the root; 13 siblings reach the largest batch. */
export function leads(receipt: Receipt): boolean {
  let node: Hex = leaf(receipt);
  for (const sibling of receipt.proof) {
    const [low, high] = BigInt(node) < BigInt(sibling) ? [node, sibling] : [sibling, node];
    node = keccak256(concat([low, high]));
  }
  return receipt.proof.length <= 13 && same(node, receipt.root);
}

/** What the author of a statement signed. */
export function hashOfStatement(statement: NonNullable<Receipt["statement"]>, chainId: number, consent: Hex): Hex {
  return hashTypedData({
    domain: { name: "Chartseal", version: "1", chainId, verifyingContract: consent },
    types: {
      Record: [
        { name: "compartment", type: "bytes32" },
        { name: "id", type: "bytes32" },
        { name: "version", type: "uint32" },
        { name: "previous", type: "bytes32" },
        { name: "resource", type: "bytes32" },
        { name: "author", type: "address" },
        { name: "authoredAt", type: "uint64" },
      ],
    },
    primaryType: "Record",
    message: { ...statement, authoredAt: BigInt(statement.authoredAt) },
  });
}

export function signerOf(hash: Hex, signature: Hex): Promise<Hex> {
  return recoverAddress({ hash, signature });
}

/** Who signed the author's statement. */
export async function signer(receipt: Receipt): Promise<Hex | undefined> {
  const { statement, signature } = receipt;
  if (!statement || !signature) return undefined;
  return signerOf(hashOfStatement(statement, receipt.chainId, receipt.contracts.consent), signature);
}

/** Every step, in order. The chain is asked through the wallet's own node, not the gateway. */
export async function check(receipt: Receipt, deployment: Deployment, provider: Provider): Promise<Step[]> {
  const steps: Step[] = [];
  const { contracts } = deployment;
  const here =
    receipt.format === "chartseal-receipt/1" &&
    receipt.chainId === deployment.chainId &&
    same(receipt.contracts.anchors, contracts.anchors) &&
    same(receipt.contracts.consent, contracts.consent);
  steps.push({ says: "The receipt is of this system", holds: here });
  steps.push({ says: "The record is part of the sealed batch", holds: leads(receipt) });
  const client = createPublicClient({ transport: custom(provider) });
  const chain = await client.getChainId();
  steps.push({ says: "Your wallet looks at the same chain", holds: chain === receipt.chainId });
  const anchored = await client.readContract({
    address: contracts.anchors,
    abi: ANCHORS,
    functionName: "verify",
    args: [
      receipt.organisation,
      receipt.root,
      receipt.count,
      digestOf(receipt.manifest, DAG_CBOR),
      leaf(receipt),
      receipt.proof,
    ],
  });
  steps.push({ says: "The chain holds the batch’s seal", holds: anchored > 0n });
  const by = await signer(receipt);
  if (by && receipt.statement) {
    const { author } = receipt.statement;
    const [listed, authority] = await Promise.all([
      client.readContract({
        address: contracts.directory,
        abi: DIRECTORY,
        functionName: "isStatementKey",
        args: [author, by, BigInt(receipt.block)],
      }),
      client.readContract({ address: contracts.directory, abi: DIRECTORY, functionName: "authority", args: [author] }),
    ]);
    const belongs = receipt.statement.compartment === receipt.compartment;
    steps.push({ says: "Its author signed it", holds: belongs && (listed || same(authority[0], by)) });
  }
  return steps;
}
