import { useState } from "react";
import type { AccessRequest } from "../../api/types";
import { intent, signing, useDecide } from "../../parts/decide";
import { Show, useLoad } from "../../parts/load";
import { layOutGrant } from "../../parts/own";
import { useSession } from "../../session";
import { capital, permissionWords, purposeWords, scopeWords } from "../../words/scopes";
import { atMinute, DAY, now, onDay } from "../../words/when";

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
      <h1 tabIndex={-1}>Requests</h1>
      <p>Who asks to see your records. Nothing happens until you decide.</p>
      <p role="status" className="said">{said}</p>
      <Show of={requests}>
        {(all) => {
          const open = all.filter((request) => request.state === "open");
          const decided = all.filter((request) => request.state !== "open");
          return (
            <>
              {open.length === 0 && <p className="quiet">No request waits for you.</p>}
              {open.map((request) => <Open key={request.id} request={request} changed={changed} />)}
              {decided.length > 0 && (
                <details>
                  <summary>Earlier requests ({decided.length})</summary>
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
    const plan = signing(gateway, `Allow ${who}?`, "Approve and sign", () => layOutGrant(here, given, body));
    if (await decide(plan)) changed(`You allowed ${who} to see your ${scopeWords(request.scope)}.`);
  };
  const decline = async () => {
    const plan = intent(gateway, `Say no to ${who}?`, "Decline and sign", { kind: "decline", request: request.id });
    if (await decide(plan)) changed(`You declined the request of ${who}.`);
  };
  return (
    <article className="request">
      <h2>{capital(who)} asks to {permissionWords(request.permission)} your {scopeWords(request.scope)}</h2>
      <dl className="terms">
        <div><dt>Who</dt><dd>{capital(who)}<br /><small>{request.grantee}</small></dd></div>
        <div><dt>What</dt><dd>{capital(scopeWords(request.scope))}</dd></div>
        <div><dt>Why</dt><dd>{capital(purposeWords(request.purpose))}{request.reason && <>: “{request.reason}”</>}</dd></div>
        <div><dt>How long</dt><dd>Until {onDay(request.until)}</dd></div>
        <div><dt>Asked</dt><dd>{atMinute(request.askedAt)}</dd></div>
      </dl>
      <div className="buttons">
        <button type="button" className="primary" onClick={() => approve({})}>Approve</button>
        <button type="button" aria-expanded={less} onClick={() => setLess(!less)}>Approve for less…</button>
        <button type="button" onClick={decline}>Decline</button>
      </div>
      {less && <Less request={request} approve={approve} />}
    </article>
  );
}

const SHORTER: [string, number][] = [
  ["1 day", DAY],
  ["1 week", 7 * DAY],
  ["1 month", 30 * DAY],
  ["6 months", 182 * DAY],
  ["1 year", 365 * DAY],
];

function Less({ request, approve }: { request: AccessRequest; approve: (terms: { permission: number; until: number }) => void }) {
  const [permission, setPermission] = useState(request.permission);
  const [seconds, setSeconds] = useState(0);
  const choices = SHORTER.filter(([, length]) => now() + length < request.until);
  return (
    <form
      className="less"
      onSubmit={(event) => {
        event.preventDefault();
        approve({ permission, until: seconds === 0 ? request.until : now() + seconds });
      }}
    >
      <label>
        They may
        <select value={permission} onChange={(event) => setPermission(Number(event.target.value))}>
          {[1, 2, 3]
            .filter((bits) => (bits & request.permission) === bits)
            .map((bits) => <option key={bits} value={bits}>{capital(permissionWords(bits)!)}</option>)}
        </select>
      </label>
      <label>
        For
        <select value={seconds} onChange={(event) => setSeconds(Number(event.target.value))}>
          <option value={0}>As long as asked, until {onDay(request.until)}</option>
          {choices.map(([name, length]) => <option key={length} value={length}>{name}</option>)}
        </select>
      </label>
      <button type="submit" className="primary">Go on with this</button>
    </form>
  );
}

function Decided({ request }: { request: AccessRequest }) {
  const { names } = useSession();
  return (
    <li>
      <strong>{capital(request.state)}</strong>
      <span>{names.of(request.grantee, request.granteeRole)}, {scopeWords(request.scope)}, {atMinute(request.decidedAt ?? request.askedAt)}</span>
    </li>
  );
}
