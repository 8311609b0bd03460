// A patient's own keys: taking them over step by step, unlocking them, renewing them. Loaded when it is asked for.

import { type ReactNode, useEffect, useState } from "react";
import type { Account, Grant } from "../../../api/types";
import { Caught } from "../../../custody/caught";
import { type Kept, kept, placeOf } from "../../../custody/keep";
import type { Kit } from "../../../custody/kit";
import type { EpochRow } from "../../../custody/make";
import { Own } from "../../../custody/own";
import { newSecret } from "../../../custody/tree";
import { Link } from "../../../parts/link";
import { Refused, Show, useLoad } from "../../../parts/load";
import { useHere, useSession } from "../../../session";
import { capital, scopeWords } from "../../../words/scopes";
import { HandOver } from "./hand-over";
import { KeptHere } from "../../keys/kept-here";
import { KitStep } from "../../keys/kit";
import { Protect } from "../../keys/protect";
import { Bring, Locked } from "../../keys/unlock";
import { Renew } from "./renew";
import { listed, type Message, t } from "../../../words/language";

export default function OwnKeys({ mine, changed }: { mine: Account; changed: () => Promise<void> }) {
  const { hold } = useHere();
  const { account, deployment, wallet, gateway, own } = useSession();
  const where = { chainId: deployment.chainId, consent: deployment.contracts.consent, account };
  const stored = useLoad(async () => (await kept(placeOf(where))) ?? null, [account]);
  const isOwn = mine.custody === "self";
  const ours = (kit: Kit) => {
    const made = new Own(kit, { deployment, account, gateway, provider: wallet.provider });
    hold({ own: made, ...(isOwn && { gateway: made.gateway }) });
    void stored.reload();
  };
  return (
    <Show of={stored}>
      {(found) => {
        if (own && found && isOwn) return <Yours own={own} removed={() => void stored.reload()} />;
        if (own && found) return <Taking own={own} found={found} next={async () => { await stored.reload(); await changed(); }} />;
        if (found) return <Locked found={found} says={t("Your keys are in this browser. Unlock them to read your records and to decide.")} opened={ours} />;
        if (isOwn) return <Bring holds="root" opened={ours} />;
        return <Start custodian={mine.custodian ?? ""} kit={() => ({ ...where, holds: "root", secret: newSecret() })} kept={ours} />;
      }}
    </Show>
  );
}

/** Nothing to take over before the record is open. */
function Start(props: { custodian: string; kit: () => Kit; kept: (kit: Kit) => void }) {
  const { gateway } = useSession();
  const rows = useLoad(() => gateway.get<EpochRow[]>("/v1/epochs"), [gateway]);
  return <Show of={rows}>{(all) => (all.some((row) => row.kept) ? <Offer {...props} /> : null)}</Show>;
}

function Offer({ custodian, kit, kept: started }: { custodian: string; kit: () => Kit; kept: (kit: Kit) => void }) {
  const { names, gateway, account } = useSession();
  const [open, setOpen] = useState(false);
  const grants = useLoad(() => gateway.get<Grant[]>(`/v1/grants?patient=${account}`), [gateway]);
  return (
    <>
      <h2>{t("Take my keys over")}</h2>
      <p>{t("You can keep your keys yourself. Then {custodian} can no longer open your record, unless you allow it like anybody else.", { custodian: names.of(custodian) })}</p>
      <p className="warning">{t("If you lose this device and your recovery kit, nobody can open your record for you: not the hospital, and not us.")}</p>
      <Show of={grants}>{(all) => <Readers grants={all.filter((grant) => grant.live && (grant.permission & 1) !== 0)} />}</Show>
      {!open && <button type="button" className="primary" onClick={() => setOpen(true)}>{t("Take my keys over")}</button>}
      {open && <Step at={1}><Protect kit={kit} checked={false} kept={started} /></Step>}
    </>
  );
}

function Readers({ grants }: { grants: Grant[] }) {
  const { names } = useSession();
  if (grants.length === 0) return <p className="quiet">{t("Nobody may read your record now.")}</p>;
  const who = [...new Set(grants.map((grant) => grant.grantee))];
  return (
    <>
      <p>{t("These may read parts of your record now, and still may afterwards. If you do not want that, end their access first.")} <Link to="/patient/access">{t("Who has access")}</Link></p>
      <ul>
        {who.map((grantee) => (
          <li key={grantee}>
            {capital(names.of(grantee, grants.find((grant) => grant.grantee === grantee)?.granteeRole))}: {listed(grants.filter((grant) => grant.grantee === grantee).map((grant) => scopeWords(grant.scope)))}
          </li>
        ))}
      </ul>
    </>
  );
}

const STEPS: Message[] = ["Protect your keys", "Save your recovery kit", "Hand over"];

function Step({ at, children }: { at: 1 | 2 | 3; children: ReactNode }) {
  return (
    <section>
      <p className="quiet">{t("Step {n} of 3", { n: at })}. {t("You can close this page at any time and go on later.")}</p>
      <h2>{t(STEPS[at - 1]!)}</h2>
      {children}
    </section>
  );
}

function Taking({ own, found, next }: { own: Own; found: Kept; next: () => Promise<void> }) {
  if (!found.kit) return <Step at={2}><KitStep kit={own.kit} done={next} /></Step>;
  return <Step at={3}><HandOver own={own} done={next} /></Step>;
}

function Yours({ own, removed }: { own: Own; removed: () => void }) {
  const { hold } = useHere();
  // Also where the hand-over came through while the page was closed.
  const closed = useLoad(async () => (await own.maker.ring()).closed(), [own]);
  useEffect(() => hold({ own, gateway: own.gateway }), [own, hold]);
  return (
    <>
      <p role="status" className="said">{t("You keep your keys yourself. They are unlocked until you sign out.")}</p>
      <Show of={closed}>{(scopes) => (scopes.length > 0 ? <Refused error={new Caught("swapped-key")} /> : null)}</Show>
      <Renew own={own} />
      <KeptHere kit={own.kit} removed={removed} />
    </>
  );
}
