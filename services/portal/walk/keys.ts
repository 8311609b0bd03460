// A person's own keys: what is done at "My keys", whoever does it.

import type { Page } from "playwright-core";
import type { Person } from "./system";

export const PASSPHRASE = "correct horse battery staple";

/** Fills the two passphrases in. */
export async function choose(page: Page, passphrase = PASSPHRASE): Promise<void> {
  await page.getByLabel("Choose a passphrase of at least 12 characters").fill(passphrase, { timeout: 60_000 });
  await page.getByLabel("The same passphrase again").fill(passphrase);
}

export async function unlock({ page }: Person): Promise<void> {
  await page.getByLabel("Passphrase").fill(PASSPHRASE);
  await page.getByRole("button", { name: "Unlock my keys" }).click();
}

/** Saves the kit that is shown; gives its passphrase. */
export async function saveKit(page: Page, file: string): Promise<string> {
  const save = page.getByRole("button", { name: "Save the file" });
  await save.waitFor({ timeout: 60_000 });
  const [download] = await Promise.all([page.waitForEvent("download"), save.click()]);
  await download.saveAs(file);
  return page.locator(".kit code").innerText();
}

export async function openKit(page: Page, file: string, passphrase: string, button: "Check my kit" | "Bring my recovery kit"): Promise<void> {
  await page.getByLabel("Recovery kit file").setInputFiles(file);
  await page.getByRole("textbox", { name: "Passphrase" }).fill(passphrase);
  await page.getByRole("button", { name: button }).click();
}
