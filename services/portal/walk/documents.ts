// One document of each kind, sent by the hospital's system over FHIR, and what a person sees of each.

import type { Page } from "playwright-core";
import { expect } from "vitest";
import { file, Hospital, idOf } from "./hospital";
import type { Person, System } from "./system";

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

/** Sends one of each kind to a sample patient. */
export async function sendEach(system: System, address: string, picture: Uint8Array): Promise<void> {
  const [hospital, patient] = [new Hospital(system), idOf(system, address)];
  const letter = await hospital.note(patient, "Discharge letter", "The right knee was operated on. Rest for a week.");
  await Promise.all([
    hospital.note(patient, "Discharge letter", "The left knee was operated on. Rest for a week.", letter.id),
    hospital.document(patient, "CT of the chest", "application/dicom", file("CT_small.dcm")),
    hospital.document(patient, "Ultrasound in colour", "application/dicom", file("examples_rgb_color.dcm")),
    hospital.document(patient, "Compressed picture", "application/dicom", file("JPEG2000.dcm")),
    hospital.document(patient, "Photograph", "image/png", picture),
    hospital.document(patient, "Letter on paper", "application/pdf", file("congress.pdf")),
    hospital.document(patient, "Report of the operation", "text/xml", file("knee.xml")),
    hospital.store({ ...COVERAGE, beneficiary: { reference: `Patient/${patient}` } }),
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
