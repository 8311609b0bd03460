// Decisions of a patient who keeps the keys: the device makes what the gateway cannot.

import { keccak256 } from "viem";
import { origin } from "../api/gateway";
import type { Account, Hex, Intent } from "../api/types";
import { Caught } from "../custody/caught";
import type { Own } from "../custody/own";
import type { Session } from "../session";
import { t } from "../words/language";
import { same } from "../words/names";

interface Terms {
  grantee: Hex;
  scope: string;
  permission: number;
}

/** Lays a grant out, with a wrap of this device's where the patient keeps the keys. */
export async function layOutGrant(session: Session, { grantee, scope, permission }: Terms, body: Record<string, unknown>): Promise<Intent> {
  const { gateway } = session;
  const own = (permission & 1) !== 0 ? await keeper(session) : undefined;
  if (!own) return gateway.post<Intent>("/v1/intents", body);
  const made = await own.maker.grant(grantee, scope);
  const laid = await gateway.post<Intent>("/v1/intents", { ...body, own: made });
  const { wrapHash, epoch, serial } = laid.sign[0]?.typedData.message ?? {};
  if (wrapHash !== keccak256(made.wrap) || Number(epoch) !== made.epoch || Number(serial) !== made.serial) throw new Caught("swapped-key");
  return laid;
}

/** The same for a claim and what it cites, each alone. What is signed is of exactly these records, and which they are this device says. */
export async function layOutClaim(session: Session, grantee: Hex, claim: Hex, body: Record<string, unknown>): Promise<Intent> {
  const { gateway } = session;
  const own = await keeper(session);
  if (!own) return gateway.post<Intent>("/v1/intents", body);
  const { recipientKeyHash, records } = await own.alone(grantee, claim, `${origin()}/fhir/R4`);
  const laid = await gateway.post<Intent>("/v1/intents", { ...body, own: { recipientKeyHash, records: records.map(({ kept }) => kept) } });
  const sign = laid.sign.map((entry, place) => {
    const { record, serial, grantee: to } = entry.typedData.message;
    const made = records[place];
    if (!made || record !== made.commitment || Number(serial) !== made.serial || !same(String(to), grantee)) throw new Caught("other-decision");
    return { ...entry, opens: made.opens };
  });
  if (sign.length !== records.length) throw new Caught("other-decision");
  return { ...laid, sign };
}

/** The patient's keys where the patient keeps them; none where the custodian does. */
async function keeper({ gateway, account, own }: Session): Promise<Own | undefined> {
  const { custody } = await gateway.get<Account>(`/v1/accounts/${account}`);
  if (custody !== "self") return undefined;
  if (!own) throw new Error(t("Your keys are locked. Go to “My keys”, unlock them, and approve again."));
  return own;
}
