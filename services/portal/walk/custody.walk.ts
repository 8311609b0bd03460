// A patient takes the keys over: afterwards database, vault and backup of the gateway open nothing that is written, and the
// patient with the recovery kit alone opens everything.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Deployment, Hex } from "../src/api/types";
import { ar } from "../src/words/ar";
import { fr } from "../src/words/fr";
import { document, Hospital, seeEach, sendEach } from "./documents";
import { browser, Person, ready, type System, untranslated, up } from "./system";
import { newest, reached, recover, recoverByRoot, rootOf, steal, type Stolen } from "./thief";

const ALICE = "Alice, a patient";
const PASSPHRASE = "correct horse battery staple";

describe.skipIf(!ready())("own keys", () => {
  let system: System;
  let chromium: Browser;
  let deployment: Deployment;
  let home: string;
  let alice: Person;
  let doctor: Person;
  let patient: Hex;
  let before: Stolen[];
  const english = (language: "fr" | "ar") => untranslated({ fr, ar }[language]);
  const kit = () => join(home, "kit.age");
  let kitPhrase: string;
  let late: string;

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "patient-home-"));
    [system, chromium] = await Promise.all([up(), browser()]);
    deployment = (await (await fetch(`${system.gateway}/v1/deployment`)).json()) as Deployment;
    patient = system.accounts.find((account) => account.name === "alice")!.address as Hex;
  });
  afterAll(async () => {
    await chromium?.close();
    await system?.stop();
    rmSync(home, { recursive: true, force: true });
  });

  /** The hospital's system adds a note; gives its CID. */
  async function write(text: string): Promise<string> {
    const { meta } = await new Hospital(system).write(patient, document(text, "text/plain", new TextEncoder().encode(text)));
    return meta.extension.find((one) => one.url === "urn:chartseal:extension:cid")!.valueString;
  }

  async function asked(person: Person, permission: "Read" | "Add to (without reading)", reason: string): Promise<void> {
    await person.visit("Ask for access");
    await person.page.getByLabel("Patient’s address").fill(patient);
    await person.page.getByText(permission, { exact: true }).click();
    await person.page.getByLabel("Why, in your words").fill(reason);
    await person.page.getByRole("button", { name: "Read what you sign" }).click();
    await person.sign("Sign and ask");
    await person.page.getByText("Waiting for the patient").first().waitFor();
  }

  async function approved(): Promise<void> {
    await alice.visit("Requests");
    await alice.page.getByRole("button", { name: "Approve", exact: true }).click();
    await alice.sign("Approve and sign");
    await alice.page.getByText("You allowed").waitFor();
  }

  /** The tab is closed and opened again: everything in memory is gone. */
  async function reopened(page: Page): Promise<void> {
    await page.goto(`${system.gateway}/patient/keys`);
    await page.getByRole("button", { name: `Sample: ${ALICE}` }).click();
    await page.getByRole("heading", { name: "My keys" }).waitFor();
  }

  async function unlocked(page: Page): Promise<void> {
    await reopened(page);
    await page.getByLabel("Passphrase").fill(PASSPHRASE);
    await page.getByRole("button", { name: "Unlock my keys" }).click();
  }

  test("before, what a gateway holds opens everything", async () => {
    doctor = await Person.enter(chromium, system, "/doctor", "A doctor");
    await asked(doctor, "Read", "Follow-up after the knee operation");
    alice = await Person.enter(chromium, system, "/patient", ALICE);
    await approved();
    before = steal(system);
    expect(rootOf(before, patient)).toBeDefined();
    expect(await reached(system, deployment, patient, before)).toEqual((await newest(system, deployment, patient)).sort());
    // Without the root too: the hospital's and the doctor's keys, and the release keys.
    const others = before.filter((row) => row.kind !== "root");
    expect(await reached(system, deployment, patient, others)).toContain("clinical|1");
  });

  test("who may read is ended first", async () => {
    await alice.visit("Who has access");
    for (const end = alice.page.getByRole("button", { name: /^End access of/ }); (await end.count()) > 0; ) {
      const left = await end.count();
      await end.first().click();
      await alice.sign("End access and sign");
      await expect.poll(() => end.count(), { timeout: 45_000 }).toBe(left - 1);
    }
    const hospital = await Person.enter(chromium, system, "/doctor", "The hospital");
    await asked(hospital, "Add to (without reading)", "To go on adding to the record");
    await hospital.leave();
    await approved();
  });

  test("the hand-over is taken up again wherever the tab was closed", async () => {
    const { page } = alice;
    await alice.visit("My keys");
    await page.getByRole("button", { name: "Take my keys over" }).click();
    await page.getByLabel("Choose a passphrase of at least 12 characters").fill("short");
    await page.getByLabel("The same passphrase again").fill("short");
    await page.getByRole("button", { name: "Use a passphrase" }).click();
    await page.getByText("This passphrase is too short.").waitFor();
    await page.getByLabel("Choose a passphrase of at least 12 characters").fill(PASSPHRASE);
    await page.getByLabel("The same passphrase again").fill(PASSPHRASE);
    await alice.accessible();
    await alice.alsoTranslated(english);
    await page.getByRole("button", { name: "Use a passphrase" }).click();
    await page.getByRole("heading", { name: "Save your recovery kit" }).waitFor({ timeout: 60_000 });

    // Closed before the kit was saved.
    await unlocked(page);
    await page.getByRole("heading", { name: "Save your recovery kit" }).waitFor({ timeout: 60_000 });
    await page.getByRole("button", { name: "Save the file" }).waitFor({ timeout: 60_000 });
    expect(await page.getByRole("button", { name: "Read what you sign" }).count()).toBe(0);
    await alice.accessible();
    await alice.alsoTranslated(english);
    await alice.shot("recovery-kit");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save the file" }).click()]);
    await download.saveAs(kit());
    kitPhrase = await page.locator(".kit code").innerText();
    await page.getByLabel("Recovery kit file").setInputFiles(kit());
    await page.getByRole("textbox", { name: "Passphrase" }).fill("not this one");
    await page.getByRole("button", { name: "Check my kit" }).click();
    await page.getByText("do not belong together").waitFor({ timeout: 60_000 });
    await page.getByRole("textbox", { name: "Passphrase" }).fill(kitPhrase);
    await page.getByRole("button", { name: "Check my kit" }).click();
    await page.getByRole("heading", { name: "Hand over" }).waitFor({ timeout: 60_000 });

    // Closed before it was signed.
    await unlocked(page);
    await page.getByRole("heading", { name: "Hand over" }).waitFor({ timeout: 60_000 });
    await alice.accessible();
    await alice.alsoTranslated(english);
    await page.getByRole("button", { name: "Read what you sign" }).click();
    const sheet = page.getByRole("dialog");
    await sheet.locator(".sentence").waitFor({ timeout: 60_000 });
    expect(await sheet.locator(".sentence").innerText()).toBe("You take your keys over from Sample Hospital.");
    await alice.accessible();
    await sheet.getByRole("button", { name: "Take over and sign" }).click();
    await page.getByText("Signed. Waiting until it counts").waitFor();

    // Closed before it counted.
    await unlocked(page);
    await page.getByText("You keep your keys yourself").waitFor({ timeout: 90_000 });
    await page.getByText("No key needs to be renewed.").waitFor();
    await alice.accessible();
    await alice.alsoTranslated(english);
    await alice.shot("own-keys");
    const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    expect(stored).toBe('{"language":"en"}');
  });

  test("afterwards, what the gateway holds and ever held opens nothing that is written", async () => {
    late = await write("Written after the patient took the keys over");
    // Destroyed once the change of custody is final, a block after the page has seen it.
    await expect.poll(() => rootOf(steal(system), patient), { timeout: 30_000, interval: 500 }).toBeUndefined();
    const after = steal(system);
    const found = await reached(system, deployment, patient, [...before, ...after]);
    expect(found).toContain("clinical|1");
    const now = await newest(system, deployment, patient);
    expect(now.filter((one) => found.includes(one))).toEqual([]);

    // The reader, with the root of the old backup: what was written before, and not what was written after.
    const stolen = () => recoverByRoot(system, deployment, patient, rootOf(before, patient)!);
    const lost = async () => (await stolen()).lost.map((one) => one.what);
    await expect.poll(lost, { timeout: 60_000, interval: 1_000 }).toContain(`record ${late}`);
    const list = await stolen();
    expect(list.records.some((record) => record.scope === "clinical")).toBe(true);
    expect(list.records.some((record) => record.cid === late)).toBe(false);
  });

  test("the patient reads it in the browser, shares it and ends that again", async () => {
    const { page } = alice;
    await alice.visit("My records");
    await page.getByRole("button", { name: /^Open Written after the patient took the keys over/ }).click();
    await page.getByRole("heading", { name: "Written after the patient took the keys over" }).waitFor();
    await page.locator("pre.text").getByText("Written after the patient took the keys over").waitFor();
    await page.getByRole("button", { name: "Check the proof" }).click();
    await page.getByText("The proof holds.").waitFor();

    await asked(doctor, "Read", "To read the new note");
    await approved();
    await doctor.visit("My patients");
    await doctor.page.getByRole("button", { name: /^Open the record of/ }).click();
    await doctor.settled();
    await doctor.page.getByRole("button", { name: /^Open Document/ }).first().click();
    await doctor.page.getByRole("heading", { name: "Written after the patient took the keys over" }).waitFor();

    await alice.visit("Who has access");
    await page.getByRole("button", { name: /^End access of 0x.* to clinical records$/ }).click();
    await alice.sign("End access and sign");
    await page.getByText("can no longer open your clinical records").waitFor();
    await write("Written before the key was renewed");
    await alice.visit("My keys");
    await page.getByText("Added while somebody without permission still held the key").waitFor();
    await page.getByRole("button", { name: "Renew the key of your clinical records" }).click();
    expect(await alice.sign("Renew and sign")).toBe("You renew the key of your clinical records.");
    await page.getByText("No key needs to be renewed.").waitFor();
    await write("Written after the key was renewed");
  });

  test("a gateway that lies is caught, and what it did is named", async () => {
    const { page } = alice;
    const refused = async (says: string) => {
      await page.getByRole("alert").getByText(says).first().waitFor();
      await page.unrouteAll({ behavior: "wait" });
    };
    const titled = /^Open Written after the patient took the keys over/;
    await alice.visit("My records");
    await page.getByRole("button", { name: titled }).click();
    await page.getByRole("button", { name: "Check the proof" }).waitFor();

    // Another root than the one on the chain.
    await page.route("**/v1/receipts/*", async (route) => {
      const answer = await route.fetch();
      const receipt = (await answer.json()) as { root: string };
      await route.fulfill({ json: { ...receipt, root: `0x${"12".repeat(32)}` } });
    });
    await page.getByRole("button", { name: "Check the proof" }).click();
    await page.getByText("No: The chain holds the batch’s seal").waitFor();
    await refused("The proof of this record does not hold");

    // A path that leads to that root from another record.
    await alice.visit("My records");
    await page.getByRole("button", { name: titled }).click();
    await page.route("**/v1/receipts/*", async (route) => {
      const receipt = (await (await route.fetch()).json()) as { epoch: number };
      await route.fulfill({ json: { ...receipt, epoch: receipt.epoch + 1 } });
    });
    await page.getByRole("button", { name: "Check the proof" }).click();
    await page.getByText("No: The record is part of the sealed batch").waitFor();
    await refused("The proof of this record does not hold");

    // One byte of a record: it is named in the list, and all the others have their titles.
    await alice.visit("Overview");
    await page.route(new RegExp(`/ipfs/${late}\\?format=raw`), async (route) => {
      const answer = await route.fetch();
      const body = await answer.body();
      body[body.length - 20]! ^= 1;
      await route.fulfill({ response: answer, body });
    });
    await alice.visit("My records");
    const caught = page.getByRole("listitem").filter({ hasText: "its bytes do not match its fingerprint" });
    expect(await caught.count()).toBe(1);
    await page.getByRole("button", { name: /^Open Written after the key was renewed/ }).waitFor();
    await caught.getByRole("button").click();
    await refused("its bytes do not match its fingerprint");

    // An epoch that the chain has left behind, then a key that is not the doctor's.
    await asked(doctor, "Read", "Once more");
    await alice.visit("Requests");
    const approve = async (says: string) => {
      await page.getByRole("button", { name: "Approve", exact: true }).click();
      await refused(says);
      await page.getByRole("button", { name: "Go back" }).click();
    };
    await page.route("**/v1/epochs", async (route) => {
      const rows = (await (await route.fetch()).json()) as { epoch: number }[];
      await route.fulfill({ json: rows.map((row) => ({ ...row, epoch: row.epoch - 1 })) });
    });
    await approve("a key that is not the newest on the chain");
    const doctors = system.accounts.find((account) => account.name === "doctor")!.address;
    await page.route(new RegExp(`/v1/accounts/${doctors}`, "i"), async (route) => {
      const account = (await (await route.fetch()).json()) as object;
      await route.fulfill({ json: { ...account, encryptionKey: `0x${"34".repeat(32)}` } });
    });
    await approve("a key that is not the one on the chain");
    await page.getByRole("button", { name: "Decline" }).click();
    await alice.sign("Decline and sign");
  });

  test("somebody else takes over without closing anything", async () => {
    const bob = await Person.enter(chromium, system, "/patient", "Bob, a patient", { width: 360 });
    const { page } = bob;
    await bob.visit("My keys");
    await bob.byKeyboard("Take my keys over");
    await page.getByLabel("Choose a passphrase of at least 12 characters").fill(PASSPHRASE);
    await page.getByLabel("The same passphrase again").fill(PASSPHRASE);
    await bob.byKeyboard("Use a passphrase");
    const save = page.getByRole("button", { name: "Save the file" });
    await save.waitFor({ timeout: 60_000 });
    const [download] = await Promise.all([page.waitForEvent("download"), save.click()]);
    const file = join(home, "bob.age");
    await download.saveAs(file);
    await page.getByLabel("Recovery kit file").setInputFiles(file);
    await page.getByRole("textbox", { name: "Passphrase" }).fill(await page.locator(".kit code").innerText());
    await page.getByRole("button", { name: "Check my kit" }).click();
    await page.getByRole("button", { name: "Read what you sign" }).click({ timeout: 60_000 });
    await bob.sign("Take over and sign");
    await page.getByText("You keep your keys yourself").waitFor({ timeout: 60_000 });
    await bob.visit("Overview");
    await page.getByText("Denis").first().waitFor();
    // Every kind of document is opened in the browser, by the same pages.
    await sendEach(system, system.accounts.find((account) => account.name === "bob")!.address, await page.screenshot());
    await bob.visit("My records");
    await seeEach(bob);
    await bob.leave();
  });

  test("with the recovery kit alone the patient has everything, on another device and without any gateway", async () => {
    const listed = async () => {
      const folder = mkdtempSync(join(home, "recovered-"));
      return { folder, ...recover(system, deployment, kit(), kitPhrase, folder) };
    };
    const texts = async () => {
      const { folder, records, lost } = await listed();
      const read = records.map((record) => readFileSync(join(folder, "records", record.file), "utf8"));
      return { read: read.join("\n"), lost, records };
    };
    await expect.poll(async () => (await texts()).read, { timeout: 60_000, interval: 1_000 }).toContain("Written after the key was renewed");
    const { read, lost, records } = await texts();
    expect(lost).toEqual([]);
    expect(read).toContain("Written after the patient took the keys over");
    expect(records.every((record) => record.signer !== null)).toBe(true);
    expect(records.filter((record) => record.scope === "clinical").length).toBeGreaterThanOrEqual(4);

    const other = await Person.enter(chromium, system, "/patient", ALICE, { width: 360, dark: true });
    await other.visit("My keys");
    await other.page.getByLabel("Recovery kit file").setInputFiles(kit());
    await other.page.getByRole("textbox", { name: "Passphrase" }).fill(kitPhrase);
    await other.page.getByRole("button", { name: "Bring my recovery kit" }).click();
    await other.page.getByLabel("Choose a passphrase of at least 12 characters").fill(PASSPHRASE, { timeout: 60_000 });
    await other.page.getByLabel("The same passphrase again").fill(PASSPHRASE);
    await other.page.getByRole("button", { name: "Use a passphrase" }).click();
    await other.page.getByText("You keep your keys yourself").waitFor({ timeout: 60_000 });
    await other.accessible();
    await other.visit("My records");
    await other.page.getByRole("button", { name: /^Open Written after the key was renewed/ }).click();
    await other.page.getByRole("heading", { name: "Written after the key was renewed" }).waitFor();
    await other.leave();
    await alice.leave();
    await doctor.leave();
  });
});
