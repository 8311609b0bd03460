// From the root to the key of every epoch: docs/format.md, "Key tree".

import { bech32 } from "@scure/base";
import { identityToRecipient } from "age-encryption";
import { encodeAbiParameters, type Hex, parseAbiParameters } from "viem";
import { type Bytes, bytes, random } from "./capsule";
import type { System } from "./place";

const INFO = parseAbiParameters("string, uint256, address, bytes32, uint32");

/** 32 random bytes: a patient's root, which opens everything of the patient, past and to come; or a reader's X25519 secret. */
export function newSecret(): Bytes {
  return random(32);
}

/** HKDF-SHA256 of the root over the epoch's place. */
export async function epochSecret(root: Bytes, system: System, compartment: Hex, epoch: number): Promise<Bytes> {
  const place = ["chartseal/v1/epoch", BigInt(system.chainId), system.consent, compartment, epoch] as const;
  const info = bytes(encodeAbiParameters(INFO, place));
  const key = await crypto.subtle.importKey("raw", root, "HKDF", false, ["deriveBits"]);
  const salt = new Uint8Array();
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, 256));
}

/** An X25519 secret as any age program takes it. */
export function identity(secret: Bytes): string {
  return bech32.encodeFromBytes("AGE-SECRET-KEY-", secret).toUpperCase();
}

/** The secret that an identity writes, if it is one. */
export function secretOf(identity: string): Bytes | undefined {
  const found = bech32.decodeUnsafe(identity);
  const secret = found && bech32.fromWordsUnsafe(found.words);
  return secret?.length === 32 && found?.prefix.toUpperCase() === "AGE-SECRET-KEY-" ? new Uint8Array(secret) : undefined;
}

/** X25519(clamp(secret), 9). */
export async function publicKey(secret: Bytes): Promise<Bytes> {
  const recipient = await identityToRecipient(identity(secret));
  return new Uint8Array(bech32.decodeToBytes(recipient).bytes);
}

/** An X25519 public key as any age program takes it. */
export function recipient(key: Bytes): string {
  return bech32.encodeFromBytes("age", key);
}
