import { useState } from "react";
import { toBase64 } from "../../api/base64";
import type { Hex, Resource, ToSign } from "../../api/types";
import { useDecide } from "../../parts/decide";
import { FileField, Form, Line, type Wrong } from "../../parts/fields";
import { isText, list } from "../../record/details";
import { useSession } from "../../session";
import { scopeTitle } from "../../words/scopes";
import { t } from "../../words/language";

/** Bytes of a file written here; larger documents come from the hospital's system. */
const LARGEST = 6 * 1024 * 1024;
const KINDS = "application/pdf,image/png,image/jpeg,text/xml,text/plain,application/dicom,.dcm";

interface Props {
  patient: Hex;
  scopes: string[];
  /** The version that is corrected. */
  replaces?: Resource;
  stored: (id: string) => void;
  back: () => void;
}

export function Write({ patient, scopes, replaces, stored, back }: Props) {
  const { gateway } = useSession();
  const decide = useDecide();
  const [scope, setScope] = useState(scopes.includes("clinical") ? "clinical" : (scopes[0] ?? ""));
  const [title, setTitle] = useState(isText(replaces?.description) ? replaces.description : "");
  const [text, setText] = useState("");
  const [file, setFile] = useState<File>();
  const [wrong, setWrong] = useState<Wrong>({});
  const submit = async () => {
    if (title.trim() === "") return setWrong({ title: t("Give the record a title.") });
    if (!file && text.trim() === "") return setWrong({ text: t("Write something, or choose a file.") });
    if (file && file.size > LARGEST) return setWrong({ file: t("The file is larger than 6 MB. Send it through the hospital’s system.") });
    setWrong({});
    const data = toBase64(new Uint8Array(await (file ?? new Blob([text])).arrayBuffer()));
    const contentType = file ? kindOf(file) : "text/plain; charset=utf-8";
    const resource = compose(replaces, title.trim(), { contentType, title: title.trim(), data });
    const body = replaces?.id ? { patient, resource, replaces: replaces.id } : { patient, scope, resource };
    let id = "";
    const decided = await decide({
      title: replaces ? t("Sign the corrected version?") : t("Sign the new record?"),
      verb: t("Sign and store"),
      layOut: () => gateway.post<{ id: string; sign: ToSign[] }>("/v1/drafts", body),
      send: async (draft, _as, signature) => {
        const made = await gateway.put<{ recordId: Hex }>(`/v1/drafts/${draft}/signature`, { signature });
        id = made.recordId.slice(2);
      },
    });
    if (decided) stored(id);
  };
  return (
    <>
      <p><button type="button" className="plain" onClick={back}>{t("← Back without writing")}</button></p>
      <h1 tabIndex={-1}>{replaces ? t("Write a corrected version") : t("Write a new record")}</h1>
      {replaces && <p>{t("The earlier version stays readable. Yours becomes the newest one.")}</p>}
      <Form wrong={wrong} submit={() => void submit()}>
        {!replaces && (
          <label>{t("Part of the record")}<select value={scope} onChange={(event) => setScope(event.target.value)}>
              {scopes.map((one) => <option key={one} value={one}>{scopeTitle(one)}</option>)}
            </select>
          </label>
        )}
        <Line label={t("Title")} name="title" longest={120} value={title} change={setTitle} />
        <Line label={t("Text")} name="text" rows={10} value={text} change={setText} disabled={file !== undefined} />
        <FileField label={t("Or a file (PDF, picture, DICOM)")} name="file" accept={KINDS} choose={setFile} />
        <button type="submit" className="primary">{t("Read what you sign")}</button>
      </Form>
    </>
  );
}

/** Browsers have no word for DICOM. */
function kindOf(file: File): string {
  return file.type || (/\.dcm$/i.test(file.name) ? "application/dicom" : "application/octet-stream");
}

/** A correction keeps what it does not change. */
function compose(replaces: Resource | undefined, description: string, attachment: Record<string, string>): Resource {
  const content = [{ attachment }];
  if (!replaces) return { resourceType: "DocumentReference", status: "current", docStatus: "final", description, date: new Date().toISOString(), content };
  const { meta: _meta, ...kept } = replaces;
  const others = list(replaces.content).slice(1);
  return { ...kept, resourceType: "DocumentReference", docStatus: "amended", description, content: [...content, ...others] };
}
