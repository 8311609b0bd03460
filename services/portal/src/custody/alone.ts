// A claim and the records it cites, each granted alone by a patient who keeps the keys: what the custodian does where it has the
// root.

import { bytesToHex, type Hex, keccak256 } from "viem";
import type { OneRecord, RecordRow, Resource } from "../api/types";
import { digestOf, hashOfStatement, RAW } from "../proof/receipt";
import { type Bytes, random } from "./capsule";
import type { Maker } from "./make";
import { type OwnGateway, read } from "./own-gateway";
import { commitmentTo, slotOf } from "./place";
import type { Keys } from "./record";
import { sealRecordWrap } from "./seals";
import { t } from "../words/language";

/** What the patient signs of one record, and what the custodian is to keep of it. */
export interface OwnRecord {
  opens: OneRecord;
  commitment: Hex;
  serial: number;
  /** What is handed over. */
  kept: { cid: string; salt: Hex; wrap: Hex; releaseKey: Hex };
}

export interface OwnRecords {
  recipientKeyHash: Hex;
  /** The claim first. */
  records: OwnRecord[];
}

/** A salt is fresh, so nothing was granted under it before. */
const SERIAL = 1;

/** Opens the claim's newest version and what it cites, and seals the key of each to the grantee. */
export async function alone(maker: Maker, records: OwnGateway, grantee: Hex, claim: Hex, base: string): Promise<OwnRecords> {
  const [rows, ring, recipient] = await Promise.all([records.rows(), maker.ring(), maker.recipient(grantee)]);
  const found = rows.find((row) => row.recordId === claim && row.resourceType === "Claim");
  if (!found) throw new Error(t("There is no such record."));
  const { resource } = await records.open(found, ring);
  const wanted = new Map([[found.cid, found]]);
  for (const { record, version } of citedIn(read(resource), base)) {
    // Newest first. Somebody else's record is not among them: the patient has no say about it.
    const row = rows.find((one) => one.recordId === record && (version === null || one.version === version));
    if (row && record !== claim) wanted.set(row.cid, row);
  }
  const made = [...wanted.values()].map((row) => seal(records, ring, row, grantee, recipient));
  return { recipientKeyHash: keccak256(recipient), records: await Promise.all(made) };
}

async function seal(records: OwnGateway, ring: Keys, row: RecordRow, grantee: Hex, recipient: Bytes): Promise<OwnRecord> {
  const { system, patient } = records.chain;
  const { statement, fileKey, resource } = await records.open(row, ring);
  const salt = bytesToHex(random(32));
  const commitment = commitmentTo(hashOfStatement(statement, system.chainId, system.consent), salt);
  const slot = slotOf(patient, grantee, { record: commitment });
  const at = { ...system, slot, serial: SERIAL, epoch: row.epoch, contentHash: digestOf(row.cid, RAW) };
  const { wrap, releaseKey } = await sealRecordWrap(at, recipient, fileKey);
  const { cid, recordId, version, scope } = row;
  const opens = { cid, recordId, version, scope, resourceType: read(resource).resourceType };
  return { opens, commitment, serial: SERIAL, kept: { cid, salt, wrap: bytesToHex(wrap), releaseKey: bytesToHex(releaseKey) } };
}

/** A record that something refers to; `version` null: the newest. */
export interface Cited {
  record: Hex;
  version: number | null;
}

/** Every record that a claim refers to, but its patient's: whom it is about needs no evidence. `base`: of the FHIR server. */
export function citedIn({ patient: _, ...claim }: Resource, base: string): Cited[] {
  return references(claim).flatMap((text) => {
    const relative = text.startsWith(base) ? text.slice(base.length) : `/${text}`;
    const [, id, version] = /^\/[^/]*\/([0-9a-f]{64})(?:\/_history\/(.*))?$/s.exec(relative) ?? [];
    const number = version === undefined ? null : /^\+?\d+$/.test(version) ? Number(version) : Number.NaN;
    return id === undefined || (number !== null && !(number <= 0xffff_ffff)) ? [] : [{ record: `0x${id}` as Hex, version: number }];
  });
}

function references(json: unknown): string[] {
  if (Array.isArray(json)) return json.flatMap(references);
  if (typeof json !== "object" || json === null) return [];
  const { reference } = json as { reference?: unknown };
  return [...(typeof reference === "string" ? [reference] : []), ...Object.values(json).flatMap(references)];
}
