import { useState } from "react";
import { keep, passkeys } from "../../custody/keep";
import type { Kit } from "../../custody/kit";
import { Form, Line, type Wrong } from "../../parts/fields";
import { Refused } from "../../parts/load";
import { t } from "../../words/language";

/** Keeps a root in this browser, under what the person chooses. */
export function Protect({ kit, checked, kept }: { kit: () => Kit; checked: boolean; kept: (kit: Kit) => void }) {
  const [error, setError] = useState<unknown>();
  const [wrong, setWrong] = useState<Wrong>({});
  const [busy, setBusy] = useState(false);
  const hold = async (under: { passphrase: string } | "passkey") => {
    setBusy(true);
    setError(undefined);
    try {
      const made = kit();
      await keep(made, under, checked);
      kept(made);
    } catch (failed) {
      setError(failed);
      setBusy(false);
    }
  };
  const phrase = (form: HTMLFormElement) => {
    const typed = new FormData(form);
    const [passphrase, again] = [String(typed.get("passphrase")), String(typed.get("again"))];
    setWrong({});
    if (passphrase.length < 12) setWrong({ passphrase: t("This passphrase is too short. Use at least 12 characters: four or five words are good.") });
    else if (passphrase !== again) setWrong({ again: t("The two passphrases are not the same. Type them again.") });
    else void hold({ passphrase });
  };
  return (
    <>
      <p>{t("Your new keys are made in this browser and never leave it. Choose what protects them here.")}</p>
      {passkeys() && (
        <p>
          <button type="button" className="primary" disabled={busy} onClick={() => hold("passkey")}>{t("Use a passkey")}</button>{" "}
          <span className="quiet">{t("Your device asks for your fingerprint, your face or its PIN.")}</span>
        </p>
      )}
      <Form wrong={wrong} submit={phrase}>
        <Line label={t("Choose a passphrase of at least 12 characters")} name="passphrase" type="password" autoComplete="new-password" />
        <Line label={t("The same passphrase again")} name="again" type="password" autoComplete="new-password" />
        <button type="submit" className={passkeys() ? "" : "primary"} disabled={busy}>{t("Use a passphrase")}</button>
      </Form>
      {error !== undefined && <Refused error={error} />}
    </>
  );
}
