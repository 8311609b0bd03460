// What this browser keeps of a person's keys: the root or the key as an age file under a passkey or a passphrase, and how far taking
// over has come. It is written before the step it tells of, so that a closed tab loses nothing.

import { Decrypter, Encrypter, webauthn } from "age-encryption";
import type { Hex } from "viem";
import type { Bytes } from "./capsule";
import { FOR_A_CHOSEN_PHRASE, type Kit, readKit, written } from "./kit";
import type { Marks } from "./make";
import { t } from "../words/language";

export interface Kept {
  /** Chain, contract and account. */
  place: string;
  /** An age file of what a recovery kit holds. */
  sealed: Bytes;
  /** The passkey's name for age; absent under a passphrase. */
  passkey?: string;
  /** A recovery kit was saved and opened again. Nothing is handed over before. */
  kit: boolean;
  /** The highest epoch number used per compartment. */
  marks: Record<Hex, number>;
}

const STORE = "keys";

function database(): Promise<IDBDatabase> {
  return new Promise((done, fail) => {
    const asked = indexedDB.open("chartseal", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { keyPath: "place" });
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => fail(asked.error);
  });
}

/** One transaction, durable when this resolves. */
async function inStore<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await database();
  try {
    return await new Promise((done, fail) => {
      const transaction = db.transaction(STORE, mode, { durability: "strict" });
      const asked = work(transaction.objectStore(STORE));
      transaction.oncomplete = () => done(asked.result);
      transaction.onabort = transaction.onerror = () => fail(transaction.error);
    });
  } finally {
    db.close();
  }
}

export function placeOf({ chainId, consent, account }: Pick<Kit, "chainId" | "consent" | "account">): string {
  return `${chainId}|${consent}|${account}`.toLowerCase();
}

export function kept(place: string): Promise<Kept | undefined> {
  return inStore<Kept | undefined>("readonly", (store) => store.get(place));
}

export async function forget(place: string): Promise<void> {
  await inStore("readwrite", (store) => store.delete(place));
}

async function put(value: Kept): Promise<void> {
  await inStore("readwrite", (store) => store.put(value));
}

/** Whether a passkey can hold the key here: browsers offer none to an address that is a number. */
export function passkeys(): boolean {
  return "credentials" in navigator && window.isSecureContext && !/^[\d.[\]:]+$/.test(location.hostname);
}

/** Keeps it under a new passkey, or under a passphrase. */
export async function keep(kit: Kit, under: { passphrase: string } | "passkey", checked: boolean): Promise<Kept> {
  const encrypter = new Encrypter();
  const value: Kept = { place: placeOf(kit), sealed: new Uint8Array(), kit: checked, marks: {} };
  if (under === "passkey") {
    value.passkey = await webauthn.createCredential({ keyName: `Chartseal ${kit.account.slice(0, 8)}` });
    encrypter.addRecipient(new webauthn.WebAuthnRecipient({ identity: value.passkey }));
  } else {
    encrypter.setPassphrase(under.passphrase);
    encrypter.setScryptWorkFactor(FOR_A_CHOSEN_PHRASE);
  }
  value.sealed = new Uint8Array(await encrypter.encrypt(written(kit)));
  await put(value);
  return value;
}

/** Opens what `keep` kept. */
export async function unlock(value: Kept, passphrase: string): Promise<Kit> {
  const decrypter = new Decrypter();
  if (value.passkey) decrypter.addIdentity(new webauthn.WebAuthnIdentity({ identity: value.passkey }));
  else decrypter.addPassphrase(passphrase);
  try {
    return readKit(await decrypter.decrypt(value.sealed, "text"));
  } catch {
    throw new Error(value.passkey ? t("The passkey did not open your keys. Try again.") : t("This passphrase does not open your keys. Try again."));
  }
}

export async function kitChecked(place: string): Promise<void> {
  const value = await kept(place);
  if (value) await put({ ...value, kit: true });
}

/** The numbers this browser has used. */
export function marks(place: string): Marks {
  return {
    async take(compartment, number) {
      const value = await kept(place);
      if (!value) throw new Error(t("Your keys are not in this browser any more. Bring your recovery kit."));
      const taken = Math.max(number, (value.marks[compartment] ?? 0) + 1);
      await put({ ...value, marks: { ...value.marks, [compartment]: taken } });
      return taken;
    },
  };
}
