import { useEffect, useState } from "react";
import type { Door } from "../doors";
import { Refused } from "../parts/load";
import { useHere } from "../session";
import { discover, type Wallet } from "../wallet/provider";
import { t } from "../words/language";

export function SignIn({ door }: { door: Door }) {
  const { enter, deployment } = useHere();
  const [wallets, setWallets] = useState<Wallet[]>([]);
  const [busy, setBusy] = useState<string>();
  const [error, setError] = useState<unknown>();
  useEffect(
    () => discover((found) => setWallets((all) => (all.some((w) => w.id === found.id) ? all : [...all, found]))),
    [],
  );
  const choose = async (wallet: Wallet) => {
    setBusy(wallet.id);
    setError(undefined);
    try {
      await enter(wallet);
    } catch (failed) {
      setError(failed);
      setBusy(undefined);
    }
  };
  return (
    <>
      <h1 tabIndex={-1}>{t(door.name)}</h1>
      <p className="lead">{t(door.says)}</p>
      <h2>{t("Sign in with your wallet")}</h2>
      <p>{t("Your wallet shows a short text and you confirm it. Nothing is paid and nothing is sent to the chain.")}</p>
      {deployment.error !== undefined && <Refused error={deployment.error} again={deployment.reload} />}
      {error !== undefined && <Refused error={error} />}
      {wallets.length === 0 && (
        <p className="quiet">{t("No wallet was found in this browser. Install one that you trust, or open this page in your wallet’s own browser, and reload.")}</p>
      )}
      <ul className="wallets">
        {wallets.map((wallet) => (
          <li key={wallet.id}>
            <button type="button" disabled={busy !== undefined} onClick={() => choose(wallet)}>
              {busy === wallet.id ? t("Confirm in your wallet…") : wallet.name}
            </button>
          </li>
        ))}
      </ul>
      {wallets.some((wallet) => wallet.id.startsWith("sample-")) && (
        <p className="quiet">{t("The samples are the published accounts of a development system. Never use them for anything real.")}</p>
      )}
    </>
  );
}
