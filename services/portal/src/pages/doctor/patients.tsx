import { lazy, Suspense, useState } from "react";
import type { Account, Grant, Hex, Resource } from "../../api/types";
import type { Shared } from "../../custody/reader";
import { type Loaded, Loading, Show, useLoad } from "../../parts/load";
import { RecordList } from "../../record/list";
import { RecordView } from "../../record/view";
import { go, usePlace } from "../../router";
import { useSession } from "../../session";
import { same } from "../../words/names";
import { capital, may, targetWords } from "../../words/scopes";
import { onDay } from "../../words/when";
import { Write } from "./write";
import { t } from "../../words/language";

/** What computes with keys is loaded where it is needed. */
const OwnReader = lazy(() => import("./keys/own-reader"));
const Parts = lazy(async () => ({ default: (await import("./keys/own-reader")).Parts }));

export function Patients() {
  const { gateway, account } = useSession();
  const { patient, record } = usePlace().state;
  // Asked again at each step: a patient may have ended it meanwhile.
  const grants = useLoad(async () => {
    const all = await gateway.get<Grant[]>(`/v1/grants?grantee=${account}`);
    return all.filter((grant) => grant.live && (!patient || same(grant.patient, patient)));
  }, [gateway, account, patient]);
  // Whose key is on their own device opens there.
  const mine = useLoad(() => gateway.get<Account>(`/v1/accounts/${account}`), [gateway, account]);
  if (!patient) {
    return (
      <>
        <h1 tabIndex={-1}>{t("My patients")}</h1>
        <p>{t("Patients who let you read or write at the moment.")}</p>
        <Show of={grants}>{(live) => <Listed grants={live} />}</Show>
      </>
    );
  }
  const read = (shared?: Shared) => <Patient key={record?.id ?? patient} patient={patient} record={record} grants={grants} {...(shared && { shared })} />;
  const heading = <h1 tabIndex={-1}>{t("A patient’s record")}</h1>;
  if (!mine.value) return <>{heading}<Show of={mine}>{() => null}</Show></>;
  if (mine.value.keyKept !== false) return read();
  return <Suspense fallback={<>{heading}<Loading /></>}><OwnReader patient={patient}>{read}</OwnReader></Suspense>;
}

function Listed({ grants }: { grants: Grant[] }) {
  const patients = [...new Set(grants.map((grant) => grant.patient))];
  return (
    <>
      {patients.length === 0 && <p className="quiet">{t("No patient has given you access. Ask for it under “Ask for access”.")}</p>}
      <ul className="rows">
        {patients.map((patient) => (
          <li key={patient}>
            <span>
              <strong className="address">{patient}</strong>
              {grants
                .filter((grant) => grant.patient === patient)
                .map((g) => t("{may} until {until}", { may: capital(may(g.permission, targetWords(g))), until: onDay(g.until) }))
                .join("; ")}
            </span>
            <button type="button" onClick={() => go("/doctor", { patient })} aria-label={t("Open the record of {patient}", { patient })}>{t("Open")}</button>
          </li>
        ))}
      </ul>
    </>
  );
}

interface Opened {
  patient: Hex;
  record: { type: string; id: string } | undefined;
  grants: Loaded<Grant[]>;
  /** Where the own key opens. */
  shared?: Shared;
}

function Patient({ patient, record, grants, shared }: Opened) {
  const [writing, setWriting] = useState<{ replaces?: Resource }>();
  const writable = (grants.value ?? []).filter((grant) => (grant.permission & 2) !== 0).map((grant) => grant.scope);
  if (writing) {
    const stored = (id: string) => {
      setWriting(undefined);
      go("/doctor", { patient, record: { type: "DocumentReference", id } });
    };
    return <Write patient={patient} scopes={writable} {...writing} stored={stored} back={() => setWriting(undefined)} />;
  }
  if (record) {
    const write = writable.length > 0 && record.type === "DocumentReference" ? { write: (r: Resource) => setWriting({ replaces: r }) } : {};
    return <RecordView type={record.type} id={record.id} back={() => go("/doctor", { patient })} {...write} />;
  }
  return (
    <>
      <p><button type="button" className="plain" onClick={() => go("/doctor")}>{t("← My patients")}</button></p>
      <h1 tabIndex={-1}>{t("A patient’s record")}</h1>
      <p className="address"><small>{patient}</small></p>
      <Show of={grants}>
        {(live) => (
          <>
            {live.length === 0 && <p className="warning" role="alert">{t("This patient does not let you in any more. What you open from now on is refused.")}</p>}
            {shared && <Suspense><Parts shared={shared} patient={patient} grants={live} /></Suspense>}
          </>
        )}
      </Show>
      {writable.length > 0 && <p><button type="button" className="primary" onClick={() => setWriting({})}>{t("Write a new record")}</button></p>}
      <RecordList patient={patient} titles={false} open={(type, id) => go("/doctor", { patient, record: { type, id } })} />
    </>
  );
}
