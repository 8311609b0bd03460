import { useEffect, useState } from "react";
import type { Intent } from "../../../api/types";
import { Caught } from "../../../custody/caught";
import type { Own } from "../../../custody/own";
import { signing, useDecide } from "../../../parts/decide";
import { Refused, Show, useLoad } from "../../../parts/load";
import { useHere, useSession } from "../../../session";
import { t } from "../../../words/language";

/** One signature: the gateway moves every scope to this device's keys and then gives up its own. */
export function HandOver({ own, done }: { own: Own; done: () => Promise<void> }) {
  const { hold } = useHere();
  const { gateway } = useSession();
  const decide = useDecide();
  const [error, setError] = useState<unknown>();
  // Signed before the tab was closed: then nothing is to be signed again.
  const underWay = useLoad(() => isUnderWay(own), [own]);
  useEffect(() => {
    if (!underWay.value) return undefined;
    const timer = setInterval(() => void underWay.reload().then(done), 1_000);
    return () => clearInterval(timer);
  }, [underWay.value, underWay.reload, done]);
  const settle = async () => {
    const closed = (await own.maker.ring()).closed();
    if (closed.length > 0) throw new Caught("swapped-key");
    hold({ own, gateway: own.gateway });
    await done();
  };
  const sign = async () => {
    setError(undefined);
    try {
      const plan = signing(gateway, t("Take my keys over"), t("Take over and sign"), () => layOut(own));
      if (await decide(plan)) await settle();
    } catch (failed) {
      setError(failed);
    }
  };
  return (
    <Show of={underWay}>
      {(moving) =>
        moving ? <p role="status">{t("Your record is moving to your new keys. This takes a few seconds; you can close this page.")}</p> : (
          <>
            <p>{t("Everything is ready. Sign once: your record moves on to your new keys, and the old ones are destroyed.")}</p>
            <button type="button" className="primary" onClick={sign}>{t("Read what you sign")}</button>
            {error !== undefined && <Refused error={error} />}
          </>
        )
      }
    </Show>
  );
}

/** The epochs come first, one by one; the change of custody behind the last of them is in the decision alone. */
async function isUnderWay(own: Own): Promise<boolean> {
  const [rows, decisions] = await Promise.all([own.maker.rows(), own.maker.gateway.get<Intent[]>("/v1/intents?kind=takeOver")]);
  return rows.some((row) => row.pending) || decisions.some(({ state }) => state === "signed" || state === "submitted");
}

async function layOut(own: Own): Promise<Intent> {
  const kept = (await own.maker.rows()).filter((row) => row.kept);
  const newest = new Map((await own.chain.epochs()).map((epoch) => [epoch.scope, epoch]));
  const epochs = [];
  for (const row of kept) {
    const known = newest.get(row.scope);
    if (!known || known.number !== row.epoch || known.key !== row.key) throw new Caught("stale-epoch");
    epochs.push(await own.maker.epoch(row.scope, row));
  }
  return own.maker.gateway.post<Intent>("/v1/intents", { kind: "takeOver", epochs });
}
