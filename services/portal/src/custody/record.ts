// Opens a sealed record: docs/format.md, "Sealed record". Only the one form is taken.

import { Decrypter, Encrypter } from "age-encryption";
import { bytesToHex, type Hex } from "viem";
import { fromBase64 } from "../api/base64";
import type { Receipt, RecordRow } from "../api/types";
import type { Bytes } from "./capsule";
import { Caught } from "./caught";
import { identity, recipient } from "./tree";

export type Statement = NonNullable<Receipt["statement"]>;

/** A document that hangs on the record. */
export interface Attachment {
  cid: string;
  /** Base64 of the 16 bytes that open it. */
  fileKey: string;
  size: number;
  sha256: Hex;
}

/** Authentic as bytes; its author is still to be checked. */
export interface Opened {
  statement: Statement;
  signature: Hex;
  attachments: Attachment[];
  /** What opens this record alone. */
  fileKey: Bytes;
  /** The FHIR resource, exactly as signed. */
  resource: Bytes;
}

/** What opens records here. */
export interface Keys {
  /** Throws where nothing here opens it. */
  open(row: RecordRow, sealed: Bytes): Promise<Opened>;
}

/** Bytes of an age header with one X25519 recipient; 16 of nonce follow. */
const HEADER = 168;
const LARGEST = 1_048_576;
const LONGEST_LINE = 262_144;
const LINE = ["v", "statement", "signature", "length", "attachments"];
const STATEMENT = ["compartment", "id", "version", "previous", "resource", "author", "authoredAt"];
const ATTACHMENT = ["cid", "fileKey", "size", "sha256"];

/** Bytes of an age file with one X25519 recipient. */
export function sealedSize(plain: number): number {
  return plain + 16 * Math.max(1, Math.ceil(plain / 65_536)) + HEADER + 16;
}

/** Padmé: the length a record's plaintext is padded to. */
export function padded(length: number): number {
  if (length < 2) return length;
  const exponent = Math.floor(Math.log2(length));
  const kept = Math.floor(Math.log2(exponent)) + 1;
  const step = 2 ** Math.max(exponent - kept, 0);
  return Math.ceil(length / step) * step;
}

export async function sha256(data: Bytes): Promise<Hex> {
  return bytesToHex(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
}

/** Opens a record found in `compartment` under `contentHash` with the secret of its epoch. */
export async function openRecord(sealed: Bytes, contentHash: Hex, secret: Bytes, compartment: Hex): Promise<Opened> {
  await unchanged(sealed, contentHash);
  return opened(sealed, await fileKeyOf(sealed, secret), compartment);
}

/** With the record's own key, as a grant of one record gives it. Without a compartment its statement alone says where it belongs. */
export async function openWithFileKey(sealed: Bytes, contentHash: Hex, fileKey: Bytes, compartment?: Hex): Promise<Opened> {
  await unchanged(sealed, contentHash);
  return opened(sealed, fileKey, compartment);
}

async function unchanged(sealed: Bytes, contentHash: Hex): Promise<void> {
  if ((await sha256(sealed)) !== contentHash) throw new Caught("changed-record");
}

async function opened(sealed: Bytes, fileKey: Bytes, compartment: Hex | undefined): Promise<Opened> {
  const plain = await openAge(sealed, fileKey);
  // A header with exactly one X25519 recipient has one length, so the sizes tell if there were others.
  if (sealed.length > LARGEST || sealedSize(plain.length) !== sealed.length) throw new Caught("malformed-record");
  const record = await parse(plain);
  if (compartment && record.statement.compartment !== compartment) throw new Caught("misplaced-record");
  return { ...record, fileKey };
}

/** The key of one age file, which the secret of the epoch it is sealed to opens. */
async function fileKeyOf(sealed: Bytes, secret: Bytes): Promise<Bytes> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity(secret));
  try {
    return new Uint8Array(await decrypter.decryptHeader(sealed.slice(0, HEADER)));
  } catch {
    throw new Caught("closed-record");
  }
}

async function openAge(sealed: Bytes, fileKey: Bytes): Promise<Bytes> {
  const decrypter = new Decrypter();
  decrypter.addIdentity({ unwrapFileKey: () => fileKey });
  try {
    return new Uint8Array(await decrypter.decrypt(sealed));
  } catch {
    throw new Caught("closed-record");
  }
}

/** A document's bytes, checked against what the record says of them. */
export async function openAttachment(sealed: Bytes, { fileKey, size, sha256: digest }: Attachment): Promise<Bytes> {
  const key = fromBase64(fileKey);
  const plain = await openAge(sealed, key);
  if (plain.length !== size || (await sha256(plain)) !== digest) throw new Caught("changed-record");
  return plain;
}

/** Reads the plaintext of a record. */
export async function parse(plain: Bytes): Promise<Omit<Opened, "fileKey">> {
  const end = plain.subarray(0, LONGEST_LINE + 1).indexOf(10);
  if (end < 0) throw new Caught("malformed-record");
  const { statement, signature, length, attachments } = line(new TextDecoder().decode(plain.subarray(0, end)));
  const rest = plain.subarray(end + 1);
  const padding = rest.subarray(length);
  const form = length <= rest.length && padded(end + 1 + length) === plain.length && padding.every((byte) => byte === 0);
  if (!form) throw new Caught("malformed-record");
  const resource = rest.slice(0, length);
  if ((await sha256(resource)) !== statement.resource) throw new Caught("malformed-record");
  return { statement, signature, attachments, resource };
}

interface Line {
  v: 1;
  statement: Statement;
  signature: Hex;
  length: number;
  attachments: Attachment[];
}

function line(text: string): Line {
  const read = json(text);
  const form =
    fields(read, LINE) &&
    read.v === 1 &&
    fields(read.statement, STATEMENT) &&
    typeof read.signature === "string" &&
    Number.isSafeInteger(read.length) &&
    (read.length as number) >= 0 &&
    Array.isArray(read.attachments) &&
    read.attachments.every((one: unknown) => fields(one, ATTACHMENT));
  // None of its texts holds a space, so without spaces it is written in one way only, and a repeated field shows.
  if (!form || JSON.stringify(read) !== text.replace(/\s+/g, "")) throw new Caught("malformed-record");
  return read as unknown as Line;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Caught("malformed-record");
  }
}

function fields(value: unknown, names: string[]): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const found = Object.keys(value);
  return found.length === names.length && names.every((name) => Object.hasOwn(value, name));
}

/** Seals a plaintext to an epoch's public key. */
export async function sealAge(key: Bytes, plain: Bytes): Promise<Bytes> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient(key));
  return new Uint8Array(await encrypter.encrypt(plain));
}
