-- Decisions signed by people, on their way to the chain. Times are unix seconds.

CREATE TABLE intent (
    -- Order of creation; intents without a dependency are relayed along it.
    seq        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- UUID as text: what the API shows.
    id         TEXT    NOT NULL,
    -- The organisation whose relayer pays.
    org        BYTEA   NOT NULL CHECK (length(org) = 20),
    -- 'register', 'grant', 'revoke', 'advance', …
    kind       TEXT    NOT NULL,
    -- The account the decision is about.
    account    BYTEA   NOT NULL CHECK (length(account) = 20),
    -- JSON: the terms and the typed data to sign. No name, no reason, no secret.
    payload    TEXT    NOT NULL,
    -- 'prepared'  waits for signatures; dropped after `expires_at`
    -- 'signed'    all signatures are here; the calldata is fixed
    -- 'submitted' the signed transaction is in this row; it may or may not have reached the chain
    -- 'confirmed' mined under enough blocks, or decided off chain
    -- 'failed'    the contract refuses it for good; `error` says why
    -- 'expired'   never fully signed in time
    state      TEXT    NOT NULL CHECK (state IN ('prepared', 'signed', 'submitted', 'confirmed', 'failed', 'expired')),
    -- The intent of which this is one step, if any.
    parent     TEXT    REFERENCES intent (id),
    -- The intent that must be mined before this one is sent, if any.
    after_intent TEXT  REFERENCES intent (id),
    -- The contract and the call. Set on 'signed'.
    target     BYTEA   CHECK (length(target) = 20),
    calldata   BYTEA,
    created_at BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL,
    -- The relayer that signed, its nonce, the hash and the exact bytes of the transaction. Set on 'submitted' and kept, so that the
    -- identical bytes can be sent again after a re-org.
    relayer    BYTEA   CHECK (length(relayer) = 20),
    nonce      BIGINT,
    tx_hash    BYTEA   CHECK (length(tx_hash) = 32),
    raw_tx     BYTEA,
    -- Where the transaction was mined. A re-org clears it again.
    block      BIGINT,
    block_hash BYTEA   CHECK (length(block_hash) = 32),
    gas_used   BIGINT,
    error      TEXT,
    -- How often a transaction of this intent was mined without effect or lost its nonce to another.
    attempts   BIGINT  NOT NULL DEFAULT 0,
    changed_at BIGINT  NOT NULL,
    UNIQUE (id),
    CHECK (state NOT IN ('signed', 'submitted') OR (target IS NOT NULL AND calldata IS NOT NULL)),
    CHECK (state <> 'submitted' OR raw_tx IS NOT NULL)
);

CREATE INDEX intent_open ON intent (org, state, seq) WHERE state IN ('prepared', 'signed', 'submitted');
CREATE INDEX intent_account ON intent (account, seq);
CREATE INDEX intent_after ON intent (after_intent) WHERE after_intent IS NOT NULL;
CREATE INDEX intent_parent ON intent (parent) WHERE parent IS NOT NULL;
CREATE INDEX intent_block ON intent (block) WHERE block IS NOT NULL;
CREATE INDEX intent_kind ON intent (kind, state, seq);

-- One signature per part an intent asks for. Written once; two signers never overwrite each other.
CREATE TABLE intent_signature (
    intent    TEXT    NOT NULL REFERENCES intent (id),
    -- 'account', 'registrar', 'grant:0', …
    part      TEXT    NOT NULL,
    signature BYTEA   NOT NULL,
    signed_at BIGINT  NOT NULL,
    PRIMARY KEY (intent, part)
);
