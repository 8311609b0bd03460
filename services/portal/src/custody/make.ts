// What the device makes for a decision: keys of new epochs, links, and wraps for those who may read.

import { bytesToHex, type Hex } from "viem";
import type { Gateway } from "../api/gateway";
import type { Account, Grant } from "../api/types";
import type { Bytes } from "./capsule";
import { Caught } from "./caught";
import type { Chain } from "./chain";
import { compartmentOf, slotOf } from "./place";
import { Ring } from "./ring";
import { sealLink, sealWrap } from "./seals";
import { epochSecret, publicKey } from "./tree";
import { t } from "../words/language";

/** As `GET /v1/epochs` answers. */
export interface EpochRow {
  scope: string;
  compartment: Hex;
  epoch: number;
  key: Hex;
  pending: boolean;
  kept: boolean;
  due: boolean;
  next: number;
}

export interface OwnWrap {
  grantee: Hex;
  serial: number;
  wrap: Hex;
  releaseKey: Hex;
}

export interface OwnEpoch {
  scope: string;
  epoch: number;
  key: Hex;
  wraps: OwnWrap[];
}

/** A number below the highest this device ever used could meet an old wrap. */
export interface Marks {
  /** Takes `number` or a higher one, durably. */
  take(compartment: Hex, number: number): Promise<number>;
}

/** Makes what patients sign, from the root. */
export class Maker {
  constructor(
    private readonly root: Bytes,
    private readonly chain: Chain,
    readonly gateway: Gateway,
    private readonly marks: Marks,
  ) {}

  rows(): Promise<EpochRow[]> {
    return this.gateway.get<EpochRow[]>("/v1/epochs");
  }

  async ring(): Promise<Ring> {
    return Ring.ofRoot(this.root, this.chain.system, await this.chain.epochs());
  }

  /** An epoch of the scope under this root, for everybody who may read it on the chain. */
  async epoch(scope: string, row: EpochRow): Promise<OwnEpoch> {
    const compartment = compartmentOf(this.chain.patient, scope);
    const epoch = await this.marks.take(compartment, row.next);
    const secret = await epochSecret(this.root, this.chain.system, compartment, epoch);
    const wraps: OwnWrap[] = [];
    for (const grant of await this.readers(scope)) {
      if (!(await this.chain.mayRead(grant.grantee, { scope }, grant.serial))) throw new Caught("not-live");
      wraps.push({ grantee: grant.grantee, serial: grant.serial, ...(await this.wrap(grant.grantee, scope, grant.serial, epoch, secret)) });
    }
    return { scope, epoch, key: bytesToHex(await publicKey(secret)), wraps };
  }

  /** The next epoch with the link that leads back to the one on the chain. */
  async advance(scope: string, row: EpochRow): Promise<OwnEpoch & { link: Hex }> {
    const newest = (await this.ring()).newest(scope);
    if (!newest || newest.epoch.number !== row.epoch || newest.epoch.key !== row.key) throw new Caught("stale-epoch");
    if (!newest.secret) throw new Caught("swapped-key");
    const made = await this.epoch(scope, row);
    const step = { ...this.chain.system, compartment: newest.epoch.compartment, previousEpoch: newest.epoch.number, epoch: made.epoch };
    const secret = await epochSecret(this.root, this.chain.system, newest.epoch.compartment, made.epoch);
    return { ...made, link: bytesToHex(await sealLink(step, await publicKey(secret), newest.secret)) };
  }

  /** The wrap of a new grant, of the newest epoch on the chain. */
  async grant(grantee: Hex, scope: string): Promise<{ epoch: number; serial: number; wrap: Hex; releaseKey: Hex }> {
    const row = (await this.rows()).find((one) => one.scope === scope);
    if (row?.pending) throw new Error(t("A new key of this part is on its way to the chain. Try again in a few seconds."));
    const newest = (await this.ring()).newest(scope);
    if (!row || !newest || row.epoch !== newest.epoch.number || row.key !== newest.epoch.key) throw new Caught("stale-epoch");
    if (!newest.secret) throw new Caught("swapped-key");
    const serial = await this.chain.nextSerial(grantee, { scope });
    return { epoch: row.epoch, serial, ...(await this.wrap(grantee, scope, serial, row.epoch, newest.secret)) };
  }

  /** The key that what is for this grantee is sealed to. */
  async recipient(grantee: Hex): Promise<Bytes> {
    const { encryptionKey } = await this.gateway.get<Account>(`/v1/accounts/${grantee}`);
    return this.chain.recipient(grantee, encryptionKey);
  }

  private async readers(scope: string): Promise<Grant[]> {
    const grants = await this.gateway.get<Grant[]>(`/v1/grants?patient=${this.chain.patient}`);
    return grants.filter((grant) => grant.live && grant.scope === scope && (grant.permission & 1) !== 0);
  }

  private async wrap(grantee: Hex, scope: string, serial: number, epoch: number, secret: Bytes) {
    const recipient = await this.recipient(grantee);
    const at = { ...this.chain.system, slot: slotOf(this.chain.patient, grantee, { scope }), serial, epoch };
    const { wrap, releaseKey } = await sealWrap(at, recipient, secret);
    return { wrap: bytesToHex(wrap), releaseKey: bytesToHex(releaseKey) };
  }
}
