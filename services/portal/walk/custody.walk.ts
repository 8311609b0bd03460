// A patient who keeps the keys lives with them: reads, shares, renews, catches a gateway that lies, and comes back with the recovery
// kit alone; a doctor reads with a key of the browser's own. How a patient takes them over, and what a thief has from then on, is the end of the story (story.walk.ts).

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Deployment } from "../src/api/types";
import { ar } from "../src/words/ar";
import { fr } from "../src/words/fr";
import { seeEach, sendEach } from "./documents";
import { asksAbout, file, Hospital, idOf } from "./hospital";
import { choose, openKit, saveKit, unlock } from "./keys";
import { allowsAlone, applies, approves, asks, comesIn, fillsIn } from "./steps";
import { browser, Person, ready, type System, untranslated, up } from "./system";
import { recover, steal } from "./thief";
import { held } from "./wallet";

const BOB = "Bob, a patient";

describe.skipIf(!ready())("own keys", () => {
  let system: System;
  let chromium: Browser;
  let deployment: Deployment;
  let home: string;
  let bob: Person;
  let doctor: Person;
  let patient: string;
  let kitPhrase: string;
  let late: string;
  const own = held("The doctor’s wallet", 30);
  const kit = () => join(home, "kit.age");
  const doctorsKit = () => join(home, "doctor.age");
  const english = (language: "fr" | "ar") => untranslated({ fr, ar }[language]);

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "patient-home-"));
    [system, chromium] = await Promise.all([up(), browser()]);
    deployment = (await (await fetch(`${system.gateway}/v1/deployment`)).json()) as Deployment;
    patient = system.accounts.find((account) => account.name === "bob")!.address;
  });
  afterAll(async () => {
    await chromium?.close();
    await system?.stop();
    rmSync(home, { recursive: true, force: true });
  });

  /** The hospital's system adds a note; gives its CID. */
  async function write(text: string): Promise<string> {
    return (await new Hospital(system).note(idOf(system, patient), text)).cid;
  }

  test("somebody takes the keys over without closing anything, on a phone", async () => {
    bob = await Person.enter(chromium, system, "/patient", BOB, { width: 360 });
    const { page } = bob;
    await bob.visit("My keys");
    await bob.byKeyboard("Take my keys over");
    await choose(page);
    await bob.byKeyboard("Use a passphrase");
    kitPhrase = await saveKit(page, kit());
    await openKit(page, kit(), kitPhrase, "Check my kit");
    await page.getByRole("button", { name: "Read what you sign" }).click({ timeout: 60_000 });
    await bob.sign("Take over and sign");
    await page.getByText("You keep your keys yourself").waitFor({ timeout: 60_000 });
    await bob.visit("Overview");
    await page.getByText("Denis").first().waitFor();
  });

  test("the patient reads in the browser what is added, shares it and ends that again", async () => {
    const { page } = bob;
    late = await write("Written after the patient took the keys over");
    await new Hospital(system).receipt(late);
    await bob.visit("My records");
    await page.getByRole("button", { name: /^Open Written after the patient took the keys over/ }).click();
    await page.getByRole("heading", { name: "Written after the patient took the keys over" }).waitFor();
    await page.locator("pre.text").getByText("Written after the patient took the keys over").waitFor();
    await page.getByRole("button", { name: "Check the proof" }).click();
    await page.getByText("The proof holds.").waitFor();

    doctor = await Person.enter(chromium, system, "/doctor", "A doctor");
    await asks(doctor, patient, "To read the new note");
    await approves(bob);
    await doctor.visit("My patients");
    await doctor.page.getByRole("button", { name: /^Open the record of/ }).click();
    await doctor.settled();
    await doctor.page.getByRole("button", { name: /^Open Document/ }).first().click();
    await doctor.page.getByRole("heading", { name: "Written after the patient took the keys over" }).waitFor();

    await bob.visit("Who has access");
    await page.getByRole("button", { name: /^End access of .*0x.* to clinical records$/ }).click();
    await bob.sign("End access and sign");
    await page.getByText("can no longer open your clinical records").waitFor();
    await write("Written before the key was renewed");
    await bob.visit("My keys");
    await page.getByText("Added while somebody without permission still held the key").waitFor();
    await page.getByRole("button", { name: "Renew the key of your clinical records" }).click();
    expect(await bob.sign("Renew and sign")).toBe("You renew the key of your clinical records.");
    await page.getByText("No key needs to be renewed.").waitFor();
    await write("Written after the key was renewed");
  });

  test("the patient allows one claim and what it cites alone, and ends that again", async () => {
    const { page } = bob;
    const [hospital, at] = [new Hospital(system), idOf(system, patient)];
    const [cited] = await Promise.all([hospital.note(at, "Cited by a claim"), hospital.note(at, "Cited by no claim")]);
    const evidence = file("congress.pdf");
    await Promise.all([hospital.claim(at, "ALONE-1", evidence, [`DocumentReference/${cited.id}`]), hospital.claim(at, "ALONE-2", evidence)]);
    await asksAbout(system, patient, deployment, "ALONE-1");
    await bob.visit("Requests");
    await page.getByRole("button", { name: "Approve for less…" }).click();
    await page.getByText("Only the claim and what it cites, as they are now").click();

    // A gateway that lays a permission for another record out.
    await page.route("**/v1/intents", async (route) => {
      const answer = await route.fetch();
      const intent = (await answer.json()) as { sign?: { typedData: { message: object } }[] };
      for (const { typedData } of intent.sign ?? []) typedData.message = { ...typedData.message, record: `0x${"34".repeat(32)}` };
      await route.fulfill({ response: answer, json: intent });
    });
    await page.getByRole("button", { name: "Go on with this" }).click();
    await page.getByRole("alert").getByText("What the gateway laid out is not what this browser made").waitFor();
    await page.unrouteAll({ behavior: "wait" });
    await page.getByRole("button", { name: "Go back" }).click();
    await page.getByRole("button", { name: "Go on with this" }).click();
    await page.getByRole("dialog").getByText("Document, from your clinical records").waitFor();
    expect(await bob.sign("Approve and sign (2 signatures)")).toContain("to read one record until");
    await page.getByText(/^You allowed .*: only the claim and what it cites\.$/).waitFor();

    const insurer = await Person.enter(chromium, system, "/insurer", "The insurance company", { checked: false });
    const looksUp = async (number: string) => {
      await insurer.visit("Look up a claim");
      await insurer.page.getByLabel("Claim number").fill(number);
      await insurer.page.getByRole("button", { name: "Look up" }).click();
    };
    const found = insurer.page.getByRole("heading", { name: "Claim ALONE-1" });
    const nothing = insurer.page.getByText("There is no claim of this number that a patient lets you see.");
    await looksUp("ALONE-1");
    await found.waitFor();
    await insurer.page.locator("iframe[title='Scanned page']").waitFor();
    await insurer.page.getByRole("button", { name: "Open this evidence" }).click();
    await insurer.page.locator("pre.text").getByText("Cited by a claim").waitFor();
    await looksUp("ALONE-2");
    await nothing.waitFor();
    await looksUp("ALONE-1");
    await found.waitFor();

    await bob.visit("Who has access");
    await page.getByRole("button", { name: /^End access of .* to Insurance claim/ }).click();
    await bob.sign("End access and sign");
    await page.getByText(/can no longer open your Insurance claim/).waitFor();
    await looksUp("ALONE-1");
    await nothing.waitFor();
    await insurer.leave();
  });

  test("a gateway that lies is caught, and what it did is named", async () => {
    const { page } = bob;
    const refused = async (says: string) => {
      await page.getByRole("alert").getByText(says).first().waitFor();
      await page.unrouteAll({ behavior: "wait" });
    };
    const titled = /^Open Written after the patient took the keys over/;
    await bob.visit("My records");
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
    await bob.visit("My records");
    await page.getByRole("button", { name: titled }).click();
    await page.route("**/v1/receipts/*", async (route) => {
      const receipt = (await (await route.fetch()).json()) as { epoch: number };
      await route.fulfill({ json: { ...receipt, epoch: receipt.epoch + 1 } });
    });
    await page.getByRole("button", { name: "Check the proof" }).click();
    await page.getByText("No: The record is part of the sealed batch").waitFor();
    await refused("The proof of this record does not hold");

    // One byte of a record: it is named in the list, and all the others have their titles.
    await bob.visit("Overview");
    await page.route(new RegExp(`/ipfs/${late}\\?format=raw`), async (route) => {
      const answer = await route.fetch();
      const body = await answer.body();
      body[body.length - 20]! ^= 1;
      await route.fulfill({ response: answer, body });
    });
    await bob.visit("My records");
    const caught = page.getByRole("listitem").filter({ hasText: "its bytes do not match its fingerprint" });
    expect(await caught.count()).toBe(1);
    await page.getByRole("button", { name: /^Open Written after the key was renewed/ }).waitFor();
    await caught.getByRole("button").click();
    await refused("its bytes do not match its fingerprint");

    // An epoch that the chain has left behind, then a key that is not the doctor's.
    await asks(doctor, patient, "Once more");
    await bob.visit("Requests");
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
    await bob.sign("Decline and sign");
  });

  test("every kind of document is opened in the browser, by the same pages", async () => {
    await sendEach(system, patient, await bob.page.screenshot());
    await bob.visit("My records");
    await seeEach(bob);
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

    const other = await Person.enter(chromium, system, "/patient", BOB, { width: 360, dark: true });
    await other.visit("My keys");
    await openKit(other.page, kit(), kitPhrase, "Bring my recovery kit");
    await choose(other.page);
    await other.page.getByRole("button", { name: "Use a passphrase" }).click();
    await other.page.getByText("You keep your keys yourself").waitFor({ timeout: 60_000 });
    await other.accessible();
    await other.visit("My records");
    await other.page.getByRole("button", { name: /^Open Written after the key was renewed/ }).click();
    await other.page.getByRole("heading", { name: "Written after the key was renewed" }).waitFor();
    await other.leave();
    await bob.leave();
    await doctor.leave();
  });

  test("a doctor registers with a key of the browser's own, which a gateway cannot change", async () => {
    doctor = await Person.enter(chromium, system, "/doctor", own);
    const { page } = doctor;
    await page.getByText("I keep it, on this device").click();
    await choose(page);
    await doctor.accessible();
    await doctor.alsoTranslated(english);
    await page.getByRole("button", { name: "Use a passphrase" }).click();
    const phrase = await saveKit(page, doctorsKit());
    await doctor.accessible();
    await openKit(page, doctorsKit(), phrase, "Check my kit");
    await page.getByText("Your key is ready.").waitFor({ timeout: 60_000 });

    await page.route("**/v1/intents", async (route) => {
      const answer = await route.fetch();
      const intent = (await answer.json()) as { sign?: { typedData: { message: object } }[] };
      for (const { typedData } of intent.sign ?? []) typedData.message = { ...typedData.message, encryptionKey: `0x${"34".repeat(32)}` };
      await route.fulfill({ response: answer, json: intent });
    });
    await fillsIn(doctor);
    await page.getByRole("button", { name: "Read what you sign" }).click();
    await page.getByRole("dialog").getByText("The gateway named a key that is not").waitFor();
    await page.unrouteAll({ behavior: "wait" });
    await page.getByRole("button", { name: "Go back" }).click();
    await applies(doctor, "doctor");

    const admin = await Person.enter(chromium, system, "/administrator", "The administrator", { checked: false });
    await admin.page.getByRole("article").filter({ hasText: own.account.address }).getByRole("button", { name: "Confirm…" }).click();
    await admin.sign("Confirm and sign");
    await admin.page.getByText("is registered.").waitFor();
    await admin.leave();
    await comesIn(doctor);
    await doctor.visit("My information");
    await page.getByText("On my own device").waitFor();
    await unlock(doctor);
    await page.getByRole("button", { name: "Remove my keys from this browser" }).click();
    await openKit(page, doctorsKit(), phrase, "Bring my recovery kit");
    await choose(page);
    await page.getByRole("button", { name: "Use a passphrase" }).click();
    await page.getByRole("button", { name: "Make another recovery kit" }).waitFor({ timeout: 60_000 });
    await doctor.accessible();
    const mine = own.account.address.toLowerCase();
    expect(steal(system).filter((row) => row.kind === "encryption-key" && row.place.toLowerCase().startsWith(mine))).toEqual([]);
  });

  test("the doctor gets the keys of single records, and opens those and no others, until the patient ends it", async () => {
    const { page } = doctor;
    const alices = system.accounts.find((account) => account.name === "alice")!.address;
    const [hospital, at] = [new Hospital(system), idOf(system, alices)];
    const cited = await hospital.note(at, "Cited by a claim");
    const claim = await hospital.claim(at, "ALONE-3", file("congress.pdf"), [`DocumentReference/${cited.id}`]);
    await allowsAlone(system, held("Alice", 7), claim.id, own.account.address);

    const opens = page.getByRole("button", { name: /^Open (?!the record)/ });
    await doctor.visit("My patients");
    await page.getByRole("button", { name: /^Open the record of/ }).click();
    await expect.poll(() => opens.count()).toBe(2);
    await opens.first().click();
    await page.getByText("The key of this part is not here").waitFor();
    await page.getByRole("button", { name: "← Back" }).click();
    const get = page.getByRole("button", { name: "Get the keys of the single records" });
    await get.waitFor();
    await doctor.accessible();
    await doctor.alsoTranslated(english);
    await get.click();
    await page.getByRole("dialog").getByText("Document, from your clinical records").waitFor();
    expect(await doctor.sign("Ask and sign (2 signatures)")).toBe("You ask Sample Hospital for the key of one record that a patient lets you read.");
    await page.getByText(/^Your key opens, until you sign out: .*Insurance claim/).waitFor();
    await doctor.shot("single-records");
    await page.getByRole("button", { name: /^Open Insurance claim/ }).click();
    await page.getByRole("heading", { name: "Claim ALONE-3" }).waitFor();
    await page.locator("iframe[title='Scanned page']").waitFor();
    await page.getByRole("button", { name: "Open this evidence" }).click();
    await page.locator("pre.text").getByText("Cited by a claim").waitFor();
    await page.getByRole("button", { name: "← Back" }).click();

    // A later version is another record.
    await hospital.note(at, "Cited by a claim", "What came later", cited.id);
    await doctor.visit("My patients");
    await page.getByRole("button", { name: /^Open the record of/ }).click();
    await expect.poll(() => opens.count()).toBe(1);

    const alice = await Person.enter(chromium, system, "/patient", "Alice, a patient", { checked: false });
    await alice.visit("Who has access");
    await alice.page.getByRole("button", { name: /^End access of .* to Insurance claim/ }).click();
    await alice.sign("End access and sign");
    await alice.page.getByText("can no longer open your Insurance claim").waitFor();
    await alice.leave();
    await opens.first().click();
    await page.getByText("There is no such record.").first().waitFor();
    await doctor.visit("My patients");
  });

  test("the doctor gets the key of what a patient allows, and reads and writes with it", async () => {
    const { page } = doctor;
    const alice = await Person.enter(chromium, system, "/patient", "Alice, a patient");
    const patients = system.accounts.find((account) => account.name === "alice")!.address;
    await asks(doctor, patients, "Follow-up after the knee operation", "Read and add to");
    await approves(alice);
    await doctor.visit("My patients");
    await page.getByRole("button", { name: /^Open the record of/ }).click();
    const get = page.getByRole("button", { name: "Get the key of the clinical records" });
    await get.waitFor({ timeout: 60_000 });
    await doctor.settled();
    await doctor.accessible();
    await doctor.alsoTranslated(english);
    await page.getByRole("button", { name: /^Open Document/ }).last().click();
    await page.getByText("The key of this part is not here").waitFor();
    await page.getByRole("button", { name: "← Back" }).click();
    await get.click();
    expect(await doctor.sign("Ask and sign")).toBe("You ask Sample Hospital for the key of records that a patient lets you read.");
    await page.getByText(/^Your key opens, until you sign out: .*clinical records/).waitFor();
    await doctor.shot("own-key");
    await page.getByRole("button", { name: /^Open Document/ }).last().click();
    await page.getByRole("heading", { name: "Operative note" }).waitFor();
    await page.locator(".narrative section").first().waitFor();
    await page.getByRole("button", { name: "Write a corrected version" }).click();
    await page.getByLabel("Title").fill("Operative note, corrected");
    await page.getByLabel("Text", { exact: true }).fill("The left knee, not the right one.");
    await page.getByRole("button", { name: "Read what you sign" }).click();
    await doctor.sign("Sign and store");
    await page.locator("pre.text").getByText("The left knee, not the right one.").waitFor();

    await alice.visit("Who looked");
    await alice.page.getByText(/^The doctor 0x.* was given the key to your clinical records/).first().waitFor();
    await alice.leave();
    await doctor.leave();
  });
});
