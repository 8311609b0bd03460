import { useState } from "react";
import type { JournalEntry } from "../../api/types";
import { Show, useLoad } from "../../parts/load";
import { useSession } from "../../session";
import { same } from "../../words/names";
import { capital, purposeWords, scopeWords } from "../../words/scopes";
import { atMinute } from "../../words/when";

const DID: Record<JournalEntry["action"], string> = {
  create: "added a record to",
  read: "read from",
  update: "corrected a record in",
  search: "looked for records in",
  release: "was given the key to",
  grant: "gave a permission for",
  revoke: "ended a permission for",
};

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
      <h1 tabIndex={-1}>Who looked</h1>
      <p>Everything this gateway did with your records, newest first. Each entry is chained to the one before, so none can be changed unseen.</p>
      <label className="check">
        <input type="checkbox" checked={own} onChange={(event) => setOwn(event.target.checked)} /> Show what I did myself
      </label>
      <Show of={journal}>
        {(entries) => {
          const wanted = entries.filter((entry) => own || !same(entry.actor, account));
          return (
            <>
              {wanted.length === 0 && <p className="quiet">Nobody has looked.</p>}
              <ul className="rows">{wanted.slice(0, shown).map((entry) => <Entry key={entry.sequence} entry={entry} />)}</ul>
              {wanted.length > shown && (
                <button type="button" onClick={() => setShown(shown + 50)}>Show older ({wanted.length - shown})</button>
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
  const scopes = entry.subject.scope.split(" ").filter(Boolean).map(scopeWords).join(", ");
  return (
    <li>
      <span>
        <strong>{capital(names.of(entry.actor, entry.role))} {DID[entry.action]} your {scopes || "record"}</strong>
        {atMinute(entry.recordedAt)}, for {purposeWords(entry.purpose)}{entry.client && ", by a system"}
      </span>
    </li>
  );
}
