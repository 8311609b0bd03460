// The keys of a patient's epochs: from the root or what was released, and along the links to those before.

import { bytesToHex, type Hex } from "viem";
import type { RecordRow } from "../api/types";
import { digestOf, RAW } from "../proof/receipt";
import { type Bytes, bytes } from "./capsule";
import { Caught } from "./caught";
import type { Epoch } from "./chain";
import type { System } from "./place";
import { type Keys, type Opened, openRecord } from "./record";
import { openLink } from "./seals";
import { epochSecret, publicKey } from "./tree";

export class Ring implements Keys {
  private readonly secrets = new Map<string, Bytes>();
  /** Of each scope, oldest first. */
  private readonly scopes = new Map<string, Epoch[]>();

  private constructor(private readonly missing: () => Error) {}

  /** From the keys that are `known`, and along the links. Every one is held against the key on the chain. */
  static async of(system: System, epochs: Epoch[], known: (epoch: Epoch) => Promise<Bytes | undefined>, missing: () => Error = () => new Caught("closed-record")): Promise<Ring> {
    const ring = new Ring(missing);
    for (const epoch of epochs) ring.scopes.set(epoch.scope, [...(ring.scopes.get(epoch.scope) ?? []), epoch]);
    for (const all of ring.scopes.values()) {
      let newer: Epoch | undefined;
      for (const epoch of all.toReversed()) {
        const secret = (await fitting(epoch, await known(epoch))) ?? (await ring.linked(system, epoch, newer));
        if (secret) ring.secrets.set(place(epoch.compartment, epoch.number), secret);
        newer = epoch;
      }
    }
    return ring;
  }

  /** A patient's own. */
  static ofRoot(root: Bytes, system: System, epochs: Epoch[]): Promise<Ring> {
    return Ring.of(system, epochs, ({ compartment, number }) => epochSecret(root, system, compartment, number));
  }

  private async linked(system: System, { compartment, number, key }: Epoch, newer: Epoch | undefined): Promise<Bytes | undefined> {
    const above = newer && this.secrets.get(place(compartment, newer.number));
    if (!newer || !above || newer.link === "0x") return undefined;
    const step = { ...system, compartment, previousEpoch: number, epoch: newer.number };
    return openLink(step, above, bytes(newer.link), key);
  }

  /** The compartment of a scope that the chain knows. */
  private placeOf(scope: string): Hex {
    const compartment = this.scopes.get(scope)?.[0]?.compartment;
    if (!compartment) throw new Caught("misplaced-record");
    return compartment;
  }

  async open(row: RecordRow, sealed: Bytes): Promise<Opened> {
    const compartment = this.placeOf(row.scope);
    return openRecord(sealed, digestOf(row.cid, RAW), this.secret(compartment, row.epoch), compartment);
  }

  /** The secret of an epoch; throws where nothing leads to it. */
  secret(compartment: Hex, epoch: number): Bytes {
    const secret = this.secrets.get(place(compartment, epoch));
    if (!secret) throw this.missing();
    return secret;
  }

  /** The newest epoch of a scope on the chain, and its secret if it is one of ours. */
  newest(scope: string): { epoch: Epoch; secret: Bytes | undefined } | undefined {
    const epoch = this.scopes.get(scope)?.at(-1);
    return epoch && { epoch, secret: this.secrets.get(place(epoch.compartment, epoch.number)) };
  }

  /** Scopes whose newest epoch does not open with the root. */
  closed(): string[] {
    return [...this.scopes.keys()].filter((scope) => !this.newest(scope)?.secret);
  }
}

async function fitting({ key }: Epoch, secret: Bytes | undefined): Promise<Bytes | undefined> {
  return secret && bytesToHex(await publicKey(secret)) === key ? secret : undefined;
}

function place(compartment: Hex, epoch: number): string {
  return `${compartment}|${epoch}`;
}
