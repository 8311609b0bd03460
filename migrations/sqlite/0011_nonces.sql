-- Which nonces of a signer stand in rows is asked before every transaction.

CREATE INDEX intent_nonce ON intent (relayer, nonce) WHERE relayer IS NOT NULL;
CREATE INDEX batch_nonce ON batch (publisher, nonce) WHERE publisher IS NOT NULL;
