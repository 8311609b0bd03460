import type { SystemState } from "../../api/types";
import { Show, useLoad } from "../../parts/load";
import { Terms } from "../../record/details";
import { useSession } from "../../session";
import { locale, t } from "../../words/language";

/** How the gateway stands: what answers, and what waits. */
export function System() {
  const { gateway } = useSession();
  const system = useLoad(() => gateway.get<SystemState>("/v1/system"), [gateway]);
  return (
    <>
      <h1 tabIndex={-1}>{t("System")}</h1>
      <p>{t("How this gateway stands at the moment. It shows counts only, and nothing about anybody.")}</p>
      <Show of={system}>{(found) => <Standing system={found} />}</Show>
      <button type="button" onClick={() => void system.reload()}>{t("Look again")}</button>
    </>
  );
}

function Standing({ system: { version, draining, chain, content, backlog } }: { system: SystemState }) {
  const number = (n: number | null | undefined) => (n === null || n === undefined ? t("None") : new Intl.NumberFormat(locale()).format(n));
  const answers = (does: boolean) => (does ? t("Answers") : t("Does not answer"));
  const well = chain.reachable && chain.fresh && content.reachable && !draining;
  return (
    <>
      <p role="status" className={well ? "holds" : "warning"}>{well ? t("Everything answers.") : why(chain, content.reachable)}</p>
      <Terms
        rows={[
          [t("Database"), answers(true)],
          [t("Chain’s node"), answers(chain.reachable)],
          [t("Store of sealed records (IPFS)"), answers(content.reachable)],
          [t("Newest block of the node"), number(chain.newest)],
          [t("Newest block followed here"), number(chain.followed)],
          [t("Seconds since that block"), number(chain.age)],
          [t("Records that wait for a batch"), number(backlog.records)],
          [t("Seconds the oldest has waited"), number(backlog.oldest)],
          [t("Batches not anchored yet"), number(backlog.batches)],
          [t("Decisions on their way"), number(backlog.decisions)],
          [t("Registrations not complete"), number(backlog.registrations)],
          [t("Version"), version],
        ]}
      />
    </>
  );
}

function why(chain: SystemState["chain"], content: boolean): string {
  if (!chain.reachable) return t("The chain’s node does not answer. Records are still taken in; decisions wait.");
  if (!chain.fresh) return t("The newest block is too old to decide by, so nothing is opened until newer ones come.");
  if (!content) return t("The store of sealed records does not answer. New records wait in the database; older ones cannot be read.");
  return t("This gateway is about to stop.");
}
