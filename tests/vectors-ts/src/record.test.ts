// tests/vectors/record.json: typed data by viem, leaves by @openzeppelin/merkle-tree, the manifest by @ipld/dag-cbor.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as dagCbor from "@ipld/dag-cbor";
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { CID } from "multiformats/cid";
import * as Digest from "multiformats/hashes/digest";
import { type Hex, bytesToHex, encodeAbiParameters, hashTypedData, keccak256, parseAbiParameters } from "viem";
import { bytes, padded, sha256, vectors } from "./vectors.js";

const all = vectors("record");
const LEAF = ["bytes32", "uint32", "bytes32"];
const DAG_CBOR = 0x71;
const SHA2_256 = 0x12;

test("a compartment is patient and scope, a slot patient, grantee and target", () => {
  const p = all.places;
  const hash = (types: string, values: unknown[]) => keccak256(encodeAbiParameters(parseAbiParameters(types), values as never));
  assert.equal(hash("address, string", [p.patient, p.scope]), p.compartment);
  assert.equal(hash("address, address, bytes32", [p.patient, p.grantee, p.compartment]), p.slot_of_scope);
  const record = hash("address, bytes32", [p.patient, p.record_commitment]);
  assert.equal(hash("address, address, bytes32", [p.patient, p.grantee, record]), p.slot_of_record);
});

test("lengths are padded as Padmé pads them", () => {
  for (const [length, expected] of all.padding) assert.equal(padded(length), expected);
});

for (const [name, signed] of Object.entries<any>(all.signed).filter(([, signed]) => signed.typedData)) {
  test(`viem computes the digest of ${name}`, () => {
    assert.equal(hashTypedData(signed.typedData), signed.digest);
  });
}

test("viem computes the digest of a statement from the written type", () => {
  const { struct, digest } = all.signed.statement;
  const types = {
    Record: [
      { name: "compartment", type: "bytes32" },
      { name: "id", type: "bytes32" },
      { name: "version", type: "uint32" },
      { name: "previous", type: "bytes32" },
      { name: "resource", type: "bytes32" },
      { name: "author", type: "address" },
      { name: "authoredAt", type: "uint64" },
    ],
  };
  const { chainId, consent } = all.contracts;
  const domain = { name: "Chartseal", version: "1", chainId, verifyingContract: consent };
  assert.equal(hashTypedData({ domain, types, primaryType: "Record", message: struct }), digest);
});

test("OpenZeppelin's tree has the same leaves, root and paths", () => {
  const { leaves, root } = all.batch;
  const values = leaves.map((leaf: any) => [leaf.compartment, leaf.epoch, leaf.contentHash]);
  const tree = StandardMerkleTree.of(values, LEAF);
  assert.equal(tree.root, root);
  for (const [i, leaf] of leaves.entries()) {
    assert.equal(tree.leafHash(values[i]), leaf.leaf);
    assert.deepEqual(tree.getProof(values[i]), leaf.proof);
    assert.equal(CID.parse(leaf.cid).multihash.digest.length, 32);
    assert.equal(bytesToHex(CID.parse(leaf.cid).multihash.digest), leaf.contentHash);
  }
});

test("OpenZeppelin's tree has the same leaves, root and paths of random values", () => {
  const { leaves, root } = all.random;
  const values = leaves.map((leaf: any) => [leaf.compartment, leaf.epoch, leaf.contentHash]);
  const tree = StandardMerkleTree.of(values, LEAF);
  assert.equal(tree.root, root);
  for (const [i, leaf] of leaves.entries()) {
    assert.equal(tree.leafHash(values[i]), leaf.leaf);
    assert.deepEqual(tree.getProof(values[i]), leaf.proof);
  }
});

test("the manifest is canonical dag-cbor of the batch, leaves ascending, under its CID", () => {
  const { leaves, manifest, manifestCid, manifestDigest } = all.batch;
  const encoded = bytes(manifest);
  const decoded: any = dagCbor.decode(encoded);
  assert.deepEqual(Object.keys(decoded).sort(), ["records", "v"]);
  assert.equal(decoded.v, 1);
  const ascending = [...leaves].sort((a: any, b: any) => (BigInt(a.leaf) < BigInt(b.leaf) ? -1 : 1));
  const records = decoded.records.map(([compartment, epoch, link]: [Uint8Array, number, CID]) => [
    bytesToHex(compartment), epoch, link.toString(),
  ]);
  assert.deepEqual(records, ascending.map((leaf: any) => [leaf.compartment, leaf.epoch, leaf.cid]));
  assert.deepEqual(dagCbor.encode(decoded), encoded);
  assert.equal(sha256(encoded), manifestDigest);
  assert.equal(CID.createV1(DAG_CBOR, Digest.create(SHA2_256, bytes(manifestDigest))).toString(), manifestCid);
});

test("a receipt leads from a CID to the key the chain remembers", () => {
  const { json: receipt, anchorKey } = all.receipt;
  const content = bytesToHex(CID.parse(receipt.cid).multihash.digest);
  const leaf = [receipt.compartment, receipt.epoch, content];
  assert.ok(StandardMerkleTree.verify(receipt.root, LEAF, leaf, receipt.proof));
  const other = [receipt.compartment, receipt.epoch + 1, content];
  assert.ok(!StandardMerkleTree.verify(receipt.root, LEAF, other, receipt.proof));
  const manifest = bytesToHex(CID.parse(receipt.manifest).multihash.digest) as Hex;
  const key = encodeAbiParameters(parseAbiParameters("address, bytes32, uint32, bytes32"), [
    receipt.organisation, receipt.root, receipt.count, manifest,
  ]);
  assert.equal(keccak256(key), anchorKey);
});

test("a journal's entries are bound by what they say, each to the one before", () => {
  const hash = (types: string, values: unknown[]) => keccak256(encodeAbiParameters(parseAbiParameters(types), values as never));
  let previous: Hex = `0x${"00".repeat(32)}`;
  for (const e of all.journal) {
    const digest = hash(
      "string, bytes32, address, address, string, string, string, string, string, string, uint32, string",
      [
        "chartseal/v1/audit-entry", e.nonce, e.patient, e.actor, e.role ?? "", e.action, e.refused ?? "", e.purpose,
        e.subject.scope, e.subject.record ?? "", e.subject.epoch ?? 0, e.client ?? "",
      ],
    );
    assert.equal(e.previous, previous);
    previous = hash(
      "string, address, address, uint64, uint64, bytes32, bytes32",
      ["chartseal/v1/audit", e.keeper, e.patient, BigInt(e.sequence), BigInt(e.recordedAt), previous, digest],
    );
    assert.equal(e.hash, previous);
  }
});
