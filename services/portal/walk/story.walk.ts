// The whole story, by clicks at four doors of the production build: everybody has a wallet of their own.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Deployment } from "../src/api/types";
import { ar } from "../src/words/ar";
import { fr } from "../src/words/fr";
import { flip } from "./damage";
import { file, Hospital, type Stored } from "./hospital";
import { choose, openKit, saveKit, unlock } from "./keys";
import { applies, approves, asks, comesIn, endsAll } from "./steps";
import { browser, Person, program, ready, type System, untranslated, up } from "./system";
import { newest, reached, recoverByRoot, rootOf, steal, type Stolen } from "./thief";
import { type Held, held } from "./wallet";

const CLAIM = "C-2026-0417";

describe.skipIf(!ready())("the story", () => {
  const wallets = {
    admin: held("The administrator’s wallet", 0),
    custodian: held("The custodian’s wallet", 4),
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
  let home: string;
  const english = (language: "fr" | "ar") => untranslated({ fr, ar }[language]);

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "patient-home-"));
    [system, chromium] = await Promise.all([up("production"), browser()]);
    deployment = (await (await fetch(`${system.gateway}/v1/deployment`)).json()) as Deployment;
  });
  afterAll(async () => {
    await chromium?.close();
    await system?.stop();
    rmSync(home, { recursive: true, force: true });
  });

  function application(of: Held) {
    return admin.page.getByRole("article").filter({ hasText: of.account.address });
  }

  async function confirmed(of: Held): Promise<void> {
    await admin.visit("Waiting");
    await application(of).first().getByRole("button", { name: "Confirm…" }).click();
    await admin.sign("Confirm and sign");
    await admin.page.getByText(`${of.account.address} is registered.`).waitFor();
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
    const receipt = await hospital.receipt(claim.cid);
    const folder = mkdtempSync(join(tmpdir(), "receipt-"));
    writeFileSync(join(folder, "receipt.json"), receipt);
    const verified = spawnSync(program("chartseal-reader"), ["verify", join(folder, "receipt.json"), "--rpc", system.node]);
    rmSync(folder, { recursive: true });
    expect(verified.status, verified.stderr.toString() + verified.stdout.toString()).toBe(0);
  });

  test("the patient approves, closes the tab before it counts, and finds it under way in a new one", async () => {
    await asks(doctor, address, "Follow-up after the knee operation", "Read and add to");
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
    await asks(insurer, address, "Claim of November");
    await patient.visit("Requests");
    await patient.page.getByRole("button", { name: "Decline" }).click();
    await patient.sign("Decline and sign");
    await looksUp();
    await insurer.page.getByText("Not granted.").waitFor();
    await asks(insurer, address, "Claim of November, the chest X-ray only");
    await insurer.page.getByText("Declined", { exact: true }).waitFor();
    await approves(patient);
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
    await patient.page.getByRole("button", { name: /^End access of .*0x.* to clinical records$/ }).click();
    await patient.sign("End access and sign");
    await patient.page.getByText("can no longer open your clinical records").waitFor();
    await doctor.visit("My patients");
    await doctor.page.getByText("No patient has given you access").waitFor();
    expect(await reached(system, deployment, address, steal(system).filter(doctors))).toEqual([]);

    await new Hospital(system).note(patientId, "Written afterwards");
    await expect.poll(() => newest(system, deployment, address), { timeout: 30_000, interval: 500 }).toContain("clinical|2");
    expect(await reached(system, deployment, address, before)).not.toContain("clinical|2");
    await patient.visit("Who looked");
    await patient.page.getByText(/The doctor 0x.* read from your clinical records/).first().waitFor();
  });

  test("one flipped byte in the store is caught, and said", async () => {
    await flip(system, claim.cid);
    await looksUp();
    await insurer.page.getByRole("alert").getByText("does not match its proof").waitFor();
    // The others are in the patient's list as ever.
    await patient.visit("My records");
    const caught = patient.page.getByRole("listitem").filter({ hasText: "does not match its proof" });
    await caught.getByText("Insurance claim").waitFor();
    expect(await caught.count()).toBe(1);
    await patient.page.getByRole("button", { name: /^Open Operative note, corrected/ }).waitFor();
    for (const person of [admin, doctor, insurer]) await person.leave();
  });

  test("before the keys are taken over, what the gateway holds opens everything; who may read is ended", async () => {
    before = steal(system);
    expect(rootOf(before, address)).toBeDefined();
    expect(await reached(system, deployment, address, before)).toEqual(expect.arrayContaining(await newest(system, deployment, address)));
    // Without the root too: the hospital's key, and the release keys.
    const others = before.filter((row) => row.kind !== "root");
    expect(await reached(system, deployment, address, others)).toContain("clinical|2");

    await endsAll(patient);
    const custodian = await Person.enter(chromium, system, "/doctor", wallets.custodian, { checked: false });
    await asks(custodian, address, "To go on adding to the record", "Add to (without reading)");
    await custodian.leave();
    await approves(patient);
  });

  test("the hand-over is taken up again wherever the tab was closed", async () => {
    await patient.visit("My keys");
    await patient.page.getByRole("button", { name: "Take my keys over" }).click();
    await choose(patient.page, "short");
    await patient.page.getByRole("button", { name: "Use a passphrase" }).click();
    await patient.page.getByText("This passphrase is too short.").waitFor();
    await choose(patient.page);
    await patient.accessible();
    await patient.alsoTranslated(english);
    await patient.page.getByRole("button", { name: "Use a passphrase" }).click();
    await patient.page.getByRole("heading", { name: "Save your recovery kit" }).waitFor({ timeout: 60_000 });

    // Closed before the kit was saved.
    await reopens();
    await patient.page.getByRole("heading", { name: "Save your recovery kit" }).waitFor({ timeout: 60_000 });
    const [kit, phrase] = [join(home, "kit.age"), await saveKit(patient.page, join(home, "kit.age"))];
    expect(await patient.page.getByRole("button", { name: "Read what you sign" }).count()).toBe(0);
    await patient.accessible();
    await patient.alsoTranslated(english);
    await patient.shot("recovery-kit");
    await openKit(patient.page, kit, "not this one", "Check my kit");
    await patient.page.getByText("do not belong together").waitFor({ timeout: 60_000 });
    await openKit(patient.page, kit, phrase, "Check my kit");
    await patient.page.getByRole("heading", { name: "Hand over" }).waitFor({ timeout: 60_000 });

    // Closed before it was signed.
    await reopens();
    await patient.page.getByRole("heading", { name: "Hand over" }).waitFor({ timeout: 60_000 });
    await patient.accessible();
    await patient.alsoTranslated(english);
    await patient.page.getByRole("button", { name: "Read what you sign" }).click();
    const sheet = patient.page.getByRole("dialog");
    await sheet.locator(".sentence").waitFor({ timeout: 60_000 });
    expect(await sheet.locator(".sentence").innerText()).toBe("You take your keys over from Sample Hospital.");
    await patient.accessible();
    await sheet.getByRole("button", { name: "Take over and sign" }).click();
    await sheet.getByText("Signed. Waiting until it counts").waitFor();

    // Closed before it counted.
    await reopens();
    await patient.page.getByText("You keep your keys yourself").waitFor({ timeout: 90_000 });
    await patient.page.getByText("No key needs to be renewed.").waitFor();
    await patient.accessible();
    await patient.alsoTranslated(english);
    await patient.shot("own-keys");
    const stored = await patient.page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    expect(stored).toBe('{"language":"en"}');
  });

  test("afterwards, what the gateway holds and ever held opens nothing that is written; the patient reads it", async () => {
    const late = await new Hospital(system).note(patientId, "Written after the patient took the keys over");
    // Destroyed once the change of custody is final, a block after the page has seen it.
    await expect.poll(() => rootOf(steal(system), address), { timeout: 30_000, interval: 500 }).toBeUndefined();
    const found = await reached(system, deployment, address, [...before, ...steal(system)]);
    expect(found).toContain("clinical|2");
    const now = await newest(system, deployment, address);
    expect(now.filter((one) => found.includes(one))).toEqual([]);

    // The reader, with the root of the old backup: what was written before, and not what was written after.
    const stolen = () => recoverByRoot(system, deployment, address, rootOf(before, address)!);
    const lost = async () => (await stolen()).lost.map((one) => one.what);
    await expect.poll(lost, { timeout: 60_000, interval: 1_000 }).toContain(`record ${late.cid}`);
    const { records } = await stolen();
    expect(records.some((record) => record.scope === "clinical")).toBe(true);
    expect(records.some((record) => record.cid === late.cid)).toBe(false);

    await patient.visit("My records");
    await patient.page.getByRole("button", { name: /^Open Written after the patient took the keys over/ }).click();
    await patient.page.locator("pre.text").getByText("Written after the patient took the keys over").waitFor();
    await patient.leave();
  });

  /** The tab is closed, and opened again in the same browser: everything in memory is gone. */
  async function reopens(): Promise<void> {
    patient = await patient.closesAndOpens("/patient/keys");
    await unlock(patient);
  }
});
