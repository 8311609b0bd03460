import { useState } from "react";
import { bytesToHex } from "viem";
import { type Door } from "../doors";
import type { Intent, Role } from "../api/types";
import { signing, useDecide } from "../parts/decide";
import { Link } from "../parts/link";
import { Refused, Show, useLoad } from "../parts/load";
import { type Credential, fingerprint, most, sealed, TYPES } from "../papers";
import { useHere, useSession } from "../session";
import { ROLES } from "../words/names";
import { capital } from "../words/scopes";
import { atMinute } from "../words/when";
import { t } from "../words/language";

/** A wallet without an account: it registers itself, and an administrator countersigns. */
export function Register({ door }: { door: Door }) {
  const { gateway, address } = useSession();
  // Newest first. What the wallet has not signed is nothing yet.
  const mine = useLoad(async () => {
    const all = await gateway.get<Intent[]>("/v1/intents?kind=register");
    return all.filter((one) => one.account.toLowerCase() === address.toLowerCase() && one.sign.every((entry) => entry.as === "registrar"));
  }, [gateway]);
  const roles = door.roles.filter((role) => role !== null);
  return (
    <>
      <h1 tabIndex={-1}>{t("Register: {role}", { role: roles.map((role) => t(ROLES[role])).join(" / ") })}</h1>
      <p>{t("This wallet is not registered yet.")}</p>
      <Show of={mine}>{([last]) => <Standing last={last} roles={roles} changed={mine.reload} />}</Show>
      <p><Link to="/">{t("Back to the four doors")}</Link></p>
    </>
  );
}

function Standing({ last, roles, changed }: { last: Intent | undefined; roles: Role[]; changed: () => Promise<void> }) {
  const { wallet } = useSession();
  const { enter } = useHere();
  switch (last?.state) {
    case "prepared":
      return (
        <>
          <p className="said" role="status">{t("You have signed. An administrator now checks your papers and confirms. Sign in again after that.")}</p>
          <button type="button" onClick={() => void changed()}>{t("Look again")}</button>
          {last.papers ? <p>{t("Your papers are attached. Only the administrator can open them, through this gateway.")}</p> : last.registration?.role !== PATIENT && <Attach id={last.id} changed={changed} />}
        </>
      );
    case "signed":
    case "submitted":
    case "confirmed":
      return (
        <>
          <p className="said" role="status">{t("An administrator has confirmed. Sign in again to come in.")}</p>
          <button type="button" className="primary" onClick={() => void enter(wallet)}>{t("Sign in again")}</button>
        </>
      );
    default:
      return (
        <>
          {last?.refusal && (
            <div className="warning" role="alert">
              <p>{t("An administrator refused your registration on {date}:", { date: atMinute(last.refusal.at) })}</p>
              <p><bdi>“{last.refusal.reason}”</bdi></p>
              <p>{t("You can register again.")}</p>
            </div>
          )}
          <Form roles={roles} done={changed} />
        </>
      );
  }
}

/** The contract's number. */
const PATIENT = 1;

function Form({ roles, done }: { roles: Role[]; done: () => Promise<void> }) {
  const { gateway, deployment } = useSession();
  const decide = useDecide();
  const [role, setRole] = useState(roles[0]!);
  const [custodian, setCustodian] = useState<string>(deployment.organisations[0]?.account ?? "");
  const [number, setNumber] = useState("");
  const [expiry, setExpiry] = useState("");
  const [file, setFile] = useState<File>();
  const [wrong, setWrong] = useState("");
  const wrongFile = useWrongFile();
  const submit = async () => {
    let body: Record<string, unknown> = { kind: "register", role, custodian, custodyMode: "gateway" };
    let credential: Credential | undefined;
    if (role !== "patient") {
      const until = Date.parse(`${expiry}T00:00:00Z`) / 1000;
      if (number.trim() === "" || Number.isNaN(until) || until * 1000 < Date.now()) {
        return setWrong(t("Give the number of your licence and the day until which it is valid."));
      }
      const why = wrongFile(file);
      if (why) return setWrong(why);
      // Only a salted fingerprint goes on the chain; number and salt go to the registrar with the papers.
      credential = { number: number.trim(), salt: bytesToHex(crypto.getRandomValues(new Uint8Array(32))) };
      body = { kind: "register", role, custody: "gateway", credential: fingerprint(credential), credentialExpiry: until, ...(role === "doctor" ? {} : { endpoint: "" }) };
    }
    setWrong("");
    const plan = signing(gateway, t("Register this wallet?"), t("Register and sign"), () => gateway.post<Intent>("/v1/intents", body));
    const send = async (id: string, as: string, signature: string) => {
      await plan.send(id, as, signature);
      if (file && credential) await attach(id, file, credential);
    };
    // Complete only with the administrator's signature, which is not waited for.
    if (await decide({ ...plan, send })) await done();
  };
  const attach = useAttach();
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {roles.length > 1 && (
        <label>{t("Role")}<select value={role} onChange={(event) => setRole(event.target.value as Role)}>
            {roles.map((one) => <option key={one} value={one}>{capital(t(ROLES[one]))}</option>)}
          </select>
        </label>
      )}
      {role === "patient" ? (
        <label>{t("Who keeps your keys")}<select value={custodian} onChange={(event) => setCustodian(event.target.value)}>
            {deployment.organisations.map((one) => <option key={one.account} value={one.account}>{one.name}</option>)}
          </select>
        </label>
      ) : (
        <>
          <label>{t("Number of your licence")}<input value={number} autoComplete="off" onChange={(event) => setNumber(event.target.value)} /></label>
          <label>{t("Valid until")}<input type="date" value={expiry} onChange={(event) => setExpiry(event.target.value)} /></label>
          <FileField choose={setFile} />
        </>
      )}
      {wrong && <p className="warning" role="alert">{wrong}</p>}
      <button type="submit" className="primary">{t("Read what you sign")}</button>
    </form>
  );
}

function FileField({ choose }: { choose: (file: File | undefined) => void }) {
  return (
    <>
      <label>{t("Your papers (PDF or picture)")}<input type="file" accept={TYPES.join(",")} onChange={(event) => choose(event.target.files?.[0])} /></label>
      <p className="quiet">{t("They are sealed in this browser. Only the administrator can open them, through this gateway; they are deleted once your registration is decided.")}</p>
    </>
  );
}

/** For who signed and was interrupted before the papers went. */
function Attach({ id, changed }: { id: string; changed: () => Promise<void> }) {
  const [file, setFile] = useState<File>();
  const [wrong, setWrong] = useState("");
  const [error, setError] = useState<unknown>();
  const wrongFile = useWrongFile();
  const attach = useAttach();
  const submit = async () => {
    const why = wrongFile(file);
    setWrong(why ?? "");
    setError(undefined);
    if (why) return;
    try {
      await attach(id, file!);
      await changed();
    } catch (failed) {
      setError(failed);
    }
  };
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <p>{t("Your papers are not attached yet.")}</p>
      <FileField choose={setFile} />
      {wrong && <p className="warning" role="alert">{wrong}</p>}
      {error !== undefined && <Refused error={error} />}
      <button type="submit" className="primary">{t("Attach my papers")}</button>
    </form>
  );
}

/** Why a file is no papers. */
function useWrongFile(): (file: File | undefined) => string | undefined {
  const { deployment } = useSession();
  return (file) => {
    if (!file || !TYPES.includes(file.type)) return t("Choose your papers: a PDF, a JPEG or a PNG file.");
    const megabytes = Math.floor(most(deployment) / 100_000) / 10;
    return file.size > most(deployment) ? t("The file is larger than {size} MB. Choose a smaller one.", { size: megabytes }) : undefined;
  };
}

function useAttach() {
  const { gateway, deployment } = useSession();
  return async (id: string, file: File, credential?: Credential) => {
    const papers = { type: file.type, file: new Uint8Array(await file.arrayBuffer()), ...(credential && { credential }) };
    await gateway.attach<Intent>(`/v1/intents/${id}/papers`, await sealed(papers, deployment));
  };
}
