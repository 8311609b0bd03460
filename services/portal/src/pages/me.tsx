import type { Account } from "../api/types";
import { Show, useLoad } from "../parts/load";
import { useSession } from "../session";
import { ROLES } from "../words/names";
import { capital } from "../words/scopes";
import { onDay } from "../words/when";

export function Me() {
  const { gateway, account, names, deployment } = useSession();
  const mine = useLoad(() => gateway.get<Account>(`/v1/accounts/${account}`), [gateway]);
  const organisation = deployment.organisations.find((o) => o.account.toLowerCase() === account.toLowerCase());
  return (
    <>
      <h1 tabIndex={-1}>{organisation?.name ?? "My information"}</h1>
      <p>This is what the public Directory says about {organisation ? "the company" : names.of(account)}. It holds no name and no papers.</p>
      <Show of={mine}>{(found) => <AccountTerms account={found} />}</Show>
    </>
  );
}

const CUSTODY = {
  none: "Not needed",
  self: "On my own device",
  gateway: "The gateway keeps them for me",
};

export function AccountTerms({ account }: { account: Account }) {
  const { names } = useSession();
  const terms: [string, string][] = [
    ["Address", account.address],
    ["Role", capital(ROLES[account.role])],
    ["Status", capital(account.status)],
  ];
  if (account.controller.toLowerCase() !== account.address.toLowerCase()) terms.push(["Signs with", account.controller]);
  if (account.role === "patient") {
    if (account.custodian) terms.push(["Keeps my keys", capital(names.of(account.custodian))]);
    terms.push(["My keys", CUSTODY[account.custody]]);
  } else {
    terms.push(["Papers valid until", account.credentialExpiry === 0 ? "Without an end" : onDay(account.credentialExpiry)]);
    if (account.endpoint) terms.push(["Own server", account.endpoint]);
  }
  return (
    <dl className="terms">
      {terms.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
