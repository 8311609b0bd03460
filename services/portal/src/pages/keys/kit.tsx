import { useEffect, useState } from "react";
import { bytesToHex } from "viem";
import { kitChecked, placeOf } from "../../custody/keep";
import { FOR_A_MADE_PHRASE, type Kit, newPassphrase, openKit, sealKit } from "../../custody/kit";
import { FileField, Form, Line, useSending, type Wrong } from "../../parts/fields";
import { t } from "../../words/language";

/** Saves a recovery kit, and does not go on before it has been opened again. */
export function KitStep({ kit, done }: { kit: Kit; done: () => void }) {
  const [made, setMade] = useState<{ file: Uint8Array<ArrayBuffer>; passphrase: string }>();
  useEffect(() => {
    const passphrase = newPassphrase();
    void sealKit(kit, passphrase, FOR_A_MADE_PHRASE).then((file) => setMade({ file, passphrase }));
  }, [kit]);
  if (!made) return <p className="quiet" role="status">{t("Loading…")}</p>;
  const save = () => {
    const url = URL.createObjectURL(new Blob([made.file], { type: "application/octet-stream" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = "chartseal-recovery-kit.age";
    link.click();
    URL.revokeObjectURL(url);
  };
  const opened = async (found: Kit) => {
    if (placeOf(found) !== placeOf(kit) || bytesToHex(found.secret) !== bytesToHex(kit.secret)) throw new Error(t("This is another recovery kit than the one for these keys. Save the file again and check that one."));
    await kitChecked(placeOf(kit));
    done();
  };
  return (
    <>
      <p>
        {kit.holds === "root"
          ? t("The kit is a file and a passphrase. With both you can open all your records on any device, without any hospital or server.")
          : t("The kit is a file and a passphrase. With both you can use your key on any device. Without them, what patients let you read is closed to you once this browser has lost the key.")}
      </p>
      <div className="kit">
        <p><strong>{t("Keep the file and the passphrase in two different places. Write the passphrase down now.")}</strong></p>
        <p>{t("Passphrase")}: <code>{made.passphrase}</code></p>
        <button type="button" onClick={save}>{t("Save the file")}</button>
      </div>
      <h3>{t("Check your kit")}</h3>
      <p>
        {kit.holds === "root"
          ? t("Choose the file you saved and type the passphrase you wrote down. Nothing is handed over before both work.")
          : t("Choose the file you saved and type the passphrase you wrote down. The key is not used before both work.")}
      </p>
      <OpenKit verb={t("Check my kit")} opened={opened} />
    </>
  );
}

/** A kit's file and passphrase, opened. */
export function OpenKit({ verb, opened }: { verb: string; opened: (kit: Kit) => void | Promise<void> }) {
  const form = useSending(async (filled) => {
    const typed = new FormData(filled);
    const [file, passphrase] = [typed.get("file") as File, String(typed.get("passphrase"))];
    const wrong: Wrong = {};
    if (file.size === 0) wrong.file = t("Choose the file of your recovery kit.");
    if (passphrase === "") wrong.passphrase = t("Type your passphrase.");
    if (Object.keys(wrong).length > 0) return wrong;
    await opened(await openKit(new Uint8Array(await file.arrayBuffer()), passphrase));
    return undefined;
  });
  return (
    <Form {...form}>
      <FileField label={t("Recovery kit file")} name="file" accept=".age" />
      <Line label={t("Passphrase")} name="passphrase" code />
      <button type="submit" className="primary" disabled={form.busy}>{verb}</button>
    </Form>
  );
}
