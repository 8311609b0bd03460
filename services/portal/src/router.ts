// Pages by path. What is looked at (a patient, a record) is kept in the history entry's state, never in the URL: URLs end
// in logs, bookmarks and other people's screens.

import { useSyncExternalStore } from "react";

export interface Place {
  path: string;
  state: Looked;
  /** Goes up when a page is asked for again while it is shown: it then loads again. */
  visit: number;
}

/** What a page looks at. Reloading keeps it, closing the tab ends it. */
export interface Looked {
  patient?: `0x${string}`;
  record?: { type: string; id: string };
}

const listeners = new Set<() => void>();
let place = read(0);

function read(visit: number): Place {
  return { path: location.pathname.replace(/\/+$/, "") || "/", state: (history.state as Looked | null) ?? {}, visit };
}

function moved(again = false) {
  place = read(place.visit + (again ? 1 : 0));
  for (const listener of listeners) listener();
}

window.addEventListener("popstate", () => moved());

export function go(path: string, state: Looked = {}): void {
  const again = path === place.path && Object.keys(state).length === 0;
  history.pushState(state, "", path);
  moved(again);
  window.scrollTo(0, 0);
  // Who listens instead of looking is told where they are now.
  requestAnimationFrame(() => document.querySelector<HTMLElement>("main h1")?.focus());
}

export function usePlace(): Place {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => place,
  );
}
