// Parts of a record, in a reader's words.

import type { Grant } from "../api/types";
import { type Message, t } from "./language";

const SCOPES: Record<string, Message> = {
  demographics: "name and address",
  clinical: "clinical records",
  laboratory: "laboratory results",
  imaging: "images and scans",
  medication: "medicines",
  claims: "insurance claims",
  sensitive: "sensitive records",
  emergency: "emergency summary",
  audit: "journal of who looked",
};

export const KNOWN_SCOPES = Object.keys(SCOPES);

/** `clinical` → `clinical records`. A part this app has no words for keeps its own, in quotes. */
export function scopeWords(scope: string): string {
  return Object.hasOwn(SCOPES, scope) ? t(SCOPES[scope]!) : `“${scope}”`;
}

/** With a capital, for the start of a line. */
export function scopeTitle(scope: string): string {
  return capital(scopeWords(scope));
}

/** With a capital. What begins with an isolated value (Arabic) has none. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const PURPOSES: Record<string, Message> = {
  TREAT: "treatment",
  HPAYMT: "paying a claim",
  CLMATTCH: "evidence for a claim",
  ETREAT: "emergency treatment",
  PATRQT: "the patient’s own request",
  HOPERAT: "running the hospital",
  HRESCH: "research",
  HSYSADMIN: "looking after accounts",
};

/** `TREAT` → `treatment`; a code without words is shown as it is, in quotes. */
export function purposeWords(code: string): string {
  return Object.hasOwn(PURPOSES, code) ? t(PURPOSES[code]!) : `“${code}”`;
}

/** Bits 1 (read) and 2 (write) as an infinitive. Anything else has no words: it must not be signed. */
export function permissionWords(permission: number): Message | undefined {
  const words: Record<number, Message> = { 1: "read", 2: "add to (without reading)", 3: "read and add to" };
  return words[permission];
}

const MAY: Record<number, Message> = { 1: "read {what}", 2: "add to (without reading) {what}", 3: "read and add to {what}" };

/** `read and add to` with what it is about; just that, if the permission has no words. */
export function may(permission: number, what: string): string {
  const words = MAY[permission];
  return words ? t(words, { what }) : what;
}

const TYPES: Record<string, Message> = {
  Patient: "Personal details",
  DocumentReference: "Document",
  Claim: "Insurance claim",
  ClaimResponse: "Answer to a claim",
  Coverage: "Insurance cover",
  List: "List of documents",
  AuditEvent: "Journal",
};

export function typeWords(type: string): string {
  return Object.hasOwn(TYPES, type) ? t(TYPES[type]!) : type;
}

/** What a grant is of: a part of the record, or one record by its kind and number. */
export function targetWords({ scope, opens }: Pick<Grant, "scope" | "opens">): string {
  if (scope) return scopeWords(scope);
  return opens ? t("{kind} {id}", { kind: typeWords(opens.resourceType), id: `${opens.recordId.slice(2, 10)}…` }) : t("one record");
}
