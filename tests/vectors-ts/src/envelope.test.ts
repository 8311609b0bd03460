// tests/vectors/envelope.json and rfc9180.json: age files opened by typage, capsules by @hpke/core.

import assert from "node:assert/strict";
import { hkdfSync } from "node:crypto";
import { test } from "node:test";
import { Decrypter, identityToRecipient } from "age-encryption";
import { bytesToHex, encodeAbiParameters, keccak256, parseAbiParameters } from "viem";
import { type Context, open, seal } from "./hpke.js";
import { bytes, padded, sha256, vectors } from "./vectors.js";

const all = vectors("envelope");

function identity(text: string): Decrypter {
  const decrypter = new Decrypter();
  decrypter.addIdentity(text);
  return decrypter;
}

function fileKey(hex: string): Decrypter {
  const decrypter = new Decrypter();
  decrypter.addIdentity({ unwrapFileKey: () => bytes(hex) });
  return decrypter;
}

for (const file of all.age_file.filter((file: any) => file.file)) {
  test(`typage opens the age file "${file.name}" with its identity and with its own key`, async () => {
    const sealed = bytes(file.file);
    assert.equal(sealed.length, file.size);
    assert.equal(sha256(sealed), file.sha256);
    assert.equal(await identityToRecipient(file.identity), file.recipient);
    for (const decrypter of [identity(file.identity), fileKey(file.fileKey)]) {
      assert.equal(bytesToHex(await decrypter.decrypt(sealed)), file.plaintext);
    }
  });
}

test("an epoch secret follows from the root by HKDF over its place", async () => {
  const e = all.epoch_secret;
  const info = encodeAbiParameters(parseAbiParameters("string, uint256, address, bytes32, uint32"), [
    "chartseal/v1/epoch", BigInt(e.chainId), e.consent, e.compartment, e.epoch,
  ]);
  const secret = new Uint8Array(hkdfSync("sha256", bytes(e.root), new Uint8Array(), bytes(info), 32));
  assert.equal(bytesToHex(secret), e.secret);
  assert.equal(await identityToRecipient(e.identity), e.recipient);
  assert.equal(keccak256(e.publicKey), e.publicKeyHash);
});

/** Opens and makes again a capsule of the vectors. */
async function bothWays(secret: string, capsule: string, plain: string, v: any, context: Context): Promise<void> {
  assert.equal(bytes(capsule).length, 48 + bytes(plain).length);
  assert.equal(bytesToHex(await open(bytes(secret), bytes(capsule), context)), plain);
  assert.equal(bytesToHex(await seal(bytes(v.recipient), bytes(v.ikmE), bytes(plain), context)), capsule);
}

test("@hpke/core opens the link, and makes the same from the same seed", async () => {
  const v = all.link;
  const info = encodeAbiParameters(parseAbiParameters("string, uint16, uint256, address, bytes32, uint32, uint32"), [
    "chartseal/v1/link", v.suite, BigInt(v.chainId), v.consent, v.compartment, v.previousEpoch, v.epoch,
  ]);
  assert.equal(info, v.info);
  await bothWays(v.secret, v.link, v.previousSecret, v, { info: bytes(info) });
});

test("@hpke/core opens the wrap in PSK mode, and without the release key does not", async () => {
  const v = all.wrap;
  const info = encodeAbiParameters(parseAbiParameters("string, uint16, uint256, address, bytes32, uint64, uint32"), [
    "chartseal/v1/wrap", v.suite, BigInt(v.chainId), v.consent, v.slot, BigInt(v.serial), v.epoch,
  ]);
  const id = keccak256(
    encodeAbiParameters(parseAbiParameters("bytes32, uint64, uint32, bytes32"), [
      v.slot, BigInt(v.serial), v.epoch, keccak256(v.recipient),
    ]),
  );
  assert.deepEqual([info, id, keccak256(v.wrap)], [v.info, v.pskId, v.wrapHash]);
  const psk = { key: bytes(v.releaseKey), id: bytes(id) };
  await bothWays(v.identity, v.wrap, v.secret, v, { info: bytes(info), psk });
  const others: Context[] = [
    { info: bytes(info) },
    { info: bytes(info), psk: { ...psk, key: new Uint8Array(32).fill(9) } },
    { info: bytes(info), psk: { ...psk, id: new Uint8Array(32).fill(9) } },
  ];
  for (const context of others) {
    await assert.rejects(open(bytes(v.identity), bytes(v.wrap), context));
  }
});

test("@hpke/core opens the record wrap, whose slot follows from statement and salt, and typage the record", async () => {
  const v = all.record_wrap;
  const hash = (types: string, values: unknown[]) =>
    keccak256(encodeAbiParameters(parseAbiParameters(types), values as never));
  const commitment = hash("string, bytes32, bytes32", ["chartseal/v1/record", v.statementDigest, v.salt]);
  assert.equal(commitment, v.commitment);
  const target = hash("address, bytes32", [v.patient, commitment]);
  assert.equal(hash("address, address, bytes32", [v.patient, v.grantee, target]), v.slot);
  const info = encodeAbiParameters(
    parseAbiParameters("string, uint16, uint256, address, bytes32, uint64, uint32, bytes32"),
    ["chartseal/v1/record-wrap", v.suite, BigInt(v.chainId), v.consent, v.slot, BigInt(v.serial), v.epoch, v.contentHash],
  );
  const id = hash("bytes32, uint64, uint32, bytes32", [v.slot, BigInt(v.serial), v.epoch, keccak256(v.recipient)]);
  assert.deepEqual([info, id], [v.info, v.pskId]);
  const psk = { key: bytes(v.releaseKey), id: bytes(id) };
  await bothWays(v.identity, v.wrap, v.fileKey, v, { info: bytes(info), psk });
  await assert.rejects(open(bytes(v.identity), bytes(v.wrap), { info: bytes(info) }));
  assert.equal(v.contentHash, all.sealed_record.contentHash);
  const plain = await fileKey(v.fileKey).decrypt(bytes(all.sealed_record.file));
  assert.equal(bytesToHex(plain), all.sealed_record.plaintext);
});

test("@hpke/core opens the release, and makes the same from the same seed", async () => {
  const v = all.release;
  const types = parseAbiParameters("string, uint16, uint256, address, bytes32, uint64, uint32, bytes32");
  const info = encodeAbiParameters(types, [
    "chartseal/v1/release", v.suite, BigInt(v.chainId), v.consent, v.slot, BigInt(v.serial), v.epoch, v.nonce,
  ]);
  assert.equal(info, v.info);
  await bothWays(v.identity, v.release, v.releaseKey, v, { info: bytes(info) });
});

test("typage opens the sealed record, and its line, resource and padding are where they should be", async () => {
  const v = all.sealed_record;
  const sealed = bytes(v.file);
  assert.equal(sha256(sealed), v.contentHash);
  for (const decrypter of [identity(v.identity), fileKey(v.fileKey)]) {
    const plain = await decrypter.decrypt(sealed);
    assert.equal(bytesToHex(plain), v.plaintext);
    const end = plain.indexOf(10);
    const text = new TextDecoder();
    const line = JSON.parse(text.decode(plain.slice(0, end)));
    assert.deepEqual(Object.keys(line), ["v", "statement", "signature", "length", "attachments"]);
    assert.deepEqual([line.v, line.statement, line.attachments], [1, v.statement, v.attachments]);
    const resource = plain.slice(end + 1, end + 1 + line.length);
    assert.equal(text.decode(resource), v.resource);
    assert.equal(sha256(resource), v.statement.resource);
    assert.equal(plain.length, padded(end + 1 + line.length));
    assert.ok(plain.slice(end + 1 + line.length).every((byte) => byte === 0));
  }
});

test("the suite is the one of RFC 9180, in base and in PSK mode", async () => {
  for (const v of Object.values<any>(vectors("rfc9180").cases)) {
    const psk = v.psk ? { key: bytes(v.psk), id: bytes(v.psk_id) } : undefined;
    const context: Context = { info: bytes(v.info), aad: bytes(v.aad), ...(psk && { psk }) };
    const whole = bytes(v.enc + v.ct);
    assert.deepEqual(await open(bytes(v.skRm), whole, context), bytes(v.pt));
    assert.deepEqual(await seal(bytes(v.pkRm), bytes(v.ikmE), bytes(v.pt), context), whole);
  }
});
