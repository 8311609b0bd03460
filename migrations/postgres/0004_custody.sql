-- What a custodian keeps and what it refuses. Times are unix seconds.

-- Keys, sealed by the gateway's master key; this database cannot open them. A deleted row can be read by no statement any more, but
-- its sealed bytes stay in dead tuples, the write-ahead log and its archives for a time: SECURITY.md says what to do about that.
CREATE TABLE vault (
    org        BYTEA   NOT NULL CHECK (length(org) = 20),
    -- What it is: 'root', 'release-key', 'identity', …
    kind       TEXT    NOT NULL,
    -- Whose it is, in the gateway's words: an address, or slot|serial|epoch|wrap. Ranges of it are read in byte order.
    place      TEXT    COLLATE "C" NOT NULL,
    sealed     BYTEA   NOT NULL,
    created_at BIGINT  NOT NULL,
    PRIMARY KEY (org, kind, place)
);

-- Slots refused here whatever the chain says. The serial only rises: a re-org cannot turn a revoked grant back on, only a higher serial can.
CREATE TABLE tombstone (
    slot       BYTEA   NOT NULL PRIMARY KEY CHECK (length(slot) = 32),
    org        BYTEA   NOT NULL CHECK (length(org) = 20),
    -- Every serial up to this one is refused.
    serial     BIGINT  NOT NULL,
    refused_at BIGINT  NOT NULL,
    -- JSON: the signed revocation receipt.
    receipt    TEXT    NOT NULL
);

-- The highest epoch number ever used for a compartment, on any fork. Only rises; no number is used for two keys.
CREATE TABLE epoch_mark (
    compartment BYTEA   NOT NULL PRIMARY KEY CHECK (length(compartment) = 32),
    highest     BIGINT  NOT NULL
);

-- Requests for access and what the patient decided. Only here, never on the chain.
CREATE TABLE request (
    seq        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- EIP-712 digest of the Request: its id.
    digest     BYTEA   NOT NULL UNIQUE CHECK (length(digest) = 32),
    org        BYTEA   NOT NULL CHECK (length(org) = 20),
    patient    BYTEA   NOT NULL CHECK (length(patient) = 20),
    grantee    BYTEA   NOT NULL CHECK (length(grantee) = 20),
    -- 'prepared'  the grantee has not signed yet
    -- 'open'      signed, the patient is to decide
    -- 'approved', 'declined' by the patient; 'withdrawn' by the grantee
    state      TEXT    NOT NULL CHECK (state IN ('prepared', 'open', 'approved', 'declined', 'withdrawn')),
    -- Terms, purpose and reason, sealed by the gateway's master key.
    sealed     BYTEA   NOT NULL,
    -- The grantee's signature. Set on 'open'.
    signature  BYTEA,
    created_at BIGINT  NOT NULL,
    decided_at BIGINT,
    CHECK (state = 'prepared' OR signature IS NOT NULL)
);

CREATE INDEX request_patient ON request (patient, seq);
CREATE INDEX request_grantee ON request (grantee, seq);

-- What was disclosed or changed, per patient, chained by hash. Append only.
CREATE TABLE audit (
    org         BYTEA   NOT NULL CHECK (length(org) = 20),
    patient     BYTEA   NOT NULL CHECK (length(patient) = 20),
    -- 1, 2, 3, … per organisation and patient, without gaps.
    seq         BIGINT  NOT NULL,
    recorded_at BIGINT  NOT NULL,
    -- Hash of the entry before, 32 zero bytes for the first.
    previous    BYTEA   NOT NULL CHECK (length(previous) = 32),
    -- keccak256(abi.encode("chartseal/v1/audit", org, patient, seq, recorded_at, previous, keccak256(sealed))).
    hash        BYTEA   NOT NULL CHECK (length(hash) = 32),
    -- The entry, sealed by the gateway's master key.
    sealed      BYTEA   NOT NULL,
    PRIMARY KEY (org, patient, seq)
);
