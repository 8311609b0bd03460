import { useState } from "react";
import type { Receipt } from "../api/types";
import { Caught } from "../custody/caught";
import { Refused } from "../parts/load";
import { check, type Step } from "../proof/receipt";
import { useSession } from "../session";
import { t } from "../words/language";

/** Fetches the receipt of a stored version and checks it in this browser, on demand. */
export function Proof({ cid }: { cid: string }) {
  const { gateway, deployment, wallet } = useSession();
  const [done, setDone] = useState<{ receipt: Receipt; steps: Step[] }>();
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const verify = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const receipt = await gateway.get<Receipt>(`/v1/receipts/${cid}`);
      if (receipt.cid !== cid) throw new Error(t("The receipt is for another record."));
      setDone({ receipt, steps: await check(receipt, deployment, wallet.provider) });
    } catch (failed) {
      setError(failed);
    }
    setBusy(false);
  };
  return (
    <section className="proof">
      <h2>{t("Proof")}</h2>
      <p>{t("Your browser checks, through your wallet’s own connection to the chain, that this record was sealed and who signed it. It does not ask you to trust the gateway.")}</p>
      {!done && <button type="button" disabled={busy} onClick={verify}>{busy ? t("Checking…") : t("Check the proof")}</button>}
      {error !== undefined && <Refused error={error} />}
      {done && (
        <div role="status">
          {done.steps.every((step) => step.holds) ? <p className="holds">{t("The proof holds.")}</p> : <Refused error={new Caught("wrong-proof")} />}
          <ul className="steps">
            {done.steps.map((step) => <li key={step.says}>{step.holds ? t("Yes: {what}", { what: t(step.says) }) : t("No: {what}", { what: t(step.says) })}</li>)}
          </ul>
          <p><small>{t("Sealed in block {block}, transaction {transaction}", { block: String(done.receipt.block), transaction: done.receipt.transaction })}</small></p>
        </div>
      )}
    </section>
  );
}
