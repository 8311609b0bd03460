-- What a custodian keeps and what it refuses. Times are unix seconds.

-- Keys, sealed by the gateway's master key; this database cannot open them. Deleted rows are overwritten (secure_delete) and the write-ahead
-- log is emptied before a deletion is reported.
CREATE TABLE vault (
    org        BLOB    NOT NULL CHECK (length(org) = 20),
    -- What it is: 'root', 'release-key', 'identity', …
    kind       TEXT    NOT NULL,
    -- Whose it is, in the gateway's words: an address, or slot/serial/epoch.
    place      TEXT    NOT NULL,
    sealed     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (org, kind, place)
) STRICT;

-- Slots refused here whatever the chain says. The serial only rises: a re-org cannot turn a revoked grant back on, only a higher serial can.
CREATE TABLE tombstone (
    slot       BLOB    NOT NULL PRIMARY KEY CHECK (length(slot) = 32),
    org        BLOB    NOT NULL CHECK (length(org) = 20),
    -- Every serial up to this one is refused.
    serial     INTEGER NOT NULL,
    refused_at INTEGER NOT NULL,
    -- JSON: the signed revocation receipt.
    receipt    TEXT    NOT NULL
) STRICT;

-- The highest epoch number ever used for a compartment, on any fork. Only rises; no number is used for two keys.
CREATE TABLE epoch_mark (
    compartment BLOB    NOT NULL PRIMARY KEY CHECK (length(compartment) = 32),
    highest     INTEGER NOT NULL
) STRICT;

-- Requests for access and what the patient decided. Only here, never on the chain.
CREATE TABLE request (
    seq        INTEGER PRIMARY KEY,
    -- EIP-712 digest of the Request: its id.
    digest     BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    org        BLOB    NOT NULL CHECK (length(org) = 20),
    patient    BLOB    NOT NULL CHECK (length(patient) = 20),
    grantee    BLOB    NOT NULL CHECK (length(grantee) = 20),
    -- 'prepared'  the grantee has not signed yet
    -- 'open'      signed, the patient is to decide
    -- 'approved', 'declined' by the patient; 'withdrawn' by the grantee
    state      TEXT    NOT NULL CHECK (state IN ('prepared', 'open', 'approved', 'declined', 'withdrawn')),
    -- Terms, purpose and reason, sealed by the gateway's master key.
    sealed     BLOB    NOT NULL,
    -- The grantee's signature. Set on 'open'.
    signature  BLOB,
    created_at INTEGER NOT NULL,
    decided_at INTEGER,
    CHECK (state = 'prepared' OR signature IS NOT NULL)
) STRICT;

CREATE INDEX request_patient ON request (patient, seq);
CREATE INDEX request_grantee ON request (grantee, seq);

-- What was disclosed or changed, per patient, chained by hash. Append only.
CREATE TABLE audit (
    org         BLOB    NOT NULL CHECK (length(org) = 20),
    patient     BLOB    NOT NULL CHECK (length(patient) = 20),
    -- 1, 2, 3, … per organisation and patient, without gaps.
    seq         INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    -- Hash of the entry before, 32 zero bytes for the first.
    previous    BLOB    NOT NULL CHECK (length(previous) = 32),
    -- keccak256(abi.encode("chartseal/v1/audit", org, patient, seq, recorded_at, previous, keccak256(sealed))).
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    -- The entry, sealed by the gateway's master key.
    sealed      BLOB    NOT NULL,
    PRIMARY KEY (org, patient, seq)
) STRICT;
