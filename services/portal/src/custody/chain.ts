// What the chain says of a patient's keys, read through the wallet's own node and not through the gateway.

import { createPublicClient, custom, type Hex, hexToBytes, keccak256, parseAbi, parseAbiItem } from "viem";
import type { Deployment } from "../api/types";
import type { Statement } from "./record";
import { hashOfStatement, signerOf } from "../proof/receipt";
import type { Provider } from "../wallet/provider";
import { same } from "../words/names";
import { type Bytes, bytes } from "./capsule";
import { Caught } from "./caught";
import { compartmentOf, slotOf, type System, type Target, targetOf } from "./place";

/** One generation of a scope's key. */
export interface Epoch {
  scope: string;
  compartment: Hex;
  number: number;
  key: Hex;
  /** The previous epoch's secret, sealed to this key; `0x` for the first. */
  link: Hex;
}

/** One grant's key of one epoch, sealed to the grantee. */
export interface Wrap {
  serial: number;
  epoch: number;
  recipientKeyHash: Hex;
  wrap: Hex;
}

const ADVANCED = parseAbiItem(
  "event Advanced(bytes32 indexed compartment, address indexed patient, string scope, uint32 epoch, uint16 suite, bytes key, bytes link, address by)",
);
export const GRANTED = parseAbiItem(
  "event Granted(bytes32 indexed slot, address indexed patient, address indexed grantee, string scope, bytes32 record, uint64 serial, uint8 permission, uint64 until, string purpose, uint32 epoch, uint16 suite, bytes32 recipientKeyHash, bytes wrap, bytes signature)",
);
export const REWRAPPED = parseAbiItem(
  "event Rewrapped(bytes32 indexed slot, uint64 serial, uint32 epoch, uint16 suite, bytes32 recipientKeyHash, bytes wrap, address by)",
);
const CONSENT = parseAbi([
  "function slotState(bytes32 slot) view returns (uint64 serial, uint64 revoked, uint64 until, uint8 permission)",
  "function isAllowed(address patient, address grantee, bytes32 target, uint8 permission) view returns (bool)",
]);
const DIRECTORY = parseAbi([
  "function encryptionKeyOf(address who) view returns (uint16 suite, bytes32 keyHash)",
  "function custodianOf(address who) view returns (address custodian, uint8 custody)",
  "function authority(address who) view returns (address, uint8, uint8, uint64)",
  "function isStatementKey(address who, address key, uint64 number) view returns (bool)",
]);

const READ = 1;
const SELF = 1;

export class Chain {
  readonly system: System;
  private readonly client;

  constructor(
    private readonly deployment: Deployment,
    readonly patient: Hex,
    provider: Provider,
  ) {
    this.system = { chainId: deployment.chainId, consent: deployment.contracts.consent };
    this.client = createPublicClient({ transport: custom(provider) });
  }

  /** Every epoch of the patient's scopes, oldest first. */
  async epochs(): Promise<Epoch[]> {
    const logs = await this.client.getLogs({
      address: this.system.consent,
      event: ADVANCED,
      args: { patient: this.patient },
      fromBlock: BigInt(this.deployment.firstBlock),
      toBlock: "latest",
      strict: true,
    });
    return logs
      .map(({ args }) => ({ scope: args.scope, compartment: args.compartment, number: args.epoch, key: args.key, link: args.link, suite: args.suite }))
      .filter((epoch) => epoch.suite === 1 && epoch.compartment === compartmentOf(this.patient, epoch.scope));
  }

  /** Whether the custodian holds the release keys only. */
  async isOwn(): Promise<boolean> {
    const { directory } = this.deployment.contracts;
    const [, custody] = await this.client.readContract({ address: directory, abi: DIRECTORY, functionName: "custodianOf", args: [this.patient] });
    return custody === SELF;
  }

  /** Every wrap of a slot. */
  async wraps(slot: Hex): Promise<Wrap[]> {
    const where = { address: this.system.consent, args: { slot }, fromBlock: BigInt(this.deployment.firstBlock), toBlock: "latest", strict: true } as const;
    const [granted, rewrapped] = await Promise.all([this.client.getLogs({ ...where, event: GRANTED }), this.client.getLogs({ ...where, event: REWRAPPED })]);
    return [...granted, ...rewrapped]
      .map(({ args }) => args)
      .filter((args) => args.slot === slot && args.suite === 1 && args.wrap !== "0x")
      .map(({ serial, epoch, recipientKeyHash, wrap }) => ({ serial: Number(serial), epoch, recipientKeyHash, wrap }));
  }

  /** The organisation that keeps the patient's release keys. */
  async custodian(): Promise<Hex> {
    const { directory } = this.deployment.contracts;
    const [custodian] = await this.client.readContract({ address: directory, abi: DIRECTORY, functionName: "custodianOf", args: [this.patient] });
    return custodian;
  }

  /** The serial that the next grant of a target to this grantee has. */
  async nextSerial(grantee: Hex, target: Target): Promise<number> {
    const slot = slotOf(this.patient, grantee, target);
    const [serial, revoked] = await this.client.readContract({ address: this.system.consent, abi: CONSENT, functionName: "slotState", args: [slot] });
    return Number(serial > revoked ? serial : revoked) + 1;
  }

  /** Whether the grantee may read the target now, under this serial. */
  async mayRead(grantee: Hex, target: Target, serial: number): Promise<boolean> {
    const abi = CONSENT;
    const address = this.system.consent;
    const [allowed, next] = await Promise.all([
      this.client.readContract({ address, abi, functionName: "isAllowed", args: [this.patient, grantee, targetOf(this.patient, target), READ] }),
      this.nextSerial(grantee, target),
    ]);
    return allowed && next === serial + 1;
  }

  /** The grantee's encryption key, which the gateway names and the Directory has the hash of. */
  async recipient(grantee: Hex, named: Hex): Promise<Bytes> {
    const { directory } = this.deployment.contracts;
    const [suite, hash] = await this.client.readContract({ address: directory, abi: DIRECTORY, functionName: "encryptionKeyOf", args: [grantee] });
    if (suite !== 1 || hexToBytes(named).length !== 32 || keccak256(named) !== hash) throw new Caught("swapped-key");
    return bytes(named);
  }

  /** Throws unless the author a statement names signed it: by its controller, or a statement key that counts now. */
  async signed(statement: Statement, signature: Hex): Promise<void> {
    const by = await signerOf(hashOfStatement(statement, this.system.chainId, this.system.consent), signature).catch(() => undefined);
    if (!by) throw new Caught("wrong-author");
    const address = this.deployment.contracts.directory;
    const [listed, authority] = await Promise.all([
      this.client.getBlockNumber().then((block) =>
        this.client.readContract({ address, abi: DIRECTORY, functionName: "isStatementKey", args: [statement.author, by, block] })),
      this.client.readContract({ address, abi: DIRECTORY, functionName: "authority", args: [statement.author] }),
    ]);
    if (!listed && !same(authority[0], by)) throw new Caught("wrong-author");
  }
}
