// tests/vectors/envelope.json and rfc9180.json, byte for byte what Rust writes, by the modules the browser runs.

import { Decrypter, identityToRecipient } from "age-encryption";
import { bytesToHex, type Hex, keccak256 } from "viem";
import { describe, expect, test } from "vitest";
import { bytes, type Context, open, seal } from "../../src/custody/capsule";
import { commitmentTo, compartmentOf, slotOf } from "../../src/custody/place";
import { openRecord, openWithFileKey, padded, parse, sealedSize, sha256 } from "../../src/custody/record";
import {
  linkContext, openLink, openRecordWrap, openWrap, recordWrapContext, releaseContext, sealLink, sealRecordWrap, sealWrap, wrapContext,
} from "../../src/custody/seals";
import { epochSecret, identity, publicKey, recipient } from "../../src/custody/tree";
import { hashOfStatement } from "../../src/proof/receipt";
import { vectors } from "./vectors";

const all = vectors("envelope");
const hex = (text: string) => bytes((text.startsWith("0x") ? text : `0x${text}`) as Hex);

/** Opens and makes again a capsule of the vectors. */
async function bothWays(secret: Hex, capsule: Hex, plain: Hex, v: { recipient: Hex; ikmE: Hex }, context: Context) {
  expect(bytes(capsule).length).toBe(48 + bytes(plain).length);
  expect(bytesToHex(await open(bytes(secret), bytes(capsule), context))).toBe(plain);
  expect(bytesToHex(await seal(bytes(v.recipient), bytes(plain), context, bytes(v.ikmE)))).toBe(capsule);
}

describe("age files", () => {
  test.each<any>(all.age_file.filter((file: any) => file.file))("$name opens with its identity and with its own key", async (file) => {
    const sealed = bytes(file.file);
    expect([sealed.length, await sha256(sealed)]).toEqual([file.size, file.sha256]);
    expect(sealedSize(bytes(file.plaintext).length)).toBe(file.size);
    expect(await identityToRecipient(file.identity)).toBe(file.recipient);
    for (const by of [file.identity, { unwrapFileKey: () => bytes(file.fileKey) }]) {
      const decrypter = new Decrypter();
      decrypter.addIdentity(by);
      expect(bytesToHex(await decrypter.decrypt(sealed))).toBe(file.plaintext);
    }
  });
});

test("an epoch's secret follows from the root by HKDF over its place", async () => {
  const e = all.epoch_secret;
  const secret = await epochSecret(bytes(e.root), e, e.compartment, e.epoch);
  expect(bytesToHex(secret)).toBe(e.secret);
  expect(identity(secret)).toBe(e.identity);
  const key = await publicKey(secret);
  expect([bytesToHex(key), keccak256(key), recipient(key)]).toEqual([e.publicKey, e.publicKeyHash, e.recipient]);
});

test("places are those of the contracts", () => {
  const { patient, grantee, scope, compartment, slot_of_scope } = vectors("record").places;
  expect(compartmentOf(patient, scope)).toBe(compartment);
  expect(slotOf(patient, grantee, { scope })).toBe(slot_of_scope);
});

test("a link opens, is made the same from the same seed, and leads to no other key", async () => {
  const v = all.link;
  expect(bytesToHex(linkContext(v).info)).toBe(v.info);
  await bothWays(v.secret, v.link, v.previousSecret, v, linkContext(v));
  expect(bytesToHex(await openLink(v, bytes(v.secret), bytes(v.link), v.previousPublicKey))).toBe(v.previousSecret);
  await expect(openLink(v, bytes(v.secret), bytes(v.link), v.recipient)).rejects.toMatchObject({ trick: "broken-link" });
  const again = await sealLink(v, bytes(v.recipient), bytes(v.previousSecret));
  expect(bytesToHex(again)).not.toBe(v.link);
  expect(bytesToHex(await openLink(v, bytes(v.secret), again, v.previousPublicKey))).toBe(v.previousSecret);
});

test("a wrap opens with both keys, and without the release key does not", async () => {
  const v = all.wrap;
  const context = wrapContext(v, bytes(v.recipient), bytes(v.releaseKey));
  expect([bytesToHex(context.info), bytesToHex(context.psk!.id), keccak256(v.wrap)]).toEqual([v.info, v.pskId, v.wrapHash]);
  await bothWays(v.identity, v.wrap, v.secret, v, context);
  expect(bytesToHex(await openWrap(v, bytes(v.identity), bytes(v.releaseKey), bytes(v.wrap), v.publicKey))).toBe(v.secret);
  const { info, psk } = context;
  const wrong = new Uint8Array(32).fill(9);
  for (const other of [{ info }, { info, psk: { ...psk!, key: wrong } }, { info, psk: { ...psk!, id: wrong } }]) {
    await expect(open(bytes(v.identity), bytes(v.wrap), other)).rejects.toThrow();
  }
  const made = await sealWrap(v, bytes(v.recipient), bytes(v.secret));
  expect(bytesToHex(await openWrap(v, bytes(v.identity), made.releaseKey, made.wrap, v.publicKey))).toBe(v.secret);
  const elsewhere = { ...v, serial: v.serial + 1 };
  await expect(openWrap(elsewhere, bytes(v.identity), made.releaseKey, made.wrap, v.publicKey)).rejects.toThrow();
});

test("a record's wrap opens, its slot follows from statement and salt, and its key opens the record", async () => {
  const v = all.record_wrap;
  expect(commitmentTo(v.statementDigest, v.salt)).toBe(v.commitment);
  expect(slotOf(v.patient, v.grantee, { record: v.commitment })).toBe(v.slot);
  const context = recordWrapContext(v, bytes(v.recipient), bytes(v.releaseKey));
  expect([bytesToHex(context.info), bytesToHex(context.psk!.id)]).toEqual([v.info, v.pskId]);
  await bothWays(v.identity, v.wrap, v.fileKey, v, context);
  await expect(open(bytes(v.identity), bytes(v.wrap), { info: context.info })).rejects.toThrow();
  const r = all.sealed_record;
  expect(v.contentHash).toBe(r.contentHash);
  const opened = await openWithFileKey(bytes(r.file), r.contentHash, bytes(v.fileKey), r.compartment);
  expect(opened.statement).toEqual(r.statement);
  expect(hashOfStatement(opened.statement, v.chainId, v.consent)).toBe(v.statementDigest);
  const made = await sealRecordWrap(v, bytes(v.recipient), bytes(v.fileKey));
  expect(made.wrap.length).toBe(64);
  expect(bytesToHex(await openRecordWrap(v, bytes(v.identity), made.releaseKey, made.wrap))).toBe(v.fileKey);
  const elsewhere = { ...v, slot: all.wrap.slot };
  await expect(openRecordWrap(elsewhere, bytes(v.identity), made.releaseKey, made.wrap)).rejects.toThrow();
});

test("a release opens and is made the same from the same seed", async () => {
  const v = all.release;
  expect(bytesToHex(releaseContext(v).info)).toBe(v.info);
  await bothWays(v.identity, v.release, v.releaseKey, v, releaseContext(v));
});

test("the suite is the one of RFC 9180, in base and in PSK mode", async () => {
  for (const v of Object.values<any>(vectors("rfc9180").cases)) {
    const psk = v.psk && { psk: { key: hex(v.psk), id: hex(v.psk_id) } };
    const context: Context = { info: hex(v.info), aad: hex(v.aad), ...psk };
    const whole = hex(v.enc + v.ct);
    expect(await open(hex(v.skRm), whole, context)).toEqual(hex(v.pt));
    expect(await seal(hex(v.pkRm), hex(v.pt), context, hex(v.ikmE))).toEqual(whole);
  }
});

describe("a sealed record", () => {
  const v = all.sealed_record;
  const secret = bytes(all.epoch_secret.secret);
  const opened = (sealed = bytes(v.file), hash = v.contentHash, by = secret, compartment = v.compartment) =>
    openRecord(sealed, hash, by, compartment);

  test("opens to its statement, resource and documents", async () => {
    expect(identity(secret)).toBe(v.identity);
    const record = await opened();
    expect([record.statement, record.signature, record.attachments]).toEqual([v.statement, v.signature, v.attachments]);
    expect(bytesToHex(record.fileKey)).toBe(v.fileKey);
    expect(new TextDecoder().decode(record.resource)).toBe(v.resource);
    const plain = bytes(v.plaintext);
    expect(plain.length).toBe(padded(v.line.length + 1 + v.length));
  });

  test("is caught where a byte was changed, whether or not its fingerprint was changed too", async () => {
    const file = bytes(v.file);
    file[file.length - 40]! ^= 1;
    await expect(opened(file)).rejects.toMatchObject({ trick: "changed-record" });
    await expect(opened(file, await sha256(file))).rejects.toMatchObject({ trick: "closed-record" });
  });

  test("is caught where it is another's, or shown in another place", async () => {
    const other = await epochSecret(bytes(all.epoch_secret.root), all.epoch_secret, all.epoch_secret.compartment, 3);
    await expect(opened(bytes(v.file), v.contentHash, other)).rejects.toMatchObject({ trick: "closed-record" });
    const place = compartmentOf("0x1111111111111111111111111111111111111111", "claims");
    await expect(opened(bytes(v.file), v.contentHash, secret, place)).rejects.toMatchObject({ trick: "misplaced-record" });
  });

  test.each(Object.keys(all.refused_record))("is refused with %s", async (name) => {
    await expect(parse(bytes(all.refused_record[name]))).rejects.toMatchObject({ trick: "malformed-record" });
  });
});
