import { type FormEvent, useEffect, useState } from "react";
import { bytesToHex } from "viem";
import { kitChecked, placeOf } from "../../../custody/keep";
import { FOR_A_MADE_PHRASE, type Kit, newPassphrase, openKit, sealKit } from "../../../custody/kit";
import { Refused } from "../../../parts/load";
import { WORDS } from "./words";

/** Saves a recovery kit, and does not go on before it has been opened again. */
export function KitStep({ kit, done }: { kit: Kit; done: () => void }) {
  const [made, setMade] = useState<{ file: Uint8Array<ArrayBuffer>; passphrase: string }>();
  useEffect(() => {
    const passphrase = newPassphrase();
    void sealKit(kit, passphrase, FOR_A_MADE_PHRASE).then((file) => setMade({ file, passphrase }));
  }, [kit]);
  if (!made) return <p className="quiet" role="status">Loading…</p>;
  const save = () => {
    const url = URL.createObjectURL(new Blob([made.file], { type: "application/octet-stream" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = "chartseal-recovery-kit.age";
    link.click();
    URL.revokeObjectURL(url);
  };
  const opened = async (found: Kit) => {
    if (placeOf(found) !== placeOf(kit) || bytesToHex(found.root) !== bytesToHex(kit.root)) throw new Error(WORDS.otherKit);
    await kitChecked(placeOf(kit));
    done();
  };
  return (
    <>
      <p>{WORDS.kit}</p>
      <div className="kit">
        <p><strong>{WORDS.keepBoth}</strong></p>
        <p>{WORDS.passphrase}: <code>{made.passphrase}</code></p>
        <button type="button" onClick={save}>{WORDS.save}</button>
      </div>
      <h3>{WORDS.checkTitle}</h3>
      <p>{WORDS.checkWhy}</p>
      <OpenKit verb={WORDS.check} opened={opened} />
    </>
  );
}

/** A kit's file and passphrase, opened. */
export function OpenKit({ verb, opened }: { verb: string; opened: (kit: Kit) => void | Promise<void> }) {
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const open = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(undefined);
    try {
      const file = new Uint8Array(await (form.get("file") as File).arrayBuffer());
      await opened(await openKit(file, String(form.get("passphrase"))));
    } catch (failed) {
      setError(failed);
    }
    setBusy(false);
  };
  return (
    <form onSubmit={open}>
      <label>{WORDS.file}<input type="file" name="file" accept=".age" required /></label>
      <label>{WORDS.passphrase}<input type="text" name="passphrase" autoComplete="off" spellCheck={false} required /></label>
      <button type="submit" className="primary" disabled={busy}>{verb}</button>
      {error !== undefined && <Refused error={error} />}
    </form>
  );
}
