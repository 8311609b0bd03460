//! The EIP-712 structs people and custodians sign. Names and field order are frozen: they are the wire
//! format between wallets, gateway, contracts and readers.
//!
//! Directory's own decisions are signed under [`Contracts::directory_domain`], everything else under
//! [`Contracts::consent_domain`].
//!
//! [`Contracts::directory_domain`]: crate::Contracts::directory_domain
//! [`Contracts::consent_domain`]: crate::Contracts::consent_domain
#![allow(
    missing_docs,
    reason = "sol! writes the fields; their meaning stands on each struct and in docs/format.md"
)]

use alloy_dyn_abi::TypedData;
use alloy_primitives::{Address, B256, Signature};
use alloy_sol_types::{Eip712Domain, SolStruct, sol};
use serde::Serialize;
use serde_json::{Value, json};

/// The grantee may open the target.
pub const READ: u8 = 1;
/// The grantee may author records in the target.
pub const WRITE: u8 = 2;

/// No wrap, no link: the bytes beside it are empty.
pub const SUITE_NONE: u16 = 0;
/// X25519 keys (32 bytes); wraps and links are HPKE with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
/// ChaCha20-Poly1305 (80 bytes).
pub const SUITE_X25519: u16 = 1;

sol! {
    // ---- Directory ----

    /// An account's own registration. `custodian` and `custody` are for patients, `credential` and its
    /// expiry for professionals and organisations, `endpoint` for organisations.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Register {
        address who;
        uint8 role;
        uint16 suite;
        bytes encryptionKey;
        address custodian;
        uint8 custody;
        bytes32 credential;
        uint64 credentialExpiry;
        string endpoint;
        uint64 deadline;
    }

    /// A registrar's yes to exactly one `Register` or `Credential` (its EIP-712 struct hash). It chooses no key.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Countersign { bytes32 registration; address registrar; }

    /// A key that may sign records and releases for `who` in blocks `from ≤ b < until`.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct StatementKey { address who; address key; uint64 from; uint64 until; uint256 nonce; uint64 deadline; }

    /// An organisation's address that may anchor.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Publisher { address org; address publisher; bool listed; uint256 nonce; uint64 deadline; }

    /// The publisher address's own consent, so that nobody lists another's.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct PublisherAccept { address org; address publisher; }

    /// A patient names another custodian or custody mode.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Custodian { address who; address custodian; uint8 custody; uint256 nonce; uint64 deadline; }

    /// A new encryption key.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct EncryptionKey { address who; uint16 suite; bytes encryptionKey; uint256 nonce; uint64 deadline; }

    /// New papers of a professional or an organisation; a registrar countersigns.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Credential { address who; bytes32 credential; uint64 credentialExpiry; uint256 nonce; uint64 deadline; }

    /// An organisation's gateway has another address.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Endpoint { address who; string endpoint; uint256 nonce; uint64 deadline; }

    /// Control moves to another address; signed by the old controller and by the new one.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct HandOver { address who; address controller; uint256 nonce; uint64 deadline; }

    /// A registrar suspends, reinstates or retires.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct SetStatus { address who; uint8 status; address registrar; uint256 nonce; uint64 deadline; }

    // ---- Consent ----

    /// A patient's permission in a slot. `scope` empty: `record` is the salted commitment to one record.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Grant {
        address patient;
        address grantee;
        string scope;
        bytes32 record;
        uint64 serial;
        uint8 permission;
        uint64 until;
        string purpose;
        uint32 epoch;
        uint16 suite;
        bytes32 recipientKeyHash;
        bytes32 wrapHash;
    }

    /// Names the contract that may grant READ of the scope `emergency` for at most `maxDuration` seconds a time; zero ends
    /// the delegation. A higher serial overtakes a lower one.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Delegate { address patient; address delegate; string scope; uint32 maxDuration; uint64 serial; }

    /// Ends every grant in the slot up to and including `serial`, mined or not.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Revoke { address patient; address grantee; string scope; bytes32 record; uint64 serial; }

    /// Opens an epoch. `wraps` = keccak256(abi.encode(Wrap[])); `by` is the patient or the custodian.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Advance {
        address patient;
        string scope;
        uint32 epoch;
        uint16 suite;
        bytes key;
        bytes link;
        bytes32 wraps;
        address by;
    }

    /// Brings a live grant's wrap to another epoch or key; changes no term.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Rewrap {
        address patient;
        address grantee;
        string scope;
        bytes32 record;
        uint64 serial;
        uint32 epoch;
        uint16 suite;
        bytes32 recipientKeyHash;
        bytes32 wrapHash;
        address by;
    }

    // ---- signed, never sent to the chain ----

    /// An author's statement about one version of a record.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Record {
        bytes32 compartment;
        bytes32 id;
        uint32 version;
        bytes32 previous;
        bytes32 resource;
        address author;
        uint64 authoredAt;
    }

    /// A reader asks a custodian for the release key of one wrap. Signed by the reader's controller or statement key.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Release {
        bytes32 slot;
        uint64 serial;
        uint32 epoch;
        address reader;
        string purpose;
        bytes32 nonce;
        uint64 time;
        address custodian;
    }

    /// A doctor or insurer asks a patient.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Request {
        address patient;
        address grantee;
        string scope;
        uint8 permission;
        uint64 until;
        string purpose;
        string reason;
        bytes32 nonce;
        uint64 time;
        address custodian;
    }

    /// The patient's no. `request` is the digest of the request.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Decline { bytes32 request; address patient; uint64 time; }

    /// The asker takes the request back.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Withdraw { bytes32 request; address grantee; uint64 time; }

    /// A custodian's receipt for a revocation: from when it refuses, and when its last backup expires.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Revoked { bytes32 slot; uint64 serial; uint64 refusedAt; uint64 backupsExpire; address custodian; }

    /// An organisation's word for an evidence packet: `digest` is the SHA-256 of its canonical bytes, `block` the newest
    /// block it knew.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Packet { bytes32 digest; address issuer; uint64 block; uint64 time; }
}

/// keccak256(0x1901 ‖ domain separator ‖ hashStruct): what is signed.
pub fn digest<T: SolStruct>(value: &T, domain: &Eip712Domain) -> B256 {
    value.eip712_signing_hash(domain)
}

/// The JSON a wallet takes in `eth_signTypedData_v4`. Integers above 2^53 are decimal strings, since a
/// wallet's JSON parser would round them and sign something else.
pub fn typed_data_json<T: SolStruct + Serialize>(value: &T, domain: &Eip712Domain) -> Value {
    let data = TypedData::from_struct(value, Some(domain.clone()));
    let mut json = serde_json::to_value(data).expect("a sol! struct has string keys and plain values");
    exact_integers(&mut json["message"]);
    json["domain"]["chainId"] = json!(domain.chain_id.map_or(0, |id| id.saturating_to::<u64>()));
    json["types"]["EIP712Domain"] = json!([
        { "name": "name", "type": "string" },
        { "name": "version", "type": "string" },
        { "name": "chainId", "type": "uint256" },
        { "name": "verifyingContract", "type": "address" },
    ]);
    json
}

fn exact_integers(value: &mut Value) {
    match value {
        Value::Number(n) if n.as_u64().is_some_and(|n| n >= 1 << 53) => *value = Value::String(n.to_string()),
        Value::Object(map) => map.values_mut().for_each(exact_integers),
        _ => {}
    }
}

/// A signature that no contract of ours would take either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// Not 65 bytes, or v is neither 27 nor 28.
    #[error("a signature is 65 bytes r ‖ s ‖ v with v 27 or 28")]
    Shape,
    /// s is in the upper half of the curve order: the second, malleable form of a signature.
    #[error("the signature's s is in the upper half of the order; sign again with a wallet that gives low s")]
    HighS,
    /// The curve point does not exist.
    #[error("the signature recovers to no key")]
    NoKey,
}

/// The address whose key made `signature` (65 bytes, low s, v 27 or 28) over `digest`.
///
/// Exactly what OpenZeppelin's `ECDSA.tryRecover` accepts, so that gateway and contract never disagree.
pub fn recover(digest: B256, signature: &[u8]) -> Result<Address, BadSignature> {
    let raw: &[u8; 65] = signature.try_into().map_err(|_| BadSignature::Shape)?;
    if !matches!(raw[64], 27 | 28) {
        return Err(BadSignature::Shape);
    }
    let signature = Signature::from_raw_array(raw).map_err(|_| BadSignature::Shape)?;
    if signature.normalize_s().is_some() {
        return Err(BadSignature::HighS);
    }
    signature
        .recover_address_from_prehash(&digest)
        .map_err(|_| BadSignature::NoKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Contracts;

    fn contracts() -> Contracts {
        Contracts {
            chain_id: 31337,
            directory: Address::repeat_byte(1),
            consent: Address::repeat_byte(2),
            anchors: Address::repeat_byte(3),
        }
    }

    fn release() -> Release {
        Release {
            slot: B256::repeat_byte(1),
            serial: u64::MAX,
            epoch: 3,
            reader: Address::repeat_byte(2),
            purpose: "TREAT".into(),
            nonce: B256::repeat_byte(3),
            time: 1_700_000_000,
            custodian: Address::repeat_byte(4),
        }
    }

    #[test]
    fn the_json_a_wallet_signs_has_the_digest_we_check() {
        let domain = contracts().consent_domain();
        let json = typed_data_json(&release(), &domain);
        assert_eq!(json["message"]["serial"], "18446744073709551615");
        assert_eq!(json["message"]["time"], 1_700_000_000u64);
        assert_eq!(json["primaryType"], "Release");
        let parsed: TypedData = serde_json::from_value(json).unwrap();
        assert_eq!(parsed.eip712_signing_hash().unwrap(), digest(&release(), &domain));
    }

    #[test]
    fn signatures_no_contract_takes_are_refused() {
        let d = B256::repeat_byte(9);
        assert_eq!(recover(d, &[0; 64]), Err(BadSignature::Shape));
        assert_eq!(recover(d, &[1; 65]), Err(BadSignature::Shape));
        let mut high = [0xff; 65];
        high[..32].fill(1);
        high[32..64].copy_from_slice(
            // order of secp256k1 minus one: s = -1, the high twin of s = 1
            &hex_literal("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140"),
        );
        high[64] = 27;
        assert_eq!(recover(d, &high), Err(BadSignature::HighS));
    }

    fn hex_literal(s: &str) -> Vec<u8> {
        alloy_primitives::hex::decode(s).unwrap()
    }

    #[test]
    fn a_signature_recovers_to_its_signer_only_for_its_digest() {
        // Account 0 of the well-known development mnemonic, over keccak256("chartseal"); made with `cast wallet sign --no-hash`.
        let d = alloy_primitives::keccak256("chartseal");
        let s = hex_literal(include_str!("../testdata/signature.hex").trim());
        let signer: Address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
        assert_eq!(recover(d, &s), Ok(signer));
        assert_ne!(recover(B256::ZERO, &s), Ok(signer));
    }
}
