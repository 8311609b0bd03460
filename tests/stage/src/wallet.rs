//! Keys of the phrase every development chain knows.

use alloy::{
    primitives::Bytes,
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::{Eip712Domain, SolStruct},
};
use chartseal_record::typed;
pub use chartseal_stack::wallet::{MNEMONIC, signer as key};

/// The 65 bytes a wallet answers when it is shown `value`.
pub fn sign<T: SolStruct>(key: &PrivateKeySigner, value: &T, domain: &Eip712Domain) -> Bytes {
    let signature = key.sign_hash_sync(&typed::digest(value, domain)).unwrap();
    signature.as_bytes().into()
}
