import { lazy, Suspense } from "react";
import type { Account } from "../api/types";
import { Loading, Show, useLoad } from "../parts/load";
import { useSession } from "../session";
import { ROLES } from "../words/names";
import { capital } from "../words/scopes";
import { onDay } from "../words/when";
import { type Message, t } from "../words/language";

/** What computes with keys is loaded for who has one. */
const MyKey = lazy(async () => ({ default: (await import("./keys/own-key")).MyKey }));

export function Me() {
  const { gateway, account, deployment } = useSession();
  const mine = useLoad(() => gateway.get<Account>(`/v1/accounts/${account}`), [gateway]);
  const organisation = deployment.organisations.find((o) => o.account.toLowerCase() === account.toLowerCase());
  return (
    <>
      <h1 tabIndex={-1}>{organisation?.name ?? t("My information")}</h1>
      <p>{t("This is what the public Directory says. It holds no name and no papers.")}</p>
      <Show of={mine}>
        {(found) => (
          <>
            <AccountTerms account={found} />
            {found.role === "doctor" && found.keyKept === false && <Suspense fallback={<Loading />}><MyKey /></Suspense>}
          </>
        )}
      </Show>
    </>
  );
}

const CUSTODY: Record<Account["custody"], Message> = {
  none: "Not needed",
  self: "On my own device",
  gateway: "The gateway keeps them for me",
};

export function AccountTerms({ account }: { account: Account }) {
  const { names } = useSession();
  const terms: [string, string][] = [
    [t("Address"), account.address],
    [t("Role"), capital(t(ROLES[account.role]))],
    [t("Status"), capital(t(account.status))],
  ];
  if (account.controller.toLowerCase() !== account.address.toLowerCase()) terms.push([t("Signs with"), account.controller]);
  if (account.role === "patient") {
    if (account.custodian) terms.push([t("Keeps my keys"), capital(names.of(account.custodian))]);
    terms.push([t("My keys"), t(CUSTODY[account.custody])]);
  } else {
    terms.push([t("Papers valid until"), account.credentialExpiry === 0 ? t("Without an end") : onDay(account.credentialExpiry)]);
    if (typeof account.keyKept === "boolean") terms.push([t("My keys"), account.keyKept ? t(CUSTODY.gateway) : t(CUSTODY.self)]);
    if (account.endpoint) terms.push([t("Own server"), account.endpoint]);
  }
  return (
    <dl className="terms">
      {terms.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd><bdi>{value}</bdi></dd>
        </div>
      ))}
    </dl>
  );
}
