// What a signature means, in words computed from the very typed data that is signed.
//
// Nothing is explained, and so nothing can be signed, unless the types are exactly those this app knows, the domain is
// this system's, and every field has words. A gateway that lays out something else gets no signature.

import type { Deployment, Hex, TypedData } from "../api/types";
import { type Names, ROLES, same } from "./names";
import { capital, permissionWords, purposeWords, scopeWords } from "./scopes";
import { atMinute, onDay } from "./when";

export interface Explained {
  /** One sentence: the decision. */
  sentence: string;
  /** Every term that matters, by name. */
  terms: [string, string][];
  /** What follows, and what does not. */
  effect: string;
}

export interface Surroundings {
  deployment: Deployment;
  /** The account that decides. */
  account: Hex;
  names: Names;
}

/** Why something must not be signed. */
export class Unexplained extends Error {}

const CONSENT = {
  Grant:
    "address patient,address grantee,string scope,bytes32 record,uint64 serial,uint8 permission,uint64 until,string purpose,uint32 epoch,uint16 suite,bytes32 recipientKeyHash,bytes32 wrapHash",
  Revoke: "address patient,address grantee,string scope,bytes32 record,uint64 serial",
  Advance: "address patient,string scope,uint32 epoch,uint16 suite,bytes key,bytes link,bytes32 wraps,address by",
  Decline: "bytes32 request,address patient,uint64 time",
  Withdraw: "bytes32 request,address grantee,uint64 time",
  Request:
    "address patient,address grantee,string scope,uint8 permission,uint64 until,string purpose,string reason,bytes32 nonce,uint64 time,address custodian",
  Record: "bytes32 compartment,bytes32 id,uint32 version,bytes32 previous,bytes32 resource,address author,uint64 authoredAt",
} as const;

const DIRECTORY = {
  Register:
    "address who,uint8 role,uint16 suite,bytes encryptionKey,address custodian,uint8 custody,bytes32 credential,uint64 credentialExpiry,string endpoint,uint64 deadline",
  Custodian: "address who,address custodian,uint8 custody,uint256 nonce,uint64 deadline",
  Countersign: "bytes32 registration,address registrar",
  SetStatus: "address who,uint8 status,address registrar,uint256 nonce,uint64 deadline",
} as const;

type Kind = keyof typeof CONSENT | keyof typeof DIRECTORY;
type Message = Record<string, unknown>;

const ZERO = /^0x0*$/;

export function explain(data: TypedData, around: Surroundings): Explained {
  const kind = known(data, around.deployment);
  return EXPLAIN[kind](data.message, around);
}

/** The typed data is of a kind this app knows, in this system's name, with exactly the fields it knows. */
function known(data: TypedData, deployment: Deployment): Kind {
  const kind = data.primaryType;
  const consent = Object.hasOwn(CONSENT, kind);
  const fields = consent
    ? CONSENT[kind as keyof typeof CONSENT]
    : Object.hasOwn(DIRECTORY, kind)
      ? DIRECTORY[kind as keyof typeof DIRECTORY]
      : undefined;
  const listed = Object.hasOwn(data.types, kind) ? data.types[kind] : undefined;
  const types = listed?.map((f) => `${f.type} ${f.name}`).join(",");
  const others = Object.keys(data.types).filter((name) => name !== kind && name !== "EIP712Domain");
  if (!fields || types !== fields || others.length > 0) {
    throw new Unexplained("This app does not know this kind of decision, so it does not ask you to sign it.");
  }
  const names = new Set(fields.split(",").map((field) => field.split(" ")[1]!));
  if (Object.keys(data.message).length !== names.size || Object.keys(data.message).some((name) => !names.has(name))) {
    throw new Unexplained("The decision has terms this app does not know, so it does not ask you to sign it.");
  }
  const contract = consent ? deployment.contracts.consent : deployment.contracts.directory;
  const { name, version, chainId, verifyingContract } = data.domain;
  const ours =
    name === "Chartseal" &&
    version === "1" &&
    Number(chainId) === deployment.chainId &&
    same(String(verifyingContract), contract);
  if (!ours) throw new Unexplained("The decision is addressed to another system, so it must not be signed here.");
  return kind as Kind;
}

const EXPLAIN: Record<Kind, (message: Message, around: Surroundings) => Explained> = {
  Grant(m, { account, names }) {
    mine(m.patient, account);
    const permission = permissionWords(number(m.permission));
    if (!permission || m.scope === "" || !ZERO.test(text(m.record))) {
      throw new Unexplained("This permission has a form this app has no words for, so it does not ask you to sign it.");
    }
    const [grantee, scope, until] = [names.of(text(m.grantee)), scopeWords(text(m.scope)), number(m.until)];
    const reads = (number(m.permission) & 1) !== 0;
    return {
      sentence: `You allow ${grantee} to ${permission} your ${scope} until ${onDay(until)}, for ${purposeWords(text(m.purpose))}.`,
      terms: [
        ["Who", `${capital(grantee)} (${text(m.grantee)})`],
        ["May", `${capital(permission)} your ${scope}`],
        ["Until", atMinute(until)],
        ["For", capital(purposeWords(text(m.purpose)))],
      ],
      effect: reads
        ? "They can read everything in this part of your record, what is there already and what is added until then. You can end this at any time. What they have read by then cannot be taken back."
        : "They can add to this part of your record and cannot read it. You can end this at any time. What they have added stays.",
    };
  },
  Revoke(m, { account, names }) {
    mine(m.patient, account);
    if (m.scope === "" || !ZERO.test(text(m.record))) {
      throw new Unexplained("This withdrawal is about a single record, which this app has no words for yet.");
    }
    const grantee = names.of(text(m.grantee));
    const scope = scopeWords(text(m.scope));
    return {
      sentence: `You withdraw every permission of ${grantee} for your ${scope}.`,
      terms: [
        ["Who", `${capital(grantee)} (${text(m.grantee)})`],
        ["Loses access to", `Your ${scope}`],
        ["From", "The moment you sign"],
      ],
      effect: "It cannot be undone, but you can give a new permission later. What they have read already cannot be taken back.",
    };
  },
  Advance(m, { account }) {
    mine(m.patient, account);
    mine(m.by, account);
    const scope = scopeWords(text(m.scope));
    return {
      sentence: `You renew the key of your ${scope}.`,
      terms: [
        ["Part", capital(scope)],
        ["New key", `Number ${number(m.epoch)}, ${text(m.key)}`],
      ],
      effect: "What is added from now on opens for you and for those you still allow. Who lost your permission cannot open it.",
    };
  },
  Custodian(m, { account, names }) {
    mine(m.who, account);
    const custodian = names.of(text(m.custodian));
    const own = number(m.custody) === 1;
    if (!own && number(m.custody) !== 2) throw new Unexplained("This way of keeping keys has no words here, so it must not be signed.");
    return {
      sentence: own ? `You take your keys over from ${custodian}.` : `You let ${custodian} keep your keys.`,
      terms: [
        ["Keeps your keys", own ? "You, on your own device" : capital(custodian)],
        ["Hands out what you allowed", `${capital(custodian)} (${text(m.custodian)})`],
        ["Sign before", atMinute(number(m.deadline))],
      ],
      effect: own
        ? `${capital(custodian)} can then open nothing that is added to your record, unless you allow it. If you lose your device and your recovery kit, nobody can open your record for you.`
        : `${capital(custodian)} can then open your record for you.`,
    };
  },
  Decline(m, { account }) {
    mine(m.patient, account);
    return {
      sentence: "You say no to this request.",
      terms: [
        ["Request", text(m.request)],
        ["Date", atMinute(number(m.time))],
      ],
      effect: "Nobody gets access. Who asked is told that you declined, and may ask again.",
    };
  },
  Withdraw(m, { account }) {
    mine(m.grantee, account);
    return {
      sentence: "You take your request back.",
      terms: [
        ["Request", text(m.request)],
        ["Date", atMinute(number(m.time))],
      ],
      effect: "The patient is no longer asked.",
    };
  },
  Request(m, { account, names }) {
    mine(m.grantee, account);
    const permission = permissionWords(number(m.permission));
    if (!permission) throw new Unexplained("This request has a form this app has no words for.");
    const scope = scopeWords(text(m.scope));
    return {
      sentence: `You ask the patient ${text(m.patient)} to let you ${permission} their ${scope} until ${onDay(number(m.until))}.`,
      terms: [
        ["Patient", text(m.patient)],
        ["To", `${capital(permission)} their ${scope}`],
        ["Until", atMinute(number(m.until))],
        ["For", capital(purposeWords(text(m.purpose)))],
        ["Your words", text(m.reason) || "None"],
        ["Delivered by", capital(names.of(text(m.custodian)))],
      ],
      effect: "The patient sees these words and decides. Until then you see nothing.",
    };
  },
  Record(m, { account }) {
    mine(m.author, account);
    const version = number(m.version);
    return {
      sentence:
        version === 1
          ? "You sign this new record as its author."
          : `You sign version ${version} of this record as its author.`,
      terms: [
        ["Version", String(version)],
        ["Date", atMinute(number(m.authoredAt))],
        ["Fingerprint", text(m.resource)],
      ],
      effect: "It is stored in the patient’s record under your name. It can be corrected with a newer version, and not removed.",
    };
  },
  Register(m, { account, names }) {
    mine(m.who, account);
    return {
      sentence: `You register this wallet as ${article(roleName(number(m.role)))}.`,
      terms: registrationTerms(m, names),
      effect: "An administrator checks your papers and countersigns. An address can be registered once.",
    };
  },
  Countersign(m, { account }) {
    mine(m.registrar, account);
    return {
      sentence: "You confirm this registration, after checking the person’s papers.",
      terms: [["Registration", text(m.registration)]],
      effect: "The account can be used as soon as the chain has it. You can suspend it later.",
    };
  },
  SetStatus(m, { account }) {
    mine(m.registrar, account);
    const status = { 1: "reinstate", 2: "suspend", 3: "retire for ever" }[number(m.status)];
    if (!status) throw new Unexplained("This status has no words here, so it must not be signed.");
    return {
      sentence: `You ${status} the account ${text(m.who)}.`,
      terms: [
        ["Account", text(m.who)],
        ["Sign before", atMinute(number(m.deadline))],
      ],
      effect: {
        reinstate: "Its permissions count again, as far as they have not ended.",
        suspend: "It can neither read nor write while it is suspended. You can reinstate it.",
        "retire for ever": "It can never be used again.",
      }[status]!,
    };
  },
};

/** A registration's terms, for who signs it and for who countersigns. */
export function registrationTerms(m: Message, names: Names): [string, string][] {
  const role = roleName(number(m.role));
  const terms: [string, string][] = [
    ["Address", text(m.who)],
    ["Role", capital(role)],
  ];
  if (role === "patient") {
    terms.push(["Keeps your keys", capital(names.of(text(m.custodian)))]);
    terms.push(["How", number(m.custody) === 2 ? "It can open your records for you" : "It cannot open your records; your device does"]);
  } else {
    terms.push(["Papers", `Fingerprint ${text(m.credential)}`]);
    terms.push(["Papers expire", number(m.credentialExpiry) === 0 ? "Never" : onDay(number(m.credentialExpiry))]);
    if (text(m.endpoint)) terms.push(["Own server", text(m.endpoint)]);
  }
  terms.push(["Encryption key", ZERO.test(text(m.encryptionKey)) ? "None" : text(m.encryptionKey)]);
  return terms;
}

function roleName(role: number): string {
  const name = ([undefined, "patient", "doctor", "hospital", "insurer"] as const)[role];
  if (!name) throw new Unexplained("This role has no words here, so it must not be signed.");
  return ROLES[name];
}

function article(name: string): string {
  return /^[aeiou]/.test(name) ? `an ${name}` : `a ${name}`;
}

function mine(address: unknown, account: Hex): void {
  if (!same(text(address), account)) {
    throw new Unexplained("This decision is in somebody else’s name, so you must not sign it.");
  }
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new Unexplained("A term of this decision cannot be read, so it must not be signed.");
  return value;
}

/** Integers come as numbers, or as decimal strings when they are large. */
function number(value: unknown): number {
  const parsed = typeof value === "number" ? value : /^\d+$/.test(String(value)) ? Number(value) : Number.NaN;
  if (Number.isNaN(parsed)) throw new Unexplained("A number of this decision cannot be read, so it must not be signed.");
  return parsed;
}
