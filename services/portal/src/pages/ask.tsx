import { useState } from "react";
import { isAddress } from "viem";
import type { AccessRequest, ToSign } from "../api/types";
import { intent, useDecide } from "../parts/decide";
import { Choice, Form, Line, type Wrong } from "../parts/fields";
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
  const [wrong, setWrong] = useState<Wrong>({});
  const [said, setSaid] = useState("");
  const ask = async () => {
    if (!isAddress(patient.trim(), { strict: false })) {
      return setWrong({ patient: t("This is not an address. It begins with 0x and has 40 letters and digits after it; the patient finds it under “My information”.") });
    }
    setWrong({});
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
      <Form wrong={wrong} submit={() => void ask()}>
        <Line label={t("Patient’s address")} name="patient" code value={patient} change={setPatient} placeholder="0x…" />
        <label>{t("Part of the record")}<select value={scope} onChange={(event) => setScope(event.target.value)}>
            {KNOWN_SCOPES.filter((one) => one !== "audit").map((one) => <option key={one} value={one}>{scopeTitle(one)}</option>)}
          </select>
        </label>
        {!insurer && <Choice label={t("What you want to do")} value={permission} change={setPermission} options={[1, 3, 2].map((bits) => [bits, capital(t(permissionWords(bits)!))])} />}
        <Choice label={t("How long")} value={length} change={setLength} options={LENGTHS.map((one) => [one[2], lasting(one)])} />
        <Line label={t("Why, in your words")} name="reason" rows={3} longest={300} value={reason} change={setReason} />
        <button type="submit" className="primary">{t("Read what you sign")}</button>
      </Form>
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
