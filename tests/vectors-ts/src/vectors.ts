// The committed vectors, as other people's libraries take them.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Hex, hexToBytes } from "viem";

const folder = new URL("../../vectors/", import.meta.url);

/** One of tests/vectors/*.json. Its shape is what the tests check. */
export function vectors(name: "record" | "packet"): any {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8"));
}

/** Bytes of `0x…`; a plain array buffer behind them, as WebCrypto wants. */
export function bytes(hex: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hexToBytes((hex.startsWith("0x") ? hex : `0x${hex}`) as Hex));
}

export function sha256(data: Uint8Array): Hex {
  return `0x${createHash("sha256").update(data).digest("hex")}`;
}

/** Padmé: the length a record's plaintext is padded to. */
export function padded(length: number): number {
  if (length < 2) return length;
  const exponent = Math.floor(Math.log2(length));
  const kept = Math.floor(Math.log2(exponent)) + 1;
  const step = 2 ** Math.max(exponent - kept, 0);
  return Math.ceil(length / step) * step;
}
