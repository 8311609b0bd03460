// Where things belong: docs/format.md, "Places".

import { encodeAbiParameters, type Hex, keccak256, parseAbiParameters } from "viem";

/** What every key is bound to: the same root under another chain or contract gives other keys. */
export interface System {
  chainId: number;
  /** The contract `Consent`. */
  consent: Hex;
}

const PATIENT_SCOPE = parseAbiParameters("address, string");
const PATIENT_GRANTEE_TARGET = parseAbiParameters("address, address, bytes32");

/** One patient and one scope. */
export function compartmentOf(patient: Hex, scope: string): Hex {
  return keccak256(encodeAbiParameters(PATIENT_SCOPE, [patient, scope]));
}

/** Where the grants of a scope to one grantee stand. */
export function slotOf(patient: Hex, grantee: Hex, scope: string): Hex {
  return keccak256(encodeAbiParameters(PATIENT_GRANTEE_TARGET, [patient, grantee, compartmentOf(patient, scope)]));
}
