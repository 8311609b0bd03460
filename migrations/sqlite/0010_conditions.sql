-- What was last created under a condition (FHIR's If-None-Exist). Who creates under one has read this before searching, and
-- commits only where it still stands: of two that both found nothing, in two processes, one is told to look again.
CREATE TABLE condition_met (
    -- HMAC of resource type and search.
    condition  BLOB    NOT NULL PRIMARY KEY CHECK (length(condition) = 32),
    -- SHA-256 of that record's sealed bytes, which no other record has.
    record     BLOB    NOT NULL CHECK (length(record) = 32),
    -- No request that has read this row is at work any more.
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX condition_met_expiry ON condition_met (expires_at);
