-- What an entry says, hidden behind its nonce: this is what its hash binds, so that whoever holds the entries can check
-- them. NULL: written before this column was; its hash binds keccak256(sealed).
ALTER TABLE audit ADD COLUMN digest BLOB CHECK (length(digest) = 32);

-- Up to which entry a journal has been sealed as records of the patient's audit compartment.
CREATE TABLE audit_seal (
    org     BLOB    NOT NULL CHECK (length(org) = 20),
    patient BLOB    NOT NULL CHECK (length(patient) = 20),
    seq     INTEGER NOT NULL,
    PRIMARY KEY (org, patient)
) STRICT;
