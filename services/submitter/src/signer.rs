//! A key that pays, and its nonces.
//!
//! The rows of the database say which nonces are in use; the chain says which are used up. A new transaction takes the
//! lowest nonce that is neither, so a nonce that was given up (its row went another way before it was sent) is the
//! first to be taken again and no gap stays.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::{
        BlockId,
        eip2718::{Decodable2718, Encodable2718},
    },
    network::TxSignerSync,
    primitives::{Address, Bytes, TxKind, U256},
    signers::local::PrivateKeySigner,
};
use chartseal_chain::{Client, Fees, Head};
use chartseal_store::{SentTransaction, Store};

use crate::Error;

/// Gas of a plain transfer.
const TRANSFER: u64 = 21_000;

/// One address that signs transactions. Exactly one worker owns it, in all processes (by lease), so nobody else takes
/// its nonces.
pub struct Signer {
    key: PrivateKeySigner,
    client: Client,
    store: Store,
}

/// A call to sign.
#[derive(Debug, Clone)]
pub struct Call {
    /// The contract.
    pub to: Address,
    /// Calldata.
    pub data: Bytes,
    /// Gas the node estimated.
    pub gas: u64,
}

impl Signer {
    /// Takes a key.
    pub fn new(key: PrivateKeySigner, client: Client, store: Store) -> Self {
        Self { key, client, store }
    }

    /// Its address.
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// Signs a call with the lowest free nonce. Nothing is sent: commit the result to its row first.
    pub async fn sign(&self, call: &Call) -> Result<SentTransaction, Error> {
        let mut nonce = self.used().await?;
        let taken = self.store.nonces_taken(self.address(), nonce).await?;
        while taken.contains(&nonce) {
            nonce += 1;
        }
        let fees = self.client.fees().await?;
        // The estimate is for the state of now; a slot or an epoch another transaction touches first may cost some
        // thousands more.
        self.sign_with(
            nonce,
            TxKind::Call(call.to),
            call.data.clone(),
            call.gas + call.gas / 4 + 10_000,
            fees,
        )
    }

    fn sign_with(
        &self,
        nonce: u64,
        to: TxKind,
        input: Bytes,
        gas_limit: u64,
        fees: Fees,
    ) -> Result<SentTransaction, Error> {
        self.sign_transaction(TxEip1559 {
            chain_id: self.client.contracts().chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: fees.max_fee_per_gas,
            max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
            to,
            value: U256::ZERO,
            access_list: Default::default(),
            input,
        })
    }

    fn sign_transaction(&self, mut transaction: TxEip1559) -> Result<SentTransaction, Error> {
        let nonce = transaction.nonce;
        let signature = self.key.sign_transaction_sync(&mut transaction)?;
        let signed = transaction.into_signed(signature);
        let hash = *signed.hash();
        Ok(SentTransaction {
            signer: self.address(),
            nonce,
            hash,
            raw: TxEnvelope::from(signed).encoded_2718().into(),
        })
    }

    /// Signs a transaction of ours again, with the same nonce and a higher fee, if the chain's base fee has risen above
    /// what it offers: no block can take it until the base fee falls again. `None` if it can wait.
    pub async fn outbid(&self, stuck: &SentTransaction) -> Result<Option<SentTransaction>, Error> {
        let Ok(TxEnvelope::Eip1559(signed)) = TxEnvelope::decode_2718(&mut &stuck.raw[..]) else {
            return Ok(None);
        };
        let fees = self.client.fees().await?;
        let mut transaction = signed.tx().clone();
        if stuck.signer != self.address() || fees.base_fee <= transaction.max_fee_per_gas {
            return Ok(None);
        }
        // Nodes let one transaction replace another from 10 percent more of both fees on.
        let more = |fee: u128| fee + fee / 8 + 1;
        transaction.max_fee_per_gas = fees.max_fee_per_gas.max(more(transaction.max_fee_per_gas));
        transaction.max_priority_fee_per_gas = fees
            .max_priority_fee_per_gas
            .max(more(transaction.max_priority_fee_per_gas))
            .min(transaction.max_fee_per_gas);
        metrics::counter!("chartseal_outbid_total").increment(1);
        self.sign_transaction(transaction).map(Some)
    }

    /// How many transactions of the one that signed `sent` the chain holds in the newest block that has so many confirmations.
    ///
    /// Not in the head: a re-org may still give the nonce back, and a node, or the several that answer under one address, may
    /// count a transaction before it shows its receipt.
    pub async fn settled(&self, sent: &SentTransaction, head: &Head, confirmations: u64) -> Result<u64, Error> {
        let at = BlockId::number(head.settled(confirmations));
        Ok(self.client.transaction_count(sent.signer, at).await?)
    }

    /// Whether a transaction that is not in any block lost its nonce to another one and can never be. `settled` must have
    /// been read from the chain before the transaction was looked for: read afterwards, it would count the transaction
    /// itself if it was mined in between.
    pub fn lost_nonce(settled: u64, sent: &SentTransaction) -> bool {
        settled > sent.nonce
    }

    /// How many of its transactions the chain holds.
    pub async fn used(&self) -> Result<u64, Error> {
        Ok(self.client.transaction_count(self.address(), BlockId::latest()).await?)
    }

    /// Sends plain transfers to itself with the nonces that no row owns but on which rows behind them wait. Returns how
    /// many.
    ///
    /// They are not kept: lost, they are found missing and sent again.
    pub async fn fill_gaps(&self) -> Result<u64, Error> {
        let next = self.used().await?;
        let taken = self.store.nonces_taken(self.address(), next).await?;
        let Some(last) = taken.last().copied() else {
            return Ok(0);
        };
        let mut filled = 0;
        for nonce in (next..last).filter(|nonce| !taken.contains(nonce)) {
            let fees = self.client.fees().await?;
            let transfer = self.sign_with(nonce, TxKind::Call(self.address()), Bytes::new(), TRANSFER, fees)?;
            match self.client.send_raw(&transfer.raw).await {
                Ok(_) => {
                    tracing::warn!(signer = %self.address(), nonce, "nonce {nonce} was given up while later ones wait: filled by an empty transfer");
                    filled += 1;
                }
                // Somebody fills it already, or it was used since: the next look will tell.
                Err(chartseal_chain::Error::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.address())
    }
}
