import { useState } from "react";
import type { Bundle, Resource } from "../../api/types";
import { Form, Line, type Wrong } from "../../parts/fields";
import { Refused } from "../../parts/load";
import { Content, ProofOf, titleOf } from "../../record/view";
import { useSession } from "../../session";
import { t } from "../../words/language";

export function Claims() {
  const { gateway } = useSession();
  const [number, setNumber] = useState("");
  const [found, setFound] = useState<Resource[]>();
  const [error, setError] = useState<unknown>();
  const [wrong, setWrong] = useState<Wrong>({});
  const [busy, setBusy] = useState(false);
  const look = async () => {
    if (number.trim() === "") return setWrong({ number: t("Type the number of the claim.") });
    setWrong({});
    setBusy(true);
    setError(undefined);
    setFound(undefined);
    try {
      const bundle = await gateway.search<Bundle>("Claim", { identifier: number.trim() });
      setFound((bundle.entry ?? []).flatMap((entry) => (entry.resource ? [entry.resource] : [])));
    } catch (failed) {
      setError(failed);
    }
    setBusy(false);
  };
  return (
    <>
      <h1 tabIndex={-1}>{t("Look up a claim")}</h1>
      <Form wrong={wrong} submit={() => void look()}>
        <Line label={t("Claim number")} name="number" code value={number} change={setNumber} />
        <button type="submit" className="primary" disabled={busy}>{busy ? t("Looking…") : t("Look up")}</button>
      </Form>
      {error !== undefined && <Refused error={error} />}
      <div role="status">
        {found?.length === 0 && (
          <p className="warning">{t("Not granted. There is no claim of this number that a patient lets you see. Whether there is one that they do not, nobody is told.")}</p>
        )}
      </div>
      {found?.map((claim) => (
        <article key={claim.id}>
          <h2>{titleOf(claim)}</h2>
          <Content gateway={gateway} resource={claim} />
          <ProofOf resource={claim} />
        </article>
      ))}
    </>
  );
}
