import { useState } from "react";
import { hashStruct } from "viem";
import { toBase64 } from "../../api/base64";
import type { Intent, ToSign } from "../../api/types";
import { signing, useDecide } from "../../parts/decide";
import { Form, Line, useSending } from "../../parts/fields";
import { Refused, Show, useLoad } from "../../parts/load";
import { fingerprint, type Papers, unpacked } from "../../papers";
import { Terms } from "../../record/details";
import { Document } from "../../record/document";
import { useSession } from "../../session";
import { registrationTerms } from "../../words/decision";
import { atMinute } from "../../words/when";
import { t } from "../../words/language";

/** Registrations that their accounts have signed and that wait for a registrar. */
export function Waiting() {
  const { gateway, address } = useSession();
  const waiting = useLoad(async () => {
    const all = await gateway.get<Intent[]>("/v1/intents?kind=register&state=prepared");
    return all.filter((one) => one.account.toLowerCase() !== address.toLowerCase() && one.sign.every((entry) => entry.as === "registrar"));
  }, [gateway]);
  const [said, setSaid] = useState("");
  return (
    <>
      <h1 tabIndex={-1}>{t("Registrations that wait")}</h1>
      <p>{t("Check the person’s papers first. You confirm exactly what they signed; you choose no key for them.")}</p>
      <p role="status" className="said">{said}</p>
      <Show of={waiting}>
        {(all) => (
          <>
            {all.length === 0 && <p className="quiet">{t("Nobody waits to be registered.")}</p>}
            {all.map((one) => (
              <Registration
                key={one.id}
                one={one}
                done={(refused) => {
                  setSaid(refused ? t("{address} is refused and sees why.", { address: one.account }) : t("{address} is registered.", { address: one.account }));
                  void waiting.reload();
                }}
              />
            ))}
          </>
        )}
      </Show>
    </>
  );
}

const FIELDS = [
  ["address", "who"],
  ["uint8", "role"],
  ["uint16", "suite"],
  ["bytes", "encryptionKey"],
  ["address", "custodian"],
  ["uint8", "custody"],
  ["bytes32", "credential"],
  ["uint64", "credentialExpiry"],
  ["string", "endpoint"],
  ["uint64", "deadline"],
] as const;

/** A countersignature names the registration by its hash only: what is shown must have that hash. */
export function isOf(registration: Record<string, unknown>, sign: ToSign[]): boolean {
  const types = { Register: FIELDS.map(([type, name]) => ({ type, name })) };
  const hash = hashStruct({ types, primaryType: "Register", data: registration as never });
  return sign.length > 0 && sign.every((entry) => entry.typedData.message.registration === hash);
}

function Registration({ one, done }: { one: Intent; done: (refused: boolean) => void }) {
  const { gateway, names } = useSession();
  const decide = useDecide();
  const { registration } = one;
  const confirm = async () => {
    const plan = signing(gateway, t("Register this account?"), t("Confirm and sign"), () => gateway.get<Intent>(`/v1/intents/${one.id}`));
    const more = ({ sign }: { sign: ToSign[] }) => {
      if (!registration || !isOf(registration, sign)) {
        throw new Error(t("The registration shown is not the one to be signed, so it must not be signed."));
      }
      return <Terms rows={registrationTerms(registration, names)} />;
    };
    if (await decide({ ...plan, more })) done(false);
  };
  const [refusing, setRefusing] = useState(false);
  return (
    <article className="request">
      <h2 className="address">{one.account}</h2>
      {registration ? <Terms rows={registrationTerms(registration, names)} /> : <p className="warning">{t("The gateway does not say what was signed, so it cannot be confirmed here.")}</p>}
      <p className="quiet">{t("Asked on {date}", { date: atMinute(one.createdAt) })}</p>
      {one.papers && <ReadPapers one={one} />}
      {refusing ? (
        <Refuse id={one.id} done={() => done(true)} back={() => setRefusing(false)} />
      ) : (
        <div className="buttons">
          <button type="button" className="primary" disabled={!registration} onClick={confirm}>{t("Confirm…")}</button>
          <button type="button" onClick={() => setRefusing(true)}>{t("Refuse…")}</button>
        </div>
      )}
    </article>
  );
}

/** Opened when they are asked for: that they were read stands in the journal. */
function ReadPapers({ one }: { one: Intent }) {
  const { gateway } = useSession();
  const [papers, setPapers] = useState<Papers>();
  const [error, setError] = useState<unknown>();
  const open = async () => {
    setError(undefined);
    try {
      const blob = await gateway.bytes(`/v1/intents/${one.id}/papers`);
      const found = unpacked(new Uint8Array(await blob.arrayBuffer()));
      if (!found) throw new Error(t("These papers are of a kind this page does not show. Refuse, and ask for a PDF or a picture."));
      setPapers(found);
    } catch (failed) {
      setError(failed);
    }
  };
  if (error !== undefined) return <Refused error={error} again={open} />;
  if (!papers) return <p><button type="button" onClick={open}>{t("Open the papers")}</button></p>;
  const { type, credential, file } = papers;
  const holds = credential && fingerprint(credential) === one.registration?.credential;
  return (
    <>
      {credential && <Terms rows={[[t("Number of the licence"), credential.number]]} />}
      <p className={holds ? "holds" : "fails"}>{holds ? t("The number is the one whose fingerprint was signed.") : t("The papers do not show the number whose fingerprint was signed.")}</p>
      <Document gateway={gateway} attachment={{ contentType: type, title: t("Papers"), data: toBase64(file) }} />
    </>
  );
}

function Refuse({ id, done, back }: { id: string; done: () => void; back: () => void }) {
  const { gateway } = useSession();
  const form = useSending(async (filled) => {
    const reason = String(new FormData(filled).get("reason")).trim();
    if (reason === "") return { reason: t("Say why: the person reads it and can put it right.") };
    await gateway.put(`/v1/intents/${id}/refusal`, { reason });
    done();
    return undefined;
  });
  return (
    <Form {...form}>
      <Line label={t("Why, for the applicant to read")} name="reason" rows={3} longest={240} />
      <div className="buttons">
        <button type="submit" className="danger">{t("Refuse this registration")}</button>
        <button type="button" className="plain" onClick={back}>{t("Go back")}</button>
      </div>
    </Form>
  );
}
