import { useState } from "react";
import { Button, Disclosure, DisclosurePanel, Heading } from "react-aria-components";
import type { Gateway } from "../api/gateway";
import type { Resource } from "../api/types";
import { Show, useLoad } from "../parts/load";
import { t } from "../words/language";
import { narrative } from "./ccda";
import { attachmentsOf, Wide } from "./details";
import { changesOf, differences, type Part } from "./difference";
import { type Attachment, bytesOf, LONGEST_TEXT, textual, typeOf } from "./document";

interface Props {
  gateway: Gateway;
  before: Resource;
  after: Resource;
  /** How the older version is called. */
  version: string;
}

/** Opened when it is asked for: it opens the older version's documents, which stands in the patient's journal. */
export function Changes({ gateway, before, after, version }: Props) {
  const [open, setOpen] = useState(false);
  return (
    <Disclosure className="changes" isExpanded={open} onExpandedChange={setOpen}>
      <Heading level={2}><Button slot="trigger">{t("What changed since version {version}", { version })}</Button></Heading>
      <DisclosurePanel>{open && <Both gateway={gateway} before={before} after={after} />}</DisclosurePanel>
    </Disclosure>
  );
}

function Both({ gateway, before, after }: Omit<Props, "version">) {
  const changes = changesOf(before, after);
  const [old, now] = [attachmentsOf(before), attachmentsOf(after)];
  const pairs = Array.from({ length: Math.max(old.length, now.length) }, (_, place) => [old[place], now[place]] as const);
  return (
    <>
      {changes.length > 0 && (
        <Wide name={t("What changed")}>
          <table>
            <thead><tr><th scope="col">{t("What")}</th><th scope="col">{t("Before")}</th><th scope="col">{t("Now")}</th></tr></thead>
            <tbody>
              {changes.map((change, place) => (
                <tr key={place}>
                  <th scope="row">{change.name}</th>
                  <td>{change.before === undefined ? "–" : <del>{change.before}</del>}</td>
                  <td>{change.after === undefined ? "–" : <ins>{change.after}</ins>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
      {pairs.map(([one, other], place) => <Documents key={place} gateway={gateway} before={one} after={other} />)}
      {changes.length === 0 && pairs.length === 0 && <p className="quiet">{t("Nothing that is shown here changed.")}</p>}
    </>
  );
}

function Documents({ gateway, before, after }: { gateway: Gateway; before: Attachment | undefined; after: Attachment | undefined }) {
  const compared = useLoad(() => compare(gateway, before, after), [gateway, before, after]);
  return (
    <Show of={compared}>
      {(found) =>
        typeof found === "string" ? <p>{found}</p> : (
          <>
            <h3>{t("The text")}</h3>
            <p className="text">{found.map((part, place) => <Piece key={place} part={part} />)}</p>
          </>
        )
      }
    </Show>
  );
}

/** Both texts piece by piece, or a sentence about documents that are none. */
async function compare(gateway: Gateway, before: Attachment | undefined, after: Attachment | undefined): Promise<Part[] | string> {
  if (!before) return t("A document was added.");
  if (!after) return t("A document was taken out.");
  const [old, now] = await Promise.all([bytesOf(gateway, before), bytesOf(gateway, after)]);
  const [oldText, nowText] = await Promise.all([read(old, typeOf(before)), read(now, typeOf(after))]);
  if (oldText !== undefined && nowText !== undefined) return oldText === nowText ? t("The document is the same.") : differences(oldText, nowText);
  const [one, other] = [new Uint8Array(await old.arrayBuffer()), new Uint8Array(await now.arrayBuffer())];
  const same = one.length === other.length && one.every((byte, at) => byte === other[at]);
  return same ? t("The document is the same.") : t("The document was replaced by another one.");
}

async function read(blob: Blob, type: string): Promise<string | undefined> {
  if (!textual(type) || blob.size > LONGEST_TEXT) return undefined;
  const text = await blob.text();
  return /xml/.test(type) ? narrative(text) : text;
}

/** Longer stretches that stayed the same are shown at their ends. */
const LONGEST_SAME = 600;

function Piece({ part: { kind, text } }: { part: Part }) {
  if (kind === "gone") return <del>{text}</del>;
  if (kind === "new") return <ins>{text}</ins>;
  return <>{text.length > LONGEST_SAME ? `${text.slice(0, LONGEST_SAME / 2)} … ${text.slice(-LONGEST_SAME / 2)}` : text}</>;
}
