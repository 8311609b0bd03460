// The own key of who reads others' records: made, kept in this browser, unlocked. Loaded when it is asked for.

import { useState } from "react";
import { type Kept, kept, placeOf } from "../../custody/keep";
import type { Kit } from "../../custody/kit";
import { Reader } from "../../custody/reader";
import { newSecret } from "../../custody/tree";
import { Show, useLoad } from "../../parts/load";
import { useHere, useSession } from "../../session";
import { KeptHere } from "./kept-here";
import { KitStep } from "./kit";
import { Protect } from "./protect";
import { Bring, Locked } from "./unlock";
import { t } from "../../words/language";

interface Props {
  /** Whether a key is made where none is kept: before the account has one, and never after. */
  fresh: boolean;
  /** Called with a key that is kept here and whose kit has been opened once. */
  ready: (kit: Kit) => void;
}

export default function OwnKey({ fresh, ready }: Props) {
  const { account, deployment } = useSession();
  const where = { chainId: deployment.chainId, consent: deployment.contracts.consent, account };
  const [kit, setKit] = useState<Kit>();
  const stored = useLoad(async () => (await kept(placeOf(where))) ?? null, [account]);
  const opened = (found: Kit, { kit: checked }: Pick<Kept, "kit">) => (checked ? ready(found) : setKit(found));
  if (kit) return <><h2>{t("Save your recovery kit")}</h2><KitStep kit={kit} done={() => ready(kit)} /></>;
  return (
    <Show of={stored}>
      {(found) => {
        if (found) return <Locked found={found} says={t("Your key is in this browser. Unlock it to read what patients let you read.")} opened={(one) => opened(one, found)} />;
        if (fresh) return <><h2>{t("Protect your keys")}</h2><Protect kit={() => ({ ...where, holds: "key", secret: newSecret() })} checked={false} kept={setKit} /></>;
        return <Bring holds="key" opened={ready} />;
      }}
    </Show>
  );
}

/** Unlocks the key of an account that has one: records are read with it until signing out. */
export function Unlock() {
  const { hold } = useHere();
  const { deployment, account, gateway, wallet } = useSession();
  return <OwnKey fresh={false} ready={(kit) => hold({ reader: new Reader(kit, { deployment, account, gateway, provider: wallet.provider }) })} />;
}

/** The same under "My information", with what can be done with it then. */
export function MyKey() {
  const { hold } = useHere();
  const { reader } = useSession();
  return (
    <>
      <h2>{t("My keys")}</h2>
      {reader ? <KeptHere kit={reader.kit} removed={() => hold({ reader: undefined })} /> : <Unlock />}
    </>
  );
}
