// Links, wraps and releases: docs/format.md. What is opened is checked against the key on the chain by the caller's `expected`.

import { encodeAbiParameters, type Hex, keccak256, parseAbiParameters } from "viem";
import { type Bytes, bytes, type Context, open, random, seal } from "./capsule";
import { Caught } from "./caught";
import type { System } from "./place";
import { publicKey } from "./tree";

export const SUITE = 1;

const LINK = parseAbiParameters("string, uint16, uint256, address, bytes32, uint32, uint32");
const WRAP = parseAbiParameters("string, uint16, uint256, address, bytes32, uint64, uint32");
const RECORD_WRAP = parseAbiParameters("string, uint16, uint256, address, bytes32, uint64, uint32, bytes32");
const PSK_ID = parseAbiParameters("bytes32, uint64, uint32, bytes32");

/** From one epoch of a compartment to the one before. */
export interface Step extends System {
  compartment: Hex;
  previousEpoch: number;
  epoch: number;
}

/** One wrap of one grant. */
export interface At extends System {
  slot: Hex;
  serial: number;
  epoch: number;
}

export function linkContext({ chainId, consent, compartment, previousEpoch, epoch }: Step): Context {
  const terms = ["chartseal/v1/link", SUITE, BigInt(chainId), consent, compartment, previousEpoch, epoch] as const;
  return { info: bytes(encodeAbiParameters(LINK, terms)) };
}

/** The previous epoch's secret, sealed to the key of the next. */
export function sealLink(step: Step, key: Bytes, previousSecret: Bytes, seed?: Bytes): Promise<Bytes> {
  return seal(key, previousSecret, linkContext(step), seed);
}

/** The previous epoch's secret, which must give that epoch's key. */
export async function openLink(step: Step, secret: Bytes, link: Bytes, expected: Hex): Promise<Bytes> {
  return fitting(await open(secret, link, linkContext(step)).catch(broken("broken-link")), expected, "broken-link");
}

export function wrapContext({ chainId, consent, slot, serial, epoch }: At, recipient: Bytes, releaseKey: Bytes): Context {
  const terms = ["chartseal/v1/wrap", SUITE, BigInt(chainId), consent, slot, BigInt(serial), epoch] as const;
  return { info: bytes(encodeAbiParameters(WRAP, terms)), psk: psk(slot, serial, epoch, recipient, releaseKey) };
}

/** An epoch's secret for a grantee: it takes the grantee's key and the release key to open it. */
export async function sealWrap(at: At, recipient: Bytes, secret: Bytes): Promise<{ wrap: Bytes; releaseKey: Bytes }> {
  const releaseKey = random(32);
  return { wrap: await seal(recipient, secret, wrapContext(at, recipient, releaseKey)), releaseKey };
}

/** The epoch's secret, which must give the key the chain has. */
export async function openWrap(at: At, own: Bytes, releaseKey: Bytes, wrap: Bytes, expected: Hex): Promise<Bytes> {
  const context = wrapContext(at, await publicKey(own), releaseKey);
  return fitting(await open(own, wrap, context), expected, "swapped-key");
}

/** One record in one grant. */
export interface AtRecord extends At {
  /** SHA-256 of its sealed bytes. */
  contentHash: Hex;
}

export function recordWrapContext(at: AtRecord, recipient: Bytes, releaseKey: Bytes): Context {
  const { chainId, consent, slot, serial, epoch, contentHash } = at;
  const terms = ["chartseal/v1/record-wrap", SUITE, BigInt(chainId), consent, slot, BigInt(serial), epoch, contentHash] as const;
  return { info: bytes(encodeAbiParameters(RECORD_WRAP, terms)), psk: psk(slot, serial, epoch, recipient, releaseKey) };
}

/** A record's own key for a grantee, in the same way. */
export async function sealRecordWrap(at: AtRecord, recipient: Bytes, fileKey: Bytes): Promise<{ wrap: Bytes; releaseKey: Bytes }> {
  const releaseKey = random(32);
  return { wrap: await seal(recipient, fileKey, recordWrapContext(at, recipient, releaseKey)), releaseKey };
}

/** The record's key. Nothing says yet that it is the granted record's: its statement does. */
export async function openRecordWrap(at: AtRecord, own: Bytes, releaseKey: Bytes, wrap: Bytes): Promise<Bytes> {
  return open(own, wrap, recordWrapContext(at, await publicKey(own), releaseKey));
}

export function releaseContext({ chainId, consent, slot, serial, epoch, nonce }: At & { nonce: Hex }): Context {
  const terms = ["chartseal/v1/release", SUITE, BigInt(chainId), consent, slot, BigInt(serial), epoch, nonce] as const;
  return { info: bytes(encodeAbiParameters(RECORD_WRAP, terms)) };
}

function psk(slot: Hex, serial: number, epoch: number, recipient: Bytes, key: Bytes): NonNullable<Context["psk"]> {
  const id = keccak256(encodeAbiParameters(PSK_ID, [slot, BigInt(serial), epoch, keccak256(recipient)]));
  return { key, id: bytes(id) };
}

async function fitting(secret: Bytes, expected: Hex, trick: "broken-link" | "swapped-key"): Promise<Bytes> {
  if (keccak256(await publicKey(secret)) !== keccak256(expected)) throw new Caught(trick);
  return secret;
}

function broken(trick: "broken-link") {
  return (): never => {
    throw new Caught(trick);
  };
}
