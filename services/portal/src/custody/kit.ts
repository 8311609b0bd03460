// The recovery kit: an age file under a passphrase that `age -d` and `chartseal-reader recover` open too.

import { Decrypter, Encrypter } from "age-encryption";
import { bytesToHex, getAddress, type Hex } from "viem";
import { type Bytes, bytes, random } from "./capsule";
import type { System } from "./place";
import { t } from "../words/language";

const FORMAT = "chartseal-root/1";
/** log2 of scrypt's N. A passphrase of 130 random bits needs no stretching, only the format does. */
export const FOR_A_MADE_PHRASE = 15;
/** For a passphrase a person chose: about two seconds in JavaScript, which is four to eight times slower than `age`. */
export const FOR_A_CHOSEN_PHRASE = 17;
const LARGEST = 64 * 1024;

/** A root and whose it is. */
export interface Kit extends System {
  patient: Hex;
  root: Bytes;
}

/** Why a file is not a kit that can be used here. Its message is for the person. */
export class BadKit extends Error {}

export async function sealKit(kit: Kit, passphrase: string, workFactor: number): Promise<Bytes> {
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  encrypter.setScryptWorkFactor(workFactor);
  return new Uint8Array(await encrypter.encrypt(written(kit)));
}

/** The one line a kit holds. */
export function written({ chainId, consent, patient, root }: Kit): string {
  const text = { format: FORMAT, chainId, consent: getAddress(consent), patient: getAddress(patient), root: bytesToHex(root) };
  return `${JSON.stringify(text)}\n`;
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
  const bad = () => new BadKit(t("This file opens, and it is not a recovery kit of this system."));
  let kit: Record<string, unknown>;
  try {
    kit = (JSON.parse(text) ?? {}) as Record<string, unknown>;
  } catch {
    throw bad();
  }
  const { format, chainId, consent, patient, root } = kit;
  const address = (value: unknown): value is Hex => typeof value === "string" && /^0x[0-9a-f]{40}$/i.test(value);
  const form = format === FORMAT && Number.isSafeInteger(chainId) && address(consent) && address(patient) && Object.keys(kit).length === 5;
  if (!form || typeof root !== "string" || !/^0x[0-9a-f]{64}$/i.test(root)) throw bad();
  return { chainId: chainId as number, consent, patient, root: bytes(root as Hex) };
}

/** A fresh passphrase of 130 bits: 26 characters in groups, none of them easily mistaken. */
export function newPassphrase(): string {
  // 256 is a multiple of 32, so every letter is equally likely.
  const letters = Array.from(random(26), (byte) => "abcdefghijkmnpqrstuvwxyz23456789"[byte % 32]!);
  return letters.join("").match(/.{5}(?!.$)|.+$/g)!.join("-");
}
