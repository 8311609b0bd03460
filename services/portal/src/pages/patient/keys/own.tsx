// A patient's own keys: taking them over step by step, unlocking them, renewing them. Loaded when it is asked for.

import { type FormEvent, type ReactNode, useEffect, useState } from "react";
import type { Account, Grant } from "../../../api/types";
import { Caught } from "../../../custody/caught";
import { forget, type Kept, kept, placeOf, unlock } from "../../../custody/keep";
import type { Kit } from "../../../custody/kit";
import type { EpochRow } from "../../../custody/make";
import { Own } from "../../../custody/own";
import { newRoot } from "../../../custody/tree";
import { Link } from "../../../parts/link";
import { Refused, Show, useLoad } from "../../../parts/load";
import { useHere, useSession } from "../../../session";
import { capital, scopeWords } from "../../../words/scopes";
import { HandOver } from "./hand-over";
import { KitStep, OpenKit } from "./kit";
import { Protect } from "./protect";
import { Renew } from "./renew";
import { WORDS } from "./words";

export default function OwnKeys({ mine, changed }: { mine: Account; changed: () => Promise<void> }) {
  const { hold } = useHere();
  const { account, deployment, wallet, gateway, own } = useSession();
  const where = { chainId: deployment.chainId, consent: deployment.contracts.consent, patient: account };
  const stored = useLoad(async () => (await kept(placeOf(where))) ?? null, [account]);
  const isOwn = mine.custody === "self";
  const ours = (kit: Kit) => {
    if (placeOf(kit) !== placeOf(where)) throw new Error(WORDS.wrongOwner);
    hold(new Own(kit, { deployment, account, gateway, provider: wallet.provider }), isOwn);
    void stored.reload();
  };
  const remove = async () => {
    await forget(placeOf(where));
    await stored.reload();
  };
  return (
    <Show of={stored}>
      {(found) => {
        if (own && found && isOwn) return <Yours own={own} remove={remove} />;
        if (own && found) return <Taking own={own} found={found} next={async () => { await stored.reload(); await changed(); }} />;
        if (found) return <Locked found={found} opened={ours} />;
        if (isOwn) return <Bring opened={ours} />;
        return <Start custodian={mine.custodian ?? ""} kit={() => ({ ...where, root: newRoot() })} kept={ours} />;
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
      <h2>{WORDS.taking}</h2>
      <p>{WORDS.why(names.of(custodian))}</p>
      <p className="warning">{WORDS.risk}</p>
      <Show of={grants}>{(all) => <Readers grants={all.filter((grant) => grant.live && (grant.permission & 1) !== 0)} />}</Show>
      {!open && <button type="button" className="primary" onClick={() => setOpen(true)}>{WORDS.taking}</button>}
      {open && <Step at={1}><Protect kit={kit} checked={false} kept={started} /></Step>}
    </>
  );
}

function Readers({ grants }: { grants: Grant[] }) {
  const { names } = useSession();
  if (grants.length === 0) return <p className="quiet">{WORDS.nobody}</p>;
  const who = [...new Set(grants.map((grant) => grant.grantee))];
  return (
    <>
      <p>{WORDS.readers} <Link to="/patient/access">Who has access</Link></p>
      <ul>
        {who.map((grantee) => (
          <li key={grantee}>
            {capital(names.of(grantee))}: {grants.filter((grant) => grant.grantee === grantee).map((grant) => scopeWords(grant.scope)).join(", ")}
          </li>
        ))}
      </ul>
    </>
  );
}

function Step({ at, children }: { at: 1 | 2 | 3; children: ReactNode }) {
  return (
    <section>
      <p className="quiet">{WORDS.step(at)}. {WORDS.closed}</p>
      <h2>{WORDS.steps[at - 1]}</h2>
      {children}
    </section>
  );
}

function Taking({ own, found, next }: { own: Own; found: Kept; next: () => Promise<void> }) {
  if (!found.kit) return <Step at={2}><KitStep kit={own.kit} done={next} /></Step>;
  return <Step at={3}><HandOver own={own} done={next} /></Step>;
}

function Locked({ found, opened }: { found: Kept; opened: (kit: Kit) => void }) {
  const [error, setError] = useState<unknown>();
  const open = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setError(undefined);
    try {
      opened(await unlock(found, String(new FormData(event.currentTarget).get("passphrase") ?? "")));
    } catch (failed) {
      setError(failed);
    }
  };
  return (
    <>
      <p>{WORDS.locked}</p>
      <form onSubmit={open}>
        {found.passkey ? <p className="quiet">{WORDS.passkeyHint}</p> : (
          <label>{WORDS.passphrase}<input type="password" name="passphrase" autoComplete="current-password" required /></label>
        )}
        <button type="submit" className="primary">{WORDS.unlock}</button>
      </form>
      {error !== undefined && <Refused error={error} />}
    </>
  );
}

/** On another device, or after the browser's storage was emptied. */
function Bring({ opened }: { opened: (kit: Kit) => void }) {
  const { account, deployment } = useSession();
  const [kit, setKit] = useState<Kit>();
  if (kit) return <Protect kit={() => kit} checked kept={opened} />;
  const check = (found: Kit) => {
    const here = { chainId: deployment.chainId, consent: deployment.contracts.consent, patient: account };
    if (placeOf(found) !== placeOf(here)) throw new Error(WORDS.wrongOwner);
    setKit(found);
  };
  return (
    <>
      <p>{WORDS.absent}</p>
      <OpenKit verb={WORDS.bring} opened={check} />
    </>
  );
}

function Yours({ own, remove }: { own: Own; remove: () => Promise<void> }) {
  const { hold } = useHere();
  const [kit, setKit] = useState(false);
  // Also where the hand-over came through while the page was closed.
  const closed = useLoad(async () => (await own.maker.ring()).closed(), [own]);
  useEffect(() => hold(own, true), [own, hold]);
  return (
    <>
      <p role="status" className="said">{WORDS.yours}</p>
      <Show of={closed}>{(scopes) => (scopes.length > 0 ? <Refused error={new Caught("swapped-key")} /> : null)}</Show>
      <Renew own={own} />
      <h2>Recovery kit</h2>
      {kit ? <KitStep kit={own.kit} done={() => setKit(false)} /> : (
        <div className="buttons">
          <button type="button" onClick={() => setKit(true)}>{WORDS.another}</button>
          <button type="button" className="plain" onClick={remove}>{WORDS.remove}</button>
        </div>
      )}
    </>
  );
}
