// Keys that are kept: in this browser, or in a recovery kit.

import { useState } from "react";
import { type Kept, placeOf, unlock } from "../../custody/keep";
import type { Kit } from "../../custody/kit";
import { Form, Line, useSending } from "../../parts/fields";
import { useSession } from "../../session";
import { OpenKit } from "./kit";
import { Protect } from "./protect";
import { t } from "../../words/language";

export function Locked({ found, says, opened }: { found: Kept; says: string; opened: (kit: Kit) => void }) {
  const form = useSending(async (filled) => {
    const passphrase = String(new FormData(filled).get("passphrase") ?? "");
    if (!found.passkey && passphrase === "") return { passphrase: t("Type your passphrase.") };
    opened(await unlock(found, passphrase));
    return undefined;
  });
  return (
    <>
      <p>{says}</p>
      <Form {...form}>
        {found.passkey ? <p className="quiet">{t("Your device asks for your fingerprint, your face or its PIN.")}</p> : (
          <Line label={t("Passphrase")} name="passphrase" type="password" autoComplete="current-password" />
        )}
        <button type="submit" className="primary">{t("Unlock my keys")}</button>
      </Form>
    </>
  );
}

/** On another device, or after the browser's storage was emptied. */
export function Bring({ holds, opened }: { holds: Kit["holds"]; opened: (kit: Kit) => void }) {
  const { account, deployment } = useSession();
  const [kit, setKit] = useState<Kit>();
  if (kit) return <Protect kit={() => kit} checked kept={opened} />;
  const check = (found: Kit) => {
    const here = { chainId: deployment.chainId, consent: deployment.contracts.consent, account };
    if (placeOf(found) !== placeOf(here) || found.holds !== holds) throw new Error(t("This recovery kit is for another person or another system."));
    setKit(found);
  };
  return (
    <>
      <p>{t("Your keys are on your own device, and not in this browser. Bring your recovery kit to use them here.")}</p>
      <OpenKit verb={t("Bring my recovery kit")} opened={check} />
    </>
  );
}
