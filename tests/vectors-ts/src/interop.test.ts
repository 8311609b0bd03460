// Files both ways between typage and Chartseal, which is here the program of its example `age_file` (in CHARTSEAL_AGE_FILE;
// `make test` builds it).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { test } from "node:test";
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";

const program = process.env["CHARTSEAL_AGE_FILE"];
const KIB = 1024;
const MIB = 1024 * KIB;
const sizes = [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB + 7, 300 * MIB];
const skip = program ? false : "CHARTSEAL_AGE_FILE names no program; run make test";

/** `size` bytes, a piece at a time; every call gives the same. */
function plaintext(size: number): ReadableStream<Uint8Array> {
  const piece = Uint8Array.from({ length: MIB }, (_, i) => (i * 31) % 251);
  let sent = 0;
  return new ReadableStream({
    pull(to) {
      if (sent === size) return to.close();
      const next = piece.slice(0, Math.min(MIB, size - sent));
      sent += next.length;
      to.enqueue(next);
    },
  });
}

/** Length and hash of all a stream yields. */
async function sum(stream: AsyncIterable<Uint8Array>): Promise<[number, string]> {
  const hash = createHash("sha256");
  let length = 0;
  for await (const piece of stream) {
    hash.update(piece);
    length += piece.length;
  }
  return [length, hash.digest("hex")];
}

/** Everything through our program, as a stream; it fails if the program does. */
function through(args: string[], input: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const child = spawn(program!, args, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<void>((done, failed) => {
    child.on("error", failed);
    child.on("close", (code) => (code === 0 ? done() : failed(new Error(`${args[0]} ended with ${code}`))));
  });
  Readable.fromWeb(input).pipe(child.stdin);
  async function* pieces() {
    for await (const piece of child.stdout) yield new Uint8Array(piece);
    await ended;
  }
  return Readable.toWeb(Readable.from(pieces())) as ReadableStream<Uint8Array>;
}

for (const size of sizes) {
  test(`typage and Chartseal open each other's files of ${size} bytes`, { skip }, async () => {
    const identity = await generateX25519Identity();
    const recipient = await identityToRecipient(identity);
    const expected = await sum(plaintext(size));

    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    const ours = through(["seal", recipient], plaintext(size));
    assert.deepEqual(await sum((await decrypter.decrypt(ours as never)) as never), expected);

    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    const theirs = await encrypter.encrypt(plaintext(size) as never);
    assert.deepEqual(await sum(through(["open", identity], theirs as never)), expected);
  });
}
