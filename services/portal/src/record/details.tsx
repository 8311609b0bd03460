import type { ReactNode } from "react";
import type { Resource } from "../api/types";
import { capital, typeWords } from "../words/scopes";
import { fhirDate } from "../words/when";
import { locale, type Message, t } from "../words/language";
import type { Attachment } from "./document";

// A FHIR resource as rows. Anything may be missing or of another type than expected; nothing here is ever markup.

type Row = [string, string];
type Any = Record<string, unknown>;

/** Rows beyond these are not shown one by one. */
const MOST = 200;

/** Single values as terms; what there are several of, with several elements each, as tables. */
export function Details({ resource }: { resource: Resource }) {
  if (resource.resourceType === "Patient") return <Terms rows={rowsOf(resource)} />;
  const several = Object.entries(resource).filter(([key, value]) => !HIDDEN.has(key) && isTable(value)) as [string, Any[]][];
  const single = Object.fromEntries(Object.entries(resource).filter(([key]) => !several.some(([one]) => one === key))) as Resource;
  return (
    <>
      <Terms rows={rowsOf(single)} />
      {several.map(([key, rows]) => (
        <section key={key}>
          <h2>{spoken(key)}</h2>
          <Rows name={spoken(key)} rows={rows.slice(0, MOST)} />
        </section>
      ))}
    </>
  );
}

function isTable(value: unknown): boolean {
  const structured = (one: unknown) => typeof one === "object" && one !== null && !Array.isArray(one) && brief(one as Any) === undefined && !isAttachment(one);
  return Array.isArray(value) && value.length > 0 && value.every(structured);
}

function Rows({ name, rows }: { name: string; rows: Any[] }) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((key) => !HIDDEN.has(key));
  const cell = (value: unknown) => {
    const inner: Row[] = [];
    walk("", value, inner, 0);
    return inner.map(([name, text]) => (name ? `${name}: ${text}` : text)).join("; ") || "–";
  };
  return (
    <Wide name={name}>
      <table>
        <thead><tr>{columns.map((key) => <th key={key} scope="col">{spoken(key)}</th>)}</tr></thead>
        <tbody>{rows.map((row, place) => <tr key={place}>{columns.map((key) => <td key={key}><bdi>{cell(row[key])}</bdi></td>)}</tr>)}</tbody>
      </table>
    </Wide>
  );
}

/** A table that may be wider than a phone: it is moved sideways, with the keyboard too. */
export function Wide({ name, children }: { name: string; children: ReactNode }) {
  return <div className="wide" role="region" aria-label={name} tabIndex={0}>{children}</div>;
}

function isAttachment(value: unknown): value is Attachment {
  const { contentType, url, data } = (value ?? {}) as Any;
  return isText(contentType) && (isText(url) || isText(data));
}

/** Every document that hangs on a resource, wherever it stands in it. */
export function attachmentsOf(value: unknown, depth = 0): Attachment[] {
  if (typeof value !== "object" || value === null || depth > 6) return [];
  if (isAttachment(value)) return [value];
  return Object.entries(value).flatMap(([key, inner]) => (HIDDEN.has(key) ? [] : attachmentsOf(inner, depth + 1)));
}

export function Terms({ rows }: { rows: [string, ReactNode][] }) {
  return (
    <dl className="terms">
      {rows.map(([name, value], place) => (
        <div key={`${name}-${place}`}>
          <dt><bdi>{name}</bdi></dt>
          <dd><bdi>{value}</bdi></dd>
        </div>
      ))}
    </dl>
  );
}

export function rowsOf(resource: Resource): Row[] {
  const rows = resource.resourceType === "Patient" ? patientRows(resource) : genericRows(resource);
  return rows.slice(0, MOST);
}

const SEX: Record<string, Message> = { male: "Male", female: "Female", other: "Other", unknown: "Not known" };
const CONTACT: Record<string, Message> = { phone: "Phone", email: "Email", fax: "Fax", sms: "Text message", url: "Web page", pager: "Pager" };

function patientRows(p: Resource): Row[] {
  const rows: Row[] = [];
  for (const name of list(p.name)) {
    const words = [list(name.prefix), list(name.given), [name.family]].flat().filter(isText).join(" ");
    rows.push([name.use === "maiden" ? t("Name at birth") : t("Name"), isText(name.text) ? name.text : words]);
  }
  if (isText(p.birthDate)) rows.push([t("Born"), fhirDate(p.birthDate)]);
  if (isText(p.gender)) rows.push([t("Sex"), t(SEX[p.gender] ?? "Other")]);
  for (const way of list(p.telecom)) if (isText(way.value)) rows.push([t(CONTACT[String(way.system)] ?? "Contact"), way.value]);
  for (const a of list(p.address)) {
    rows.push([t("Address"), [list(a.line), [a.postalCode, a.city, a.state, a.country]].flat().filter(isText).join(", ")]);
  }
  for (const id of list(p.identifier)) {
    const kind = coded(id.type);
    if (isText(id.value)) rows.push([kind || (id.system === "urn:chartseal:account" ? t("Account") : t("Number")), id.value]);
  }
  return rows.filter(([, value]) => value !== "");
}

/** Elements for machines. */
const HIDDEN = new Set(["resourceType", "id", "meta", "text", "extension", "implicitRules", "contained", "modifierExtension"]);

function genericRows(resource: Resource): Row[] {
  const rows: Row[] = [];
  walk("", resource, rows, 0);
  return rows;
}

function walk(name: string, value: unknown, rows: Row[], depth: number): void {
  if (rows.length >= MOST || value === null || value === undefined || depth > 6) return;
  if (Array.isArray(value)) {
    for (const one of value) walk(name, one, rows, depth);
    return;
  }
  if (typeof value !== "object") {
    rows.push([name, scalar(value)]);
    return;
  }
  if (isAttachment(value)) {
    if (value.title) rows.push([name, value.title]);
    return;
  }
  const short = brief(value as Any);
  if (short !== undefined) {
    if (short) rows.push([name, short]);
    return;
  }
  for (const [key, inner] of Object.entries(value)) {
    if (!HIDDEN.has(key)) walk(name ? `${name}: ${spoken(key).toLowerCase()}` : spoken(key), inner, rows, depth + 1);
  }
}

/** The data types that read well in one line. */
function brief(value: Any): string | undefined {
  if ("coding" in value || (isText(value.text) && Object.keys(value).length === 1)) return coded(value);
  if (typeof value.value === "number" && ("currency" in value || "unit" in value || "code" in value)) return amount(value);
  if (isText(value.reference) || isText(value.display)) return isText(value.display) ? value.display : referred(String(value.reference));
  if (isText(value.start) || isText(value.end)) {
    return [value.start, value.end].filter(isText).map(fhirDate).join(" – ");
  }
  if (isText(value.system) && isText(value.value)) return value.value;
  return undefined;
}

/** `Claim/<64 hexadecimal digits>` → `Insurance claim 0123…cdef`: enough to compare, and no wall of digits. */
function referred(reference: string): string {
  const own = /^([A-Za-z]+)\/([0-9a-f]{4})[0-9a-f]{56}([0-9a-f]{4})$/.exec(reference);
  return own ? `${own[1] === "Patient" ? t("Patient") : typeWords(own[1]!)} ${own[2]}…${own[3]}` : reference;
}

export function amount(value: unknown): string {
  const { value: number, currency, unit, code } = (value ?? {}) as Any;
  if (typeof number !== "number") return "";
  if (isText(currency) && /^[A-Z]{3}$/.test(currency)) {
    return new Intl.NumberFormat(locale(), { style: "currency", currency }).format(number);
  }
  return `${new Intl.NumberFormat(locale()).format(number)} ${isText(unit) ? unit : isText(code) ? code : ""}`.trim();
}

/** A CodeableConcept or Coding in its best words. */
export function coded(value: unknown): string {
  const concept = (value ?? {}) as Any;
  if (isText(concept.text)) return concept.text;
  const coding = list(concept.coding)[0] ?? concept;
  return isText(coding.display) ? coding.display : isText(coding.code) ? coding.code : "";
}

function scalar(value: unknown): string {
  if (typeof value === "boolean") return value ? t("Yes") : t("No");
  const text = String(value);
  return /^\d{4}-\d\d-\d\d/.test(text) ? fhirDate(text) : text;
}

/** Elements that have a word of their own; the others are said by their names in FHIR. */
const ELEMENTS: Record<string, Message> = {
  status: "Status",
  docStatus: "State",
  type: "Kind",
  category: "Category",
  code: "Code",
  subject: "Patient",
  patient: "Patient",
  beneficiary: "Insured person",
  subscriber: "Subscriber",
  subscriberId: "Number of the subscriber",
  relationship: "Relationship",
  payor: "Payer",
  insurer: "Insurer",
  provider: "Provider",
  author: "Author",
  date: "Date",
  created: "Made",
  period: "Period",
  description: "Description",
  title: "Title",
  name: "Name",
  value: "Value",
  identifier: "Number",
  outcome: "Outcome",
  disposition: "Decision",
  adjudication: "Assessment",
  amount: "Amount",
  total: "Total",
  payment: "Payment",
  item: "Item",
  entry: "Entry",
  sequence: "Number",
  itemSequence: "Number",
  content: "Content",
  attachment: "Document",
  request: "Request",
  use: "Use",
  mode: "Mode",
  note: "Note",
  text: "Text",
};

/** `billablePeriod` → `Billable period`. */
function spoken(key: string): string {
  if (Object.hasOwn(ELEMENTS, key)) return t(ELEMENTS[key]!);
  return capital(key.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase());
}

export function list(value: unknown): Any[] {
  return (Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]) as Any[];
}

export function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
