// The recovery kit: an age file under a passphrase that `age -d` opens too. A patient's holds the root, for `chartseal-reader
// recover`; a reader's holds an age identity, for `chartseal-reader open`.

import { Decrypter, Encrypter } from "age-encryption";
import { bytesToHex, getAddress, type Hex } from "viem";
import { type Bytes, bytes, random } from "./capsule";
import type { System } from "./place";
import { identity, secretOf } from "./tree";
import { t } from "../words/language";

const ROOT = "chartseal-root/1";
const KEY = "# chartseal-key/1 ";
/** log2 of scrypt's N. A passphrase of 130 random bits needs no stretching, only the format does. */
export const FOR_A_MADE_PHRASE = 15;
/** For a passphrase a person chose: about two seconds in JavaScript, which is four to eight times slower than `age`. */
export const FOR_A_CHOSEN_PHRASE = 17;
const LARGEST = 64 * 1024;

/** A secret that opens records, and whose it is. */
export interface Kit extends System {
  account: Hex;
  /** A patient's root, or the encryption key of who reads others' records. */
  holds: "root" | "key";
  secret: Bytes;
}

/** Why a file is not a kit that can be used here. Its message is for the person. */
export class BadKit extends Error {}

export async function sealKit(kit: Kit, passphrase: string, workFactor: number): Promise<Bytes> {
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  encrypter.setScryptWorkFactor(workFactor);
  return new Uint8Array(await encrypter.encrypt(written(kit)));
}

/** What a kit holds. */
export function written({ chainId, consent, account, holds, secret }: Kit): string {
  const place = { chainId, consent: getAddress(consent) };
  if (holds === "key") return `${KEY}${JSON.stringify({ ...place, account: getAddress(account) })}\n${identity(secret)}\n`;
  return `${JSON.stringify({ format: ROOT, ...place, patient: getAddress(account), root: bytesToHex(secret) })}\n`;
}

export async function openKit(file: Bytes, passphrase: string): Promise<Kit> {
  if (file.length > LARGEST) throw new BadKit(t("This file is too large for a recovery kit. Choose the file you saved."));
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase.trim());
  let text: string;
  try {
    text = await decrypter.decrypt(file, "text");
  } catch {
    throw new BadKit(t("The file and the passphrase do not belong together. Check both and try again."));
  }
  return readKit(text);
}

/** Reads what `written` wrote. */
export function readKit(text: string): Kit {
  const kit = text.startsWith(KEY) ? readKey(text) : readRoot(text);
  if (!kit) throw new BadKit(t("This file opens, and it is not a recovery kit of this system."));
  return kit;
}

function readRoot(text: string): Kit | undefined {
  const { format, chainId, consent, patient, root } = fields(text, 5);
  const place = placed(chainId, consent, patient);
  if (!place || format !== ROOT || typeof root !== "string" || !/^0x[0-9a-f]{64}$/i.test(root)) return undefined;
  return { ...place, holds: "root", secret: bytes(root as Hex) };
}

function readKey(text: string): Kit | undefined {
  const [line = "", key = "", ...rest] = text.slice(KEY.length).trimEnd().split("\n");
  const { chainId, consent, account } = fields(line, 3);
  const [place, secret] = [placed(chainId, consent, account), secretOf(key)];
  return place && secret && rest.length === 0 ? { ...place, holds: "key", secret } : undefined;
}

/** None where the text is not an object of so many. */
function fields(text: string, count: number): Record<string, unknown> {
  try {
    const found = (JSON.parse(text) ?? {}) as Record<string, unknown>;
    return Object.keys(found).length === count ? found : {};
  } catch {
    return {};
  }
}

function placed(chainId: unknown, consent: unknown, account: unknown): Pick<Kit, "chainId" | "consent" | "account"> | undefined {
  const address = (value: unknown): value is Hex => typeof value === "string" && /^0x[0-9a-f]{40}$/i.test(value);
  return Number.isSafeInteger(chainId) && address(consent) && address(account) ? { chainId: chainId as number, consent, account } : undefined;
}

/** A fresh passphrase of 130 bits: 26 characters in groups, none of them easily mistaken. */
export function newPassphrase(): string {
  // 256 is a multiple of 32, so every letter is equally likely.
  const letters = Array.from(random(26), (byte) => "abcdefghijkmnpqrstuvwxyz23456789"[byte % 32]!);
  return letters.join("").match(/.{5}(?!.$)|.+$/g)!.join("-");
}
