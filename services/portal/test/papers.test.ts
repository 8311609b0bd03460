import { Decrypter, generateIdentity, identityToRecipient } from "age-encryption";
import { expect, test } from "vitest";
import type { Deployment } from "../src/api/types";
import { fingerprint, packed, sealed, unpacked } from "../src/papers";

const credential = { number: "LIC-4711", salt: `0x${"ab".repeat(32)}` } as const;
const file = new TextEncoder().encode("%PDF-1.7\nof many\nlines");

test("papers come back as they were sealed, with the number whose fingerprint was signed", async () => {
  const identity = await generateIdentity();
  const to = { papersRecipient: await identityToRecipient(identity) } as Deployment;
  const bytes = await sealed({ type: "application/pdf", credential, file }, to);
  expect(new TextDecoder("latin1").decode(bytes)).not.toContain("LIC-4711");
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  expect(unpacked(new Uint8Array(await decrypter.decrypt(bytes)))).toEqual({ type: "application/pdf", credential, file });
  expect(fingerprint(credential)).not.toBe(fingerprint({ ...credential, number: "LIC-4712" }));
  expect(unpacked(packed({ type: "image/png", file }))).toEqual({ type: "image/png", file });
});

test("what a stranger made instead is not shown", () => {
  const line = (text: string) => new TextEncoder().encode(text);
  for (const text of ["", "%PDF-1.7", "{}\nx", "[]\nx", "null\nx", '{"v":2,"type":"application/pdf"}\nx', '{"v":1,"type":"text/html"}\n<script>', `${" ".repeat(20_000)}\nx`]) {
    expect(unpacked(line(text)), text.slice(0, 40)).toBeUndefined();
  }
  expect(unpacked(line('{"v":1,"type":"image/png","number":7,"salt":"0x12"}\nx'))).toEqual({ type: "image/png", file: line("x") });
});
