-- What the chain said. Rows are appended per block and removed from a block on when a re-org drops it; every view of accounts and grants is a
-- fold over these rows.

CREATE TABLE chain_block (
    number    BIGINT  NOT NULL PRIMARY KEY,
    hash      BYTEA   NOT NULL CHECK (length(hash) = 32),
    -- Unix seconds, as the block says.
    timestamp BIGINT  NOT NULL
);

CREATE TABLE chain_event (
    block       BIGINT  NOT NULL REFERENCES chain_block (number),
    log_index   BIGINT  NOT NULL,
    tx_hash     BYTEA   NOT NULL CHECK (length(tx_hash) = 32),
    -- The event's name in the contract: 'Granted', 'Registered', …
    name        TEXT    NOT NULL,
    -- What it is about, 32 bytes: an account (left-padded address), a slot, a compartment, a batch root. All events of one subject, in order,
    -- fold to its state.
    subject     BYTEA   NOT NULL CHECK (length(subject) = 32),
    -- Patient and grantee, where the event names them.
    patient     BYTEA   CHECK (length(patient) = 20),
    grantee     BYTEA   CHECK (length(grantee) = 20),
    -- JSON of the whole event.
    data        TEXT    NOT NULL,
    PRIMARY KEY (block, log_index)
);

CREATE INDEX chain_event_subject ON chain_event (subject, block, log_index);
CREATE INDEX chain_event_patient ON chain_event (patient, block, log_index) WHERE patient IS NOT NULL;
CREATE INDEX chain_event_grantee ON chain_event (grantee, block, log_index) WHERE grantee IS NOT NULL;
CREATE INDEX chain_event_name ON chain_event (name, block, log_index);

-- What this database belongs to.
CREATE TABLE meta (
    -- 'chain.id', 'chain.genesis', 'contract.directory', …
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
