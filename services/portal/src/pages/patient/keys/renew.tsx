import { useState } from "react";
import type { Intent, RecordRow } from "../../../api/types";
import { Caught } from "../../../custody/caught";
import type { EpochRow } from "../../../custody/make";
import type { Own } from "../../../custody/own";
import { signing, useDecide } from "../../../parts/decide";
import { Show, useLoad } from "../../../parts/load";
import { useSession } from "../../../session";
import { capital, scopeTitle, scopeWords, typeWords } from "../../../words/scopes";
import { atMinute } from "../../../words/when";
import { t } from "../../../words/language";

/** Parts of which somebody who lost the permission holds the key, and what was added to them since. */
export function Renew({ own }: { own: Own }) {
  const { gateway, account } = useSession();
  const decide = useDecide();
  const [said, setSaid] = useState("");
  const rows = useLoad(() => own.maker.rows(), [own]);
  const records = useLoad(() => gateway.get<RecordRow[]>(`/v1/records?patient=${account}`), [gateway, account]);
  const renew = async (row: EpochRow) => {
    const plan = signing(gateway, t("Keys to renew"), t("Renew and sign"), () => layOut(own, row));
    if (!(await decide(plan))) return;
    setSaid(t("The key of your {scope} is renewed.", { scope: scopeWords(row.scope) }));
    await rows.reload();
  };
  return (
    <>
      <h2>{t("Keys to renew")}</h2>
      <p role="status" className="said">{said}</p>
      <Show of={rows}>
        {(all) => {
          const due = all.filter((row) => row.due);
          if (due.length === 0) return <p className="quiet">{t("No key needs to be renewed.")}</p>;
          return (
            <>
              <p>{t("Somebody who lost your permission still holds the key of these parts. Renew it, so that they cannot open what is added from now on.")}</p>
              <ul className="rows">
                {due.map((row) => (
                  <li key={row.scope}>
                    <span><strong>{scopeTitle(row.scope)}</strong></span>
                    <button type="button" disabled={row.pending} onClick={() => renew(row)} aria-label={t("Renew the key of your {scope}", { scope: scopeWords(row.scope) })}>
                      {t("Renew")}
                    </button>
                  </li>
                ))}
              </ul>
            </>
          );
        }}
      </Show>
      <Show of={records}>{(all) => <Exposed records={all.filter((record) => record.exposed)} />}</Show>
    </>
  );
}

function Exposed({ records }: { records: RecordRow[] }) {
  if (records.length === 0) return null;
  return (
    <>
      <p>{t("Added while somebody without permission still held the key:")}</p>
      <ul>
        {records.map((record) => (
          <li key={record.cid}>{capital(typeWords(record.resourceType))}, {scopeWords(record.scope)}, {atMinute(record.authoredAt)}</li>
        ))}
      </ul>
    </>
  );
}

async function layOut(own: Own, row: EpochRow): Promise<Intent> {
  const made = await own.maker.advance(row.scope, row);
  const laid = await own.maker.gateway.post<Intent>("/v1/intents", { kind: "advance", ...made });
  const { key, epoch, link } = laid.sign[0]?.typedData.message ?? {};
  if (key !== made.key || link !== made.link || Number(epoch) !== made.epoch) throw new Caught("swapped-key");
  return laid;
}
