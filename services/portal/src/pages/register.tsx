import { useState } from "react";
import { bytesToHex, concat, keccak256, stringToHex } from "viem";
import { type Door } from "../doors";
import type { Hex, Intent, Role } from "../api/types";
import { signing, useDecide } from "../parts/decide";
import { Link } from "../parts/link";
import { Show, useLoad } from "../parts/load";
import { useSession } from "../session";
import { ROLES } from "../words/names";
import { t } from "../words/language";

/** A wallet without an account: it registers itself, and an administrator countersigns. */
export function Register({ door }: { door: Door }) {
  const { gateway, address } = useSession();
  const mine = useLoad(async () => {
    const all = await gateway.get<Intent[]>("/v1/intents?kind=register&state=prepared");
    return all.filter((one) => one.account.toLowerCase() === address.toLowerCase() && one.sign.every((entry) => entry.as === "registrar"));
  }, [gateway]);
  const role = door.roles[0]!;
  return (
    <>
      <h1 tabIndex={-1}>{t("Register: {role}", { role: t(ROLES[role]) })}</h1>
      <p>{t("This wallet is not registered yet.")}</p>
      <Show of={mine}>
        {(all) =>
          all.length > 0 ? (
            <p className="said" role="status">{t("You have signed. An administrator now checks your papers and confirms. Sign in again after that.")}</p>
          ) : (
            <Form role={role} done={mine.reload} />
          )
        }
      </Show>
      <p><Link to="/">{t("Back to the four doors")}</Link></p>
    </>
  );
}

function Form({ role, done }: { role: Role; done: () => void }) {
  const { gateway, deployment } = useSession();
  const decide = useDecide();
  const [custodian, setCustodian] = useState<string>(deployment.organisations[0]?.account ?? "");
  const [papers, setPapers] = useState("");
  const [expiry, setExpiry] = useState("");
  const [kept, setKept] = useState<Hex>();
  const [wrong, setWrong] = useState("");
  const submit = async () => {
    let body: Record<string, unknown> = { kind: "register", role, custodian, custodyMode: "gateway" };
    if (role !== "patient") {
      const until = Date.parse(`${expiry}T00:00:00Z`) / 1000;
      if (papers.trim() === "" || Number.isNaN(until) || until * 1000 < Date.now()) {
        return setWrong(t("Give the number of your licence and the day until which it is valid."));
      }
      // Only a salted fingerprint goes on the chain; who has the salt and the paper can prove that they belong together.
      const salt = bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
      setKept(salt);
      const credential = keccak256(concat([salt, stringToHex(papers.trim())]));
      body = { kind: "register", role, custody: "gateway", credential, credentialExpiry: until, ...(role === "doctor" ? {} : { endpoint: "" }) };
    }
    setWrong("");
    const plan = signing(gateway, t("Register this wallet?"), t("Register and sign"), () => gateway.post<Intent>("/v1/intents", body));
    // Complete only with the administrator's signature, which is not waited for.
    if (await decide(plan)) done();
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {role === "patient" ? (
        <label>{t("Who keeps your keys")}<select value={custodian} onChange={(event) => setCustodian(event.target.value)}>
            {deployment.organisations.map((one) => <option key={one.account} value={one.account}>{one.name}</option>)}
          </select>
        </label>
      ) : (
        <>
          <label>{t("Number of your licence")}<input value={papers} autoComplete="off" onChange={(event) => setPapers(event.target.value)} /></label>
          <label>{t("Valid until")}<input type="date" value={expiry} onChange={(event) => setExpiry(event.target.value)} /></label>
        </>
      )}
      {kept && <p>{t("Keep this with your licence; the administrator needs both:")} <code>{kept}</code></p>}
      {wrong && <p className="warning" role="alert">{wrong}</p>}
      <button type="submit" className="primary">{t("Read what you sign")}</button>
    </form>
  );
}
