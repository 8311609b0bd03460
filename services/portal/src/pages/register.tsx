import { lazy, Suspense, useState } from "react";
import { bytesToHex } from "viem";
import { type Door } from "../doors";
import type { Hex, Intent, Role } from "../api/types";
import { Caught } from "../custody/caught";
import type { Kit } from "../custody/kit";
import { signing, useDecide } from "../parts/decide";
import { Choice, FileField, Form, Line, useSending, type Wrong } from "../parts/fields";
import { Link } from "../parts/link";
import { Loading, Show, useLoad } from "../parts/load";
import { type Credential, fingerprint, most, sealed, TYPES } from "../papers";
import { useHere, useSession } from "../session";
import { ROLES } from "../words/names";
import { capital } from "../words/scopes";
import { atMinute } from "../words/when";
import { t } from "../words/language";

/** What computes with keys is loaded for who wants it. */
const OwnKey = lazy(() => import("./keys/own-key"));

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
          <Application roles={roles} done={changed} />
        </>
      );
  }
}

/** The contract's number. */
const PATIENT = 1;

function Application({ roles, done }: { roles: Role[]; done: () => Promise<void> }) {
  const { gateway, deployment } = useSession();
  const decide = useDecide();
  const [role, setRole] = useState(roles[0]!);
  const [custodian, setCustodian] = useState<string>(deployment.organisations[0]?.account ?? "");
  const [keeper, setKeeper] = useState<"gateway" | "own">("gateway");
  const [key, setKey] = useState<Hex>();
  const [file, setFile] = useState<File>();
  const wrongFile = useWrongFile();
  const attach = useAttach();
  const own = role === "doctor" && keeper === "own";
  const form = useSending(async (filled) => {
    let body: Record<string, unknown> = { kind: "register", role, custodian, custodyMode: "gateway" };
    let credential: Credential | undefined;
    if (role !== "patient") {
      const typed = new FormData(filled);
      const number = String(typed.get("number")).trim();
      const until = Date.parse(`${String(typed.get("until"))}T00:00:00Z`) / 1000;
      const wrong: Wrong = {};
      if (number === "") wrong.number = t("Give the number of your licence.");
      if (!(until * 1000 > Date.now())) wrong.until = t("Give the day until which your licence is valid. It lies ahead.");
      const why = wrongFile(file);
      if (why) wrong.papers = why;
      if (Object.keys(wrong).length > 0) return wrong;
      // Only a salted fingerprint goes on the chain; number and salt go to the registrar with the papers.
      credential = { number, salt: bytesToHex(crypto.getRandomValues(new Uint8Array(32))) };
      const kept = own ? { custody: "own", encryptionKey: key } : { custody: "gateway" };
      body = { kind: "register", role, ...kept, credential: fingerprint(credential), credentialExpiry: until, ...(role === "doctor" ? {} : { endpoint: "" }) };
    }
    const plan = signing(gateway, t("Register this wallet?"), t("Register and sign"), async () => {
      const laid = await gateway.post<Intent>("/v1/intents", body);
      if (own && laid.sign[0]?.typedData.message.encryptionKey !== key) throw new Caught("swapped-key");
      return laid;
    });
    const send = async (id: string, as: string, signature: string) => {
      await plan.send(id, as, signature);
      if (file && credential) await attach(id, file, credential);
    };
    // Complete only with the administrator's signature, which is not waited for.
    if (await decide({ ...plan, send })) await done();
    return undefined;
  });
  // Before the form: what is chosen here stays where it is while the key is made.
  const choices = (
    <div className="fields">
      {roles.length > 1 && <Choice label={t("Role")} value={role} change={setRole} options={roles.map((one) => [one, capital(t(ROLES[one]))])} />}
      {role === "doctor" && (
        <Choice
          label={t("Who keeps the key that opens what patients let you read")}
          value={keeper}
          change={setKeeper}
          options={[["gateway", t("This gateway keeps it for me")], ["own", t("I keep it, on this device")]]}
        />
      )}
    </div>
  );
  if (own && !key) {
    return (
      <>
        {choices}
        <p>{t("Your key is made first. The gateway then opens nothing for you: this browser does, with your passphrase or passkey.")}</p>
        <Suspense fallback={<Loading />}>
          <OwnKey fresh ready={(kit) => void publicKey(kit).then(setKey)} />
        </Suspense>
      </>
    );
  }
  return (
    <>
      {choices}
      <Form {...form}>
        {own && <p role="status" className="said">{t("Your key is ready.")}</p>}
        {role === "patient" ? (
          <Choice label={t("Who keeps your keys")} value={custodian} change={setCustodian} options={deployment.organisations.map((one) => [one.account, one.name])} />
        ) : (
          <>
            <Line label={t("Number of your licence")} name="number" code />
            <Line label={t("Valid until")} name="until" type="date" />
            <PapersField choose={setFile} />
          </>
        )}
        <button type="submit" className="primary">{t("Read what you sign")}</button>
      </Form>
    </>
  );
}

async function publicKey({ secret }: Kit): Promise<Hex> {
  const { publicKey } = await import("../custody/tree");
  return bytesToHex(await publicKey(secret));
}

function PapersField({ choose }: { choose: (file: File | undefined) => void }) {
  const hint = t("They are sealed in this browser. Only the administrator can open them, through this gateway; they are deleted once your registration is decided.");
  return <FileField label={t("Your papers (PDF or picture)")} name="papers" hint={hint} accept={TYPES.join(",")} choose={choose} />;
}

/** For who signed and was interrupted before the papers went. */
function Attach({ id, changed }: { id: string; changed: () => Promise<void> }) {
  const [file, setFile] = useState<File>();
  const wrongFile = useWrongFile();
  const attach = useAttach();
  const form = useSending(async () => {
    const why = wrongFile(file);
    if (why) return { papers: why };
    await attach(id, file!);
    await changed();
    return undefined;
  });
  return (
    <Form {...form}>
      <p>{t("Your papers are not attached yet.")}</p>
      <PapersField choose={setFile} />
      <button type="submit" className="primary">{t("Attach my papers")}</button>
    </Form>
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
