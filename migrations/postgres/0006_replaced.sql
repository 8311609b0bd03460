-- Transactions whose fee fell below the chain's base fee and that were signed again, with the same nonce and a higher fee. Either may be
-- mined, so none is forgotten: the row of the intent or batch holds the newest, this table all others.
CREATE TABLE replaced (
    tx_hash BYTEA   NOT NULL PRIMARY KEY CHECK (length(tx_hash) = 32),
    -- What it carries: exactly one of the two.
    intent  TEXT    REFERENCES intent (id),
    batch   BIGINT  REFERENCES batch (id),
    -- Who signed, its nonce, the exact bytes.
    signer  BYTEA   NOT NULL CHECK (length(signer) = 20),
    nonce   BIGINT  NOT NULL,
    raw_tx  BYTEA   NOT NULL,
    CHECK ((intent IS NULL) <> (batch IS NULL))
);

CREATE INDEX replaced_intent ON replaced (intent) WHERE intent IS NOT NULL;
CREATE INDEX replaced_batch ON replaced (batch) WHERE batch IS NOT NULL;
