// Decisions of a patient who keeps the keys: the device makes what the gateway cannot.

import { keccak256 } from "viem";
import type { Account, Hex, Intent } from "../api/types";
import { Caught } from "../custody/caught";
import type { Session } from "../session";
import { t } from "../words/language";

interface Terms {
  grantee: Hex;
  scope: string;
  permission: number;
}

/** Lays a grant out, with a wrap of this device's where the patient keeps the keys. */
export async function layOutGrant({ gateway, account, own }: Session, { grantee, scope, permission }: Terms, body: Record<string, unknown>): Promise<Intent> {
  const { custody } = await gateway.get<Account>(`/v1/accounts/${account}`);
  if (custody !== "self" || (permission & 1) === 0) return gateway.post<Intent>("/v1/intents", body);
  if (!own) throw new Error(t("Your keys are locked. Go to “My keys”, unlock them, and approve again."));
  const made = await own.maker.grant(grantee, scope);
  const laid = await gateway.post<Intent>("/v1/intents", { ...body, own: made });
  const { wrapHash, epoch, serial } = laid.sign[0]?.typedData.message ?? {};
  if (wrapHash !== keccak256(made.wrap) || Number(epoch) !== made.epoch || Number(serial) !== made.serial) throw new Caught("swapped-key");
  return laid;
}
