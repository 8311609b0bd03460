// HPKE as @hpke/core does it, in the suite of every wrap, link and release.

import { Chacha20Poly1305 } from "@hpke/chacha20poly1305";
import { CipherSuite, HkdfSha256 } from "@hpke/core";
import { DhkemX25519HkdfSha256 } from "@hpke/dhkem-x25519";

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Chacha20Poly1305(),
});

export interface Context {
  info: Uint8Array<ArrayBuffer>;
  /** Present in PSK mode. */
  psk?: { key: Uint8Array<ArrayBuffer>; id: Uint8Array<ArrayBuffer> };
  aad?: Uint8Array<ArrayBuffer>;
}

/** Opens enc ‖ ciphertext ‖ tag; throws where it does not open. */
export async function open(
  secret: Uint8Array<ArrayBuffer>,
  capsule: Uint8Array<ArrayBuffer>,
  { info, psk, aad }: Context,
): Promise<Uint8Array> {
  const recipientKey = await suite.kem.importKey("raw", secret.buffer, false);
  const context = { recipientKey, enc: capsule.slice(0, 32).buffer, info: info.buffer, ...named(psk) };
  const opened = await suite.open(context, capsule.slice(32).buffer, aad?.buffer);
  return new Uint8Array(opened);
}

/** Seals with the ephemeral key of a seed (ikmE of RFC 9180), which only vectors may do. */
export async function seal(
  publicKey: Uint8Array<ArrayBuffer>,
  ikmE: Uint8Array<ArrayBuffer>,
  plain: Uint8Array<ArrayBuffer>,
  { info, psk, aad }: Context,
): Promise<Uint8Array> {
  const recipientPublicKey = await suite.kem.importKey("raw", publicKey.buffer, true);
  const ekm = await suite.kem.deriveKeyPair(ikmE.buffer);
  const sender = await suite.createSenderContext({ recipientPublicKey, ekm, info: info.buffer, ...named(psk) });
  const sealed = await sender.seal(plain.buffer, aad?.buffer);
  return new Uint8Array([...new Uint8Array(sender.enc), ...new Uint8Array(sealed)]);
}

function named(psk: Context["psk"]) {
  return psk ? { psk: { key: psk.key.buffer, id: psk.id.buffer } } : {};
}
