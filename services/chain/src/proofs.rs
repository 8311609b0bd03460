//! `eth_getProof`: what a packet carries so that who trusts a block's hash needs no node.

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, keccak256},
    providers::Provider,
    rlp,
};
use chartseal_record::packet::{Account, Proofs};

use crate::{client::Client, error::Error};

impl Client {
    /// Proofs of these slots of `Anchors` and `Consent` in the state of the block with this hash; `None` if the node's
    /// chain has no such block (now). Whether they prove anything is the packet's to check.
    pub async fn proofs(&self, block: B256, anchors: Vec<B256>, consent: Vec<B256>) -> Result<Option<Proofs>, Error> {
        let at = BlockId::hash(block);
        let Some(found) = self.ask(self.provider().get_block(at)).await? else {
            return Ok(None);
        };
        let header = rlp::encode(&found.header.inner);
        if keccak256(&header) != block {
            return Err(Error::Unreadable {
                what: "a block's header",
                reason: "it does not hash to the block's hash".into(),
            });
        }
        let contracts = *self.contracts();
        Ok(Some(Proofs {
            header: header.into(),
            anchors: self.account(contracts.anchors, anchors, at).await?,
            consent: self.account(contracts.consent, consent, at).await?,
        }))
    }

    async fn account(&self, address: Address, slots: Vec<B256>, at: BlockId) -> Result<Account, Error> {
        let code = self.ask(self.provider().get_code_at(address).block_id(at)).await?;
        let found = self.ask(self.provider().get_proof(address, slots).block_id(at)).await?;
        Ok(Account {
            nonce: found.nonce,
            balance: found.balance,
            storage_hash: found.storage_hash,
            code,
            proof: found.account_proof,
            storage: found.storage_proof.into_iter().map(|slot| slot.proof).collect(),
        })
    }
}
