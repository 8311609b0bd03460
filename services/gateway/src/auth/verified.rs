//! Signatures recovered before. Recovering one costs about as much as the rest of a read.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use alloy::primitives::{Address, B256, keccak256};
use chartseal_record::typed;

/// How many are remembered; then all are forgotten and learned again. 100,000 entries are about 10 MiB.
const MOST: usize = 100_000;

/// From keccak256(digest ‖ signature) to who made it. A fact about bytes, so it never goes stale.
#[derive(Default)]
pub struct Verified(Mutex<HashMap<B256, Address>>);

impl Verified {
    /// Who made the ECDSA signature; none if nobody did.
    pub fn recover(&self, digest: B256, signature: &[u8]) -> Option<Address> {
        let name = keccak256([digest.as_slice(), signature].concat());
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&name)
            .copied();
        if known.is_some() {
            return known;
        }
        let signer = typed::recover(digest, signature).ok()?;
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= MOST {
            map.clear();
        }
        map.insert(name, signer);
        Some(signer)
    }
}
