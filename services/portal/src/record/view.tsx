import { useState } from "react";
import type { Gateway } from "../api/gateway";
import type { Bundle, Resource } from "../api/types";
import { Show, useLoad } from "../parts/load";
import { useSession } from "../session";
import { typeWords } from "../words/scopes";
import { fhirDate } from "../words/when";
import { Changes } from "./changes";
import { amount, attachmentsOf, coded, Details, isText, list, Terms } from "./details";
import { type Attachment, Document } from "./document";
import { Proof } from "./proof";
import { claimNumber, titleOf } from "./titles";
import { t } from "../words/language";

interface Meta {
  versionId?: string;
  lastUpdated?: string;
  extension?: { url?: string; valueString?: string; valueCode?: string }[];
}

export function metaOf(resource: Resource): Meta {
  return (resource.meta ?? {}) as Meta;
}

export function RecordView({ type, id, back, write }: { type: string; id: string; back: () => void; write?: (resource: Resource) => void }) {
  const { gateway } = useSession();
  const [version, setVersion] = useState<string>();
  const path = `/fhir/R4/${type}/${id}`;
  const resource = useLoad(() => gateway.get<Resource>(version ? `${path}/_history/${version}` : path), [gateway, path, version]);
  const history = useLoad(() => gateway.get<Bundle>(`${path}/_history`), [gateway, path]);
  return (
    <>
      <p><button type="button" className="plain" onClick={back}>{t("← Back")}</button></p>
      <h1 tabIndex={-1}>{resource.value ? titleOf(resource.value) : typeWords(type)}</h1>
      <Show of={resource}>
        {(found) => (
          <>
            <Versions history={history.value} chosen={version ?? metaOf(found).versionId} choose={setVersion} />
            <Content gateway={gateway} resource={found} />
            <Since gateway={gateway} history={history.value} resource={found} />
            {write && <p><button type="button" onClick={() => write(found)}>{t("Write a corrected version")}</button></p>}
            <ProofOf resource={found} />
          </>
        )}
      </Show>
    </>
  );
}

function Versions({ history, chosen, choose }: { history: Bundle | undefined; chosen: string | undefined; choose: (v: string) => void }) {
  const versions = (history?.entry ?? []).flatMap((entry) => (entry.resource ? [metaOf(entry.resource)] : []));
  if (versions.length < 2) return null;
  const newest = versions[0]?.versionId;
  return (
    <>
      <label>{t("Version")}<select value={chosen} onChange={(event) => choose(event.target.value)}>
          {versions.map((v) => (
            <option key={v.versionId} value={v.versionId}>
              {v.versionId}, {v.lastUpdated && fhirDate(v.lastUpdated)}{v.versionId === newest ? ` (${t("newest")})` : ""}
            </option>
          ))}
        </select>
      </label>
      {chosen !== newest && <p className="warning">{t("This is an older version. A corrected one exists.")}</p>}
    </>
  );
}

/** Against the version before, if there is one. */
function Since({ gateway, history, resource }: { gateway: Gateway; history: Bundle | undefined; resource: Resource }) {
  const versions = (history?.entry ?? []).flatMap((entry) => entry.resource ?? []);
  const before = versions[versions.findIndex((one) => metaOf(one).versionId === metaOf(resource).versionId) + 1];
  if (!before || before === versions[0]) return null;
  const version = metaOf(before).versionId ?? "";
  return <Changes key={version} gateway={gateway} before={before} after={resource} version={version} />;
}

export function ProofOf({ resource }: { resource: Resource }) {
  const cid = metaOf(resource).extension?.find((e) => e.url === "urn:chartseal:extension:cid")?.valueString;
  return cid ? <Proof key={cid} cid={cid} /> : null;
}

export function Content({ gateway, resource }: { gateway: Gateway; resource: Resource }) {
  if (resource.resourceType === "Claim") return <Claim gateway={gateway} claim={resource} />;
  const attachments = attachmentsOf(resource);
  const documents = attachments.map((attachment, place) => <Document key={attachment.url ?? place} gateway={gateway} attachment={attachment} />);
  if (resource.resourceType !== "DocumentReference") return <><Details resource={resource} />{documents}</>;
  const rows: [string, string][] = [];
  if (coded(resource.type)) rows.push([t("Kind"), coded(resource.type)]);
  if (isText(resource.date)) rows.push([t("Date"), fhirDate(resource.date)]);
  if (isText(resource.docStatus)) rows.push([t("State"), resource.docStatus === "amended" ? t("Corrected") : resource.docStatus === "final" ? t("Final") : resource.docStatus]);
  return (
    <>
      <Terms rows={rows} />
      {documents}
    </>
  );
}

/** The claim, its lines and its evidence. */
function Claim({ gateway, claim }: { gateway: Gateway; claim: Resource }) {
  const rows: [string, string][] = [[t("Number"), claimNumber(claim)]];
  if (coded(claim.type)) rows.push([t("Kind"), coded(claim.type)]);
  if (isText(claim.created)) rows.push([t("Made"), fhirDate(claim.created)]);
  if (amount(claim.total)) rows.push([t("Total"), amount(claim.total)]);
  const evidence = list(claim.supportingInfo);
  return (
    <>
      <Terms rows={rows} />
      <h2>{t("What is claimed")}</h2>
      <table>
        <thead><tr><th scope="col">{t("Service")}</th><th scope="col" className="number">{t("Amount")}</th></tr></thead>
        <tbody>
          {list(claim.item).map((item, place) => (
            <tr key={place}><td>{coded(item.productOrService)}</td><td className="number">{amount(item.net) || "–"}</td></tr>
          ))}
        </tbody>
      </table>
      {evidence.length > 0 && <h2>{t("Evidence")}</h2>}
      {evidence.map((info, place) => {
        const attachment = info.valueAttachment as Attachment | undefined;
        const reference = (info.valueReference as { reference?: string } | undefined)?.reference;
        if (attachment) return <Document key={place} gateway={gateway} attachment={attachment} />;
        return reference ? <Evidence key={place} gateway={gateway} reference={reference} /> : null;
      })}
    </>
  );
}

/** A record the claim points to. Whether it is missing or not allowed looks the same. */
function Evidence({ gateway, reference }: { gateway: Gateway; reference: string }) {
  const [open, setOpen] = useState(false);
  if (!/^[A-Za-z]+\/[A-Za-z0-9.-]{1,64}$/.test(reference)) return <p className="quiet">{t("Evidence that is kept elsewhere: {reference}", { reference })}</p>;
  if (!open) return <p><button type="button" onClick={() => setOpen(true)}>{t("Open this evidence")}</button></p>;
  return <Opened gateway={gateway} reference={reference} />;
}

function Opened({ gateway, reference }: { gateway: Gateway; reference: string }) {
  const found = useLoad(() => gateway.get<Resource>(`/fhir/R4/${reference}`), [gateway, reference]);
  return (
    <Show of={found}>
      {(resource) => (
        <section className="evidence">
          <h3>{titleOf(resource)}</h3>
          <Content gateway={gateway} resource={resource} />
        </section>
      )}
    </Show>
  );
}
