import { useState } from "react";
import type { Grant } from "../../api/types";
import { intent, useDecide } from "../../parts/decide";
import { Show, useLoad } from "../../parts/load";
import { useSession } from "../../session";
import { capital, permissionWords, purposeWords, targetWords } from "../../words/scopes";
import { onDay } from "../../words/when";
import { t } from "../../words/language";

export function Access() {
  const { gateway, account } = useSession();
  const grants = useLoad(() => gateway.get<Grant[]>(`/v1/grants?patient=${account}`), [gateway]);
  const [said, setSaid] = useState("");
  return (
    <>
      <h1 tabIndex={-1}>{t("Who has access")}</h1>
      <p>{t("Who may read your records or add to them. You can end each permission here; it ends the moment you sign.")}</p>
      <p role="status" className="said">{said}</p>
      <Show of={grants}>
        {(all) => {
          const ended = all.filter((grant) => !grant.live);
          return (
            <>
              {ended.length === all.length && <p className="quiet">{t("Nobody has access to your records.")}</p>}
              {byGrantee(all.filter((grant) => grant.live)).map(([grantee, theirs]) => (
                <Holder
                  key={grantee}
                  grants={theirs}
                  ended={(what) => {
                    setSaid(what);
                    void grants.reload();
                  }}
                />
              ))}
              {ended.length > 0 && <Ended grants={ended} />}
            </>
          );
        }}
      </Show>
    </>
  );
}

function byGrantee(grants: Grant[]): [string, Grant[]][] {
  const by = new Map<string, Grant[]>();
  for (const grant of grants) by.set(grant.grantee, [...(by.get(grant.grantee) ?? []), grant]);
  return [...by];
}

function Holder({ grants, ended }: { grants: Grant[]; ended: (what: string) => void }) {
  const { gateway, names } = useSession();
  const decide = useDecide();
  const who = names.of(grants[0]!.grantee, grants[0]!.granteeRole);
  const revoke = async (grant: Grant) => {
    const target = grant.scope ? { scope: grant.scope } : { record: grant.record };
    const body = { kind: "revoke", grantee: grant.grantee, ...target };
    const plan = { ...intent(gateway, t("End this access: {who}?", { who }), t("End access and sign"), body), dangerous: true };
    if (await decide(plan)) ended(t("{who} can no longer open your {scope}.", { who: capital(who), scope: targetWords(grant) }));
  };
  return (
    <section className="holder">
      <h2>{capital(who)}</h2>
      <p><small>{grants[0]!.grantee}</small></p>
      <ul className="rows">
        {grants.map((grant) => (
          <li key={grant.slot}>
            <span>
              <strong>{capital(targetWords(grant))}</strong>
              {t("{may}, for {purpose}, until {until}", { may: capital(t(permissionWords(grant.permission) ?? "one record")), purpose: purposeWords(grant.purpose), until: onDay(grant.until) })}
            </span>
            <button type="button" onClick={() => revoke(grant)} aria-label={t("End access of {who} to {scope}", { who, scope: targetWords(grant) })}>
              {t("End access")}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Ended({ grants }: { grants: Grant[] }) {
  const { names } = useSession();
  return (
    <details>
      <summary>{t("Ended ({n})", { n: grants.length })}</summary>
      <ul className="rows">
        {grants.map((grant) => (
          <li key={grant.slot}>
            <span><strong>{capital(names.of(grant.grantee, grant.granteeRole))}</strong>{targetWords(grant)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}
