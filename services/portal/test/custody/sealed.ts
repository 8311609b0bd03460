// Records as a hospital seals them: signed by its statement key, padded, for the epoch's key.

import { base32 } from "@scure/base";
import { concat, type Hex, hexToBytes } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { RecordRow } from "../../src/api/types";
import { type Bytes, bytes } from "../../src/custody/capsule";
import { compartmentOf, type System } from "../../src/custody/place";
import { padded, sealAge, sha256, type Statement } from "../../src/custody/record";
import { hashOfStatement } from "../../src/proof/receipt";

const HOSPITAL = privateKeyToAccount(`0x${"0a".repeat(32)}`);

export interface Sealed {
  row: RecordRow;
  statement: Statement;
  bytes: Bytes;
}

export interface Wanted {
  patient: Hex;
  scope: string;
  /** Of the epoch's secret. */
  key: Bytes;
  epoch: number;
  /** 64 digits. */
  id: string;
  version?: number;
  resource: { resourceType: string; [member: string]: unknown };
}

export async function sealed(system: System, { patient, scope, key, epoch, id, version = 1, resource }: Wanted): Promise<Sealed> {
  const text = new TextEncoder().encode(JSON.stringify(resource));
  const statement: Statement = {
    compartment: compartmentOf(patient, scope),
    id: `0x${id}`,
    version,
    previous: `0x${"00".repeat(32)}`,
    resource: await sha256(text),
    author: HOSPITAL.address,
    authoredAt: 1_763_800_000,
  };
  const signature = await HOSPITAL.sign({ hash: hashOfStatement(statement, system.chainId, system.consent) });
  const line = new TextEncoder().encode(`${JSON.stringify({ v: 1, statement, signature, length: text.length, attachments: [] })}\n`);
  const plain = new Uint8Array(padded(line.length + text.length));
  plain.set(line);
  plain.set(text, line.length);
  const file = await sealAge(key, plain);
  const cid = `b${base32.encode(concat([Uint8Array.of(1, 0x55, 0x12, 0x20), hexToBytes(await sha256(file))])).toLowerCase().replaceAll("=", "")}`;
  const { resourceType } = resource;
  const { author, authoredAt } = statement;
  const row = { sequence: 1, cid, recordId: statement.id, version, patient, scope, epoch, state: "stored", author, authoredAt, resourceType, exposed: false } as const;
  return { row, statement, bytes: bytes(`0x${Buffer.from(file).toString("hex")}`) };
}

/** A gateway that lists these, newest first, in pages, and gives their bytes. */
export function gatewayOf(all: Sealed[], more: (path: string) => unknown = () => undefined) {
  const newest = ({ row }: Sealed) => all.every((other) => other.row.recordId !== row.recordId || other.row.version <= row.version);
  const list = (query: URLSearchParams) => {
    const wanted = all.map((one, place) => ({ one, sequence: all.length - place }))
      .filter(({ one, sequence }) => sequence < Number(query.get("before") ?? Number.POSITIVE_INFINITY) && (query.get("newest") !== "true" || newest(one)));
    return wanted.slice(0, Number(query.get("limit") ?? 200)).map(({ one, sequence }) => ({ ...one.row, sequence }));
  };
  return {
    get: async (path: string) => more(path) ?? list(new URLSearchParams(path.split("?")[1])),
    bytes: async (path: string) => new Blob([all.find((one) => path.includes(one.row.cid))!.bytes]),
  };
}
