// What people do in more than one walk.

import type { Hex } from "viem";
import { expect } from "vitest";
import type { Intent, SignedIn } from "../src/api/types";
import { message } from "../src/wallet/sign-in";
import { path } from "./hospital";
import type { Person, System } from "./system";
import type { Held } from "./wallet";

/** Licence and papers. */
export async function fillsIn({ page }: Person, number = "LIC-4711"): Promise<void> {
  await page.getByLabel("Number of your licence").fill(number);
  await page.getByLabel("Valid until").fill("2036-01-01");
  await page.getByLabel("Your papers (PDF or picture)").setInputFiles(path("congress.pdf"));
}

/** Fills the form in, attaches papers, signs. */
export async function applies(person: Person, role: "doctor" | "hospital" | "insurer" | "patient", number?: string): Promise<void> {
  const { page } = person;
  const read = page.getByRole("button", { name: "Read what you sign" });
  await read.waitFor();
  if (role === "hospital") await page.getByText("Hospital", { exact: true }).click();
  if (role !== "patient") await fillsIn(person, number);
  await person.accessible();
  await read.click();
  await person.sign("Register and sign");
  await page.getByText("You have signed.").waitFor();
  if (role !== "patient") await page.getByText("Your papers are attached.").waitFor();
}

/** Once an administrator has confirmed. */
export async function comesIn({ page }: Person): Promise<void> {
  await page.getByRole("button", { name: "Look again" }).click();
  await page.getByRole("button", { name: "Sign in again" }).click();
  await page.getByRole("navigation").waitFor();
}

/** Asks a patient, for reading unless another permission is named. */
export async function asks(person: Person, patient: string, reason: string, permission?: "Read and add to" | "Add to (without reading)"): Promise<void> {
  const { page } = person;
  await person.visit("Ask for access");
  await page.getByLabel("Patient’s address").fill(patient);
  if (permission) await page.getByText(permission, { exact: true }).click();
  await page.getByLabel("Why, in your words").fill(reason);
  await page.getByRole("button", { name: "Read what you sign" }).click();
  await person.sign("Sign and ask");
  await page.getByText("Waiting for the patient").first().waitFor();
}

/** The one request that waits. */
export async function approves(patient: Person): Promise<void> {
  await patient.visit("Requests");
  await patient.page.getByRole("button", { name: "Approve", exact: true }).click();
  await patient.sign("Approve and sign");
  await patient.page.getByText("You allowed").waitFor();
}

/** Ends every permission there is, one after the other. */
export async function endsAll(patient: Person): Promise<void> {
  await patient.visit("Who has access");
  const end = patient.page.getByRole("button", { name: /^End access of/ });
  await end.first().waitFor();
  for (let left = await end.count(); left > 0; left--) {
    await end.first().click();
    await patient.sign("End access and sign");
    await expect.poll(() => end.count(), { timeout: 45_000 }).toBe(left - 1);
  }
}

/** A patient whose custodian keeps the keys allows somebody one claim and what it cites, by a program and not in the portal. */
export async function allowsAlone(system: System, { account }: Held, claim: string, grantee: Hex): Promise<void> {
  let token: string | undefined;
  const ask = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(body ? { "content-type": "application/json" } : {}), "idempotency-key": crypto.randomUUID() };
    const answer = await fetch(`${system.gateway}${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
    const json = (await answer.json()) as T;
    expect(answer.ok, JSON.stringify(json)).toBe(true);
    return json;
  };
  const [{ nonce }, { chainId }] = await Promise.all([ask<{ nonce: string }>("GET", "/v1/sessions/nonce"), ask<{ chainId: number }>("GET", "/v1/deployment")]);
  const text = message(system.gateway, account.address, chainId, nonce, new Date());
  ({ token } = await ask<SignedIn>("POST", "/v1/sessions", { message: text, signature: await account.signMessage({ message: text }) }));
  const until = Math.floor(Date.now() / 1000) + 86_400;
  const intent = await ask<Intent>("POST", "/v1/intents", { kind: "grantClaim", claim: `0x${claim}`, grantee, until, purpose: "TREAT" });
  for (const part of intent.sign) {
    const signature = await account.signTypedData(part.typedData as unknown as Parameters<typeof account.signTypedData>[0]);
    await ask("PUT", `/v1/intents/${intent.id}/signatures`, { as: part.as, signature });
  }
  await expect.poll(async () => (await ask<Intent>("GET", `/v1/intents/${intent.id}`)).state, { timeout: 60_000 }).toBe("confirmed");
}
