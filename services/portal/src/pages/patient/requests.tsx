import { useState } from "react";
import type { AccessRequest, Hex } from "../../api/types";
import { intent, signing, useDecide } from "../../parts/decide";
import { Choice, Form } from "../../parts/fields";
import { Show, useLoad } from "../../parts/load";
import { layOutClaim, layOutGrant } from "../../parts/own";
import { useSession } from "../../session";
import { STATES } from "../ask";
import { capital, may, permissionWords, purposeWords, scopeWords } from "../../words/scopes";
import { atMinute, DAY, lasting, type Length, now, onDay } from "../../words/when";
import { t } from "../../words/language";

export function Requests() {
  const { gateway } = useSession();
  const requests = useLoad(() => gateway.get<AccessRequest[]>("/v1/requests"), [gateway]);
  const [said, setSaid] = useState("");
  const changed = (what: string) => {
    setSaid(what);
    void requests.reload();
  };
  return (
    <>
      <h1 tabIndex={-1}>{t("Requests")}</h1>
      <p>{t("Who asks to see your records. Nothing happens until you decide.")}</p>
      <p role="status" className="said">{said}</p>
      <Show of={requests}>
        {(all) => {
          const open = all.filter((request) => request.state === "open");
          const decided = all.filter((request) => request.state !== "open");
          return (
            <>
              {open.length === 0 && <p className="quiet">{t("No request waits for you.")}</p>}
              {open.map((request) => <Open key={request.id} request={request} changed={changed} />)}
              {decided.length > 0 && (
                <details>
                  <summary>{t("Earlier requests ({n})", { n: decided.length })}</summary>
                  <ul className="rows">{decided.map((request) => <Decided key={request.id} request={request} />)}</ul>
                </details>
              )}
            </>
          );
        }}
      </Show>
    </>
  );
}

function Open({ request, changed }: { request: AccessRequest; changed: (what: string) => void }) {
  const here = useSession();
  const { gateway, names } = here;
  const decide = useDecide();
  const [less, setLess] = useState(false);
  const who = names.of(request.grantee, request.granteeRole);
  const approve = async (terms: { permission?: number; until?: number }) => {
    const body = { kind: "grant", request: request.id, ...terms };
    const given = { grantee: request.grantee, scope: request.scope, permission: terms.permission ?? request.permission };
    const plan = signing(gateway, t("Allow {who}?", { who }), t("Approve and sign"), () => layOutGrant(here, given, body));
    if (await decide(plan)) changed(t("You allowed {who}: {scope}.", { who, scope: scopeWords(request.scope) }));
  };
  const approveClaim = async (claim: Hex, until: number) => {
    const body = { kind: "grantClaim", request: request.id, claim, until };
    const plan = signing(gateway, t("Allow {who}?", { who }), t("Approve and sign"), () => layOutClaim(here, request.grantee, claim, body));
    if (await decide(plan)) changed(t("You allowed {who}: only the claim and what it cites.", { who }));
  };
  const decline = async () => {
    const plan = intent(gateway, t("Say no to {who}?", { who }), t("Decline and sign"), { kind: "decline", request: request.id });
    if (await decide(plan)) changed(t("You declined the request: {who}.", { who }));
  };
  return (
    <article className="request">
      <h2>{t("{who} asks: {may}", { who: capital(who), may: may(request.permission, t("your {scope}", { scope: scopeWords(request.scope) })) })}</h2>
      <dl className="terms">
        <div><dt>{t("Who")}</dt><dd>{capital(who)}<br /><small>{request.grantee}</small></dd></div>
        <div><dt>{t("What")}</dt><dd>{capital(scopeWords(request.scope))}</dd></div>
        <div><dt>{t("Why")}</dt><dd>{capital(purposeWords(request.purpose))}{request.reason && <>: “{request.reason}”</>}</dd></div>
        <div><dt>{t("How long")}</dt><dd>{t("Until {until}", { until: onDay(request.until) })}</dd></div>
        <div><dt>{t("Asked")}</dt><dd>{atMinute(request.askedAt)}</dd></div>
      </dl>
      <div className="buttons">
        <button type="button" className="primary" onClick={() => approve({})}>{t("Approve")}</button>
        <button type="button" aria-expanded={less} onClick={() => setLess(!less)}>{t("Approve for less…")}</button>
        <button type="button" onClick={decline}>{t("Decline")}</button>
      </div>
      {less && <Less request={request} approve={approve} approveClaim={approveClaim} />}
    </article>
  );
}

const SHORTER: Length[] = [[1, "day", DAY], [1, "week", 7 * DAY], [1, "month", 30 * DAY], [6, "month", 182 * DAY], [1, "year", 365 * DAY]];

interface LessProps {
  request: AccessRequest;
  approve: (terms: { permission: number; until: number }) => void;
  approveClaim: (claim: Hex, until: number) => void;
}

function Less({ request, approve, approveClaim }: LessProps) {
  const [what, setWhat] = useState<"all" | "claim">("all");
  const [permission, setPermission] = useState(request.permission);
  const [seconds, setSeconds] = useState(0);
  const until = () => (seconds === 0 ? request.until : now() + seconds);
  const choices = SHORTER.filter(([, , length]) => now() + length < request.until);
  return (
    <Form className="less" submit={() => (what === "claim" && request.claim ? approveClaim(request.claim, until()) : approve({ permission, until: until() }))}>
      {request.claim && (request.permission & 1) !== 0 && (
        <Choice
          label={t("They see")}
          value={what}
          change={setWhat}
          options={[["all", capital(t("your {scope}", { scope: scopeWords(request.scope) }))], ["claim", t("Only the claim and what it cites, as they are now")]]}
        />
      )}
      {what === "all" && (
        <Choice
          label={t("They may")}
          value={permission}
          change={setPermission}
          options={[1, 2, 3].filter((bits) => (bits & request.permission) === bits).map((bits) => [bits, capital(t(permissionWords(bits)!))])}
        />
      )}
      <Choice
        label={t("How long")}
        value={seconds}
        change={setSeconds}
        options={[[0, t("As long as asked, until {until}", { until: onDay(request.until) })], ...choices.map((one): [number, string] => [one[2], lasting(one)])]}
      />
      <button type="submit" className="primary">{t("Go on with this")}</button>
    </Form>
  );
}

function Decided({ request }: { request: AccessRequest }) {
  const { names } = useSession();
  return (
    <li>
      <strong>{t(STATES[request.state])}</strong>
      <span>{names.of(request.grantee, request.granteeRole)}, {scopeWords(request.scope)}, {atMinute(request.decidedAt ?? request.askedAt)}</span>
    </li>
  );
}
