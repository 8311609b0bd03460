// A whole development system of its own, the samples build at its `/`, and a real Chromium before it.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { expect } from "vitest";
import { type Held, inject } from "./wallet";

const HERE = import.meta.dirname;
export const ROOT = resolve(HERE, "../../..");
const PROGRAM = process.env.PROGRAMS ?? join(ROOT, "target/debug");
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Whether the walk can run. Under REQUIRE_ALL it must. */
export function ready(): boolean {
  const missing = !CHROMIUM ? "Chromium (Debian: apt-get install chromium)" : !existsSync(join(PROGRAM, "chartseal")) ? `${PROGRAM}/chartseal (make build)` : undefined;
  if (!missing) return true;
  if (process.env.REQUIRE_ALL) throw new Error(`the portal's walk needs ${missing}`);
  console.warn(`NOT RUN: the portal's walk needs ${missing}`);
  return false;
}

/** One of the programs that were built, by its name. */
export function program(name: string): string {
  return join(PROGRAM, name);
}

export interface System {
  gateway: string;
  node: string;
  /** The folder with everything the system keeps. */
  data: string;
  accounts: { name: string; role: string; address: string }[];
  stop(): Promise<void>;
}

/** `build`: which build stands at its `/`. */
export async function up(build: "samples" | "production" = "samples"): Promise<System> {
  const data = mkdtempSync(join(tmpdir(), "portal-walk-"));
  const arguments_ = ["up", "--data", data, "--port", "0", "--portal", join(HERE, "../dist", build)];
  const child = spawn(join(PROGRAM, "chartseal"), arguments_, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  await running(child);
  const json = JSON.parse(readFileSync(join(data, "stack.json"), "utf8")) as { gateway: string; rpc: string; accounts: System["accounts"] };
  const stop = async () => {
    const ended = new Promise((done) => child.once("exit", done));
    child.kill("SIGINT");
    await ended;
    rmSync(data, { recursive: true, force: true });
  };
  return { gateway: json.gateway, node: json.rpc, data, accounts: json.accounts, stop };
}

function running(child: ChildProcess): Promise<void> {
  return new Promise((done, fail) => {
    let said = "";
    const hear = (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("Chartseal runs at")) done();
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    child.once("exit", () => fail(new Error(`chartseal up ended:\n${said}`)));
  });
}

export async function browser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM!, args: ["--no-sandbox"] });
}

interface Options {
  width?: number;
  dark?: boolean;
  /** The wallet's name. */
  wallet?: string;
  /** `false`: only pages that are asked about are checked for accessibility. */
  checked?: boolean;
}

function context(browser: Browser, options: Options): Promise<BrowserContext> {
  return browser.newContext({
    viewport: { width: options.width ?? 1000, height: 800 },
    colorScheme: options.dark ? "dark" : "light",
  });
}

/** A person with a browser of their own. What it must never do is collected and checked at the end. */
export class Person {
  readonly wrong: string[] = [];

  private constructor(readonly page: Page, private readonly context: BrowserContext, private readonly system: System, private readonly options: Options) {}

  /** Somebody who has not signed in. */
  static async at(browser: Browser, system: System, path: string, options: Options = {}): Promise<Person> {
    return Person.goes(await context(browser, options), system, path, options);
  }

  /** Signs in at a door: with a sample wallet, by its name, or with a wallet of one's own. */
  static async enter(browser: Browser, system: System, door: string, wallet: string | Held, options: Options = {}): Promise<Person> {
    const inside = await context(browser, options);
    if (typeof wallet !== "string") await inject(inside, wallet, system.node);
    const name = typeof wallet === "string" ? `Sample: ${wallet}` : wallet.name;
    return Person.opens(inside, system, door, { ...options, wallet: name });
  }

  private static async goes(context: BrowserContext, system: System, path: string, options: Options): Promise<Person> {
    const page = await context.newPage();
    page.setDefaultTimeout(45_000);
    const person = new Person(page, context, system, options);
    person.watch();
    await page.goto(`${system.gateway}${path}`);
    await page.locator("main h1").waitFor();
    return person;
  }

  private static async opens(context: BrowserContext, system: System, door: string, options: Options): Promise<Person> {
    const person = await Person.goes(context, system, door, options);
    await person.page.getByRole("button", { name: options.wallet! }).waitFor();
    await person.check();
    await person.shot(`sign-in${door}`);
    await person.signsIn();
    return person;
  }

  async signsIn(): Promise<void> {
    await this.page.getByRole("button", { name: this.options.wallet! }).click();
    await this.page.getByRole("button", { name: "Sign out" }).waitFor();
  }

  /** Closes the tab and opens the door in a new one, in the same browser. */
  async closesAndOpens(door: string): Promise<Person> {
    await this.page.close();
    expect(this.wrong).toEqual([]);
    return Person.opens(this.context, this.system, door, this.options);
  }

  private watch(): void {
    this.page.on("console", (message) => {
      if (/Content Security Policy/i.test(message.text())) this.wrong.push(message.text());
    });
    this.page.on("pageerror", (error) => this.wrong.push(String(error)));
    this.page.on("request", (request) => {
      const url = new URL(request.url());
      // The browser's own PDF viewer is an extension of it.
      const ours = ["blob:", "data:", "chrome-extension:", "chrome:"].includes(url.protocol) || [this.system.gateway, this.system.node].includes(url.origin);
      if (!ours) this.wrong.push(`a request to ${url.origin}`);
    });
  }

  async visit(link: string): Promise<void> {
    await this.page.getByRole("navigation").getByRole("link", { name: link, exact: true }).click();
    await this.settled();
    await this.check();
    await this.shot(link);
  }

  /** `accessible`, unless another walk looks at the same pages. */
  private async check(): Promise<void> {
    if (this.options.checked !== false) await this.accessible();
  }

  async settled(): Promise<void> {
    await this.page.getByText("Loading…").first().waitFor({ state: "detached" });
  }

  /** Every page behind the door, and what a person reads there, in a language chosen by hand. */
  async everyPage(language: "fr" | "ar", english: Set<string>): Promise<void> {
    await this.speak(language);
    const links = await this.page.locator("nav a").evaluateAll((all) => all.map((a) => a.getAttribute("href")!));
    for (const link of links) {
      await this.page.locator(`nav a[href="${link}"]`).click();
      await this.page.locator("main h1").waitFor();
      await this.page.locator("main .quiet[role=status]").first().waitFor({ state: "detached" });
      await this.everywhere();
      if (language === "ar") await this.shot(`${link.slice(1)}-${language}`);
      expect((await this.read()).filter((text) => english.has(text)), `English at ${link} in ${language}`).toEqual([]);
    }
  }

  /** The page as it stands, in French and in Arabic: the same bar. */
  async alsoTranslated(english: (language: "fr" | "ar") => Set<string>): Promise<void> {
    for (const language of ["fr", "ar"] as const) {
      await this.speak(language);
      await this.everywhere();
      const left = (await this.read()).filter((text) => english(language).has(text));
      expect(left, `English in ${language}`).toEqual([]);
    }
    await this.speak("en");
  }

  private async speak(language: "en" | "fr" | "ar"): Promise<void> {
    await this.page.locator("select.language").selectOption(language);
    await this.page.locator(`html[lang=${language}][dir=${language === "ar" ? "rtl" : "ltr"}]`).waitFor();
  }

  /** Texts and names of controls, as they are shown. */
  private read(): Promise<string[]> {
    return this.page.evaluate(() => {
      const texts = [document.title, ...document.querySelectorAll<HTMLElement>("[aria-label], [title], [placeholder]")].flatMap((one) =>
        typeof one === "string" ? one.split(" · ") : ["aria-label", "title", "placeholder"].map((name) => one.getAttribute(name) ?? ""),
      );
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) texts.push(node.textContent?.trim() ?? "");
      return texts.filter(Boolean);
    });
  }

  /** The page on a desk and on a phone, in both themes. */
  async everywhere(): Promise<void> {
    const [size, dark] = [this.page.viewportSize()!, await this.page.evaluate(() => matchMedia("(prefers-color-scheme: dark)").matches)];
    for (const width of [1000, 360]) {
      await this.page.setViewportSize({ ...size, width });
      await this.page.emulateMedia({ colorScheme: "light" });
      await this.accessible();
      // Of what axe looks at, only colours change with the theme.
      await this.page.emulateMedia({ colorScheme: "dark" });
      await this.accessible("color-contrast");
    }
    await this.page.setViewportSize(size);
    await this.page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
  }

  /** axe-core finds nothing, and nothing is wider than the window. */
  async accessible(only?: "color-contrast"): Promise<void> {
    // Through the protocol, not as a script of the page: its policy lets none in.
    if (!(await this.page.evaluate(() => "axe" in window))) await this.page.evaluate(AXE);
    const violations = await this.page.evaluate(async (rule) => {
      const { axe } = window as unknown as { axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string; target: string[] }[] }[] }> } };
      const options = { resultTypes: ["violations"], ...(rule ? { runOnly: [rule] } : {}) };
      const line = ([first]: { html: string; target: string[] }[]) => `${first?.target.join(" ")}: ${first?.html.slice(0, 160)}`.replace(/\s+/g, " ");
      return (await axe.run(options)).violations.map(({ id, nodes }) => `${id} at ${line(nodes)}`);
    }, only);
    // On one line, so that a log that is cut still names it.
    expect(violations.length, violations.join(" | ")).toBe(0);
    const over = await this.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(over, "pixels wider than the window").toBeLessThanOrEqual(0);
  }

  async shot(name: string): Promise<void> {
    await shoot(this.page, name);
  }

  /** Only with the keyboard: Tab until the control has the focus, then Enter. */
  async byKeyboard(name: string | RegExp): Promise<void> {
    const wanted = this.page.getByRole("button", { name }).first();
    await wanted.waitFor();
    for (let presses = 0; presses < 60; presses++) {
      if (await wanted.evaluate((element) => element === document.activeElement)) {
        await this.page.keyboard.press("Enter");
        return;
      }
      await this.page.keyboard.press("Tab");
    }
    throw new Error(`${String(name)} cannot be reached with the Tab key`);
  }

  /** Reads the sheet's sentence and signs. */
  async sign(button: string, keyboard = false): Promise<string> {
    const sentence = (await this.page.locator(".sheet .sentence").first().textContent()) ?? "";
    await this.check();
    await this.shot(`sheet ${button}`);
    if (keyboard) await this.byKeyboard(button);
    else await this.page.getByRole("button", { name: button }).click();
    await this.page.locator(".sheet").waitFor({ state: "detached", timeout: 60_000 });
    return sentence;
  }

  async leave(): Promise<void> {
    await this.context.close();
    expect(this.wrong).toEqual([]);
  }
}

/** What must not be read any more in a language: sentences whose translation differs. */
export function untranslated(catalogue: Record<string, unknown>): Set<string> {
  return new Set(Object.keys(catalogue).filter((key) => catalogue[key] !== key));
}

/** The longest picture; a long list is cut there. */
const TALLEST = 1800;

/** Pictures of the page in both themes for the folder SHOTS names, if it does. */
export async function shoot(page: Page, name: string): Promise<void> {
  const folder = process.env.SHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  const wasDark = await page.evaluate(() => matchMedia("(prefers-color-scheme: dark)").matches);
  // A sheet lies over the window, not over the whole page.
  const [width, y, height] = await page.evaluate(() =>
    document.querySelector(".sheet") ? ([innerWidth, scrollY, innerHeight] as const) : ([innerWidth, 0, document.documentElement.scrollHeight] as const),
  );
  const clip = { x: 0, y, width, height: Math.min(height, TALLEST), scale: 1 };
  const devtools = await page.context().newCDPSession(page);
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    // Chromium's own WebP: a third of a PNG.
    const { data } = await devtools.send("Page.captureScreenshot", { format: "webp", quality: 45, captureBeyondViewport: true, clip });
    const words = [name.replace(/\W+/g, "-").replace(/-$/, "").toLowerCase(), width < 500 ? "phone" : "", theme === "dark" ? "dark" : ""];
    writeFileSync(join(folder, `${words.filter(Boolean).join("-")}.webp`), Buffer.from(data, "base64"));
  }
  await devtools.detach();
  await page.emulateMedia({ colorScheme: wasDark ? "dark" : "light" });
}
