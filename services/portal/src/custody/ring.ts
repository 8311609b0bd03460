// The patient's keys of every epoch: from the root, and along the links where another root made them.

import { bytesToHex, type Hex } from "viem";
import { type Bytes, bytes } from "./capsule";
import { Caught } from "./caught";
import type { Epoch } from "./chain";
import type { System } from "./place";
import { openLink } from "./seals";
import { epochSecret, publicKey } from "./tree";

export class Ring {
  private readonly secrets = new Map<string, Bytes>();
  /** Of each scope, oldest first. */
  private readonly scopes = new Map<string, Epoch[]>();

  /** Holds every key against the one on the chain. */
  static async of(root: Bytes, system: System, epochs: Epoch[]): Promise<Ring> {
    const ring = new Ring();
    for (const epoch of epochs) ring.scopes.set(epoch.scope, [...(ring.scopes.get(epoch.scope) ?? []), epoch]);
    for (const all of ring.scopes.values()) {
      let newer: Epoch | undefined;
      for (const epoch of all.toReversed()) {
        const secret = await ring.reach(root, system, epoch, newer);
        if (secret) ring.secrets.set(place(epoch.compartment, epoch.number), secret);
        newer = epoch;
      }
    }
    return ring;
  }

  private async reach(root: Bytes, system: System, epoch: Epoch, newer: Epoch | undefined): Promise<Bytes | undefined> {
    const { compartment, number, key } = epoch;
    const derived = await epochSecret(root, system, compartment, number);
    if (bytesToHex(await publicKey(derived)) === key) return derived;
    const above = newer && this.secrets.get(place(compartment, newer.number));
    if (!newer || !above || newer.link === "0x") return undefined;
    const step = { ...system, compartment, previousEpoch: number, epoch: newer.number };
    return openLink(step, above, bytes(newer.link), key);
  }

  /** The compartment of a scope that the chain knows. */
  placeOf(scope: string): Hex {
    const compartment = this.scopes.get(scope)?.[0]?.compartment;
    if (!compartment) throw new Caught("misplaced-record");
    return compartment;
  }

  /** The secret of an epoch; throws where root and links do not lead to it. */
  secret(compartment: Hex, epoch: number): Bytes {
    const secret = this.secrets.get(place(compartment, epoch));
    if (!secret) throw new Caught("closed-record");
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

function place(compartment: Hex, epoch: number): string {
  return `${compartment}|${epoch}`;
}
