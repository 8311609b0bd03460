// Who carries away a gateway's database, vault, backup and master key: every secret in them, and every epoch they reach.

import { spawnSync } from "node:child_process";
import { hkdfSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { bytesToHex, concat, createPublicClient, type Hex, hexToBytes, http, keccak256 } from "viem";
import type { Deployment } from "../src/api/types";
import { bytes, open } from "../src/custody/capsule";
import { Chain, type Epoch, GRANTED, REWRAPPED } from "../src/custody/chain";
import { FOR_A_MADE_PHRASE, sealKit } from "../src/custody/kit";
import { openLink, wrapContext } from "../src/custody/seals";
import { epochSecret, publicKey } from "../src/custody/tree";
import { program, type System } from "./system";

export interface Stolen {
  kind: string;
  place: string;
  secret: Uint8Array<ArrayBuffer>;
}

const ZERO: Hex = `0x${"00".repeat(20)}`;

function openRow(master: Uint8Array, org: Hex, kind: string, place: string, sealed: Uint8Array): Uint8Array<ArrayBuffer> {
  const utf8 = (text: string) => new TextEncoder().encode(text);
  const info = concat([utf8("chartseal/v1/vault"), hexToBytes(org), utf8(kind), Uint8Array.of(0), utf8(place)]);
  const key = new Uint8Array(hkdfSync("sha256", master, new Uint8Array(), info, 32));
  return new Uint8Array(xchacha20poly1305(key, sealed.slice(1, 25), info).decrypt(sealed.slice(25)));
}

/** Everything the vault holds, out of a backup of it and with the master key. */
export function steal(system: System): Stolen[] {
  const folder = mkdtempSync(join(tmpdir(), "stolen-"));
  try {
    const file = join(folder, "backup");
    const run = spawnSync(program("chartseal-gateway"), ["--config", join(system.data, "gateway.toml"), "backup", "--out", file]);
    if (run.status !== 0) throw new Error(run.stderr.toString());
    const path = /master_key_file\s*=\s*"([^"]+)"/.exec(readFileSync(join(system.data, "gateway.toml"), "utf8"))?.[1];
    const master = hexToBytes(`0x${readFileSync(path!, "utf8").trim().replace(/^0x/, "")}`);
    const whole = readFileSync(file);
    const format = "chartseal-backup/1";
    const sealed = new Uint8Array(whole.subarray(format.length + 1));
    const body = JSON.parse(new TextDecoder().decode(openRow(master, ZERO, "backup", format, sealed))) as { vault: [Hex, string, string, Hex][] };
    return body.vault.map(([org, kind, place, row]) => ({ kind, place, secret: openRow(master, org, kind, place, hexToBytes(row)) }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function rootOf(loot: Stolen[], patient: string): Uint8Array<ArrayBuffer> | undefined {
  return loot.find((row) => row.kind === "root" && row.place.toLowerCase() === patient.toLowerCase())?.secret;
}

export function chainOf(system: System, deployment: Deployment, patient: Hex): Chain {
  const client = createPublicClient({ transport: http(system.node) });
  return new Chain(deployment, patient, { request: ({ method, params }) => client.request({ method, params } as never) });
}

/** `scope|epoch` of the epoch that records are sealed to now, for every scope. */
export async function newest(system: System, deployment: Deployment, patient: Hex): Promise<string[]> {
  const epochs = await chainOf(system, deployment, patient).epochs();
  return [...new Map(epochs.map(({ scope, number }) => [scope, `${scope}|${number}`])).values()];
}

/** `scope|epoch` of every epoch of the patient that the loot opens: by the root, by every wrap with every pair of keys, by links. */
export async function reached(system: System, deployment: Deployment, patient: Hex, loot: Stolen[]): Promise<string[]> {
  const chain = chainOf(system, deployment, patient);
  const epochs = await chain.epochs();
  const secrets = await wrapped(system, deployment, loot);
  const root = rootOf(loot, patient);
  if (root) for (const { compartment, number } of epochs) secrets.push(await epochSecret(root, chain.system, compartment, number));
  const byKey = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const secret of secrets) byKey.set(bytesToHex(await publicKey(secret)), secret);
  const found: string[] = [];
  let newer: Epoch | undefined;
  for (const epoch of epochs.toReversed().sort((a, b) => a.scope.localeCompare(b.scope) || b.number - a.number)) {
    const above = newer?.scope === epoch.scope ? byKey.get(newer.key) : undefined;
    if (newer && above && newer.link !== "0x") {
      const step = { ...chain.system, compartment: epoch.compartment, previousEpoch: epoch.number, epoch: newer.number };
      byKey.set(epoch.key, await openLink(step, above, bytes(newer.link), epoch.key));
    }
    if (byKey.has(epoch.key)) found.push(`${epoch.scope}|${epoch.number}`);
    newer = epoch;
  }
  return found.sort();
}

async function wrapped(system: System, deployment: Deployment, loot: Stolen[]): Promise<Uint8Array<ArrayBuffer>[]> {
  const client = createPublicClient({ transport: http(system.node) });
  const address = deployment.contracts.consent;
  const logs = await client.getLogs({ address, events: [GRANTED, REWRAPPED], fromBlock: 0n, toBlock: "latest", strict: true });
  const identities = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const row of loot.filter((one) => one.kind === "encryption-key")) identities.set(keccak256(await publicKey(row.secret)), row.secret);
  const secrets: Uint8Array<ArrayBuffer>[] = [];
  for (const { args } of logs) {
    const identity = identities.get(args.recipientKeyHash);
    if (!identity || args.wrap === "0x") continue;
    for (const row of loot.filter((one) => one.kind === "release-key")) {
      const at = { chainId: deployment.chainId, consent: address, slot: args.slot, serial: Number(args.serial), epoch: args.epoch };
      const context = wrapContext(at, await publicKey(identity), row.secret);
      const opened = await open(identity, bytes(args.wrap), context).catch(() => undefined);
      if (opened) secrets.push(opened);
    }
  }
  return secrets;
}

export interface Recovered {
  records: { scope: string; cid: string; file: string; signer: string | null; documents: string[] }[];
  lost: { what: string }[];
}

/** `chartseal-reader recover`: chain, sealed bytes and a kit; no gateway. Plaintext lands in `out`. */
export function recover(system: System, deployment: Deployment, kit: string, passphrase: string, out: string): Recovered {
  const [phrase, places] = [join(out, "passphrase"), join(out, "deployment.json")];
  writeFileSync(phrase, passphrase);
  writeFileSync(places, JSON.stringify(deployment));
  const arguments_ = ["recover", "--root", kit, "--passphrase-file", phrase, "--deployment", places];
  arguments_.push("--rpc", system.node, "--ipfs", join(system.data, "content"), "--out", join(out, "records"), "--json");
  const run = spawnSync(program("chartseal-reader"), arguments_);
  // 8: some of it could not be brought back, and the list says what.
  if (run.status !== 0 && run.status !== 8) throw new Error(`recover ended with ${run.status}: ${run.stderr.toString()}`);
  return JSON.parse(run.stdout.toString()) as Recovered;
}

/** The same with a root that was in a vault. */
export async function recoverByRoot(system: System, deployment: Deployment, patient: Hex, root: Uint8Array<ArrayBuffer>): Promise<Recovered> {
  const folder = mkdtempSync(join(tmpdir(), "stolen-"));
  try {
    const kit = { chainId: deployment.chainId, consent: deployment.contracts.consent, account: patient, holds: "root", secret: root } as const;
    writeFileSync(join(folder, "kit.age"), await sealKit(kit, "stolen", FOR_A_MADE_PHRASE));
    return recover(system, deployment, join(folder, "kit.age"), "stolen", folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
