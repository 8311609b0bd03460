-- Who may speak, and what was already said. Times are unix seconds. Bearer secrets are kept as SHA-256 only.

-- A person signed in with a wallet.
CREATE TABLE session (
    token_hash BYTEA   NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    account    BYTEA   NOT NULL CHECK (length(account) = 20),
    created_at BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL
);

CREATE INDEX session_expiry ON session (expires_at);

-- Values that count once: sign-in nonces, JWT ids, release nonces.
CREATE TABLE replay (
    kind       TEXT    NOT NULL,
    value_hash BYTEA   NOT NULL CHECK (length(value_hash) = 32),
    -- From here on the value is refused for its own age, so the row may go.
    expires_at BIGINT  NOT NULL,
    PRIMARY KEY (kind, value_hash)
);

CREATE INDEX replay_expiry ON replay (expires_at);

-- A system registered with an organisation (SMART Backend Services). Bound to exactly one account.
CREATE TABLE client (
    client_id   TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
    org         BYTEA   NOT NULL CHECK (length(org) = 20),
    account     BYTEA   NOT NULL CHECK (length(account) = 20),
    -- What the organisation calls the system.
    name        TEXT    NOT NULL,
    -- JSON Web Key Set with public keys, or the URL it is fetched from; exactly one of them.
    jwks        TEXT,
    jwks_uri    TEXT,
    -- SMART scopes the client may ask for, separated by blanks.
    scopes      TEXT    NOT NULL,
    created_at  BIGINT  NOT NULL,
    -- NULL while the client may ask for tokens.
    disabled_at BIGINT,
    CHECK ((jwks IS NULL) <> (jwks_uri IS NULL))
);

CREATE INDEX client_account ON client (account);

-- An access token of a client.
CREATE TABLE token (
    token_hash BYTEA   NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    client_id  TEXT    NOT NULL REFERENCES client (client_id),
    scopes     TEXT    NOT NULL,
    expires_at BIGINT  NOT NULL
);

CREATE INDEX token_expiry ON token (expires_at);

-- The answer to a request that carried an Idempotency-Key, committed together with what it created.
CREATE TABLE idempotency (
    -- Account or client that asked, as text.
    caller       TEXT    NOT NULL,
    key_hash     BYTEA   NOT NULL CHECK (length(key_hash) = 32),
    -- Keyed hash of the request's body: another body under the same key is a mistake of the caller.
    request_hash BYTEA   NOT NULL CHECK (length(request_hash) = 32),
    status       BIGINT  NOT NULL,
    location     TEXT,
    -- The answer, sealed by the gateway's master key wherever it may speak of a patient.
    body         BYTEA   NOT NULL,
    expires_at   BIGINT  NOT NULL,
    PRIMARY KEY (caller, key_hash)
);

CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- An upload that does not hang on a record yet. The bytes are sealed, in a file of the gateway or in the content store.
CREATE TABLE staged (
    -- UUID as text.
    id          TEXT    NOT NULL PRIMARY KEY,
    org         BYTEA   NOT NULL CHECK (length(org) = 20),
    -- Who uploaded it; nobody else may use it.
    account     BYTEA   NOT NULL CHECK (length(account) = 20),
    -- File name below the gateway's staging folder, or a CID.
    path        TEXT    NOT NULL,
    sealed_size BIGINT  NOT NULL,
    -- Content type, file key, hash of the plaintext: sealed by the gateway's master key.
    details     BYTEA   NOT NULL,
    created_at  BIGINT  NOT NULL,
    expires_at  BIGINT  NOT NULL
);

CREATE INDEX staged_expiry ON staged (expires_at);
