// What a signature means, in words computed from the very typed data that is signed.
//
// Nothing is explained, and so nothing can be signed, unless the types are exactly those this app knows, the domain is
// this system's, and every field has words. A gateway that lays out something else gets no signature.

import type { Deployment, Hex, OneRecord, TypedData } from "../api/types";
import { type Message as Words, t } from "./language";
import { type Names, ROLES, same } from "./names";
import { capital, may, permissionWords, purposeWords, scopeWords, typeWords } from "./scopes";
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
  /** Which record a commitment in the typed data is to, as the gateway that made it says. */
  opens?: OneRecord | undefined;
}

/** Why something must not be signed. */
export class Unexplained extends Error {}

export const CONSENT = {
  Grant:
    "address patient,address grantee,string scope,bytes32 record,uint64 serial,uint8 permission,uint64 until,string purpose,uint32 epoch,uint16 suite,bytes32 recipientKeyHash,bytes32 wrapHash",
  Revoke: "address patient,address grantee,string scope,bytes32 record,uint64 serial",
  Advance: "address patient,string scope,uint32 epoch,uint16 suite,bytes key,bytes link,bytes32 wraps,address by",
  Decline: "bytes32 request,address patient,uint64 time",
  Withdraw: "bytes32 request,address grantee,uint64 time",
  Request:
    "address patient,address grantee,string scope,uint8 permission,uint64 until,string purpose,string reason,bytes32 nonce,uint64 time,address custodian",
  Release: "bytes32 slot,uint64 serial,uint32 epoch,address reader,string purpose,bytes32 nonce,uint64 time,address custodian",
  Record: "bytes32 compartment,bytes32 id,uint32 version,bytes32 previous,bytes32 resource,address author,uint64 authoredAt",
} as const;

export const DIRECTORY = {
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
    throw new Unexplained(t("This app does not know this kind of decision, so it does not ask you to sign it."));
  }
  const names = new Set(fields.split(",").map((field) => field.split(" ")[1]!));
  if (Object.keys(data.message).length !== names.size || Object.keys(data.message).some((name) => !names.has(name))) {
    throw new Unexplained(t("The decision has terms this app does not know, so it does not ask you to sign it."));
  }
  const contract = consent ? deployment.contracts.consent : deployment.contracts.directory;
  const { name, version, chainId, verifyingContract } = data.domain;
  const ours =
    name === "Chartseal" &&
    version === "1" &&
    Number(chainId) === deployment.chainId &&
    same(String(verifyingContract), contract);
  if (!ours) throw new Unexplained(t("The decision is addressed to another system, so it must not be signed here."));
  return kind as Kind;
}

const EXPLAIN: Record<Kind, (message: Message, around: Surroundings) => Explained> = {
  Grant(m, around) {
    const { account, names } = around;
    mine(m.patient, account);
    if (m.scope === "") return grantOfOne(m, around);
    const permission = permissionWords(number(m.permission));
    if (!permission || !ZERO.test(text(m.record))) {
      throw new Unexplained(t("This permission has a form this app has no words for, so it does not ask you to sign it."));
    }
    const [grantee, scope, until] = [names.of(text(m.grantee)), scopeWords(text(m.scope)), number(m.until)];
    const yours = t("your {scope}", { scope });
    const reads = (number(m.permission) & 1) !== 0;
    return {
      sentence: t("You allow {who} to {may} until {until}, for {purpose}.", {
        who: grantee,
        may: may(number(m.permission), yours),
        until: onDay(until),
        purpose: purposeWords(text(m.purpose)),
      }),
      terms: [
        [t("Who"), names.whole(text(m.grantee))],
        [t("May"), capital(may(number(m.permission), yours))],
        [t("Until"), atMinute(until)],
        [t("For"), capital(purposeWords(text(m.purpose)))],
      ],
      effect: reads
        ? t("They can read everything in this part of your record, what is there already and what is added until then. You can end this at any time. What they have read by then cannot be taken back.")
        : t("They can add to this part of your record and cannot read it. You can end this at any time. What they have added stays."),
    };
  },
  Revoke(m, { account, names, opens }) {
    mine(m.patient, account);
    const grantee = names.of(text(m.grantee));
    if (m.scope === "") {
      return {
        sentence: t("You withdraw the permission of {who} to read one record.", { who: grantee }),
        terms: [
          [t("Who"), names.whole(text(m.grantee))],
          [t("Loses access to"), recordWords(opens, m.record)],
          [t("As of"), t("The moment you sign")],
        ],
        effect: t("It cannot be undone, but you can give a new permission later. What they have read already cannot be taken back."),
      };
    }
    if (!ZERO.test(text(m.record))) {
      throw new Unexplained(t("This permission has a form this app has no words for, so it does not ask you to sign it."));
    }
    const scope = scopeWords(text(m.scope));
    return {
      sentence: t("You withdraw every permission of {who} for your {scope}.", { who: grantee, scope }),
      terms: [
        [t("Who"), names.whole(text(m.grantee))],
        [t("Loses access to"), capital(t("your {scope}", { scope }))],
        [t("As of"), t("The moment you sign")],
      ],
      effect: t("It cannot be undone, but you can give a new permission later. What they have read already cannot be taken back."),
    };
  },
  Advance(m, { account }) {
    mine(m.patient, account);
    mine(m.by, account);
    const scope = scopeWords(text(m.scope));
    return {
      sentence: t("You renew the key of your {scope}.", { scope }),
      terms: [
        [t("Part"), capital(scope)],
        [t("New key"), t("Number {epoch}, {key}", { epoch: number(m.epoch), key: text(m.key) })],
      ],
      effect: t("What is added from now on opens for you and for those you still allow. Who lost your permission cannot open it."),
    };
  },
  Custodian(m, { account, names }) {
    mine(m.who, account);
    const custodian = names.of(text(m.custodian));
    const own = number(m.custody) === 1;
    if (!own && number(m.custody) !== 2) throw new Unexplained(t("This way of keeping keys has no words here, so it must not be signed."));
    return {
      sentence: own ? t("You take your keys over from {custodian}.", { custodian }) : t("You let {custodian} keep your keys.", { custodian }),
      terms: [
        [t("Keeps your keys"), own ? t("You, on your own device") : capital(custodian)],
        [t("Hands out what you allowed"), `${capital(custodian)} (${text(m.custodian)})`],
        [t("Sign before"), atMinute(number(m.deadline))],
      ],
      effect: own
        ? t("{custodian} can then open nothing that is added to your record, unless you allow it. If you lose your device and your recovery kit, nobody can open your record for you.", { custodian: capital(custodian) })
        : t("{custodian} can then open your record for you.", { custodian: capital(custodian) }),
    };
  },
  Decline(m, { account }) {
    mine(m.patient, account);
    return {
      sentence: t("You say no to this request."),
      terms: [
        [t("Request"), text(m.request)],
        [t("Date"), atMinute(number(m.time))],
      ],
      effect: t("Nobody gets access. Who asked is told that you declined, and may ask again."),
    };
  },
  Withdraw(m, { account }) {
    mine(m.grantee, account);
    return {
      sentence: t("You take your request back."),
      terms: [
        [t("Request"), text(m.request)],
        [t("Date"), atMinute(number(m.time))],
      ],
      effect: t("The patient is no longer asked."),
    };
  },
  Request(m, { account, names }) {
    mine(m.grantee, account);
    const permission = permissionWords(number(m.permission));
    if (!permission) throw new Unexplained(t("This request has a form this app has no words for."));
    const theirs = may(number(m.permission), t("their {scope}", { scope: scopeWords(text(m.scope)) }));
    return {
      sentence: t("You ask the patient {patient} to let you {may} until {until}.", { patient: text(m.patient), may: theirs, until: onDay(number(m.until)) }),
      terms: [
        [t("Patient"), text(m.patient)],
        [t("To"), capital(theirs)],
        [t("Until"), atMinute(number(m.until))],
        [t("For"), capital(purposeWords(text(m.purpose)))],
        [t("Your words"), text(m.reason) || t("None")],
        [t("Delivered by"), capital(names.of(text(m.custodian)))],
      ],
      effect: t("The patient sees these words and decides. Until then you see nothing."),
    };
  },
  Release(m, { account, names, opens }) {
    mine(m.reader, account);
    const custodian = names.of(text(m.custodian));
    // Only a part of a record has epochs.
    const one = number(m.epoch) === 0;
    return {
      sentence: one
        ? t("You ask {custodian} for the key of one record that a patient lets you read.", { custodian })
        : t("You ask {custodian} for the key of records that a patient lets you read.", { custodian }),
      terms: [
        ...(one ? [[t("Record"), recordWords(opens)] satisfies [string, string]] : []),
        [t("Handed out by"), `${capital(custodian)} (${text(m.custodian)})`],
        [t("For"), capital(purposeWords(text(m.purpose)))],
        [t("Permission"), t("Number {serial}, {slot}", { serial: number(m.serial), slot: text(m.slot) })],
        [t("Date"), atMinute(number(m.time))],
      ],
      effect: t("It is written in the patient’s journal first. With the key this browser opens the records; it is forgotten when you sign out."),
    };
  },
  Record(m, { account }) {
    mine(m.author, account);
    const version = number(m.version);
    return {
      sentence:
        version === 1
          ? t("You sign this new record as its author.")
          : t("You sign version {version} of this record as its author.", { version }),
      terms: [
        [t("Version"), String(version)],
        [t("Date"), atMinute(number(m.authoredAt))],
        [t("Fingerprint"), text(m.resource)],
      ],
      effect: t("It is stored in the patient’s record under your name. It can be corrected with a newer version, and not removed."),
    };
  },
  Register(m, { account, names }) {
    mine(m.who, account);
    return {
      sentence: t("You register this wallet. Its role: {role}.", { role: t(roleName(number(m.role))) }),
      terms: registrationTerms(m, names),
      effect: t("An administrator checks your papers and countersigns. An address can be registered once."),
    };
  },
  Countersign(m, { account }) {
    mine(m.registrar, account);
    return {
      sentence: t("You confirm this registration, after checking the person’s papers."),
      terms: [[t("Registration"), text(m.registration)]],
      effect: t("The account can be used as soon as the chain has it. You can suspend it later."),
    };
  },
  SetStatus(m, { account }) {
    mine(m.registrar, account);
    const kind = STATUS[number(m.status)];
    if (!kind) throw new Unexplained(t("This status has no words here, so it must not be signed."));
    return {
      sentence: t(kind.sentence, { address: text(m.who) }),
      terms: [
        [t("Account"), text(m.who)],
        [t("Sign before"), atMinute(number(m.deadline))],
      ],
      effect: t(kind.effect),
    };
  },
};

/** One version of one record. It is for reading, carries no wrap, and says itself only by a commitment which record it is. */
function grantOfOne(m: Message, { names, opens }: Surroundings): Explained {
  const bare = number(m.epoch) === 0 && number(m.suite) === 0 && ZERO.test(text(m.recipientKeyHash)) && ZERO.test(text(m.wrapHash));
  if (number(m.permission) !== 1 || !bare) {
    throw new Unexplained(t("This permission has a form this app has no words for, so it does not ask you to sign it."));
  }
  const [grantee, until, purpose] = [names.of(text(m.grantee)), number(m.until), purposeWords(text(m.purpose))];
  return {
    sentence: t("You allow {who} to read one record until {until}, for {purpose}.", { who: grantee, until: onDay(until), purpose }),
    terms: [
      [t("Who"), names.whole(text(m.grantee))],
      [t("Record"), recordWords(opens, m.record)],
      [t("Until"), atMinute(until)],
      [t("For"), capital(purpose)],
    ],
    effect: t("They can read this version of this record with its documents, and nothing else. You can end this at any time. What they have read by then cannot be taken back."),
  };
}

/** Which record, by kind, part and number. Without it nobody knows what is decided. */
function recordWords(opens: OneRecord | undefined, commitment?: unknown): string {
  if (!opens || (commitment !== undefined && ZERO.test(text(commitment)))) {
    throw new Unexplained(t("It is not said which record this decision is about, so it must not be signed."));
  }
  const { resourceType, recordId, version, scope } = opens;
  return t("{kind}, from your {scope}, number {id}, version {version}", {
    kind: typeWords(resourceType),
    scope: scopeWords(scope),
    id: `${recordId.slice(2, 10)}…`,
    version,
  });
}

/** By the contract's number. */
const STATUS: Record<number, { sentence: Words; effect: Words }> = {
  1: { sentence: "You reinstate the account {address}.", effect: "Its permissions count again, as far as they have not ended." },
  2: { sentence: "You suspend the account {address}.", effect: "It can neither read nor write while it is suspended. You can reinstate it." },
  3: { sentence: "You retire the account {address} for ever.", effect: "It can never be used again." },
};

/** A registration's terms, for who signs it and for who countersigns. */
export function registrationTerms(m: Message, names: Names): [string, string][] {
  const role = roleName(number(m.role));
  const terms: [string, string][] = [
    [t("Address"), text(m.who)],
    [t("Role"), capital(t(role))],
  ];
  if (role === "patient") {
    terms.push([t("Keeps your keys"), capital(names.of(text(m.custodian)))]);
    terms.push([t("How"), number(m.custody) === 2 ? t("It can open your records for you") : t("It cannot open your records; your device does")]);
  } else {
    terms.push([t("Papers"), t("Fingerprint {hash}", { hash: text(m.credential) })]);
    terms.push([t("Papers expire"), number(m.credentialExpiry) === 0 ? t("Never") : onDay(number(m.credentialExpiry))]);
    if (text(m.endpoint)) terms.push([t("Own server"), text(m.endpoint)]);
  }
  terms.push([t("Encryption key"), ZERO.test(text(m.encryptionKey)) ? t("None") : text(m.encryptionKey)]);
  return terms;
}

function roleName(role: number): Words {
  const name = ([undefined, "patient", "doctor", "hospital", "insurer"] as const)[role];
  if (!name) throw new Unexplained(t("This role has no words here, so it must not be signed."));
  return ROLES[name];
}

function mine(address: unknown, account: Hex): void {
  if (!same(text(address), account)) {
    throw new Unexplained(t("This decision is in somebody else’s name, so you must not sign it."));
  }
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new Unexplained(t("A term of this decision cannot be read, so it must not be signed."));
  return value;
}

/** Integers come as numbers, or as decimal strings when they are large. */
function number(value: unknown): number {
  const parsed = typeof value === "number" ? value : /^\d+$/.test(String(value)) ? Number(value) : Number.NaN;
  if (Number.isNaN(parsed)) throw new Unexplained(t("A number of this decision cannot be read, so it must not be signed."));
  return parsed;
}
