//! `eth_getProof`: what a packet carries so that who trusts a block's hash needs no node.

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, U256, keccak256},
    providers::Provider,
    rlp,
};
use chartseal_record::packet::{Account, Packet, Proofs, Signers};

use crate::{client::Client, error::Error};

impl Client {
    /// Proofs of the packet's anchors, grants, accounts and keys in the state of its issuer's block; `None` if the node's
    /// chain has no such block (now). Whether they prove anything is the packet's to check.
    pub async fn proofs(&self, packet: &Packet) -> Result<Option<Proofs>, Error> {
        let block = packet.issuer.block_hash;
        let at = BlockId::hash(block);
        let unreadable = |what, reason: &str| Error::Unreadable {
            what,
            reason: reason.into(),
        };
        let keys = packet.storage_keys();
        let Some(found) = self.ask(self.provider().get_block(at)).await? else {
            return Ok(None);
        };
        let header = rlp::encode(&found.header.inner);
        if keccak256(&header) != block {
            return Err(unreadable("a block's header", "it does not hash to the block's hash"));
        }
        let contracts = *self.contracts();
        let (anchors, _) = self.account(contracts.anchors, keys.anchors, at).await?;
        let (consent, _) = self.account(contracts.consent, keys.consent, at).await?;
        let (directory, words) = self.account(contracts.directory, keys.directory, at).await?;
        let signers = Signers::of(packet, directory, &words)
            .ok_or_else(|| unreadable("Directory's storage", "an account of the packet is not in it"))?;
        Ok(Some(Proofs {
            header: header.into(),
            anchors,
            consent,
            signers: Some(signers),
        }))
    }

    /// The contract with the paths to these slots, and what stands in them.
    async fn account(&self, address: Address, slots: Vec<B256>, at: BlockId) -> Result<(Account, Vec<U256>), Error> {
        let code = self.ask(self.provider().get_code_at(address).block_id(at)).await?;
        let found = self.ask(self.provider().get_proof(address, slots).block_id(at)).await?;
        let (storage, words) = found
            .storage_proof
            .into_iter()
            .map(|slot| (slot.proof, slot.value))
            .unzip();
        let account = Account {
            nonce: found.nonce,
            balance: found.balance,
            storage_hash: found.storage_hash,
            code,
            proof: found.account_proof,
            storage,
        };
        Ok((account, words))
    }
}
