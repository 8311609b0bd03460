import { type ReactNode, useCallback, useEffect, useState } from "react";
import { inWords } from "../words/problems";
import { t } from "../words/language";

export interface Loaded<T> {
  value: T | undefined;
  error: unknown;
  reload: () => Promise<void>;
}

/** Loads when `keys` change. An answer that comes after they changed again is dropped. */
export function useLoad<T>(load: () => Promise<T>, keys: unknown[]): Loaded<T> {
  const [value, setValue] = useState<T>();
  const [error, setError] = useState<unknown>();
  // biome-ignore lint: the keys are the caller's
  const run = useCallback(load, keys);
  useEffect(() => {
    let current = true;
    setValue(undefined);
    setError(undefined);
    run().then(
      (loaded) => current && setValue(() => loaded),
      (failed: unknown) => current && setError(failed),
    );
    return () => {
      current = false;
    };
  }, [run]);
  const reload = useCallback(async () => {
    try {
      const loaded = await run();
      setValue(() => loaded);
      setError(undefined);
    } catch (failed) {
      setError(failed);
    }
  }, [run]);
  return { value, error, reload };
}

/** The value when it is there; before, a quiet word; a failure, in words, with a way to try again. */
export function Show<T>({ of, children }: { of: Loaded<T>; children: (value: T) => ReactNode }) {
  if (of.error !== undefined) return <Refused error={of.error} again={of.reload} />;
  if (of.value === undefined) return <Loading />;
  return <>{children(of.value)}</>;
}

export function Refused({ error, again }: { error: unknown; again?: () => void }) {
  return (
    <div className="refused" role="alert">
      <p>{inWords(error)}</p>
      {again && <button type="button" className="plain" onClick={again}>{t("Try again")}</button>}
    </div>
  );
}

export function Loading() {
  return <p className="quiet" role="status">{t("Loading…")}</p>;
}
