-- A revocation finds a slot's release keys by the beginning of their place, in every organisation's vault.
CREATE INDEX vault_release_key ON vault (place) WHERE kind = 'release-key';
