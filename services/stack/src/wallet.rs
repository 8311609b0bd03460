//! Development wallets: what a person's browser wallet would do, done by this program with keys that are printed in
//! `stack.json`. Never point them at a chain where anything is worth something.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use alloy::dyn_abi::TypedData;
use alloy::primitives::{Address, B256};
use alloy::signers::SignerSync;
use alloy::signers::local::coins_bip39::English;
use alloy::signers::local::{MnemonicBuilder, PrivateKeySigner};
use anyhow::{Context, Result};
use serde_json::Value;

/// The phrase every development chain knows. Whoever reads this owns every account derived from it.
pub const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// Who stands at which place of the phrase. The first five pay or sign for the system, the rest are people.
pub const ADMIN: u32 = 0;
pub const RELAYER: u32 = 1;
pub const HOSPITAL_PUBLISHER: u32 = 2;
pub const INSURER_PUBLISHER: u32 = 3;
pub const HOSPITAL: u32 = 4;
pub const INSURER: u32 = 5;
pub const DOCTOR: u32 = 6;
pub const ALICE: u32 = 7;
pub const BOB: u32 = 8;
/// The first place that no sample account uses; `chartseal enrol` and the story count on from here.
pub const FREE: u32 = 20;

/// The key at `m/44'/60'/0'/0/index` of [`MNEMONIC`]. Remembered: each takes 2,048 rounds of HMAC, and a test asks for the same
/// few again and again.
pub fn signer(index: u32) -> PrivateKeySigner {
    static DERIVED: Mutex<BTreeMap<u32, PrivateKeySigner>> = Mutex::new(BTreeMap::new());
    let derive = || {
        MnemonicBuilder::<English>::default()
            .phrase(MNEMONIC)
            .index(index)
            .and_then(|b| b.build())
            .expect("the phrase is a constant with a valid checksum, and any u32 below 2^31 is an index")
    };
    let mut derived = DERIVED.lock().unwrap_or_else(PoisonError::into_inner);
    derived.entry(index).or_insert_with(derive).clone()
}

/// A named key pair that signs what a wallet would show.
#[derive(Clone)]
pub struct Wallet {
    pub name: String,
    signer: PrivateKeySigner,
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wallet({}, {})", self.name, self.address())
    }
}

impl Wallet {
    /// The wallet at `m/44'/60'/0'/0/index` of [`MNEMONIC`].
    pub fn sample(name: &str, index: u32) -> Self {
        Self {
            name: name.to_owned(),
            signer: signer(index),
        }
    }

    /// A wallet nobody has seen before.
    pub fn random(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            signer: PrivateKeySigner::random(),
        }
    }

    pub fn from_private_key(name: &str, key: &str) -> Result<Self> {
        let signer = key
            .parse()
            .with_context(|| format!("the private key of {name} is not 32 bytes of hex"))?;
        Ok(Self {
            name: name.to_owned(),
            signer,
        })
    }

    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// 0x and 64 digits, for `stack.json`.
    pub fn private_key(&self) -> B256 {
        self.signer.to_bytes()
    }

    /// `eth_signTypedData_v4`: the EIP-712 JSON the gateway hands out, signed as a wallet would.
    pub fn sign_typed(&self, typed_data: &Value) -> Result<String> {
        let typed: TypedData =
            serde_json::from_value(typed_data.clone()).context("the gateway's typedData is not EIP-712 JSON")?;
        let digest = typed
            .eip712_signing_hash()
            .context("the gateway's typedData has a field its types do not describe")?;
        self.sign_digest(digest)
    }

    /// A digest computed by ourselves from a struct of `chartseal-record`.
    pub fn sign_digest(&self, digest: B256) -> Result<String> {
        let signature = self.signer.sign_hash_sync(&digest)?;
        Ok(format!("0x{}", hex::encode(signature.as_bytes())))
    }

    /// `personal_sign`, for Sign-In with Ethereum.
    pub fn sign_text(&self, message: &str) -> Result<String> {
        let signature = self.signer.sign_message_sync(message.as_bytes())?;
        Ok(format!("0x{}", hex::encode(signature.as_bytes())))
    }
}
