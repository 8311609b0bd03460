// The sample hospital's own system, over FHIR: what a person's browser has no part in.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { program, ROOT, type System } from "./system";

const DATA = join(ROOT, "tests/data");
const NUMBERS = "https://hospital.example/claims";

type Resource = { resourceType: string; [member: string]: unknown };

export interface Stored {
  id: string;
  cid: string;
}

/** With a token of its client, which lasts five minutes. Patients are named by their FHIR ids. */
export class Hospital {
  private readonly authorization: string;

  constructor(private readonly system: System) {
    this.authorization = authorization(system, "hospital");
  }

  /** Stores a resource, or the next version of one. */
  async store(resource: Resource, id?: string): Promise<Stored> {
    const answer = await this.ask(`/fhir/R4/${resource.resourceType}${id ? `/${id}` : ""}`, {
      method: id ? "PUT" : "POST",
      headers: { "content-type": "application/fhir+json" },
      body: JSON.stringify({ ...resource, ...(id ? { id } : {}) }),
    });
    const body = (await answer.json()) as { id: string; meta: { extension: { url: string; valueString: string }[] } };
    expect(answer.status, JSON.stringify(body)).toBe(id ? 200 : 201);
    return { id: body.id, cid: body.meta.extension.find((one) => one.url === "urn:chartseal:extension:cid")!.valueString };
  }

  /** The person's details, tied to the account. */
  patient(address: string, chainId: number): Promise<Stored> {
    const { id: _id, meta: _meta, identifier, ...rest } = resource("synthea/martina-patient.json");
    const account = { system: "urn:chartseal:account", value: `eip155:${chainId}:${address}` };
    return this.store({ ...rest, resourceType: "Patient", identifier: [...(identifier as object[]), account] });
  }

  /** One document, inline; the next version of one, if that is named. */
  document(patient: string, title: string, contentType: string, bytes: Uint8Array, id?: string): Promise<Stored> {
    const attachment = { contentType, title, data: Buffer.from(bytes).toString("base64") };
    const about = { type: { text: "Document" }, description: title, subject: { reference: `Patient/${patient}` } };
    return this.store({ resourceType: "DocumentReference", status: "current", docStatus: "final", ...about, content: [{ attachment }] }, id);
  }

  note(patient: string, title: string, text = title, id?: string): Promise<Stored> {
    return this.document(patient, title, "text/plain", Buffer.from(text), id);
  }

  /** A claim with one document as its evidence, and records that it cites. */
  claim(patient: string, number: string, evidence: Buffer, cites: string[] = []): Promise<Stored> {
    const { id: _id, meta: _meta, ...rest } = resource("synthea/martina-claim.json");
    const category = { coding: [{ system: "http://terminology.hl7.org/CodeSystem/claiminformationcategory", code: "attachment" }] };
    const valueAttachment = { contentType: "application/pdf", title: "Scanned page", data: evidence.toString("base64") };
    return this.store({
      ...rest,
      resourceType: "Claim",
      identifier: [{ system: NUMBERS, value: number }],
      patient: { reference: `Patient/${patient}` },
      supportingInfo: [{ sequence: 1, category, valueAttachment }, ...cites.map((reference, at) => ({ sequence: at + 2, category, valueReference: { reference } }))],
    });
  }

  /** A record's receipt, as soon as it is anchored. */
  async receipt(cid: string): Promise<string> {
    let receipt = "";
    const look = async () => {
      const answer = await this.ask(`/v1/receipts/${cid}`);
      if (answer.ok) receipt = await answer.text();
      return answer.status;
    };
    await expect.poll(look, { timeout: 60_000, interval: 500 }).toBe(200);
    return receipt;
  }

  ask(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.system.gateway}${path}`, { ...init, headers: { ...init.headers, authorization: this.authorization } });
  }
}

/** A token of an organisation's client, which lasts five minutes. */
function authorization(system: System, client: "hospital" | "insurer"): string {
  const run = spawnSync(program("chartseal"), ["token", "--client", client, "--data", system.data]);
  expect(run.status, run.stderr.toString()).toBe(0);
  return `Bearer ${run.stdout.toString().trim()}`;
}

/** The sample insurer's system asks a patient about a claim: a Da Vinci CDex data request. */
export async function asksAbout(system: System, address: string, { chainId }: { chainId: number }, number: string): Promise<void> {
  const concept = (system: string, code: string) => ({ coding: [{ system, code }] });
  const [cdex, hrex] = ["http://hl7.org/fhir/us/davinci-cdex/CodeSystem/cdex-temp", "http://hl7.org/fhir/us/davinci-hrex/CodeSystem/hrex-temp"];
  const purpose = concept("http://terminology.hl7.org/CodeSystem/v3-ActReason", "CLMATTCH");
  const task = {
    resourceType: "Task", status: "requested", intent: "order", code: concept(cdex, "data-request-code"),
    meta: { profile: ["http://hl7.org/fhir/us/davinci-cdex/StructureDefinition/cdex-task-data-request"] },
    for: { identifier: { system: "urn:chartseal:account", value: `eip155:${chainId}:${address}` } }, authoredOn: "2026-11-22T10:00:00Z", requester: { identifier: { value: "Payer123" } }, owner: { identifier: { value: "4567" } },
    reasonReference: { identifier: { system: NUMBERS, value: number } },
    input: [
      { type: concept(hrex, "data-code"), valueCodeableConcept: concept("http://loinc.org", "34117-2") },
      { type: concept(cdex, "purpose-of-use"), valueCodeableConcept: purpose },
    ],
  };
  const headers = { "content-type": "application/fhir+json", authorization: authorization(system, "insurer") };
  const answer = await fetch(`${system.gateway}/fhir/R4/Task`, { method: "POST", headers, body: JSON.stringify(task) });
  expect(answer.status, await answer.text()).toBe(201);
}

/** The FHIR id of a sample patient. */
export function idOf(system: System, address: string): string {
  const { patients } = JSON.parse(readFileSync(join(system.data, "stack.json"), "utf8")) as { patients: { address: string; fhirId: string }[] };
  return patients.find((one) => one.address.toLowerCase() === address.toLowerCase())!.fhirId;
}

/** Where a sample document lies. */
export function path(name: string): string {
  return join(DATA, "documents", name);
}

export function file(name: string): Buffer {
  return readFileSync(path(name));
}

function resource(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(DATA, name), "utf8")) as Record<string, unknown>;
}
