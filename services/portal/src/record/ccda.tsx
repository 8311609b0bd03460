import { createElement, type ReactNode } from "react";
import { fhirDate } from "../words/when";
import { type Message, t } from "../words/language";
import { Terms } from "./details";

// A C-CDA's narrative: its sections' titles and text. Only element names of the list become elements of ours, without any
// of their attributes; all else becomes its text. Nothing of the document is ever parsed as HTML.

const AS: Record<string, string> = {
  paragraph: "p",
  list: "ul",
  item: "li",
  table: "table",
  thead: "thead",
  tbody: "tbody",
  tr: "tr",
  th: "th",
  td: "td",
  caption: "strong",
  br: "br",
  sub: "sub",
  sup: "sup",
};
/** Deeper nesting is cut. */
const DEEPEST = 40;

interface Section {
  title: string;
  text: Element;
}

interface Read {
  title: string;
  /** About whom, when and by whom. */
  head: [Message, string][];
  sections: Section[];
}

/** Head and narrative sections; undefined if the bytes are no C-CDA. */
export function sections(xml: string): Read | undefined {
  const document = new DOMParser().parseFromString(xml, "application/xml");
  const root = document.documentElement;
  if (document.querySelector("parsererror") || root.localName !== "ClinicalDocument") return undefined;
  const found = [...root.getElementsByTagName("section")].flatMap((section) => {
    const text = child(section, "text");
    return text ? [{ title: child(section, "title")?.textContent?.trim() ?? "", text }] : [];
  });
  return { title: child(root, "title")?.textContent?.trim() ?? "", head: headOf(root), sections: found };
}

function headOf(root: Element): [Message, string][] {
  const words = (selector: string) => {
    const name = root.querySelector(selector);
    const parts = name && name.children.length > 0 ? [...name.children].filter((part) => part.localName !== "suffix").map((part) => part.textContent) : [name?.textContent];
    return parts.map((part) => part?.trim()).filter(Boolean).join(" ");
  };
  const date = (selector: string) => day(root.querySelector(selector)?.getAttribute("value") ?? "");
  const rows: [Message, string][] = [
    ["Name", words("recordTarget > patientRole > patient > name")],
    ["Born", date("recordTarget > patientRole > patient > birthTime")],
    ["Date", date(":root > effectiveTime")],
    ["Author", words("author > assignedAuthor > assignedPerson > name")],
    ["Made at", words("custodian > assignedCustodian > representedCustodianOrganization > name")],
  ];
  return rows.filter(([, value]) => value !== "");
}

/** `20260131…` as a date of the reader's language. */
function day(text: string): string {
  const parts = /^(\d{4})(\d\d)(\d\d)/.exec(text);
  return parts ? fhirDate(`${parts[1]}-${parts[2]}-${parts[3]}`) : "";
}

function child(of: Element, name: string): Element | undefined {
  return [...of.children].find((element) => element.localName === name);
}

/** The narrative as text, a line for each block; the bytes themselves if they are no C-CDA. */
export function narrative(xml: string): string {
  const read = sections(xml);
  if (!read) return xml;
  return read.sections.map((section) => [section.title, ...lines(section.text)].join("\n")).join("\n\n");
}

function lines(text: Element): string[] {
  const blocks = [...text.querySelectorAll("paragraph, item, tr")];
  const worded = (element: Element) => [...element.childNodes].map((node) => node.textContent?.trim()).filter(Boolean).join(" ").replace(/\s+/g, " ");
  return (blocks.length > 0 ? blocks : [text]).map(worded);
}

export function Ccda({ xml }: { xml: string }) {
  const read = sections(xml);
  if (!read) return <pre className="text">{xml}</pre>;
  return (
    <div className="narrative">
      {read.title && <h2>{read.title}</h2>}
      <Terms rows={read.head.map(([name, value]) => [t(name), value])} />
      {read.sections.map((section, place) => (
        <section key={place}>
          {section.title && <h3>{section.title}</h3>}
          {render(section.text, 0)}
        </section>
      ))}
    </div>
  );
}

function render(node: Element, depth: number): ReactNode[] {
  if (depth > DEEPEST) return [node.textContent];
  return [...node.childNodes].map((one, key) => {
    if (one.nodeType === Node.TEXT_NODE || one.nodeType === Node.CDATA_SECTION_NODE) {
      // White space between rows is no child of a table.
      return one.textContent?.trim() ? one.textContent : null;
    }
    if (!(one instanceof Element)) return null;
    const name = Object.hasOwn(AS, one.localName) ? AS[one.localName] : undefined;
    if (name === "br") return <br key={key} />;
    const inner = render(one, depth + 1);
    return name ? createElement(name, { key }, ...inner) : <span key={key}>{inner}</span>;
  });
}
