// A patient's record for who keeps the own key: unlocked here, and each part's key got from the patient's custodian. Loaded when it
// is asked for.

import { type ReactNode, useState } from "react";
import type { Grant, Hex } from "../../../api/types";
import { type Asked, type Shared, typedRelease } from "../../../custody/reader";
import { useDecide } from "../../../parts/decide";
import { Terms } from "../../../record/details";
import { Through, useSession } from "../../../session";
import { scopeTitle, scopeWords } from "../../../words/scopes";
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

/** The parts whose keys are here, and those whose are to be got. */
export function Parts({ shared, patient, grants }: { shared: Shared; patient: Hex; grants: Grant[] }) {
  const { gateway, deployment, address } = useSession();
  const decide = useDecide();
  const [, setTaken] = useState(0);
  const readable = grants.filter((grant) => (grant.permission & 1) !== 0);
  const [here, away] = [readable.filter((grant) => shared.holds(grant)), readable.filter((grant) => !shared.holds(grant))];
  const get = async (grant: Grant) => {
    let asked: Asked;
    const decided = await decide({
      title: t("Get the key of the {scope}?", { scope: scopeWords(grant.scope) }),
      verb: t("Ask and sign"),
      layOut: async () => {
        asked = await shared.asked(grant);
        const typedData = typedRelease(asked.release, { chainId: deployment.chainId, consent: deployment.contracts.consent });
        return { id: "", sign: [{ as: "reader", signer: address, typedData }] };
      },
      // The slot is a hash of these: the chain's wraps were looked for under them.
      more: () => <Terms rows={[[t("Patient"), patient], [t("Part of the record"), scopeTitle(grant.scope)]]} />,
      send: async (_id, _as, signature) => {
        const { release } = await gateway.post<{ release: Hex }>("/v1/releases", { ...asked.release, signature });
        await shared.take(asked, release);
      },
    });
    if (decided) setTaken((before) => before + 1);
  };
  return (
    <>
      <p role="status" className="said">{here.length > 0 && t("Your key opens, until you sign out: {scopes}.", { scopes: listed(here.map((grant) => scopeWords(grant.scope))) })}</p>
      {away.length > 0 && (
        <ul className="rows">
          {away.map((grant) => (
            <li key={grant.slot}>
              <span><strong>{scopeTitle(grant.scope)}</strong>{t("The key of this part is with the patient’s custodian.")}</span>
              <button type="button" onClick={() => get(grant)} aria-label={t("Get the key of the {scope}", { scope: scopeWords(grant.scope) })}>{t("Get the key")}</button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
