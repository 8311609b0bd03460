// The whole story, by clicks at four doors of the production build: everybody has a wallet of their own.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Deployment } from "../src/api/types";
import { file, Hospital, path, type Stored } from "./hospital";
import { browser, Person, program, ready, type System, up } from "./system";
import { newest, reached, steal, type Stolen } from "./thief";
import { type Held, held } from "./wallet";

const CLAIM = "C-2026-0417";

describe.skipIf(!ready())("the story", () => {
  const wallets = {
    admin: held("The administrator’s wallet", 0),
    doctor: held("The doctor’s wallet", 30),
    hospital: held("The hospital’s wallet", 31),
    insurer: held("The insurer’s wallet", 32),
    patient: held("The patient’s wallet", 33),
  };
  const { address } = wallets.patient.account;
  let system: System;
  let chromium: Browser;
  let deployment: Deployment;
  let admin: Person;
  let doctor: Person;
  let insurer: Person;
  let patient: Person;
  let patientId: string;
  let claim: Stored;
  let before: Stolen[];

  beforeAll(async () => {
    [system, chromium] = await Promise.all([up("production"), browser()]);
    deployment = (await (await fetch(`${system.gateway}/v1/deployment`)).json()) as Deployment;
  });
  afterAll(async () => {
    await chromium?.close();
    await system?.stop();
  });

  /** Fills the form in, attaches papers, signs. */
  async function applies(person: Person, role: "doctor" | "hospital" | "insurer" | "patient", number = "LIC-4711"): Promise<void> {
    const { page } = person;
    if (role === "hospital") await page.getByText("Hospital", { exact: true }).click();
    if (role !== "patient") {
      await page.getByLabel("Number of your licence").fill(number);
      await page.getByLabel("Valid until").fill("2036-01-01");
      await page.getByLabel("Your papers (PDF or picture)").setInputFiles(path("congress.pdf"));
    }
    const read = page.getByRole("button", { name: "Read what you sign" });
    await read.waitFor();
    await person.accessible();
    await read.click();
    await person.sign("Register and sign");
    await page.getByText("You have signed.").waitFor();
    if (role !== "patient") await page.getByText("Your papers are attached.").waitFor();
  }

  function application(of: Held) {
    return admin.page.getByRole("article").filter({ hasText: of.account.address });
  }

  async function confirmed(of: Held): Promise<void> {
    await admin.visit("Waiting");
    await application(of).first().getByRole("button", { name: "Confirm…" }).click();
    await admin.sign("Confirm and sign");
    await admin.page.getByText(`${of.account.address} is registered.`).waitFor();
  }

  async function comesIn(person: Person): Promise<void> {
    await person.page.getByRole("button", { name: "Look again" }).click();
    await person.page.getByRole("button", { name: "Sign in again" }).click();
    await person.page.getByRole("navigation").waitFor();
  }

  async function asks(person: Person, reason: string): Promise<void> {
    await person.visit("Ask for access");
    await person.page.getByLabel("Patient’s address").fill(address);
    if (person === doctor) await person.page.getByText("Read and add to", { exact: true }).click();
    await person.page.getByLabel("Why, in your words").fill(reason);
    await person.page.getByRole("button", { name: "Read what you sign" }).click();
    await person.sign("Sign and ask");
    await person.page.getByText("Waiting for the patient").first().waitFor();
  }

  async function looksUp(): Promise<void> {
    await insurer.visit("Look up a claim");
    await insurer.page.getByLabel("Claim number").fill(CLAIM);
    await insurer.page.getByRole("button", { name: "Look up" }).click();
  }

  /** No block comes until it is said again. */
  async function mining(seconds: 0 | 1): Promise<void> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "evm_setIntervalMining", params: [seconds] });
    const answer = await fetch(system.node, { method: "POST", headers: { "content-type": "application/json" }, body });
    expect(((await answer.json()) as { error?: unknown }).error).toBeUndefined();
  }

  test("an applicant’s papers are read, refused with a reason, and confirmed once they are right", async () => {
    doctor = await Person.enter(chromium, system, "/doctor", wallets.doctor, { checked: false });
    await doctor.page.getByRole("button", { name: "Read what you sign" }).click();
    await doctor.page.getByText("Give the number of your licence").waitFor();
    await doctor.page.getByLabel("Number of your licence").fill("LIC-0815");
    await doctor.page.getByLabel("Valid until").fill("2036-01-01");
    await doctor.page.getByRole("button", { name: "Read what you sign" }).click();
    await doctor.page.getByText("Choose your papers").waitFor();
    await applies(doctor, "doctor", "LIC-0815");

    admin = await Person.enter(chromium, system, "/administrator", wallets.admin, { checked: false });
    const mine = application(wallets.doctor);
    await mine.getByRole("button", { name: "Open the papers" }).click();
    await mine.getByText("LIC-0815").waitFor();
    await mine.getByText("The number is the one whose fingerprint was signed.").waitFor();
    await mine.locator("iframe").waitFor();
    await mine.getByRole("button", { name: "Refuse…" }).click();
    await admin.accessible();
    await admin.shot("papers");
    await mine.getByRole("button", { name: "Refuse this registration" }).click();
    await mine.getByText("Say why").waitFor();
    await mine.getByLabel("Why, for the applicant to read").fill("This licence ended in May. Send the renewed one.");
    await mine.getByRole("button", { name: "Refuse this registration" }).click();
    await admin.page.getByText("is refused and sees why.").waitFor();

    await doctor.page.getByRole("button", { name: "Look again" }).click();
    await doctor.page.getByText("“This licence ended in May. Send the renewed one.”").waitFor();
    await doctor.accessible();
    await doctor.shot("refused");
    await applies(doctor, "doctor");
    await confirmed(wallets.doctor);
    await comesIn(doctor);
    await doctor.page.getByText("No patient has given you access").waitFor();
  });

  test("a hospital, an insurer and a patient register too; an address registers once", async () => {
    const hospital = await Person.enter(chromium, system, "/doctor", wallets.hospital, { checked: false });
    const twice = await Person.enter(chromium, system, "/doctor", wallets.hospital, { checked: false });
    await applies(hospital, "hospital");
    await applies(twice, "hospital");
    insurer = await Person.enter(chromium, system, "/insurer", wallets.insurer, { checked: false });
    await applies(insurer, "insurer");
    patient = await Person.enter(chromium, system, "/patient", wallets.patient, { checked: false });
    await applies(patient, "patient");
    for (const wallet of [wallets.hospital, wallets.insurer, wallets.patient]) await confirmed(wallet);

    await admin.visit("Waiting");
    const second = application(wallets.hospital);
    await second.getByRole("button", { name: "Confirm…" }).click();
    const sheet = admin.page.getByRole("dialog");
    await sheet.getByRole("button", { name: "Confirm and sign" }).click();
    await sheet.getByText("This address is registered already.").waitFor();
    await sheet.getByRole("button", { name: "Go back" }).click();
    await second.getByRole("button", { name: "Refuse…" }).click();
    await second.getByLabel("Why, for the applicant to read").fill("You are registered already.");
    await second.getByRole("button", { name: "Refuse this registration" }).click();
    await admin.page.getByText("Nobody waits to be registered.").waitFor();
    await twice.leave();

    await admin.visit("Accounts");
    await admin.page.getByLabel("Search by address").fill("0x12345");
    await admin.page.getByText("No account fits.").waitFor();
    await admin.page.getByLabel("Search by address").fill("Dr. Who");
    await admin.page.getByText("This is not an address.").waitFor();
    await admin.page.getByLabel("Search by address").fill(wallets.hospital.account.address);
    await admin.page.getByText("Hospital", { exact: true }).last().waitFor();
    await admin.visit("System");
    await admin.page.getByText("Everything answers.").waitFor();
    for (const person of [hospital, insurer, patient]) await comesIn(person);
    await hospital.leave();
  });

  test("the patient opens the record; the hospital’s system adds documents and a claim, and they are anchored", async () => {
    await patient.visit("My keys");
    await patient.page.getByRole("button", { name: "Open my record" }).click();
    await patient.sign("Open and sign (8 signatures)");
    await patient.page.getByRole("button", { name: "Save the file" }).waitFor();
    const hospital = new Hospital(system);
    patientId = (await hospital.patient(address, deployment.chainId)).id;
    await hospital.document(patientId, "Operative note", "text/xml", file("knee.xml"));
    claim = await hospital.claim(patientId, CLAIM, file("congress.pdf"));
    const receipt = async () => {
      const answer = await hospital.receipt(claim.cid);
      return answer.ok ? answer.text() : "";
    };
    await expect.poll(receipt, { timeout: 60_000, interval: 500 }).not.toBe("");
    const folder = mkdtempSync(join(tmpdir(), "receipt-"));
    writeFileSync(join(folder, "receipt.json"), await receipt());
    const verified = spawnSync(program("chartseal-reader"), ["verify", join(folder, "receipt.json"), "--rpc", system.node]);
    rmSync(folder, { recursive: true });
    expect(verified.status, verified.stderr.toString() + verified.stdout.toString()).toBe(0);
  });

  test("the patient approves, closes the tab before it counts, and finds it under way in a new one", async () => {
    await asks(doctor, "Follow-up after the knee operation");
    await patient.visit("Requests");
    await mining(0);
    await patient.page.getByRole("button", { name: "Approve", exact: true }).click();
    const sheet = patient.page.getByRole("dialog");
    await sheet.getByRole("button", { name: "Approve and sign" }).click();
    await sheet.getByText("Signed. Waiting until it counts").waitFor();

    patient = await patient.closesAndOpens("/patient");
    const underWay = patient.page.getByRole("region", { name: "Decisions under way" });
    await underWay.getByText("A permission that you gave").waitFor();
    await underWay.getByText("you may close this page").waitFor();
    await patient.accessible();
    await patient.shot("under-way");
    await patient.page.reload();
    await patient.signsIn();
    await underWay.getByText("you may close this page").waitFor();
    await mining(1);
    await underWay.getByText("It counts now.").waitFor();
    // Nothing of it is kept in the browser.
    expect(await patient.page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).toBe("{}");
    await patient.visit("Overview");
    await patient.settled();
    expect(await underWay.count()).toBe(0);
  });

  test("the doctor reads and writes a corrected version", async () => {
    await doctor.visit("My patients");
    await doctor.page.getByRole("button", { name: /^Open the record of/ }).click();
    await doctor.settled();
    await doctor.page.getByRole("button", { name: /^Open Document/ }).last().click();
    await doctor.page.getByRole("heading", { name: "Operative note" }).waitFor();
    await doctor.page.locator(".narrative section").first().waitFor();
    await doctor.page.getByRole("button", { name: "Check the proof" }).click();
    await doctor.page.getByText("The proof holds.").waitFor();
    await doctor.page.getByRole("button", { name: "Write a corrected version" }).click();
    await doctor.page.getByLabel("Title").fill("Operative note, corrected");
    await doctor.page.getByLabel("Text", { exact: true }).fill("The left knee, not the right one.");
    await doctor.page.getByRole("button", { name: "Read what you sign" }).click();
    await doctor.sign("Sign and store");
    await doctor.page.getByText("The left knee, not the right one.").waitFor();
  });

  test("the insurer is declined, asks again, and sees the claim with its evidence and proof", async () => {
    await asks(insurer, "Claim of November");
    await patient.visit("Requests");
    await patient.page.getByRole("button", { name: "Decline" }).click();
    await patient.sign("Decline and sign");
    await looksUp();
    await insurer.page.getByText("Not granted.").waitFor();
    await asks(insurer, "Claim of November, the chest X-ray only");
    await insurer.page.getByText("Declined", { exact: true }).waitFor();
    await patient.visit("Requests");
    await patient.page.getByRole("button", { name: "Approve", exact: true }).click();
    await patient.sign("Approve and sign");
    await looksUp();
    await insurer.page.getByRole("heading", { name: `Claim ${CLAIM}` }).waitFor();
    await insurer.page.locator("iframe[title='Scanned page']").waitFor();
    await insurer.page.getByRole("button", { name: "Check the proof" }).click();
    await insurer.page.getByText("The proof holds.").waitFor();
  });

  test("the patient ends the doctor’s access: what the doctor’s key and the vault hold opens nothing any more", async () => {
    // The doctor's key and every release key.
    const mine = wallets.doctor.account.address.toLowerCase();
    const doctors = ({ kind, place }: Stolen) => kind === "release-key" || (kind === "encryption-key" && place.toLowerCase().startsWith(mine));
    before = steal(system).filter(doctors);
    expect(await reached(system, deployment, address, before)).toContain("clinical|1");

    await patient.visit("Who has access");
    await patient.page.getByRole("button", { name: /^End access of 0x.* to clinical records$/ }).click();
    await patient.sign("End access and sign");
    await patient.page.getByText("can no longer open your clinical records").waitFor();
    await doctor.visit("My patients");
    await doctor.page.getByText("No patient has given you access").waitFor();
    expect(await reached(system, deployment, address, steal(system).filter(doctors))).toEqual([]);

    await new Hospital(system).document(patientId, "Written afterwards", "text/plain", Buffer.from("After the end of access"));
    await expect.poll(() => newest(system, deployment, address), { timeout: 30_000, interval: 500 }).toContain("clinical|2");
    expect(await reached(system, deployment, address, before)).not.toContain("clinical|2");
    await patient.visit("Who looked");
    await patient.page.getByText(/The doctor 0x.* read from your clinical records/).first().waitFor();
  });

  test("one flipped byte in the store is caught, and said", async () => {
    const sealed = await sealedBytes(claim.cid);
    flip(join(system.data, "content"), sealed);
    await looksUp();
    await insurer.page.getByRole("alert").getByText("does not match its proof").waitFor();
    for (const person of [admin, doctor, insurer, patient]) await person.leave();
  });

  async function sealedBytes(cid: string): Promise<Buffer> {
    const headers = { authorization: `Bearer ${new Hospital(system).token()}` };
    const answer = await fetch(`${system.gateway}/ipfs/${cid}?format=raw`, { headers });
    expect(answer.status).toBe(200);
    return Buffer.from(await answer.arrayBuffer());
  }

  /** Flips one bit of the sealed bytes wherever they lie in the folder. */
  function flip(folder: string, sealed: Buffer): void {
    const part = sealed.subarray(sealed.length - 64);
    let found = 0;
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const at = join(entry.parentPath, entry.name);
      const bytes = readFileSync(at);
      const place = bytes.indexOf(part);
      if (place < 0) continue;
      bytes[place]! ^= 1;
      writeFileSync(at, bytes);
      found += 1;
    }
    expect(found).toBeGreaterThan(0);
  }
});
