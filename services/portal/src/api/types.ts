// What the gateway answers, by the names the portal uses; the types are the contract's (openapi.ts). Times are unix seconds.

import type { components } from "./openapi";

export type { Bundle, Resource } from "./fhir";

type Schemas = components["schemas"];

export type Hex = Schemas["Hex"];
export type Role = Schemas["Role"];
export type Deployment = Schemas["Deployment"];
export type Account = Schemas["Account"];
/** Without a role for a wallet that is not registered. */
export type SignedIn = Schemas["SignedIn"];
/** One signature that something needs; `signer` is null where any registrar may give it. */
export type ToSign = Omit<Schemas["ToSign"], "typedData"> & { typedData: TypedData };
/** The record that a commitment in typed data is to. */
export type OneRecord = Schemas["OneRecord"];
export type IntentState = Schemas["IntentState"];
export type Intent = Omit<Schemas["Intent"], "sign"> & { sign: ToSign[] };
export type AccessRequest = Schemas["Request"];
export type Grant = Schemas["Grant"];
export type RecordRow = Schemas["Record"];
export type JournalEntry = Schemas["AuditEntry"];
export type SystemState = Schemas["System"];
export type Receipt = Schemas["Receipt"];

/** EIP-712 data as a wallet takes it: narrower than the contract, which leaves the members open. */
export interface TypedData {
  domain: { name?: string; version?: string; chainId?: number | string; verifyingContract?: Hex };
  types: Record<string, { name: string; type: string }[]>;
  primaryType: string;
  message: Record<string, unknown>;
}
