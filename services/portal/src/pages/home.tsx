import { DOORS } from "../doors";
import { Link } from "../parts/link";
import { t } from "../words/language";

export function Home() {
  return (
    <>
      <h1 tabIndex={-1}>{t("Medical records, opened only by those the patient allows")}</h1>
      <p className="lead">{t("Come in through your door. Your wallet is your key: there is no password.")}</p>
      <ul className="doors">
        {DOORS.map((door) => (
          <li key={door.path}>
            <Link to={door.path}>
              <strong>{t(door.name)}</strong>
              <span>{t(door.says)}</span>
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}
