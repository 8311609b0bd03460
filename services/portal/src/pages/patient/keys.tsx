import { lazy, Suspense, useState } from "react";
import { fromBase64 } from "../../api/base64";
import type { Account, Grant, Intent } from "../../api/types";
import { signing, useDecide } from "../../parts/decide";
import { Loading, Show, useLoad } from "../../parts/load";
import { useSession } from "../../session";
import { t } from "../../words/language";

/** The parts of a record that enrolling opens for the custodian, to read and to add. */
const OPENED = ["demographics", "clinical", "laboratory", "imaging", "medication", "claims", "emergency", "audit"];
const YEAR = 31_557_600;

/** What computes with keys is loaded when this page is looked at, not before. */
const OwnKeys = lazy(() => import("./keys/own"));

export function Keys() {
  const { gateway, account, names } = useSession();
  const mine = useLoad(() => gateway.get<Account>(`/v1/accounts/${account}`), [gateway]);
  return (
    <>
      <h1 tabIndex={-1}>{t("My keys")}</h1>
      <Show of={mine}>
        {(found) => (
          <>
            {found.custody === "gateway" ? (
              <p>
                <strong>{t("{custodian} keeps your keys for you.", { custodian: found.custodian ? names.of(found.custodian) : t("Your custodian") })}</strong>{" "}
                {t("It can open your records, and it can help you when you lose your device. Every time a key is used stands under “Who looked”.")}
              </p>
            ) : (
              <p><strong>{t("Your keys are on your own device.")}</strong> {t("The gateway opens your records for those you allow, and for nobody else.")}</p>
            )}
            {found.custody === "gateway" && found.custodian && <Kit custodian={found.custodian} />}
            <Suspense fallback={<Loading />}>
              <OwnKeys mine={found} changed={mine.reload} />
            </Suspense>
          </>
        )}
      </Show>
    </>
  );
}

function Kit({ custodian }: { custodian: string }) {
  const { gateway, account, names } = useSession();
  const decide = useDecide();
  const grants = useLoad(() => gateway.get<Grant[]>(`/v1/grants?patient=${account}`), [gateway]);
  const [backup, setBackup] = useState<Intent["backup"]>();
  const [opened, setOpened] = useState(false);
  const open = async () => {
    const until = Math.floor(Date.now() / 1000) + 3 * YEAR;
    const grants = OPENED.map((scope) => ({ grantee: custodian, scope, permission: 3, until, purpose: "TREAT" }));
    const plan = signing(gateway, t("Open my record"), t("Open and sign"), async () => {
      const laid = await gateway.post<Intent>("/v1/intents", { kind: "enrol", scopes: OPENED, grants });
      if (laid.backup) setBackup(laid.backup);
      return laid;
    });
    if (await decide(plan)) setOpened(true);
  };
  return (
    <Show of={grants}>
      {(all) =>
        all.length > 0 && !backup ? null : (
          <>
            <h2>{t("Recovery kit")}</h2>
            <p>
              {t("The kit is a file and a passphrase. With both you can open all your records without any hospital or server. It is made once, when you open your record, and shown only then: {custodian} keeps no copy of the passphrase.", { custodian: names.of(custodian) })}
            </p>
            {backup ? <Made backup={backup} /> : <button type="button" className="primary" onClick={open}>{t("Open my record")}</button>}
            {opened && <p role="status" className="said">{t("Your record is open.")}</p>}
          </>
        )
      }
    </Show>
  );
}

function Made({ backup }: { backup: NonNullable<Intent["backup"]> }) {
  const save = () => {
    const bytes = fromBase64(backup.file);
    const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = "chartseal-recovery-kit.age";
    link.click();
    URL.revokeObjectURL(url);
  };
  return (
    <div className="kit">
      <p><strong>{t("Keep both, in two different places.")}</strong> {t("You will not see them again.")}</p>
      <p>{t("Passphrase")}: <code>{backup.passphrase}</code></p>
      <button type="button" className="primary" onClick={save}>{t("Save the file")}</button>
    </div>
  );
}
