import { useState } from "react";
import type { JournalEntry } from "../../api/types";
import { Show, useLoad } from "../../parts/load";
import { useSession } from "../../session";
import { entryWords } from "../../words/journal";
import { t } from "../../words/language";
import { same } from "../../words/names";
import { capital, purposeWords } from "../../words/scopes";
import { atMinute } from "../../words/when";

/** Entries come oldest first, 500 at a time; all of them are read, so that the newest stand on top. */
async function all(page: (after: number) => Promise<JournalEntry[]>): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for (let after = 0; ; ) {
    const next = await page(after);
    entries.push(...next);
    if (next.length < 500) return entries.reverse();
    after = next.at(-1)!.sequence;
  }
}

export function Journal() {
  const { gateway, account } = useSession();
  const journal = useLoad(() => all((after) => gateway.get<JournalEntry[]>(`/v1/audit?after=${after}`)), [gateway]);
  const [own, setOwn] = useState(false);
  const [shown, setShown] = useState(50);
  return (
    <>
      <h1 tabIndex={-1}>{t("Who looked")}</h1>
      <p>{t("Everything this gateway did with your records, newest first. Each entry is chained to the one before, so none can be changed unseen.")}</p>
      <label className="check">
        <input type="checkbox" checked={own} onChange={(event) => setOwn(event.target.checked)} /> {t("Show what I did myself")}
      </label>
      <Show of={journal}>
        {(entries) => {
          const wanted = entries.filter((entry) => own || !same(entry.actor, account));
          return (
            <>
              {wanted.length === 0 && <p className="quiet">{t("Nobody has looked.")}</p>}
              <ul className="rows">{wanted.slice(0, shown).map((entry) => <Entry key={entry.sequence} entry={entry} />)}</ul>
              {wanted.length > shown && (
                <button type="button" onClick={() => setShown(shown + 50)}>{t("Show older ({n})", { n: wanted.length - shown })}</button>
              )}
            </>
          );
        }}
      </Show>
    </>
  );
}

function Entry({ entry }: { entry: JournalEntry }) {
  const { names } = useSession();
  return (
    <li>
      <span>
        <strong>{entryWords(entry, capital(names.of(entry.actor, entry.role)))}</strong>
        {t(entry.client ? "{date}, for {purpose}, by a system" : "{date}, for {purpose}", { date: atMinute(entry.recordedAt), purpose: purposeWords(entry.purpose) })}
      </span>
    </li>
  );
}
