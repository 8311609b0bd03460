import { useEffect, useState } from "react";
import type { Intent } from "../api/types";
import { useSession } from "../session";
import { same, short } from "../words/names";
import { type Message, t } from "../words/language";

/** What a decision is called once it is signed; other kinds are steps of these, or the custodian's own work. */
const CALLED: Record<string, Message> = {
  register: "Registration of {address}",
  suspend: "An account is suspended",
  reinstate: "An account is reinstated",
  retire: "An account is retired",
  enrol: "Your record is opened",
  grant: "A permission that you gave",
  revoke: "An access that you ended",
  takeOver: "Your keys pass to you",
  custodian: "Your keys pass to another keeper",
};

/** How often a decision on its way is asked for. */
const EVERY = 1_000;
/** Seconds for which a failure is told again. */
const RECENT = 3600;

const open = ({ state }: Intent) => state === "signed" || state === "submitted";

/**
 * Decisions that were signed and do not count yet, until they do. The gateway keeps them, so they are here again after the
 * page was reloaded or the tab was closed.
 */
export function UnderWay() {
  const { gateway, address, role } = useSession();
  const [shown, setShown] = useState<Intent[]>([]);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let current = true;
    const watched = new Set<string>();
    const look = async () => {
      // Whoever signed a registration besides its account sees it by its state only.
      const countersigned = role === null ? ["kind=register&state=signed", "kind=register&state=submitted"] : [];
      const lists = await Promise.all(["", ...countersigned].map((query) => gateway.get<Intent[]>(`/v1/intents?${query}`)));
      const all = new Map(lists.flat().map((one) => [one.id, one]));
      // A registration that has left both lists since is asked for by itself.
      for (const id of watched) if (!all.has(id)) all.set(id, await gateway.get<Intent>(`/v1/intents/${id}`));
      if (!current) return;
      const failed = (one: Intent) => one.state === "failed" && !one.refusal && one.createdAt > Date.now() / 1000 - RECENT;
      const mine = [...all.values()].filter((one) => !one.parent && Object.hasOwn(CALLED, one.kind));
      for (const one of mine) if (open(one)) watched.add(one.id);
      setShown(mine.filter((one) => watched.has(one.id) || failed(one)));
      if (mine.some(open)) timer = setTimeout(again, EVERY);
    };
    // Whoever cannot be asked now is asked a while later; the pages themselves say what is wrong.
    const again = () => void look().catch(() => (timer = setTimeout(again, 5 * EVERY)));
    again();
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [gateway, role]);
  if (shown.length === 0) return null;
  return (
    <section aria-label={t("Decisions under way")} className="holder">
      <div role="status">
        <ul className="rows">
          {shown.map((one) => (
            <li key={one.id}>
              <span>
                <strong>{t(CALLED[one.kind]!, { address: same(one.account, address) ? t("you") : short(one.account) })}</strong>
                {told(one)}
              </span>
            </li>
          ))}
        </ul>
      </div>
    </section>
  );
}

function told({ state, error }: Intent): string {
  if (state === "confirmed") return t("It counts now.");
  if (state === "failed" || state === "expired") return t("It did not come into force: {why}. Nothing has changed; decide again.", { why: error ?? state });
  if (state === "submitted") return t("Signed and sent to the chain. It counts in a few seconds; you may close this page.");
  return t("Signed. It is sent to the chain; you may close this page.");
}
