import { useState } from "react";
import type { Bundle, Resource } from "../../api/types";
import { Form, Line, useSending } from "../../parts/fields";
import { titleOf } from "../../record/titles";
import { Content, ProofOf } from "../../record/view";
import { useSession } from "../../session";
import { t } from "../../words/language";

export function Claims() {
  const { gateway } = useSession();
  const [found, setFound] = useState<Resource[]>();
  const form = useSending(async (filled) => {
    const number = String(new FormData(filled).get("number")).trim();
    if (number === "") return { number: t("Type the number of the claim.") };
    setFound(undefined);
    const bundle = await gateway.search<Bundle>("Claim", { identifier: number });
    setFound((bundle.entry ?? []).flatMap((entry) => (entry.resource ? [entry.resource] : [])));
    return undefined;
  });
  return (
    <>
      <h1 tabIndex={-1}>{t("Look up a claim")}</h1>
      <Form {...form}>
        <Line label={t("Claim number")} name="number" code />
        <button type="submit" className="primary" disabled={form.busy}>{form.busy ? t("Looking…") : t("Look up")}</button>
      </Form>
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
