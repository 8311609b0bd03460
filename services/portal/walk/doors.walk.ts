import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ar } from "../src/words/ar";
import { fr } from "../src/words/fr";
import { seeEach, sendEach } from "./documents";
import { browser, Person, ready, shoot, type System, untranslated, up } from "./system";

describe.skipIf(!ready())("four doors", () => {
  let system: System;
  let chromium: Browser;
  const english = (language: "fr" | "ar") => untranslated({ fr, ar }[language]);
  const address = (name: string) => system.accounts.find((account) => account.name === name)!.address;

  beforeAll(async () => {
    [system, chromium] = await Promise.all([up(), browser()]);
  });
  afterAll(async () => {
    await chromium?.close();
    await system?.stop();
  });

  /** Nothing of this comes to the page until what is returned is called. */
  async function held(page: Page, url: RegExp): Promise<() => void> {
    let go = () => {};
    const gone = new Promise<void>((done) => (go = done));
    await page.route(url, async (route) => {
      await gone;
      await route.continue();
    });
    return go;
  }

  test("the home page shows four doors, on a phone and in the dark too", async () => {
    for (const [width, colorScheme] of [[360, "light"], [360, "dark"], [1000, "light"]] as const) {
      const page = await chromium.newPage({ viewport: { width, height: 740 }, colorScheme });
      await page.goto(system.gateway);
      await page.getByRole("link", { name: /^Patient/ }).waitFor();
      expect(await page.getByRole("listitem").count()).toBe(4);
      await shoot(page, "home");
      await page.close();
    }
  });

  test("every page before the doors in three languages", async () => {
    const visitor = await Person.at(chromium, system, "/");
    for (const path of ["/", "/patient", "/doctor", "/insurer", "/administrator"]) {
      await visitor.page.goto(`${system.gateway}${path}`);
      await visitor.page.locator("main h1").waitFor();
      await visitor.everywhere();
      await visitor.alsoTranslated(english);
    }
    await visitor.leave();
    // A wallet without an account registers at each door; one of another door's is told so; and a page that is none.
    for (const door of ["/patient", "/doctor", "/insurer"]) {
      const stranger = await Person.enter(chromium, system, door, "Somebody not registered");
      await stranger.page.getByRole("heading", { name: /^Register/ }).waitFor();
      await stranger.settled();
      await stranger.everywhere();
      await stranger.shot(`register${door}`);
      await stranger.alsoTranslated(english);
      await stranger.leave();
    }
    const lost = await Person.enter(chromium, system, "/doctor", "Alice, a patient");
    await lost.page.getByRole("heading", { name: "This is another door" }).waitFor();
    await lost.everywhere();
    await lost.alsoTranslated(english);
    await lost.page.getByRole("link", { name: "Choose another door" }).click();
    await lost.page.evaluate(() => {
      history.pushState({}, "", "/nowhere");
      dispatchEvent(new PopStateEvent("popstate"));
    });
    await lost.page.getByRole("heading", { name: "There is no such page" }).waitFor();
    await lost.everywhere();
    await lost.alsoTranslated(english);
    await lost.leave();
  });

  test("a page is accessible while it is still loaded", async () => {
    const doctor = await Person.at(chromium, system, "/doctor");
    const { page } = doctor;
    const loading = page.getByText("Loading…");
    const [code, grants] = [await held(page, /\/assets\/rooms-/), await held(page, /\/v1\/grants/)];
    await page.getByRole("button", { name: "Sample: A doctor" }).click();
    await loading.waitFor();
    await doctor.accessible();
    code();
    await page.getByRole("heading", { name: "My patients" }).waitFor();
    await loading.waitFor();
    await doctor.accessible();
    grants();
    await page.getByText("No patient has given you access").waitFor();
    await doctor.leave();
  });

  test("a doctor asks, the patient approves in words, the doctor reads and writes, the patient ends it", async () => {
    const doctor = await Person.enter(chromium, system, "/doctor", "A doctor");
    await doctor.settled();
    await doctor.page.getByText("No patient has given you access").waitFor();
    await doctor.visit("My information");
    await doctor.visit("Ask for access");
    await doctor.page.getByLabel("Patient’s address").fill("0x12");
    await doctor.page.getByRole("button", { name: "Read what you sign" }).click();
    await doctor.page.getByText("This is not an address").waitFor();
    const field = doctor.page.getByRole("textbox", { name: "Patient’s address", description: /This is not an address/ });
    await expect.poll(() => field.evaluate((input) => input === document.activeElement)).toBe(true);
    await doctor.accessible();
    await doctor.page.getByLabel("Patient’s address").fill(address("alice"));
    await doctor.page.getByText("Read and add to", { exact: true }).click();
    await doctor.page.getByLabel("Why, in your words").fill("Follow-up after the knee operation");
    await doctor.page.getByRole("button", { name: "Read what you sign" }).click();
    const asked = await doctor.sign("Sign and ask");
    expect(asked).toContain("to let you read and add to their clinical records until");
    await doctor.page.getByText("Waiting for the patient").waitFor();

    const alice = await Person.enter(chromium, system, "/patient", "Alice, a patient", { width: 360, dark: true });
    await alice.settled();
    await alice.page.getByText("1 open request").waitFor();
    await alice.accessible();
    await alice.shot("overview");
    await alice.visit("Requests");
    await alice.page.getByText("“Follow-up after the knee operation”").waitFor();
    await alice.byKeyboard("Approve");
    const approved = await alice.sign("Approve and sign", true);
    expect(approved).toMatch(/^You allow 0x\w{4}…\w{4} to read and add to your clinical records until .+, for treatment\.$/);
    await alice.page.getByText("You allowed").waitFor();

    await doctor.visit("My patients");
    await doctor.page.getByRole("button", { name: /^Open the record of/ }).click();
    await doctor.settled();
    await doctor.accessible();
    await doctor.shot("patient");
    await doctor.page.getByRole("button", { name: /^Open Document/ }).last().click();
    await doctor.page.getByRole("heading", { name: "Operative note" }).waitFor();
    await doctor.page.locator(".narrative section").first().waitFor();
    await doctor.accessible();
    await doctor.shot("ccda");
    await doctor.page.getByRole("button", { name: "Check the proof" }).click();
    await doctor.page.getByText("The proof holds.").waitFor();

    await doctor.page.getByRole("button", { name: "Write a corrected version" }).click();
    await doctor.page.getByLabel("Title").fill("Operative note, corrected");
    await doctor.page.getByLabel("Text", { exact: true }).fill("The left knee, not the right one.");
    await doctor.accessible();
    await doctor.page.getByRole("button", { name: "Read what you sign" }).click();
    expect(await doctor.sign("Sign and store")).toBe("You sign version 2 of this record as its author.");
    await doctor.page.getByRole("heading", { name: "Operative note, corrected" }).waitFor();
    await doctor.page.getByText("The left knee, not the right one.").waitFor();
    await doctor.page.getByRole("combobox", { name: "Version" }).selectOption("1");
    await doctor.page.getByText("This is an older version").waitFor();

    await alice.visit("Who has access");
    await alice.byKeyboard(/^End access of the doctor 0x.* to clinical records$/);
    const ended = await alice.sign("End access and sign", true);
    expect(ended).toMatch(/^You withdraw every permission of 0x\w{4}…\w{4} for your clinical records\.$/);
    await alice.page.getByText("can no longer open your clinical records").waitFor();

    await doctor.page.getByRole("combobox", { name: "Version" }).selectOption("2");
    await doctor.page.getByRole("alert").first().waitFor();
    await doctor.visit("My patients");
    await doctor.page.getByText("No patient has given you access").waitFor();

    await alice.visit("Who looked");
    await alice.page.getByText(/The doctor 0x.* read from your clinical records/).first().waitFor();
    await alice.visit("My records");
    await alice.page.getByText("Scanned page").first().waitFor();
    await alice.page.getByRole("button", { name: /^Open Claim C-2020-0001/ }).click();
    await alice.page.getByRole("heading", { name: "What is claimed" }).waitFor();
    await alice.accessible();
    await alice.shot("claim");
    await alice.page.getByRole("button", { name: "Check the proof" }).click();
    await alice.page.getByText("The proof holds.").waitFor();
    await alice.visit("My keys");
    expect(await alice.page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).toBe("{}");
    await alice.leave();
    await doctor.leave();
  });

  test("an insurer finds nothing until the patient approves for less, then the claim with its proof", async () => {
    const insurer = await Person.enter(chromium, system, "/insurer", "The insurance company");
    const look = async () => {
      await insurer.page.getByLabel("Claim number").fill("C-2020-0002");
      await insurer.page.getByRole("button", { name: "Look up" }).click();
    };
    await look();
    await insurer.page.getByText("Not granted.").waitFor();
    await insurer.visit("Company information");
    await insurer.visit("Ask for access");
    const ask = async () => {
      await insurer.page.getByLabel("Patient’s address").fill(address("bob"));
      await insurer.page.getByRole("button", { name: "Read what you sign" }).click();
      await insurer.sign("Sign and ask");
      await insurer.page.getByText("Waiting for the patient").waitFor();
    };
    await ask();
    await insurer.page.getByRole("button", { name: "Withdraw" }).click();
    expect(await insurer.sign("Withdraw and sign")).toBe("You take your request back.");
    await insurer.page.getByText("Withdrawn", { exact: true }).waitFor();
    await ask();

    const bob = await Person.enter(chromium, system, "/patient", "Bob, a patient");
    await bob.visit("Requests");
    // What was withdrawn is not asked any more.
    expect(await bob.page.getByRole("article").count()).toBe(1);
    await bob.page.getByRole("button", { name: "Decline" }).click();
    expect(await bob.sign("Decline and sign")).toBe("You say no to this request.");
    await bob.page.getByText("No request waits for you.").waitFor();
    await insurer.visit("Ask for access");
    await insurer.page.getByText("Declined", { exact: true }).waitFor();
    await ask();
    await bob.visit("Overview");
    await bob.visit("Requests");
    await bob.page.getByRole("button", { name: "Approve for less…" }).click();
    await bob.page.getByText("1 day", { exact: true }).click();
    await bob.accessible();
    await bob.page.getByRole("button", { name: "Go on with this" }).click();
    expect(await bob.sign("Approve and sign")).toMatch(/^You allow Sample Insurer to read your insurance claims until .+, for paying a claim\.$/);
    await bob.leave();

    await insurer.visit("Look up a claim");
    await look();
    await insurer.page.getByRole("heading", { name: "Claim C-2020-0002" }).waitFor();
    await insurer.accessible();
    await insurer.shot("claim-insurer");
    await insurer.page.getByRole("button", { name: "Check the proof" }).click();
    await insurer.page.getByText("The proof holds.").waitFor();
    await insurer.leave();
  });

  test("a patient and the hospital see every kind of document: pictures, papers, tables, and what changed", async () => {
    const alice = await Person.enter(chromium, system, "/patient", "Alice, a patient", { dark: true });
    await sendEach(system, address("alice"), await alice.page.screenshot());
    await alice.visit("My records");
    await seeEach(alice);
    await alice.leave();
    const hospital = await Person.enter(chromium, system, "/doctor", "The hospital");
    await hospital.page.getByRole("button", { name: `Open the record of ${address("alice").toLowerCase()}` }).or(hospital.page.getByRole("button", { name: `Open the record of ${address("alice")}` })).first().click();
    await seeEach(hospital, false);
    await hospital.leave();
  });

  test("somebody registers, the administrator confirms, suspends and reinstates", async () => {
    const somebody = await Person.enter(chromium, system, "/patient", "Somebody not registered");
    await somebody.page.getByRole("button", { name: "Read what you sign" }).click();
    expect(await somebody.sign("Register and sign")).toBe("You register this wallet. Its role: patient.");
    await somebody.page.getByText("You have signed.").waitFor();

    const admin = await Person.enter(chromium, system, "/administrator", "The administrator");
    await admin.settled();
    await admin.page.getByRole("button", { name: "Confirm…" }).click();
    await admin.sign("Confirm and sign");
    await admin.page.getByText("is registered.").waitFor();
    await admin.visit("Accounts");
    const search = admin.page.getByLabel("Search by address");
    await search.fill("hello");
    await admin.page.getByText("This is not an address.").waitFor();
    await search.fill(address("doctor"));
    await admin.page.getByRole("button", { name: /^Suspend/ }).click();
    await admin.sign("Suspend and sign");
    await admin.page.getByRole("button", { name: /^Reinstate/ }).click();
    await admin.sign("Reinstate and sign");
    await admin.page.getByRole("button", { name: /^Suspend/ }).waitFor();
    await admin.leave();

    await somebody.page.reload();
    await somebody.page.getByRole("button", { name: "Sample: Somebody not registered" }).click();
    await somebody.page.getByRole("heading", { name: "My information" }).waitFor();
    await somebody.visit("My keys");
    await somebody.page.getByRole("button", { name: "Open my record" }).click();
    await somebody.sign("Open and sign (8 signatures)");
    await somebody.page.getByRole("button", { name: "Save the file" }).waitFor();
    await somebody.accessible();
    await somebody.leave();
  });

  test("the browser's language is spoken from the start, another one when it is chosen, and it is kept", async () => {
    const context = await chromium.newContext({ locale: "fr-CA" });
    const page = await context.newPage();
    await page.goto(system.gateway);
    await page.getByRole("heading", { name: "Des dossiers médicaux" }).waitFor();
    await page.locator("select.language").selectOption("ar");
    await page.locator("html[lang=ar][dir=rtl]").waitFor();
    await page.reload();
    await page.getByRole("link", { name: "المريض" }).waitFor();
    await shoot(page, "home-ar");
    await context.close();
  });

  test.each([
    ["/patient", "Alice, a patient", {}],
    ["/doctor", "A doctor", { dark: true }],
    ["/insurer", "The insurance company", { width: 360 }],
    ["/administrator", "The administrator", { width: 360, dark: true }],
  ])("every page at %s in French and in Arabic", async (door, wallet, options) => {
    const person = await Person.enter(chromium, system, door, wallet, options);
    await person.settled();
    await person.everyPage("fr", english("fr"));
    await person.everyPage("ar", english("ar"));
    await person.leave();
  });
});
