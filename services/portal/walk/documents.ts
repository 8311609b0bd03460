// One document of each kind, sent by the hospital's system over FHIR, and what a person sees of each.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { type Person, program, ROOT, type System } from "./system";

const sample = (name: string) => readFileSync(join(ROOT, "tests/data/documents", name));

/** The hospital's system, with the token of a client of its own. */
export class Hospital {
  private readonly headers: Record<string, string>;

  constructor(private readonly system: System) {
    const token = spawnSync(program("chartseal"), ["token", "--client", "hospital", "--data", system.data]).stdout.toString().trim();
    this.headers = { authorization: `Bearer ${token}`, "content-type": "application/fhir+json" };
  }

  /** Stores a resource about a patient, or the next version of one; gives what the gateway answered. */
  async write(patient: string, resource: object, id?: string): Promise<{ id: string; meta: { extension: { url: string; valueString: string }[] } }> {
    const { patients } = JSON.parse(readFileSync(join(this.system.data, "stack.json"), "utf8")) as { patients: { address: string; fhirId: string }[] };
    const { fhirId } = patients.find((one) => one.address.toLowerCase() === patient.toLowerCase())!;
    const reference = { reference: `Patient/${fhirId}` };
    const type = (resource as { resourceType: string }).resourceType;
    const about = type === "Coverage" ? { beneficiary: reference } : { subject: reference };
    const answer = await fetch(`${this.system.gateway}/fhir/R4/${type}${id ? `/${id}` : ""}`, {
      method: id ? "PUT" : "POST",
      headers: this.headers,
      body: JSON.stringify({ ...resource, ...about, ...(id ? { id } : {}) }),
    });
    const body = (await answer.json()) as Awaited<ReturnType<Hospital["write"]>>;
    expect(answer.status, JSON.stringify(body)).toBe(id ? 200 : 201);
    return body;
  }
}

export function document(title: string, contentType: string, bytes: Uint8Array): object {
  const attachment = { contentType, title, data: Buffer.from(bytes).toString("base64") };
  return { resourceType: "DocumentReference", status: "current", docStatus: "final", type: { text: "Document" }, description: title, content: [{ attachment }] };
}

const COVERAGE = {
  resourceType: "Coverage",
  status: "active",
  subscriberId: "S-100",
  payor: [{ display: "Sample Insurer" }],
  period: { start: "2026-01-31" },
  class: [
    { type: { text: "Group" }, value: "B-1", name: "Staff of the harbour" },
    { type: { text: "Plan" }, value: "P-9", name: "Hospital and home" },
  ],
};

/** Sends one of each kind. */
export async function sendEach(system: System, patient: string, picture: Uint8Array): Promise<void> {
  const hospital = new Hospital(system);
  const text = (words: string) => document("Discharge letter", "text/plain", new TextEncoder().encode(words));
  const letter = await hospital.write(patient, text("The right knee was operated on. Rest for a week."));
  await Promise.all([
    hospital.write(patient, text("The left knee was operated on. Rest for a week."), letter.id),
    hospital.write(patient, document("CT of the chest", "application/dicom", sample("CT_small.dcm"))),
    hospital.write(patient, document("Ultrasound in colour", "application/dicom", sample("examples_rgb_color.dcm"))),
    hospital.write(patient, document("Compressed picture", "application/dicom", sample("JPEG2000.dcm"))),
    hospital.write(patient, document("Photograph", "image/png", picture)),
    hospital.write(patient, document("Letter on paper", "application/pdf", sample("congress.pdf"))),
    hospital.write(patient, document("Report of the operation", "text/xml", sample("knee.xml"))),
    hospital.write(patient, COVERAGE),
  ]);
}

/** Greys of a canvas: how many different ones it shows. */
const shades = (page: Page) =>
  page.locator("canvas").evaluate((canvas: HTMLCanvasElement) => {
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    return new Set(data.filter((_, at) => at % 4 === 0)).size;
  });

/** What is seen of each, by its title. */
const SEEN: Record<string, (page: Page) => Promise<unknown>> = {
  "CT of the chest": async (page) => {
    await page.getByText("CT scan").waitFor();
    expect(await shades(page)).toBeGreaterThan(50);
  },
  "Ultrasound in colour": async (page) => {
    await page.getByRole("img", { name: "Ultrasound in colour" }).waitFor();
    expect(await shades(page)).toBeGreaterThan(50);
  },
  "Compressed picture": (page) => page.getByText("This page shows no picture of this file.").waitFor(),
  Photograph: (page) => expect.poll(() => page.getByRole("img", { name: "Photograph" }).evaluate((img: HTMLImageElement) => img.naturalWidth)).toBeGreaterThan(0),
  // Chromium's own viewer, in a frame of its own.
  "Letter on paper": (page) =>
    expect.poll(async () => (await Promise.all(page.frames().map((frame) => frame.content().catch(() => "")))).some((html) => html.includes("application/x-google-chrome-pdf")), { timeout: 45_000 }).toBe(true),
  "Report of the operation": (page) => page.locator(".narrative section h3").first().waitFor(),
  "Insurance cover": async (page) => {
    await page.getByRole("columnheader", { name: "Value" }).waitFor();
    await page.getByRole("cell", { name: "Staff of the harbour" }).waitFor();
    await page.getByText("S-100").waitFor();
  },
  "Discharge letter": async (page) => {
    await page.locator(".document").getByText("The left knee was operated on.").waitFor();
    await page.getByRole("button", { name: "What changed since version 1" }).click();
    expect([await page.locator(".changes del").innerText(), await page.locator(".changes ins").innerText()]).toEqual(["right", "left"]);
  },
};

/** Opens the records of the list that is shown until each of the kinds that were sent was seen. */
export async function seeEach(person: Person, thorough = true): Promise<void> {
  const { page } = person;
  const open = page.locator("ul.rows").getByRole("button", { name: /^Open / });
  await open.first().waitFor();
  const left = new Set(Object.keys(SEEN));
  for (let at = 0; left.size > 0; at++) {
    expect(at, `not in the list: ${[...left].join(", ")}`).toBeLessThan(await open.count());
    await open.nth(at).click();
    await page.getByRole("button", { name: "← Back" }).waitFor();
    await person.settled();
    const title = await page.locator("main h1").innerText();
    if (left.delete(title)) {
      await SEEN[title]!(page);
      if (thorough) await person.accessible();
      // The picture is one of the portal itself.
      if (thorough && title !== "Photograph") await person.shot(`record ${title}`);
    }
    await page.getByRole("button", { name: "← Back" }).click();
    await open.first().waitFor();
  }
}
