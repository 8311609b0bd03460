-- What came with a registration beside its signatures, and what a registrar answered.
CREATE TABLE application (
    -- The registration.
    intent     TEXT    NOT NULL PRIMARY KEY REFERENCES intent (id),
    -- The applicant's papers: an age file that opens with a key the gateway derives for the registrar. Written once;
    -- forgotten as soon as the registration waits for nobody any more.
    papers     BYTEA,
    -- Why a registrar refused, sealed by the gateway's master key, and who and when.
    reason     BYTEA,
    refused_by BYTEA   CHECK (length(refused_by) = 20),
    refused_at BIGINT,
    CHECK ((reason IS NULL) = (refused_by IS NULL) AND (reason IS NULL) = (refused_at IS NULL))
);

-- For the sweep.
CREATE INDEX application_papers ON application (intent) WHERE papers IS NOT NULL;
