// An applicant's papers: one line that says what they are, then the file, sealed to the registrar before they leave the page.

import { concat, keccak256, stringToHex } from "viem";
import type { Deployment, Hex } from "./api/types";

/** What a registrar's page shows by itself. */
export const TYPES = ["application/pdf", "image/jpeg", "image/png"];
/** What the line and the seal add, generously. */
const ADDED = 16 * 1024;

/** Number and salt of the licence, whose fingerprint was signed. */
export interface Credential {
  number: string;
  salt: Hex;
}

export interface Papers {
  type: string;
  /** Absent where the page that made them was closed before the papers were attached. */
  credential?: Credential;
  file: Uint8Array<ArrayBuffer>;
}

/** Salted, because numbers of licences are few enough to try them all. */
export function fingerprint({ number, salt }: Credential): Hex {
  return keccak256(concat([salt, stringToHex(number)]));
}

/** Bytes of a file that can be attached. */
export function most({ papersBytes }: Deployment): number {
  return papersBytes - ADDED;
}

export async function sealed(papers: Papers, { papersRecipient }: Deployment): Promise<Uint8Array<ArrayBuffer>> {
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  encrypter.addRecipient(papersRecipient);
  return new Uint8Array(await encrypter.encrypt(packed(papers)));
}

export function packed({ type, credential, file }: Papers): Uint8Array<ArrayBuffer> {
  const line = new TextEncoder().encode(`${JSON.stringify({ v: 1, type, ...credential })}\n`);
  const whole = new Uint8Array(line.length + file.length);
  whole.set(line);
  whole.set(file, line.length);
  return whole;
}

/** Undefined for what is not of this form: the gateway takes whatever was sealed. */
export function unpacked(whole: Uint8Array<ArrayBuffer>): Papers | undefined {
  const end = whole.indexOf(10);
  if (end < 0 || end > ADDED) return undefined;
  try {
    const { v, type, number, salt } = JSON.parse(new TextDecoder().decode(whole.subarray(0, end))) as Record<string, unknown>;
    if (v !== 1 || typeof type !== "string" || !TYPES.includes(type)) return undefined;
    const file = whole.slice(end + 1);
    if (typeof number === "string" && typeof salt === "string" && /^0x[0-9a-f]{64}$/.test(salt)) {
      return { type, credential: { number, salt: salt as Hex }, file };
    }
    return { type, file };
  } catch {
    return undefined;
  }
}
