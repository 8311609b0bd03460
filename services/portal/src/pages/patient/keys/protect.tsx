import { type FormEvent, useState } from "react";
import { keep, passkeys } from "../../../custody/keep";
import type { Kit } from "../../../custody/kit";
import { Refused } from "../../../parts/load";
import { WORDS } from "./words";

/** Keeps a root in this browser, under what the person chooses. */
export function Protect({ kit, checked, kept }: { kit: () => Kit; checked: boolean; kept: (kit: Kit) => void }) {
  const [error, setError] = useState<unknown>();
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
  const phrase = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [passphrase, again] = [String(form.get("passphrase")), String(form.get("again"))];
    if (passphrase.length < 12) setError(new Error(WORDS.tooShort));
    else if (passphrase !== again) setError(new Error(WORDS.different));
    else void hold({ passphrase });
  };
  return (
    <>
      <p>{WORDS.protect}</p>
      {passkeys() && (
        <p>
          <button type="button" className="primary" disabled={busy} onClick={() => hold("passkey")}>{WORDS.usePasskey}</button>{" "}
          <span className="quiet">{WORDS.passkeyHint}</span>
        </p>
      )}
      <form onSubmit={phrase}>
        <label>{WORDS.chosen}<input type="password" name="passphrase" autoComplete="new-password" required /></label>
        <label>{WORDS.again}<input type="password" name="again" autoComplete="new-password" required /></label>
        <button type="submit" className={passkeys() ? "" : "primary"} disabled={busy}>{WORDS.usePassphrase}</button>
      </form>
      {error !== undefined && <Refused error={error} />}
    </>
  );
}
