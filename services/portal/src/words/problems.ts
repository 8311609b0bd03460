import { Problem } from "../api/gateway";
import { language, type Message, t } from "./language";

// The gateway's detail says what happened; these say it to a person, and what to do.
const WORDS: Record<string, Message> = {
  "already-registered": "This address is registered already. An address can be registered once; sign in with it instead.",
  "not-registered": "No account is registered with this address. Check the address, or ask the person to register first.",
  "not-found": "There is nothing here that you may see.",
  "not-live": "There is no permission for this any more: it ended, was withdrawn, or was never given.",
  "no-write-grant": "The patient has not allowed you to write here. Ask for permission to add records.",
  "own-key": "The key that opens this is on your own device, so this page cannot open it.",
  "epoch-moved": "Something about your keys or permissions changed meanwhile. Go back and try again; nothing was signed away.",
  "patient-not-enrolled": "This patient has not opened this part of the record yet.",
  "out-of-time": "Your device’s clock and the server’s differ too much. Set your clock and try again.",
  offline: "The gateway does not answer. Check your connection and try again.",
  elsewhere: "This document lies on another server, which this page does not open.",
  forbidden: "Your account may not do this.",
  permission: "Your account may not do this.",
  "bad-signature": "The signature does not belong to this decision. Check that your wallet shows the right account, and sign again.",
  "wrong-state": "This was decided already, or its time has passed. Open the page again to see how it stands.",
  replayed: "This was sent once already. Open the page again to see how it stands.",
  "too-often": "That was too often in a short time. Wait a minute and try again.",
  "too-many": "Too many decisions wait already. Finish or let some of them expire, and try again.",
  "too-large": "This is larger than the gateway takes. Send it through the hospital’s system.",
  internal: "Something in the gateway failed. Nothing was changed; try again in a minute.",
  unauthenticated: "You were signed out. Sign in again to go on.",
  stale: "Somebody else has written a newer version. Open the record again and correct that one.",
  unavailable: "Something the gateway needs is away at the moment. Nothing was lost; try again in a minute.",
  "not-anchored": "The record is stored safely and its proof is being made. Look again in a few seconds.",
  "content-corrupt": "The stored record does not match its proof, so it is not shown. Please tell the hospital.",
};

/** Any error as one or two sentences. */
export function inWords(error: unknown): string {
  if (error instanceof Problem) {
    if (Object.hasOwn(WORDS, error.code)) return t(WORDS[error.code]!);
    // What is left is said in English by the gateway: what was wrong with the input, term by term.
    const refused = t("The gateway refused ({code}).", { code: error.code });
    if (!error.message) return refused;
    return language() === "en" ? sentence(error.message) : `${refused} ${sentence(error.message)}`;
  }
  const { code, message } = (error ?? {}) as { code?: number; message?: string };
  // EIP-1193: the person said no in the wallet.
  if (code === 4001) return t("You closed the request in your wallet. Nothing was signed.");
  if (code === -32002) return t("Your wallet is still waiting for an answer. Open it, then try again.");
  return message ? sentence(message) : t("Something went wrong. Try again.");
}

function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}
