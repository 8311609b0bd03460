import { RecordList } from "../../record/list";
import { RecordView } from "../../record/view";
import { go, usePlace } from "../../router";
import { useSession } from "../../session";
import { t } from "../../words/language";

export function Records() {
  const { account } = useSession();
  const { record } = usePlace().state;
  if (record) return <RecordView key={record.id} type={record.type} id={record.id} back={() => go("/patient/records")} />;
  return (
    <>
      <h1 tabIndex={-1}>{t("My records")}</h1>
      <RecordList patient={account} titles open={(type, id) => go("/patient/records", { record: { type, id } })} />
    </>
  );
}
