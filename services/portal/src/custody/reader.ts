// Who reads others' records with a key of this device: the gateway gives ciphertext, a patient's custodian the release key, and
// this browser opens. What was opened is in memory only, gone with the session.

import { bytesToHex, type Hex, keccak256 } from "viem";
import type { Grant, TypedData } from "../api/types";
import { digestOf, hashOfStatement, RAW } from "../proof/receipt";
import { type Bytes, bytes, open, random } from "./capsule";
import { Caught } from "./caught";
import { Chain, type Wrap } from "./chain";
import type { Kit } from "./kit";
import type { Where } from "./own";
import { OwnGateway } from "./own-gateway";
import { commitmentTo, compartmentOf, slotOf, type Target } from "./place";
import { type Keys, openWithFileKey } from "./record";
import { Ring } from "./ring";
import { openRecordWrap, openWrap, releaseContext } from "./seals";
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

/** What is asked of a custodian, and what tells whether it answers with what was granted. */
export type Asked = { release: Release } & (
  /** `wraps`: of that epoch, for this key. */
  | { scope: string; wraps: Bytes[] }
  /** The commitment to one record. */
  | { record: Hex }
);

/** What the custodian answers; `record` where the grant is of one. */
export interface Released {
  release: Hex;
  epoch: number;
  record?: { cid: string; salt: Hex; wrap: Hex };
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
  /** Keys of records that are granted alone, by the commitment and by the record's CID. */
  private readonly alone = new Map<Hex, { cid: string; fileKey: Bytes }>();

  constructor(
    private readonly kit: Kit,
    private readonly patient: Hex,
    private readonly where: Where,
  ) {
    this.chain = new Chain(where.deployment, patient, where.provider);
    this.gateway = new OwnGateway(where.gateway, this.chain, async () => this.keys());
  }

  /** Whether the newest key wrapped in this grant is here. */
  holds({ scope, record, epoch }: Pick<Grant, "scope" | "record" | "epoch">): boolean {
    if (scope === "") return this.alone.has(record);
    return [...this.held(compartmentOf(this.patient, scope)).keys()].some((one) => one >= epoch);
  }

  /** What is to be signed for a grant: slot, wraps and custodian are the chain's, not the gateway's. */
  async asked({ scope, record, serial, purpose }: Grant): Promise<Asked> {
    const target = scope === "" ? { record } : { scope };
    const slot = slotOf(this.patient, this.kit.account, target);
    const [custodian, wraps] = await Promise.all([this.chain.custodian(), scope === "" ? this.bare({ record }, serial) : this.wraps(slot, serial)]);
    const time = Math.floor(Date.now() / 1000);
    const release = { slot, serial, epoch: wraps[0]?.epoch ?? 0, reader: this.kit.account, purpose, nonce: bytesToHex(random(32)), time, custodian };
    return scope === "" ? { release, record } : { release, scope, wraps: wraps.map((one) => bytes(one.wrap)) };
  }

  /** Of the newest epoch. */
  private async wraps(slot: Hex, serial: number): Promise<Wrap[]> {
    const mine = keccak256(await publicKey(this.kit.secret));
    const wraps = (await this.chain.wraps(slot)).filter((one) => one.serial === serial && one.recipientKeyHash === mine);
    if (wraps.length === 0) throw new Error(t("This permission is not made out to the key in this browser. The patient has to allow you again."));
    const epoch = Math.max(...wraps.map((one) => one.epoch));
    return wraps.filter((one) => one.epoch === epoch);
  }

  /** The chain has no wrap of one record, only that it is granted. */
  private async bare(target: Target, serial: number): Promise<Wrap[]> {
    if (await this.chain.mayRead(this.kit.account, target, serial)) return [];
    throw new Error(t("The chain does not know this permission, or it has ended. The patient has to allow you again."));
  }

  /** Opens the wrap with what was released, and holds what it gives against the chain. */
  async take(asked: Asked, released: Released): Promise<void> {
    if ("record" in asked) return this.takeRecord(asked.release, asked.record, released);
    const { scope, release: { slot, serial, epoch, nonce }, wraps } = asked;
    const at = { ...this.chain.system, slot, serial, epoch };
    const compartment = compartmentOf(this.patient, scope);
    const key = (await this.chain.epochs()).find((one) => one.compartment === compartment && one.number === epoch)?.key;
    if (!key) throw new Caught("stale-epoch");
    const releaseKey = await open(this.kit.secret, bytes(released.release), releaseContext({ ...at, nonce })).catch(() => undefined);
    // One epoch may have been wrapped twice; one of them is what the custodian released.
    for (const wrap of releaseKey ? wraps : []) {
      const secret = await openWrap(at, this.kit.secret, releaseKey!, wrap, key).catch(() => undefined);
      if (secret) return void this.secrets.set(compartment, new Map(this.held(compartment)).set(epoch, secret));
    }
    throw new Caught("wrong-release");
  }

  /** The wrap came with the release. That the record is the granted one, its statement says with the salt. */
  private async takeRecord({ slot, serial, nonce }: Release, commitment: Hex, { release, epoch, record }: Released): Promise<void> {
    if (!record) throw new Caught("wrong-release");
    const at = { ...this.chain.system, slot, serial, epoch, contentHash: digestOf(record.cid, RAW) };
    const fileKey = await open(this.kit.secret, bytes(release), releaseContext({ ...at, nonce }))
      .then((releaseKey) => openRecordWrap(at, this.kit.secret, releaseKey, bytes(record.wrap)))
      .catch(() => undefined);
    if (!fileKey) throw new Caught("wrong-release");
    const sealed = new Uint8Array(await (await this.where.gateway.bytes(`/ipfs/${record.cid}?format=raw`)).arrayBuffer());
    const { statement } = await openWithFileKey(sealed, at.contentHash, fileKey);
    const hash = hashOfStatement(statement, at.chainId, at.consent);
    if (commitmentTo(hash, record.salt) !== commitment) throw new Caught("other-record");
    this.alone.set(commitment, { cid: record.cid, fileKey });
  }

  private keys(): Keys {
    let ring: Promise<Ring> | undefined;
    return {
      open: async (row, sealed) => {
        const alone = [...this.alone.values()].find((one) => one.cid === row.cid);
        if (alone) return openWithFileKey(sealed, digestOf(row.cid, RAW), alone.fileKey, compartmentOf(this.patient, row.scope));
        return (await (ring ??= this.ring())).open(row, sealed);
      },
    };
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
