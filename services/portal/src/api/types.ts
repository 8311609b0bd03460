// What the gateway answers, as far as the portal reads it. Times are unix seconds.

export type Hex = `0x${string}`;
export type Role = "patient" | "doctor" | "hospital" | "insurer";

export interface Deployment {
  chainId: number;
  contracts: { directory: Hex; consent: Hex; anchors: Hex };
  firstBlock: number;
  organisations: { account: Hex; name: string; registrar: Hex | null }[];
}

export interface Account {
  address: Hex;
  role: Role;
  status: "active" | "suspended" | "retired";
  controller: Hex;
  custodian: Hex | null;
  custody: "none" | "self" | "gateway";
  encryptionKey: Hex;
  /** 0: does not expire. */
  credentialExpiry: number;
  endpoint: string;
}

export interface SignedIn {
  token: string;
  account: Hex;
  /** Null for a wallet that is not registered. */
  role: Role | null;
  expires: number;
}

/** EIP-712 data as a wallet takes it. */
export interface TypedData {
  domain: { name?: string; version?: string; chainId?: number | string; verifyingContract?: Hex };
  types: Record<string, { name: string; type: string }[]>;
  primaryType: string;
  message: Record<string, unknown>;
}

/** One signature that something needs. */
export interface ToSign {
  as: string;
  signer: Hex;
  typedData: TypedData;
}

export type IntentState = "prepared" | "signed" | "submitted" | "confirmed" | "failed" | "expired";

export interface Intent {
  id: string;
  kind: string;
  account: Hex;
  state: IntentState;
  error: string | null;
  createdAt: number;
  sign: ToSign[];
  /** Registrations only: what the account signed about itself. */
  registration?: Record<string, unknown>;
  /** Enrolments only, once. */
  backup?: { file: string; passphrase: string };
}

export interface AccessRequest {
  id: Hex;
  state: "prepared" | "open" | "approved" | "declined" | "withdrawn" | "expired";
  patient: Hex;
  grantee: Hex;
  granteeRole: Role | null;
  scope: string;
  permission: number;
  until: number;
  purpose: string;
  reason: string;
  askedAt: number;
  decidedAt: number | null;
}

export interface Grant {
  slot: Hex;
  serial: number;
  patient: Hex;
  grantee: Hex;
  /** Empty: one record. */
  scope: string;
  permission: number;
  until: number;
  purpose: string;
  live: boolean;
  reason: string | null;
}

export interface RecordRow {
  sequence: number;
  cid: string;
  recordId: Hex;
  version: number;
  patient: Hex;
  scope: string;
  epoch: number;
  state: "stored" | "batched" | "submitted" | "anchored";
  author: Hex;
  authoredAt: number;
  resourceType: string;
  /** Written while somebody who may not read any more still held its key. */
  exposed: boolean;
}

export interface JournalEntry {
  sequence: number;
  recordedAt: number;
  actor: Hex;
  role?: Role;
  action: "create" | "read" | "update" | "search" | "release" | "grant" | "revoke";
  purpose: string;
  subject: { scope: string; record?: string; epoch?: number };
  client?: string;
}

export interface Receipt {
  format: string;
  chainId: number;
  contracts: { directory: Hex; consent: Hex; anchors: Hex };
  cid: string;
  compartment: Hex;
  epoch: number;
  proof: Hex[];
  root: Hex;
  organisation: Hex;
  count: number;
  manifest: string;
  transaction: Hex;
  block: number;
  statement?: {
    compartment: Hex;
    id: Hex;
    version: number;
    previous: Hex;
    resource: Hex;
    author: Hex;
    authoredAt: number;
  };
  signature?: Hex;
}

/** A FHIR resource, read with care: any element may be missing. */
export type Resource = { resourceType: string; id?: string } & Record<string, unknown>;

export interface Bundle {
  total?: number;
  entry?: { resource?: Resource }[];
}
