// A patient's record for who keeps the own key: unlocked here, and each part's key got from the patient's custodian. Loaded when it
// is asked for.

import { type ReactNode, useState } from "react";
import type { Grant, Hex } from "../../../api/types";
import { type Asked, type Released, type Shared, typedRelease } from "../../../custody/reader";
import { useDecide } from "../../../parts/decide";
import { Terms } from "../../../record/details";
import { Through, useSession } from "../../../session";
import { scopeTitle, scopeWords, targetWords } from "../../../words/scopes";
import { Unlock } from "../../keys/own-key";
import { listed, t } from "../../../words/language";

interface Props {
  patient: Hex;
  /** What is read of the patient's record with a key that was got. */
  children: (shared: Shared) => ReactNode;
}

export default function OwnReader({ patient, children }: Props) {
  const { reader } = useSession();
  if (!reader) {
    return (
      <>
        <h1 tabIndex={-1}>{t("A patient’s record")}</h1>
        <Unlock />
      </>
    );
  }
  const shared = reader.of(patient);
  return <Through gateway={shared.gateway}>{children(shared)}</Through>;
}

/** The parts and single records whose keys are here, and those whose are to be got. */
export function Parts({ shared, patient, grants }: { shared: Shared; patient: Hex; grants: Grant[] }) {
  const { gateway, deployment, address } = useSession();
  const decide = useDecide();
  const [, setTaken] = useState(0);
  const readable = grants.filter((grant) => (grant.permission & 1) !== 0);
  const [here, away] = [readable.filter((grant) => shared.holds(grant)), readable.filter((grant) => !shared.holds(grant))];
  const [parts, single] = [away.filter((grant) => grant.scope), away.filter((grant) => !grant.scope)];
  const get = async (title: string, wanted: Grant[]) => {
    let asked: Asked[];
    await decide({
      title,
      verb: t("Ask and sign"),
      layOut: async () => {
        asked = await Promise.all(wanted.map((grant) => shared.asked(grant)));
        const system = { chainId: deployment.chainId, consent: deployment.contracts.consent };
        const sign = asked.map(({ release }, place) => ({ as: String(place), signer: address, typedData: typedRelease(release, system), opens: wanted[place]!.opens ?? null }));
        return { id: "", sign };
      },
      // The slot is a hash of these: the chain was asked about them.
      more: () => <Terms rows={[[t("Patient"), patient], ...wanted.flatMap(({ scope }): [string, string][] => (scope ? [[t("Part of the record"), scopeTitle(scope)]] : []))]} />,
      send: async (_id, as, signature) => {
        const one = asked[Number(as)]!;
        await shared.take(one, await gateway.post<Released>("/v1/releases", { ...one.release, signature }));
      },
    });
    // Also where only some of them came.
    setTaken((before) => before + 1);
  };
  return (
    <>
      <p role="status" className="said">{here.length > 0 && t("Your key opens, until you sign out: {scopes}.", { scopes: listed(here.map(targetWords)) })}</p>
      {away.length > 0 && (
        <ul className="rows">
          {parts.map((grant) => (
            <li key={grant.slot}>
              <span><strong>{scopeTitle(grant.scope)}</strong>{t("The key of this part is with the patient’s custodian.")}</span>
              <button type="button" onClick={() => get(t("Get the key of the {scope}?", { scope: scopeWords(grant.scope) }), [grant])} aria-label={t("Get the key of the {scope}", { scope: scopeWords(grant.scope) })}>{t("Get the key")}</button>
            </li>
          ))}
          {single.length > 0 && (
            <li>
              <span><strong>{t("Single records")}</strong>{t("Their keys are with the patient’s custodian: {records}.", { records: listed(single.map(targetWords)) })}</span>
              <button type="button" onClick={() => get(t("Get the keys of the single records?"), single)} aria-label={t("Get the keys of the single records")}>{t("Get the keys")}</button>
            </li>
          )}
        </ul>
      )}
    </>
  );
}
