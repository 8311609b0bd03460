// Wallets of the browser (EIP-1193), found as they announce themselves (EIP-6963).

import type { Hex, TypedData } from "../api/types";
import { t } from "../words/language";

export interface Provider {
  request(call: { method: string; params?: unknown[] }): Promise<unknown>;
}

export interface Wallet {
  id: string;
  name: string;
  /** A data: or https: URL; shown only if the policy of the page lets it in. */
  provider: Provider;
}

interface Announcement {
  info: { uuid: string; name: string };
  provider: Provider;
}

/** Calls `found` for every wallet there is, and for those that come later. Returns how to stop. */
export function discover(found: (wallet: Wallet) => void): () => void {
  const hear = (event: Event) => {
    const { info, provider } = (event as CustomEvent<Announcement>).detail;
    found({ id: info.uuid, name: info.name, provider });
  };
  window.addEventListener("eip6963:announceProvider", hear);
  window.dispatchEvent(new Event("eip6963:requestProvider"));
  // Wallets from before EIP-6963.
  const { ethereum } = window as { ethereum?: Provider };
  if (ethereum) found({ id: "window.ethereum", name: t("Browser wallet"), provider: ethereum });
  return () => window.removeEventListener("eip6963:announceProvider", hear);
}

/** The address the person chose in the wallet. */
export async function connect(wallet: Wallet): Promise<Hex> {
  const accounts = (await wallet.provider.request({ method: "eth_requestAccounts" })) as Hex[];
  if (!accounts[0]) throw new Error(t("The wallet gave no address. Unlock it and choose an account."));
  return accounts[0];
}

/** Typed data names a chain, and wallets refuse to sign for another than the one they are on. */
export async function onChain(wallet: Wallet, chainId: number): Promise<void> {
  const current = Number(await wallet.provider.request({ method: "eth_chainId" }));
  if (current === chainId) return;
  try {
    const chain = { chainId: `0x${chainId.toString(16)}` };
    await wallet.provider.request({ method: "wallet_switchEthereumChain", params: [chain] });
  } catch {
    throw new Error(t("Your wallet is on another network ({current}). Switch it to network {wanted} and try again.", { current: String(current), wanted: String(chainId) }));
  }
}

export async function signText(wallet: Wallet, address: Hex, text: string): Promise<Hex> {
  const bytes = new TextEncoder().encode(text);
  const hex = `0x${Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("")}`;
  return (await wallet.provider.request({ method: "personal_sign", params: [hex, address] })) as Hex;
}

export async function signTyped(wallet: Wallet, address: Hex, data: TypedData): Promise<Hex> {
  const params = [address, JSON.stringify(data)];
  return (await wallet.provider.request({ method: "eth_signTypedData_v4", params })) as Hex;
}
