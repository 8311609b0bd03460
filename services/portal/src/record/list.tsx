import { useState } from "react";
import type { Gateway } from "../api/gateway";
import type { Hex, RecordRow } from "../api/types";
import { Show, useLoad } from "../parts/load";
import { useSession } from "../session";
import { scopeTitle, scopeWords, typeWords } from "../words/scopes";
import { inWords } from "../words/problems";
import { atMinute, DAY } from "../words/when";
import { type Titles, titlesOf } from "./titles";
import { type Message, t } from "../words/language";

interface Props {
  patient: Hex;
  /** Whether titles are asked for. A search names every patient it finds something of in their journals, so only a patient's own. */
  titles: boolean;
  open: (type: string, id: string) => void;
}

interface Listed extends Titles {
  rows: RecordRow[];
}

const STATES: Record<RecordRow["state"], Message> = {
  stored: "stored, proof on its way",
  batched: "stored, proof on its way",
  submitted: "stored, proof on its way",
  anchored: "proof on the chain",
};

/** The newest 200 records, by part and time, in their newest versions. */
export function RecordList({ patient, titles, open }: Props) {
  const { gateway, names } = useSession();
  const [scope, setScope] = useState("");
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const listed = useLoad(() => load(gateway, patient, titles), [gateway, patient, titles]);
  return (
    <Show of={listed}>
      {({ rows, titles: named, caught }) => {
        const scopes = [...new Set(rows.map((row) => row.scope))].sort();
        const wanted = rows.filter((row) => (scope === "" || row.scope === scope) && within(row.authoredAt, from, to));
        return (
          <>
            <div className="filters">
              <label>
                {t("Part")}
                <select value={scope} onChange={(event) => setScope(event.target.value)}>
                  <option value="">{t("All parts")}</option>
                  {scopes.map((one) => <option key={one} value={one}>{scopeTitle(one)}</option>)}
                </select>
              </label>
              <label>{t("From")}<input type="date" value={from} onChange={(event) => setFrom(event.target.value)} /></label>
              <label>{t("Up to")}<input type="date" value={to} onChange={(event) => setTo(event.target.value)} /></label>
            </div>
            {wanted.length === 0 && <p className="quiet">{t("There are no records here.")}</p>}
            <ul className="rows">
              {wanted.map((row) => (
                <li key={row.recordId}>
                  <span>
                    <strong>{named.get(row.recordId) ?? typeWords(row.resourceType)}</strong>
                    {t("{scope}, by {author}, {date}", { scope: scopeTitle(row.scope), author: names.of(row.author), date: atMinute(row.authoredAt) })}
                    {row.version > 1 && ` · ${t("Version {version}", { version: row.version })}`} · {t(STATES[row.state])}
                    {caught.has(row.recordId) && <strong className="fails">{inWords(caught.get(row.recordId))}</strong>}
                  </span>
                  <button
                    type="button"
                    onClick={() => open(row.resourceType, row.recordId.slice(2))}
                    aria-label={t("Open {title}, {scope}, {date}", { title: named.get(row.recordId) ?? typeWords(row.resourceType), scope: scopeWords(row.scope), date: atMinute(row.authoredAt) })}
                  >
                    {t("Open")}
                  </button>
                </li>
              ))}
            </ul>
            {rows.length === 200 && <p className="quiet">{t("Only the newest 200 versions are listed.")}</p>}
          </>
        );
      }}
    </Show>
  );
}

async function load(gateway: Gateway, patient: Hex, titles: boolean): Promise<Listed> {
  const all = await gateway.get<RecordRow[]>(`/v1/records?patient=${patient}&newest=true`);
  // The journal has a page of its own.
  const rows = all.filter((row) => row.scope !== "audit");
  const named = titles ? await titlesOf(gateway, rows) : { titles: new Map(), caught: new Map() };
  return { rows, ...named };
}

/** Days as the reader's calendar has them, both included. */
function within(seconds: number, from: string, to: string): boolean {
  const start = (day: string) => new Date(`${day}T00:00:00`).getTime() / 1000;
  return (from === "" || seconds >= start(from)) && (to === "" || seconds < start(to) + DAY);
}
