// Who reads others' records with a key of this device: the gateway gives ciphertext, a patient's custodian the release key, and
// this browser opens. What was opened is in memory only, gone with the session.

import { bytesToHex, type Hex, keccak256 } from "viem";
import type { Grant, TypedData } from "../api/types";
import { type Bytes, bytes, open, random } from "./capsule";
import { Caught } from "./caught";
import { Chain } from "./chain";
import type { Kit } from "./kit";
import type { Where } from "./own";
import { OwnGateway } from "./own-gateway";
import { compartmentOf, slotOf } from "./place";
import { Ring } from "./ring";
import { openWrap, releaseContext } from "./seals";
import { publicKey } from "./tree";
import { CONSENT } from "../words/decision";
import { t } from "../words/language";

/** What a custodian releases a key for, as the reader signs it. */
export interface Release {
  slot: Hex;
  serial: number;
  epoch: number;
  reader: Hex;
  purpose: string;
  nonce: Hex;
  time: number;
  custodian: Hex;
}

export interface Asked {
  scope: string;
  release: Release;
  /** Of that epoch, for this key. */
  wraps: Bytes[];
}

export class Reader {
  private readonly patients = new Map<string, Shared>();

  constructor(
    readonly kit: Kit,
    private readonly where: Where,
  ) {}

  of(patient: Hex): Shared {
    const place = patient.toLowerCase();
    const shared = this.patients.get(place) ?? new Shared(this.kit, patient, this.where);
    this.patients.set(place, shared);
    return shared;
  }
}

/** What one patient shares with the reader. */
export class Shared {
  /** Reads like the gateway does, and opens here. */
  readonly gateway: OwnGateway;
  private readonly chain: Chain;
  /** By compartment and epoch. */
  private readonly secrets = new Map<Hex, Map<number, Bytes>>();

  constructor(
    private readonly kit: Kit,
    private readonly patient: Hex,
    { deployment, gateway, provider }: Where,
  ) {
    this.chain = new Chain(deployment, patient, provider);
    this.gateway = new OwnGateway(gateway, this.chain, () => this.ring());
  }

  /** Whether the newest key wrapped in this grant is here. */
  holds({ scope, epoch }: Pick<Grant, "scope" | "epoch">): boolean {
    return [...this.held(compartmentOf(this.patient, scope)).keys()].some((one) => one >= epoch);
  }

  /** What is to be signed for the newest epoch of a grant: slot, custodian and wraps are the chain's, not the gateway's. */
  async asked({ scope, serial, purpose }: Grant): Promise<Asked> {
    const slot = slotOf(this.patient, this.kit.account, scope);
    const mine = keccak256(await publicKey(this.kit.secret));
    const [all, custodian] = await Promise.all([this.chain.wraps(slot), this.chain.custodian()]);
    const wraps = all.filter((one) => one.serial === serial && one.recipientKeyHash === mine);
    if (wraps.length === 0) throw new Error(t("This permission is not made out to the key in this browser. The patient has to allow you again."));
    const epoch = Math.max(...wraps.map((one) => one.epoch));
    const time = Math.floor(Date.now() / 1000);
    const release = { slot, serial, epoch, reader: this.kit.account, purpose, nonce: bytesToHex(random(32)), time, custodian };
    return { scope, release, wraps: wraps.filter((one) => one.epoch === epoch).map((one) => bytes(one.wrap)) };
  }

  /** Opens the wrap with what was released, and holds the key it gives against the chain's. */
  async take({ scope, release: { slot, serial, epoch, nonce }, wraps }: Asked, released: Hex): Promise<void> {
    const at = { ...this.chain.system, slot, serial, epoch };
    const compartment = compartmentOf(this.patient, scope);
    const key = (await this.chain.epochs()).find((one) => one.compartment === compartment && one.number === epoch)?.key;
    if (!key) throw new Caught("stale-epoch");
    const releaseKey = await open(this.kit.secret, bytes(released), releaseContext({ ...at, nonce })).catch(() => undefined);
    // One epoch may have been wrapped twice; one of them is what the custodian released.
    for (const wrap of releaseKey ? wraps : []) {
      const secret = await openWrap(at, this.kit.secret, releaseKey!, wrap, key).catch(() => undefined);
      if (secret) return void this.secrets.set(compartment, new Map(this.held(compartment)).set(epoch, secret));
    }
    throw new Caught("wrong-release");
  }

  async ring(): Promise<Ring> {
    const missing = () => new Error(t("The key of this part is not here, or is an older one. Go back and get it."));
    return Ring.of(this.chain.system, await this.chain.epochs(), async ({ compartment, number }) => this.held(compartment).get(number), missing);
  }

  private held(compartment: Hex): Map<number, Bytes> {
    return this.secrets.get(compartment) ?? new Map();
  }
}

/** As wallets take it. */
export function typedRelease(release: Release, { chainId, consent }: { chainId: number; consent: Hex }): TypedData {
  const field = (one: string) => ({ type: one.split(" ")[0]!, name: one.split(" ")[1]! });
  return {
    domain: { name: "Chartseal", version: "1", chainId, verifyingContract: consent },
    types: {
      EIP712Domain: "string name,string version,uint256 chainId,address verifyingContract".split(",").map(field),
      Release: CONSENT.Release.split(",").map(field),
    },
    primaryType: "Release",
    message: { ...release },
  };
}
