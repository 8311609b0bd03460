-- Records, from "stored" to "anchored". All times are unix seconds. All amounts are bytes. Addresses are 20 bytes, hashes 32.
-- No column holds plaintext: resources exist only inside the sealed bytes, and search columns are keyed hashes.

-- The records of one interval, anchored together. Created in state 'batched' after the manifest is pinned.
CREATE TABLE batch (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org         BYTEA   NOT NULL CHECK (length(org) = 20),
    -- Merkle root of the leaves.
    root        BYTEA   NOT NULL CHECK (length(root) = 32),
    -- Number of records, 1 to 8192.
    count       BIGINT  NOT NULL CHECK (count BETWEEN 1 AND 8192),
    -- SHA-256 of the manifest; its CID is CIDv1 dag-cbor sha2-256.
    manifest    BYTEA   NOT NULL CHECK (length(manifest) = 32),
    -- 'batched'   the manifest is pinned, the leaves are fixed, nothing is sent
    -- 'submitted' the signed transaction is in this row; it may or may not have reached the chain
    -- 'anchored'  the anchor has its confirmations; a re-org takes the batch back to 'batched'
    state       TEXT    NOT NULL CHECK (state IN ('batched', 'submitted', 'anchored')),
    created_at  BIGINT  NOT NULL,
    -- The publisher that signed, its nonce, the hash and the exact bytes of the transaction. Set on 'submitted'.
    publisher   BYTEA   CHECK (length(publisher) = 20),
    nonce       BIGINT,
    tx_hash     BYTEA   CHECK (length(tx_hash) = 32),
    raw_tx      BYTEA,
    -- Where the anchor was seen. Set on 'anchored'. The transaction may be another than `tx_hash` when an earlier send got through.
    block       BIGINT,
    block_hash  BYTEA   CHECK (length(block_hash) = 32),
    gas_used    BIGINT,
    anchored_at BIGINT,
    CHECK (state = 'batched' OR raw_tx IS NOT NULL OR block IS NOT NULL),
    CHECK (state <> 'anchored' OR (block IS NOT NULL AND block_hash IS NOT NULL)),
    -- The chain's anchor key: what is anchored once.
    UNIQUE (org, root, count, manifest)
);

CREATE INDEX batch_open ON batch (state, id) WHERE state <> 'anchored';
CREATE INDEX batch_block ON batch (block) WHERE block IS NOT NULL;

-- One version of one sealed resource. A row is written once, together with its outbox row; only `batch` and `leaf_index` change later.
CREATE TABLE record (
    -- Order of arrival at this store, with gaps. Pages are cut along it; it means nothing outside this database.
    seq           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- SHA-256 of the sealed bytes; the record's CID is CIDv1 raw sha2-256 of it.
    content_hash  BYTEA   NOT NULL CHECK (length(content_hash) = 32),
    -- The organisation whose publisher anchors the record.
    org           BYTEA   NOT NULL CHECK (length(org) = 20),
    patient       BYTEA   NOT NULL CHECK (length(patient) = 20),
    -- A short lower-case word such as 'clinical'.
    scope         TEXT    NOT NULL,
    -- keccak256(abi.encode(patient, scope)); repeated here because every lookup for a reader goes by compartment.
    compartment   BYTEA   NOT NULL CHECK (length(compartment) = 32),
    -- The generation of the compartment's key the bytes are sealed to.
    epoch         BIGINT  NOT NULL CHECK (epoch > 0),
    -- The statement's id: the same for all versions of a record.
    record_id     BYTEA   NOT NULL CHECK (length(record_id) = 32),
    -- 1 for the first version, then one more each time.
    version       BIGINT  NOT NULL CHECK (version > 0),
    -- Digest of the previous version's statement, 32 zero bytes for the first version.
    previous      BYTEA   NOT NULL CHECK (length(previous) = 32),
    -- EIP-712 digest of the statement.
    digest        BYTEA   NOT NULL CHECK (length(digest) = 32),
    -- Account id of the author (not of the key that signed).
    author        BYTEA   NOT NULL CHECK (length(author) = 20),
    authored_at   BIGINT  NOT NULL,
    -- FHIR type, for example 'DocumentReference'.
    resource_type TEXT    NOT NULL,
    sealed_size   BIGINT  NOT NULL CHECK (sealed_size > 0),
    -- Leaf of the Merkle tree over (compartment, epoch, content hash).
    leaf          BYTEA   NOT NULL CHECK (length(leaf) = 32),
    received_at   BIGINT  NOT NULL,
    -- NULL: the record is 'stored'. Otherwise its state is the batch's state.
    batch         BIGINT  REFERENCES batch (id),
    -- Position among the batch's leaves in ascending order; set together with `batch`.
    leaf_index    BIGINT  CHECK ((leaf_index IS NULL) = (batch IS NULL)),
    UNIQUE (content_hash),
    -- Two writers of the same version: the second is stale.
    UNIQUE (record_id, version)
);

CREATE INDEX record_waiting ON record (org, seq) WHERE batch IS NULL;
CREATE UNIQUE INDEX record_leaf ON record (batch, leaf_index) WHERE batch IS NOT NULL;
CREATE INDEX record_compartment ON record (compartment, seq);
CREATE INDEX record_patient ON record (patient, resource_type, seq);

-- Blind index: what a record may be found by. Written once with its record.
CREATE TABLE record_index (
    record BIGINT  NOT NULL REFERENCES record (seq),
    -- What is indexed, for example 'claim.identifier'.
    name   TEXT    NOT NULL,
    -- HMAC of the value under a key per organisation and name. Nothing of low entropy belongs here: a keyed hash does not hide that two
    -- records share a value.
    value  BYTEA   NOT NULL CHECK (length(value) = 32),
    PRIMARY KEY (name, value, record)
);

CREATE INDEX record_index_record ON record_index (record);

-- A sealed document that hangs on a record. Written once with its record.
CREATE TABLE attachment (
    record      BIGINT  NOT NULL REFERENCES record (seq),
    -- Position in the record's header.
    ordinal     BIGINT  NOT NULL,
    -- CID as text.
    cid         TEXT    NOT NULL,
    sealed_size BIGINT  NOT NULL,
    -- 'outbox': one block, whose bytes wait in the outbox until the batch is anchored. 'content': pinned in the content store before this
    -- row was written, since a row without bytes would lie.
    place       TEXT    NOT NULL CHECK (place IN ('outbox', 'content')),
    PRIMARY KEY (record, ordinal)
);

CREATE INDEX attachment_cid ON attachment (cid);

-- Blocks that wait for the content store. Bytes are never rewritten; the row goes when the batch of its record is anchored.
CREATE TABLE outbox (
    -- CIDv1 raw sha2-256, as text.
    cid    TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
    org    BYTEA   NOT NULL CHECK (length(org) = 20),
    -- The record that brought the bytes.
    record BIGINT  NOT NULL REFERENCES record (seq),
    bytes  BYTEA   NOT NULL
);

-- Sealed bytes do not compress: do not try.
ALTER TABLE outbox ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE INDEX outbox_record ON outbox (record);

-- Work that one process does at a time, taken by name until a time. Losing a lease costs repeated work, never a wrong result: each change it
-- protects guards its own old state as well.
CREATE TABLE lease (
    -- For example 'batch:0x…' or 'signer:0x…'.
    name  TEXT    NOT NULL PRIMARY KEY,
    -- 16 random bytes of the holder.
    token BYTEA   NOT NULL CHECK (length(token) = 16),
    until BIGINT  NOT NULL
);
