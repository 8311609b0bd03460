import { expect, test } from "vitest";
import type { Receipt } from "../src/api/types";
import { digestOf, leads } from "../src/proof/receipt";

// A receipt of a development system: eight records in the batch.
const receipt: Receipt = {
  format: "chartseal-receipt/1",
  chainId: 31337,
  contracts: { directory: "0x5fbdb2315678afecb367f032d93f642f64180aa3", consent: "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512", anchors: "0x9fe46736679d2d9a65f0992f2272de9f3c7fa6e0" },
  cid: "bafkreicz2dafbxmmikvqmnm24yxdyketosfto52vhnwqkyxrmak47jixba",
  compartment: "0x4dfb9edd7f4ea54874ced84f45a47761e37fac96c52009433e33ed7b1632eddb",
  epoch: 1,
  proof: [
    "0xbd07172d45535a6e4ca66a23af413770e9a1dddd9180e939aef77caece1c07ce",
    "0x8db54b431a16dd376950216841467466ebc885700f7f7c6b60ee597779f67374",
    "0x367d29ac6dca40bfbeee095ae6be07beb5c40ad17db6defcc84975ca2f013136",
  ],
  root: "0xd58d45fe2a5428ac2bf724a1cc478002a6b73ce59a662dfc5bc30b3b6730f1c1",
  organisation: "0x15d34aaf54267db7d7c367839aaf71a00a2c6a65",
  count: 8,
  manifest: "bafyreihw3hob4sr7waxfgj2hchbdaz2wv4xwicamgbar5ykm4ke7q6qco4",
  transaction: "0x33868df59ed5e120bf66df875479637140524577611a16b82c31a3900c96650a",
  block: 12,
};

test("the path of a receipt leads to its root", () => {
  expect(leads(receipt)).toBe(true);
});

test("any other epoch, compartment, content, path or root does not", () => {
  const other = `0x${"1".repeat(64)}` as const;
  for (const change of [{ epoch: 2 }, { compartment: other }, { root: other }, { proof: receipt.proof.slice(1) }, { proof: [...receipt.proof].reverse() }, { cid: receipt.cid.replace("cz2d", "cz2e") }]) {
    expect(leads({ ...receipt, ...change }), JSON.stringify(change)).toBe(false);
  }
});

test("a CID of another codec, hash or length is refused", () => {
  expect(digestOf(receipt.manifest, 0x71)).toMatch(/^0x[0-9a-f]{64}$/);
  expect(() => digestOf(receipt.cid, 0x71)).toThrow();
  expect(() => digestOf("bafkrei", 0x55)).toThrow();
  expect(() => digestOf("QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG", 0x55)).toThrow();
});
