import { getAddress } from "viem";
import { Gateway, origin } from "../api/gateway";
import type { Deployment, Hex, SignedIn } from "../api/types";
import { connect, onChain, signText, type Wallet } from "./provider";

/** The text of EIP-4361 that the wallet shows. */
export function message(origin: string, address: Hex, chainId: number, nonce: string, issued: Date): string {
  const at = issued.toISOString().replace(/\.\d+Z$/, "Z");
  return [
    `${new URL(origin).host} wants you to sign in with your Ethereum account:`,
    getAddress(address),
    "",
    "Sign in to Chartseal.",
    "",
    `URI: ${origin}`,
    "Version: 1",
    `Chain ID: ${chainId}`,
    `Nonce: ${nonce}`,
    `Issued At: ${at}`,
  ].join("\n");
}

export async function signIn(wallet: Wallet, deployment: Deployment): Promise<{ address: Hex; answer: SignedIn }> {
  const address = await connect(wallet);
  await onChain(wallet, deployment.chainId);
  const gateway = new Gateway();
  const { nonce } = await gateway.get<{ nonce: string }>("/v1/sessions/nonce");
  const text = message(origin(), address, deployment.chainId, nonce, new Date());
  const signature = await signText(wallet, address, text);
  return { address, answer: await gateway.post<SignedIn>("/v1/sessions", { message: text, signature }) };
}
