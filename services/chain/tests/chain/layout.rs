//! Where the contracts keep what a packet's state proofs are of, and in which bits: asked of the compiler.

use std::{path::PathBuf, process::Command};

use alloy::primitives::{B256, U256, keccak256};
use chartseal_record::{
    packet::{Listed, Packet, Signed, Standing},
    typed,
};
use serde_json::Value;

/// What `forge inspect <contract> storageLayout` says.
struct Layout(Value);

impl Layout {
    /// `None` where forge is not installed.
    fn of(contract: &str) -> Option<Self> {
        let contracts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
        if !contracts.join("node_modules/@foundry-rs/forge/package.json").exists() {
            assert!(
                std::env::var_os("REQUIRE_ALL").is_none(),
                "forge is not installed; run `make build` once"
            );
            eprintln!("skipped: forge is not installed");
            return None;
        }
        let asked = Command::new(contracts.join("bin/forge"))
            .args(["inspect", contract, "storageLayout", "--json"])
            .current_dir(&contracts)
            .output()
            .unwrap();
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        Some(Self(serde_json::from_slice(&asked.stdout).unwrap()))
    }

    /// Slot and type of a variable.
    fn variable(&self, label: &str) -> (B256, &str) {
        let mut all = self.0["storage"].as_array().unwrap().iter();
        let it = all.find(|variable| variable["label"] == label).unwrap();
        let slot: U256 = it["slot"].as_str().unwrap().parse().unwrap();
        (slot.into(), it["type"].as_str().unwrap())
    }

    /// Where the mapping keeps what it has under these keys, one below the other, and the type of that.
    fn place<'a>(&'a self, label: &str, keys: &[B256]) -> (B256, &'a str) {
        keys.iter().fold(self.variable(label), |(slot, kind), key| {
            let mapping = &self.0["types"][kind];
            assert_eq!(mapping["encoding"], "mapping", "{label}");
            (keccak256([*key, slot].concat()), mapping["value"].as_str().unwrap())
        })
    }

    /// The word of a struct in which these are all the members.
    fn word(&self, kind: &str, members: &[(&str, U256)]) -> U256 {
        let listed = self.0["types"][kind]["members"].as_array().unwrap();
        assert_eq!(listed.len(), members.len(), "{kind}");
        members.iter().fold(U256::ZERO, |word, (label, value)| {
            let member = listed.iter().find(|member| member["label"] == *label).unwrap();
            let size = &self.0["types"][member["type"].as_str().unwrap()]["numberOfBytes"];
            assert_eq!(member["slot"], "0", "{label} is in the same word");
            assert!(value.byte_len() <= size.as_str().unwrap().parse().unwrap(), "{label}");
            word | (*value << (8 * member["offset"].as_u64().unwrap()))
        })
    }
}

/// One that has each kind of proof.
fn packet() -> Packet {
    let vectors: Value = serde_json::from_str(include_str!("../../../../tests/vectors/packet.json")).unwrap();
    Signed::parse(vectors["signers"].as_str().unwrap().as_bytes())
        .unwrap()
        .packet
}

#[test]
fn directory_keeps_accounts_and_keys_where_packets_say() {
    let Some(layout) = Layout::of("Directory") else { return };
    let packet = packet();
    let signers = packet.proofs.unwrap().signers.unwrap();
    for standing in signers.accounts {
        let (place, kind) = layout.place("_standings", &[standing.account.into_word()]);
        assert_eq!(Standing::storage_key(standing.account), place);
        let members = [
            ("controller", standing.controller.into_word().into()),
            ("role", U256::from(standing.role as u8)),
            ("status", U256::from(standing.status as u8)),
            ("credentialExpiry", U256::from(standing.credential_expiry)),
            ("suite", U256::from(standing.suite)),
        ];
        let word = layout.word(kind, &members);
        assert_eq!(standing.word(), word);
        assert_eq!(Standing::read(standing.account, word), Some(standing));
    }
    for listed in signers.keys {
        let (account, key) = (listed.account, listed.key);
        let (place, kind) = layout.place("_statementKeys", &[account.into_word(), key.into_word()]);
        assert_eq!(Listed::storage_key(account, key), place);
        let members = [("from", U256::from(listed.from)), ("until", U256::from(listed.until))];
        let word = layout.word(kind, &members);
        assert_eq!(listed.word(), word);
        assert_eq!(Listed::read(account, key, word), listed);
    }
}

#[test]
fn consent_keeps_grants_where_packets_say() {
    let Some(layout) = Layout::of("Consent") else { return };
    let packet = packet();
    let contracts = packet.deployment();
    for given in packet.grants {
        let slot = chartseal_record::Slot::of(given.patient, given.grantee, &given.target().unwrap());
        let (place, kind) = layout.place("_slots", &[slot.0]);
        assert_eq!(given.storage_key(), Some(place));
        let digest = typed::digest(&given.typed(), &contracts.consent_domain());
        let members = [
            ("serial", U256::from(given.serial)),
            ("revoked", U256::from(given.revoked)),
            ("until", U256::from(given.until)),
            ("permission", U256::from(given.permission)),
            ("fingerprint", U256::from_be_slice(&digest[..7])),
        ];
        assert_eq!(given.word(&contracts), layout.word(kind, &members));
    }
}

#[test]
fn anchors_keeps_blocks_where_packets_say() {
    let Some(layout) = Layout::of("Anchors") else { return };
    for evidence in packet().records {
        let (place, kind) = layout.place("_anchors", &[evidence.receipt.anchor_key().unwrap()]);
        assert_eq!(evidence.storage_key().unwrap(), place);
        assert_eq!(kind, "t_uint256", "a whole word, the block's number");
    }
}
