// The sample hospital's own system, over FHIR: what a person's browser has no part in.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { program, type System } from "./system";

const DATA = join(import.meta.dirname, "../../../tests/data");

interface Resource {
  id: string;
  meta: { extension: { url: string; valueString: string }[] };
}

export interface Stored {
  id: string;
  cid: string;
}

export class Hospital {
  constructor(private readonly system: System) {}

  token(): string {
    const run = spawnSync(program("chartseal"), ["token", "--client", "hospital", "--data", this.system.data]);
    expect(run.status, run.stderr.toString()).toBe(0);
    return run.stdout.toString().trim();
  }

  async create(resource: { resourceType: string; [member: string]: unknown }): Promise<Stored> {
    const headers = { authorization: `Bearer ${this.token()}`, "content-type": "application/fhir+json" };
    const url = `${this.system.gateway}/fhir/R4/${resource.resourceType}`;
    const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(resource) });
    const body = (await answer.json()) as Resource;
    expect(answer.status, JSON.stringify(body)).toBe(201);
    return { id: body.id, cid: body.meta.extension.find((one) => one.url === "urn:chartseal:extension:cid")!.valueString };
  }

  /** The person's details, tied to the account. */
  patient(address: string, chainId: number): Promise<Stored> {
    const { id: _id, meta: _meta, identifier, ...rest } = sample("synthea/martina-patient.json");
    const account = { system: "urn:chartseal:account", value: `eip155:${chainId}:${address}` };
    return this.create({ ...rest, resourceType: "Patient", identifier: [...(identifier as object[]), account] });
  }

  /** One document, inline. */
  document(patient: string, title: string, contentType: string, bytes: Buffer): Promise<Stored> {
    return this.create({
      resourceType: "DocumentReference",
      status: "current",
      type: { text: title },
      category: [{ coding: [{ code: "clinical-note" }] }],
      description: title,
      subject: { reference: `Patient/${patient}` },
      content: [{ attachment: { contentType, title, data: bytes.toString("base64") } }],
    });
  }

  /** A claim with one document as its evidence. */
  claim(patient: string, number: string, evidence: Buffer): Promise<Stored> {
    const { id: _id, meta: _meta, ...rest } = sample("synthea/martina-claim.json");
    const category = { coding: [{ system: "http://terminology.hl7.org/CodeSystem/claiminformationcategory", code: "attachment" }] };
    const valueAttachment = { contentType: "application/pdf", title: "Scanned page", data: evidence.toString("base64") };
    return this.create({
      ...rest,
      resourceType: "Claim",
      identifier: [{ system: "https://hospital.example/claims", value: number }],
      patient: { reference: `Patient/${patient}` },
      supportingInfo: [{ sequence: 1, category, valueAttachment }],
    });
  }

  async receipt(cid: string): Promise<Response> {
    return fetch(`${this.system.gateway}/v1/receipts/${cid}`, { headers: { authorization: `Bearer ${this.token()}` } });
  }
}

export function file(name: string): Buffer {
  return readFileSync(join(DATA, "documents", name));
}

export function path(name: string): string {
  return join(DATA, "documents", name);
}

function sample(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(DATA, name), "utf8")) as Record<string, unknown>;
}
