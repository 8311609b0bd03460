// The wallet of the published development accounts. It is in the samples build only (vite.config.ts), holds keys that
// everybody knows, and offers them only on a loopback address and only for the development chain.

import { type Hex as ViemHex, hexToString } from "viem";
import { type HDAccount, mnemonicToAccount } from "viem/accounts";
import type { TypedData } from "../api/types";
import type { Provider } from "./provider";

const PHRASE = "test test test test test test test test test test test junk";
const CHAIN = 31337;

/** Who stands at which place of the phrase: services/stack/src/wallet.rs. */
export const PLACES: [string, number][] = [
  ["Alice, a patient", 7],
  ["Bob, a patient", 8],
  ["A doctor", 6],
  ["The insurance company", 5],
  ["The hospital", 4],
  ["The administrator", 0],
  ["Somebody not registered", 19],
];

/** Methods that only read the chain; they go to the node the gateway announces. */
const READS = new Set(["eth_call", "eth_blockNumber", "eth_getLogs", "eth_getBlockByNumber", "eth_getTransactionReceipt", "eth_getCode"]);

export function announceSamples(): void {
  if (!["127.0.0.1", "localhost", "[::1]"].includes(location.hostname)) return;
  for (const [name, place] of PLACES) {
    const provider = sample(place);
    const info = { uuid: `sample-${place}`, name: `Sample: ${name}`, icon: "", rdns: "org.chartseal.samples" };
    const announce = () =>
      window.dispatchEvent(
        new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider }) }),
      );
    window.addEventListener("eip6963:requestProvider", announce);
  }
}

function sample(place: number): Provider {
  let account: HDAccount | undefined;
  const key = () => (account ??= mnemonicToAccount(PHRASE, { addressIndex: place }));
  return {
    async request({ method, params = [] }) {
      if (method === "eth_requestAccounts" || method === "eth_accounts") return [key().address];
      if (method === "eth_chainId") return `0x${CHAIN.toString(16)}`;
      if (method === "personal_sign") return key().signMessage({ message: hexToString(params[0] as ViemHex) });
      if (method === "eth_signTypedData_v4") {
        const data = JSON.parse(params[1] as string) as TypedData;
        if (Number(data.domain.chainId) !== CHAIN) throw new Error("The sample wallet signs for the development chain only.");
        return key().signTypedData(data as unknown as Parameters<HDAccount["signTypedData"]>[0]);
      }
      if (READS.has(method)) return read(method, params);
      throw Object.assign(new Error(`The sample wallet does not offer ${method}.`), { code: 4200 });
    },
  };
}

async function read(method: string, params: unknown[]): Promise<unknown> {
  const settings = (await (await fetch("/portal.json")).json()) as { node: string | null };
  if (!settings.node) throw new Error("The gateway announces no node, so the sample wallet cannot read the chain.");
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(settings.node, { method: "POST", headers, body, credentials: "omit" });
  const { result, error } = (await answer.json()) as { result?: unknown; error?: { code: number; message: string } };
  if (error) throw Object.assign(new Error(error.message), { code: error.code });
  return result;
}
