// A wallet of a person's own: an EIP-1193 provider injected into the page and announced by EIP-6963, as a browser extension
// does it. The key stays in this process; the page reaches it through the provider alone.

import type { BrowserContext } from "playwright-core";
import { createPublicClient, type Hex, hexToString, http } from "viem";
import { type HDAccount, mnemonicToAccount } from "viem/accounts";

/** What the development chain's accounts are derived from. */
const PHRASE = "test test test test test test test test test test test junk";

export interface Held {
  name: string;
  account: HDAccount;
}

/** The account at a place of the phrase; from 20 on nobody of the samples has them. */
export function held(name: string, place: number): Held {
  return { name, account: mnemonicToAccount(PHRASE, { addressIndex: place }) };
}

type Call = { method: string; params?: unknown[] };

/** Every page of the context finds this wallet. `node`: what the wallet itself reads the chain from. */
export async function inject(context: BrowserContext, { name, account }: Held, node: string): Promise<void> {
  const chain = createPublicClient({ transport: http(node) });
  const answer = async ({ method, params = [] }: Call): Promise<unknown> => {
    if (method === "eth_requestAccounts" || method === "eth_accounts") return [account.address];
    if (method === "personal_sign") return account.signMessage({ message: hexToString(params[0] as Hex) });
    if (method === "eth_signTypedData_v4") return account.signTypedData(JSON.parse(params[1] as string) as Parameters<HDAccount["signTypedData"]>[0]);
    return chain.request({ method, params } as never);
  };
  await context.exposeFunction("walletRequest", (call: Call) => answer(call));
  await context.addInitScript((shown: string) => {
    const { walletRequest } = window as unknown as { walletRequest(call: Call): Promise<unknown> };
    const provider = { request: ({ method, params }: Call) => walletRequest({ method, ...(params && { params }) }) };
    const info = { uuid: "walk", name: shown, icon: "", rdns: "org.chartseal.walk" };
    const announce = () => window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider }) }));
    window.addEventListener("eip6963:requestProvider", announce);
    announce();
  }, name);
}
