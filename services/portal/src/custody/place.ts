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
const PATIENT_COMMITMENT = parseAbiParameters("address, bytes32");
const COMMITMENT = parseAbiParameters("string, bytes32, bytes32");

/** One patient and one scope. */
export function compartmentOf(patient: Hex, scope: string): Hex {
  return keccak256(encodeAbiParameters(PATIENT_SCOPE, [patient, scope]));
}

/** What a grant of one record says of it: nothing, to who has neither its statement nor the salt. */
export function commitmentTo(statementHash: Hex, salt: Hex): Hex {
  return keccak256(encodeAbiParameters(COMMITMENT, ["chartseal/v1/record", statementHash, salt]));
}

/** What a grant is of: a scope by its name, or one record by the commitment to it. */
export type Target = { scope: string } | { record: Hex };

/** The target in one word. */
export function targetOf(patient: Hex, target: Target): Hex {
  if ("scope" in target) return compartmentOf(patient, target.scope);
  return keccak256(encodeAbiParameters(PATIENT_COMMITMENT, [patient, target.record]));
}

/** Where the grants of a target to one grantee stand. */
export function slotOf(patient: Hex, grantee: Hex, target: Target): Hex {
  return keccak256(encodeAbiParameters(PATIENT_GRANTEE_TARGET, [patient, grantee, targetOf(patient, target)]));
}
