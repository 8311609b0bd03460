import { useState } from "react";
import { hashStruct } from "viem";
import type { Intent, ToSign } from "../../api/types";
import { signing, useDecide } from "../../parts/decide";
import { Show, useLoad } from "../../parts/load";
import { Terms } from "../../record/details";
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
                done={() => {
                  setSaid(t("{address} is registered.", { address: one.account }));
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

function Registration({ one, done }: { one: Intent; done: () => void }) {
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
    if (await decide({ ...plan, more })) done();
  };
  return (
    <article className="request">
      <h2 className="address">{one.account}</h2>
      {registration ? <Terms rows={registrationTerms(registration, names)} /> : <p className="warning">{t("The gateway does not say what was signed, so it cannot be confirmed here.")}</p>}
      <p className="quiet">{t("Asked on {date}", { date: atMinute(one.createdAt) })}</p>
      <button type="button" className="primary" disabled={!registration} onClick={confirm}>{t("Confirm…")}</button>
    </article>
  );
}
