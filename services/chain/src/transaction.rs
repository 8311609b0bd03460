//! Transactions somebody else signed: what they would do, handing them over, what became of them.

use alloy::{
    consensus::Transaction as _,
    eips::BlockId,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::Provider,
    rpc::types::TransactionRequest,
};
use chartseal_record::event::Logged;

use crate::{client::Client, error::Error, events};

/// What a transaction must offer to be taken in now, in wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// Base fee of the newest block.
    pub base_fee: u128,
    /// `maxFeePerGas` that outlasts a rising base fee for some blocks.
    pub max_fee_per_gas: u128,
    /// `maxPriorityFeePerGas`.
    pub max_priority_fee_per_gas: u128,
}

/// A transaction the node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its sender.
    pub from: Address,
    /// Its nonce.
    pub nonce: u64,
    /// The block that holds it; `None` while it waits.
    pub block: Option<u64>,
}

/// A transaction in a block of the node's chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Mined {
    /// Its hash.
    pub transaction: B256,
    /// The block's number.
    pub block: u64,
    /// The block's hash.
    pub block_hash: B256,
    /// False if a contract refused; gas was paid all the same.
    pub success: bool,
    /// Gas it used.
    pub gas_used: u64,
    /// Wei per gas it paid.
    pub gas_price: u128,
    /// Events of our contracts in it, in order.
    pub events: Vec<Logged>,
}

impl Client {
    /// How many transactions of `sender` the chain holds at a block: its next nonce there. The pending block counts those that
    /// wait, too.
    pub async fn transaction_count(&self, sender: Address, at: BlockId) -> Result<u64, Error> {
        self.ask(self.provider().get_transaction_count(sender).block_id(at))
            .await
    }

    /// Balance in wei.
    pub async fn balance(&self, of: Address) -> Result<U256, Error> {
        self.ask(self.provider().get_balance(of)).await
    }

    /// Fees after the node's fee history.
    pub async fn fees(&self) -> Result<Fees, Error> {
        let base_fee = async {
            let block = self.ask(self.provider().get_block(BlockId::latest())).await?;
            Ok(block.and_then(|b| b.header.inner.base_fee_per_gas).unwrap_or_default())
        };
        let estimate = self.ask(async { self.provider().estimate_eip1559_fees().await });
        let (base_fee, estimate) = futures::future::try_join(base_fee, estimate).await?;
        Ok(Fees {
            base_fee: base_fee.into(),
            max_fee_per_gas: estimate.max_fee_per_gas,
            max_priority_fee_per_gas: estimate.max_priority_fee_per_gas,
        })
    }

    /// Runs a call without sending it; a refusal comes back as [`Error::Reverted`]. `BlockId::pending()` counts what
    /// waits in the node's pool, `BlockId::latest()` does not.
    pub async fn simulate(&self, from: Address, to: Address, data: &Bytes, at: BlockId) -> Result<Bytes, Error> {
        self.ask_of(to, self.provider().call(request(from, to, data)).block(at))
            .await
    }

    /// Gas the call needs; a refusal comes back as [`Error::Reverted`].
    pub async fn estimate(&self, from: Address, to: Address, data: &Bytes, at: BlockId) -> Result<u64, Error> {
        self.ask_of(to, self.provider().estimate_gas(request(from, to, data)).block(at))
            .await
    }

    /// Hands a signed transaction to the node and returns its hash. Sending the identical bytes again is harmless: a
    /// node that refuses them but knows the hash counts as having taken them.
    ///
    /// [`Error::Refused`] after that means the node will not take them: compare the sender's
    /// [`transaction_count`](Self::transaction_count) with the nonce to learn whether another one took its place.
    pub async fn send_raw(&self, raw: &[u8]) -> Result<B256, Error> {
        let hash = keccak256(raw);
        match self.ask(self.provider().send_raw_transaction(raw)).await {
            Ok(_) => Ok(hash),
            Err(refused @ Error::Refused { .. }) => match self.transaction(hash).await {
                Ok(Some(_)) => Ok(hash),
                _ => Err(refused),
            },
            Err(error) => Err(error),
        }
    }

    /// What the node knows of a transaction; `None` if it never saw it, or dropped it.
    pub async fn transaction(&self, hash: B256) -> Result<Option<Known>, Error> {
        let found = self.ask(self.provider().get_transaction_by_hash(hash)).await?;
        Ok(found.map(|t| Known {
            from: t.inner.signer(),
            nonce: t.inner.nonce(),
            block: t.block_number,
        }))
    }

    /// The block a transaction stands in, if that block is on the node's chain. Nodes may still tell a receipt of a
    /// block a re-org has dropped, so the block's hash is compared with the chain's at that height.
    pub async fn mined(&self, hash: B256) -> Result<Option<Mined>, Error> {
        let Some(receipt) = self.ask(self.provider().get_transaction_receipt(hash)).await? else {
            return Ok(None);
        };
        let (Some(number), Some(block_hash)) = (receipt.block_number, receipt.block_hash) else {
            return Ok(None);
        };
        let Some(block) = self
            .block(BlockId::number(number))
            .await?
            .filter(|b| b.hash == block_hash)
        else {
            return Ok(None);
        };
        Ok(Some(Mined {
            transaction: hash,
            block: number,
            block_hash,
            success: receipt.status(),
            gas_used: receipt.gas_used,
            gas_price: receipt.effective_gas_price,
            events: events::decode_all(self.contracts(), &block, receipt.logs())?,
        }))
    }
}

fn request(from: Address, to: Address, data: &Bytes) -> TransactionRequest {
    TransactionRequest::default()
        .with_from(from)
        .with_to(to)
        .with_input(data.clone())
}
