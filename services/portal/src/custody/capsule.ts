// HPKE as @hpke/core does it, in the suite of every wrap, link and release: enc (32) ‖ ciphertext ‖ tag (16).

import { Chacha20Poly1305 } from "@hpke/chacha20poly1305";
import { CipherSuite, HkdfSha256 } from "@hpke/core";
import { DhkemX25519HkdfSha256 } from "@hpke/dhkem-x25519";
import { concat, type Hex, hexToBytes } from "viem";

/** Bytes in a buffer of their own, as WebCrypto takes them. */
export type Bytes = Uint8Array<ArrayBuffer>;

export function bytes(hex: Hex): Bytes {
  return new Uint8Array(hexToBytes(hex));
}

export function random(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Chacha20Poly1305(),
});

/** What a capsule is bound to. */
export interface Context {
  info: Bytes;
  /** Present in PSK mode. */
  psk?: { key: Bytes; id: Bytes };
  aad?: Bytes;
}

/** Opens with the recipient's X25519 secret; throws where it does not open, and does not say why. */
export async function open(secret: Bytes, capsule: Bytes, context: Context): Promise<Bytes> {
  const recipientKey = await suite.kem.importKey("raw", secret.slice().buffer, false);
  const enc = capsule.slice(0, 32).buffer;
  const opened = await suite.open({ recipientKey, enc, ...bound(context) }, capsule.slice(32).buffer, context.aad?.buffer);
  return new Uint8Array(opened);
}

/** Seals to an X25519 public key. `seed` (ikmE of RFC 9180) makes the ephemeral key, which only vectors may give. */
export async function seal(publicKey: Bytes, plain: Bytes, context: Context, seed?: Bytes): Promise<Bytes> {
  const recipientPublicKey = await suite.kem.importKey("raw", publicKey.slice().buffer, true);
  const ekm = seed && { ekm: await suite.kem.deriveKeyPair(seed.slice().buffer) };
  const sender = await suite.createSenderContext({ recipientPublicKey, ...ekm, ...bound(context) });
  const sealed = await sender.seal(plain.slice().buffer, context.aad?.buffer);
  return new Uint8Array(concat([new Uint8Array(sender.enc), new Uint8Array(sealed)]));
}

function bound({ info, psk }: Context) {
  return { info: info.buffer, ...(psk && { psk: { key: psk.key.buffer, id: psk.id.buffer } }) };
}
