// The keys under a passkey: Chromium's virtual authenticator has the PRF extension, as platform authenticators do. Browsers
// offer passkeys to names only, so the module runs at localhost, where Vite serves it.

import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { browser, ready } from "./system";

const AUTHENTICATOR = {
  protocol: "ctap2",
  ctap2Version: "ctap2_1",
  transport: "internal",
  hasResidentKey: true,
  hasUserVerification: true,
  isUserVerified: true,
  automaticPresenceSimulation: true,
} as const;

describe.skipIf(!ready())("a passkey", () => {
  let server: ViteDevServer;
  let chromium: Browser;

  beforeAll(async () => {
    server = await createServer({ root: join(import.meta.dirname, ".."), logLevel: "silent", server: { host: "localhost", port: 0 } });
    [chromium] = await Promise.all([browser(), server.listen()]);
  });
  afterAll(async () => {
    await chromium?.close();
    await server?.close();
  });

  async function at(hasPrf: boolean): Promise<Page> {
    const page = await (await chromium.newContext()).newPage();
    const protocol = await page.context().newCDPSession(page);
    await protocol.send("WebAuthn.enable");
    await protocol.send("WebAuthn.addVirtualAuthenticator", { options: { ...AUTHENTICATOR, hasPrf } });
    const address = server.httpServer!.address() as { port: number };
    await page.goto(`http://localhost:${address.port}/`);
    await page.addScriptTag({ type: "module", content: 'import * as keep from "/src/custody/keep.ts"; window.keep = keep;' });
    await page.waitForFunction(() => "keep" in window);
    return page;
  }

  /** In the page: keeps a root under a passkey, forgets it, opens it again. */
  const keepAndOpen = async () => {
    const { keep } = window as unknown as { keep: typeof import("../src/custody/keep") };
    const secret = crypto.getRandomValues(new Uint8Array(32));
    const kit = { chainId: 31337, consent: `0x${"22".repeat(20)}` as const, account: `0x${"11".repeat(20)}` as const, holds: "root" as const, secret };
    await keep.keep(kit, "passkey", false);
    await keep.kitChecked(keep.placeOf(kit));
    const found = (await keep.kept(keep.placeOf(kit)))!;
    const opened = await keep.unlock(found, "");
    const text = new TextDecoder("latin1").decode(found.sealed);
    const marks = keep.marks(keep.placeOf(kit));
    const taken = [await marks.take("0xaa", 2), await marks.take("0xaa", 2), await marks.take("0xaa", 9), await marks.take("0xbb", 1)];
    return {
      offered: keep.passkeys(),
      same: opened.secret.every((byte, place) => byte === secret[place]),
      checked: found.kit,
      stanza: text.includes("age-encryption.org/fido2prf"),
      plain: text.includes("chartseal-root"),
      taken,
    };
  };

  test("keeps a root that only the authenticator opens, and no number counts twice", async () => {
    const page = await at(true);
    const done = await page.evaluate(keepAndOpen);
    expect(done).toEqual({ offered: true, same: true, checked: true, stanza: true, plain: false, taken: [2, 3, 9, 1] });
    await page.context().close();
  });

  test("an authenticator without PRF keeps nothing", async () => {
    const page = await at(false);
    await expect(page.evaluate(keepAndOpen)).rejects.toThrow("PRF");
    await page.context().close();
  });
});
