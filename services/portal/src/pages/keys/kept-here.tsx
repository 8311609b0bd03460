import { useState } from "react";
import { forget, placeOf } from "../../custody/keep";
import type { Kit } from "../../custody/kit";
import { KitStep } from "./kit";
import { t } from "../../words/language";

/** What can be done with keys that are kept here and unlocked. */
export function KeptHere({ kit, removed }: { kit: Kit; removed: () => void }) {
  const [making, setMaking] = useState(false);
  return (
    <>
      <h2>{t("Recovery kit")}</h2>
      {making ? <KitStep kit={kit} done={() => setMaking(false)} /> : (
        <div className="buttons">
          <button type="button" onClick={() => setMaking(true)}>{t("Make another recovery kit")}</button>
          <button type="button" className="plain" onClick={() => void forget(placeOf(kit)).then(removed)}>{t("Remove my keys from this browser")}</button>
        </div>
      )}
    </>
  );
}
