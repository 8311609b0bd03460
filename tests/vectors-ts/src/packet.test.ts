// tests/vectors/packet.json: the canonical form by the reference implementation of RFC 8785, digest and signature by viem.

import assert from "node:assert/strict";
import { test } from "node:test";
import canonicalize from "canonicalize";
import { hashTypedData, recoverAddress } from "viem";
import { sha256, vectors } from "./vectors.js";

const all = vectors("packet");
const { packet, signature } = JSON.parse(all.file);
const utf8 = (text: string) => new TextEncoder().encode(text);

test("each packet stands in its file as RFC 8785 writes it", () => {
  for (const file of [all.file, all.proved, all.signers]) {
    assert.equal(canonicalize(JSON.parse(file)), file);
  }
});

test("the digest is the SHA-256 of the packet's own bytes in the file", () => {
  const written = canonicalize(packet)!;
  assert.equal(all.file, `{"packet":${written},"signature":"${signature}"}`);
  assert.equal(sha256(utf8(written)), all.digest);
});

test("the issuer's key signed issuer, digest, block and time", async () => {
  const types = {
    Packet: [
      { name: "digest", type: "bytes32" },
      { name: "issuer", type: "address" },
      { name: "block", type: "uint64" },
      { name: "time", type: "uint64" },
    ],
  };
  const domain = {
    name: "Chartseal", version: "1", chainId: packet.chainId, verifyingContract: packet.contracts.consent,
  };
  const { account: issuer, block, time } = packet.issuer;
  const message = { digest: all.digest, issuer, block: BigInt(block), time: BigInt(time) };
  const hash = hashTypedData({ domain, types, primaryType: "Packet", message });
  assert.deepEqual([hash, hashTypedData(all.typedData)], [all.signingDigest, all.signingDigest]);
  const signer = await recoverAddress({ hash, signature });
  assert.equal(signer.toLowerCase(), packet.issuer.signer);
});

test("a record's resource is the one its statement names", () => {
  for (const { resource, receipt } of packet.records) {
    assert.equal(sha256(utf8(resource)), receipt.statement.resource);
  }
});
