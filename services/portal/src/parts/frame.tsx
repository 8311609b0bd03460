import type { ReactNode } from "react";
import type { Door } from "../doors";
import { useHere } from "../session";
import { short } from "../words/names";
import { Link } from "./link";
import { choose, language, type Language, LANGUAGES, t } from "../words/language";

export function Frame({ door, path, children }: { door?: Door; path?: string; children: ReactNode }) {
  const { session, leave } = useHere();
  return (
    <>
      <a className="skip" href="#main">{t("Skip to the content")}</a>
      <header className="top">
        <Link to="/" className="brand">Chartseal</Link>
        <select className="language" aria-label={t("Language")} value={language()} onChange={(event) => void choose(event.target.value as Language)}>
          {LANGUAGES.map(([code, name]) => <option key={code} value={code} lang={code}>{name}</option>)}
        </select>
        {session && (
          <span className="who">
            <span title={session.account}>{short(session.account)}</span>
            <button type="button" className="plain" onClick={leave}>{t("Sign out")}</button>
          </span>
        )}
      </header>
      {door && (
        <nav aria-label={t(door.name)} className="pages">
          {door.pages.map(([at, name]) => (
            <Link key={at} to={at} aria-current={at === path ? "page" : undefined}>{t(name)}</Link>
          ))}
        </nav>
      )}
      <main id="main">{children}</main>
    </>
  );
}
