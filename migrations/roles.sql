-- PostgreSQL only: what the submitter's role may do. Run it as the owner of the tables (the gateway's role) or as a
-- superuser, after the gateway has brought the schema up to date, and again after each new version:
--
--     psql -v ON_ERROR_STOP=1 -d chartseal -f migrations/roles.sql
--
-- The role itself is made once, by whoever runs the server:
--
--     CREATE ROLE chartseal_submitter LOGIN PASSWORD '…';
--
-- The submitter can read no key and no grant, cannot change a record's or a decision's content, and cannot make one up.
-- Whoever takes over its process can delay anchors and decisions; that is all.

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM chartseal_submitter;

-- Which schema this is.
GRANT SELECT ON _sqlx_migrations TO chartseal_submitter;

-- Which chain this is.
GRANT SELECT, INSERT ON meta TO chartseal_submitter;

-- Work that one process does at a time.
GRANT SELECT, INSERT, UPDATE, DELETE ON lease TO chartseal_submitter;

-- Records wait, get a batch, leave the outbox. Their bytes and terms are never rewritten.
GRANT SELECT, UPDATE (batch, leaf_index) ON record TO chartseal_submitter;
GRANT SELECT ON attachment TO chartseal_submitter;
GRANT SELECT, DELETE ON outbox TO chartseal_submitter;
GRANT SELECT, INSERT,
    UPDATE (state, publisher, nonce, tx_hash, raw_tx, block, block_hash, gas_used, anchored_at)
    ON batch TO chartseal_submitter;

-- Of what the chain said it sees the anchors only. (Policies do not hold for the owner: all gateways share one role.)
GRANT SELECT ON chain_block, chain_event TO chartseal_submitter;
ALTER TABLE chain_event ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS anchors_only ON chain_event;
CREATE POLICY anchors_only ON chain_event FOR SELECT TO chartseal_submitter USING (name = 'Anchored');

-- Signed decisions are sent as they are: neither what was decided nor the call can be changed.
GRANT SELECT,
    UPDATE (state, relayer, nonce, tx_hash, raw_tx, block, block_hash, gas_used, error, attempts, changed_at)
    ON intent TO chartseal_submitter;
GRANT SELECT, INSERT ON replaced TO chartseal_submitter;
