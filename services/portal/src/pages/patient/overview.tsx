import type { Account, AccessRequest, Bundle, Grant } from "../../api/types";
import { Link } from "../../parts/link";
import { Show, useLoad } from "../../parts/load";
import { AccountTerms } from "../me";
import { Details } from "../../record/details";
import { useSession } from "../../session";
import { t } from "../../words/language";

export function Overview() {
  const { gateway, account } = useSession();
  const mine = useLoad(() => gateway.get<Account>(`/v1/accounts/${account}`), [gateway]);
  const person = useLoad(() => gateway.search<Bundle>("Patient", {}), [gateway]);
  const open = useLoad(() => gateway.get<AccessRequest[]>("/v1/requests?state=open"), [gateway]);
  const grants = useLoad(() => gateway.get<Grant[]>(`/v1/grants?patient=${account}`), [gateway]);
  return (
    <>
      <h1 tabIndex={-1}>{t("My information")}</h1>
      <div className="cards">
        <Link to="/patient/requests" className="card">
          <Show of={open}>{(all) => <strong>{all.length === 0 ? t("No open requests") : t("{n} open requests", { n: all.length })}</strong>}</Show>
          <span>{t("Somebody who asks to see your records waits for your answer.")}</span>
        </Link>
        <Link to="/patient/access" className="card">
          <Show of={grants}>{(all) => <Count of={all.filter((g) => g.live)} />}</Show>
          <span>{t("See who may read or add, and end it.")}</span>
        </Link>
      </div>
      <h2>{t("About me")}</h2>
      <Show of={person}>
        {(bundle) => {
          const patient = bundle.entry?.[0]?.resource;
          return patient ? <Details resource={patient} /> : <p className="quiet">{t("No hospital has written your personal details yet.")}</p>;
        }}
      </Show>
      <h2>{t("My account")}</h2>
      <Show of={mine}>{(found) => <AccountTerms account={found} />}</Show>
    </>
  );
}

function Count({ of }: { of: Grant[] }) {
  const who = new Set(of.map((grant) => grant.grantee)).size;
  return <strong>{who === 0 ? t("Nobody has access") : t("{n} have access", { n: who })}</strong>;
}
