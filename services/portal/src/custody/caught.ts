// What a wrong or hostile gateway is caught at.

import { type Message, t } from "../words/language";

/** Each has its words below. */
export type Trick = keyof typeof WORDS;

const WORDS = {
  "changed-record": "This record is not the one that was stored: its bytes do not match its fingerprint. It is not shown.",
  "closed-record": "This record does not open with your key. It was changed, or sealed for somebody else.",
  "misplaced-record": "This record belongs to another part of a record, or to somebody else. It is not shown.",
  "malformed-record": "This record does not have the form of a sealed record. It is not shown.",
  "wrong-author": "The author named in this record did not sign it. It is not shown.",
  "wrong-proof": "The proof of this record does not hold: the chain does not know it in this form.",
  "stale-epoch": "The gateway works with a key that is not the newest on the chain. Nothing was signed.",
  "swapped-key": "The gateway named a key that is not the one on the chain. Nothing was signed or sealed to it.",
  "not-live": "The gateway named somebody who has no permission on the chain. Nothing was sealed for them.",
  "wrong-release": "What was handed out is not the key of this part. Nothing was opened with it.",
  "other-record": "What was handed out is not the record that the patient allowed. It is not shown.",
  "other-decision": "What the gateway laid out is not what this browser made. Nothing was signed.",
  "broken-link": "The key of an older part of your record does not fit the one on the chain.",
} as const satisfies Record<string, Message>;

/** The gateway, or whoever stands between, gave something that does not fit. Nothing of it is used. */
export class Caught extends Error {
  constructor(readonly trick: Trick) {
    super(t(WORDS[trick]));
  }
}
