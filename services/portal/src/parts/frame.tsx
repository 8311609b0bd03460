import type { ReactNode } from "react";
import type { Door } from "../doors";
import { useHere } from "../session";
import { short } from "../words/names";
import { Link } from "./link";

export function Frame({ door, path, children }: { door?: Door; path?: string; children: ReactNode }) {
  const { session, leave } = useHere();
  return (
    <>
      <a className="skip" href="#main">Skip to the content</a>
      <header className="top">
        <Link to="/" className="brand">Chartseal</Link>
        {session && (
          <span className="who">
            <span title={session.account}>{short(session.account)}</span>
            <button type="button" className="plain" onClick={leave}>Sign out</button>
          </span>
        )}
      </header>
      {door && (
        <nav aria-label={door.name} className="pages">
          {door.pages.map(([at, name]) => (
            <Link key={at} to={at} aria-current={at === path ? "page" : undefined}>{name}</Link>
          ))}
        </nav>
      )}
      <main id="main">{children}</main>
    </>
  );
}
