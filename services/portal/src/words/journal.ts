// What the journal says, as sentences.

import type { JournalEntry } from "../api/types";
import { listed, type Message, t } from "./language";
import { scopeWords } from "./scopes";

const DID: Record<string, Message> = {
  create: "{who} added a record to your {scope}",
  read: "{who} read from your {scope}",
  update: "{who} corrected a record in your {scope}",
  search: "{who} looked for records in your {scope}",
  release: "{who} was given the key to your {scope}",
  grant: "{who} gave a permission for your {scope}",
  revoke: "{who} ended a permission for your {scope}",
};

const TRIED: Record<string, Message> = {
  create: "{who} tried to add a record to your {scope} and was refused",
  read: "{who} tried to read from your {scope} and was refused",
  update: "{who} tried to correct a record in your {scope} and was refused",
  search: "{who} tried to look for records in your {scope} and was refused",
  release: "{who} asked for the key to your {scope} and was refused",
};

/** Acts about the account itself: the entry names the decision where others name a scope. */
const DECIDED: Record<string, Message> = {
  register: "{who} registered your account",
  papers: "{who} opened the papers of your application",
  refuse: "{who} refused your application",
  suspend: "{who} suspended your account",
  reinstate: "{who} reinstated your account",
  retire: "{who} closed your account",
  handOver: "{who} gave your account to another wallet",
  enrol: "{who} opened parts of your record",
  custodian: "{who} chose who keeps your keys",
  takeOver: "{who} took your keys over",
  encryptionKey: "{who} changed the key of your account",
  advance: "{who} renewed the keys of your record",
  decline: "{who} declined a request for access",
  withdraw: "{who} withdrew a request for access",
};

/** An attempt that was refused is told as one: nobody is said to have read who did not. */
export function entryWords(entry: JournalEntry, who: string): string {
  const { action, refused, subject } = entry;
  if (action === "administer") return t(DECIDED[subject.scope] ?? "{who} changed something about your account", { who });
  const scopes = listed(subject.scope.split(" ").filter(Boolean).map(scopeWords)) || t("record");
  const said = refused ? TRIED[action] ?? "{who} tried something else with your {scope} and was refused" : DID[action] ?? "{who} did something else with your {scope}";
  return t(said, { who, scope: scopes });
}
