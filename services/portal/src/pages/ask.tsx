import { useState } from "react";
import { isAddress } from "viem";
import type { AccessRequest, ToSign } from "../api/types";
import { intent, useDecide } from "../parts/decide";
import { Show, useLoad } from "../parts/load";
import { useSession } from "../session";
import { capital, KNOWN_SCOPES, may, permissionWords, scopeTitle, scopeWords } from "../words/scopes";
import { atMinute, DAY, lasting, type Length, now, onDay } from "../words/when";
import { type Message, t } from "../words/language";

const LENGTHS: Length[] = [[1, "week", 7 * DAY], [1, "month", 30 * DAY], [6, "month", 182 * DAY], [1, "year", 365 * DAY]];

/** Doctors, hospitals and insurers ask a patient; and see what became of it. */
export function Ask() {
  const { gateway, role } = useSession();
  const insurer = role === "insurer";
  const decide = useDecide();
  const requests = useLoad(() => gateway.get<AccessRequest[]>("/v1/requests"), [gateway]);
  const [patient, setPatient] = useState("");
  const [scope, setScope] = useState(insurer ? "claims" : "clinical");
  const [permission, setPermission] = useState(1);
  const [length, setLength] = useState(30 * DAY);
  const [reason, setReason] = useState("");
  const [wrong, setWrong] = useState("");
  const [said, setSaid] = useState("");
  const ask = async () => {
    if (!isAddress(patient.trim(), { strict: false })) {
      return setWrong(t("This is not an address. It begins with 0x and has 40 letters and digits after it; the patient finds it under “My information”."));
    }
    setWrong("");
    const purpose = insurer ? "HPAYMT" : "TREAT";
    const body = { patient: patient.trim(), scope, permission, until: now() + length, purpose, reason: reason.trim() };
    const decided = await decide({
      title: t("Ask this patient?"),
      verb: t("Sign and ask"),
      layOut: () => gateway.post<{ id: string; sign: ToSign[] }>("/v1/requests", body),
      send: (id, as, signature) => gateway.put(`/v1/requests/${id}/signature`, { as, signature }),
    });
    if (!decided) return;
    setSaid(t("Your request is with the patient. You see here what they decide."));
    setReason("");
    void requests.reload();
  };
  const withdraw = async (request: AccessRequest) => {
    const plan = intent(gateway, t("Take the request back?"), t("Withdraw and sign"), { kind: "withdraw", request: request.id });
    if (await decide(plan)) void requests.reload();
  };
  return (
    <>
      <h1 tabIndex={-1}>{t("Ask for access")}</h1>
      <p>{t("The patient sees who you are, what you ask for, why, and for how long, and decides.")}</p>
      <p role="status" className="said">{said}</p>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <label>{t("Patient’s address")}<input dir="ltr" value={patient} autoComplete="off" spellCheck={false} placeholder="0x…" aria-invalid={wrong !== ""} aria-describedby="wrong" onChange={(event) => setPatient(event.target.value)} />
        </label>
        <p id="wrong" role="alert" className={wrong ? "warning" : ""}>{wrong}</p>
        <label>{t("Part of the record")}<select value={scope} onChange={(event) => setScope(event.target.value)}>
            {KNOWN_SCOPES.filter((one) => one !== "audit").map((one) => <option key={one} value={one}>{scopeTitle(one)}</option>)}
          </select>
        </label>
        {!insurer && (
          <label>{t("What you want to do")}<select value={permission} onChange={(event) => setPermission(Number(event.target.value))}>
              {[1, 3, 2].map((bits) => <option key={bits} value={bits}>{capital(t(permissionWords(bits)!))}</option>)}
            </select>
          </label>
        )}
        <label>{t("How long")}<select value={length} onChange={(event) => setLength(Number(event.target.value))}>
            {LENGTHS.map((one) => <option key={one[2]} value={one[2]}>{lasting(one)}</option>)}
          </select>
        </label>
        <label>{t("Why, in your words")}<textarea rows={3} maxLength={300} value={reason} onChange={(event) => setReason(event.target.value)} /></label>
        <button type="submit" className="primary">{t("Read what you sign")}</button>
      </form>
      <h2>{t("What I asked")}</h2>
      <Show of={requests}>
        {(all) => (
          <>
            {all.length === 0 && <p className="quiet">{t("Nothing yet.")}</p>}
            <ul className="rows">
              {all.map((request) => (
                <li key={request.id}>
                  <span>
                    <strong>{t(STATES[request.state])}</strong>
                    {t("{may}, of {patient}, until {until}; asked on {date}", {
                      may: capital(may(request.permission, scopeWords(request.scope))),
                      patient: request.patient,
                      until: onDay(request.until),
                      date: atMinute(request.askedAt),
                    })}
                  </span>
                  {request.state === "open" && <button type="button" onClick={() => withdraw(request)}>{t("Withdraw")}</button>}
                </li>
              ))}
            </ul>
          </>
        )}
      </Show>
    </>
  );
}

export const STATES: Record<AccessRequest["state"], Message> = {
  prepared: "Not signed",
  open: "Waiting for the patient",
  approved: "Approved",
  declined: "Declined",
  withdrawn: "Withdrawn",
};
