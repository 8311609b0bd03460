//! `tests/vectors/packet.json`: one evidence packet, byte for byte, and what becomes of it when a byte changes.
//!
//! `CHARTSEAL_WRITE_VECTORS=1 cargo test --workspace --test packet` writes the file anew.

#![expect(clippy::unwrap_used, reason = "a vector that cannot be built is the failure")]

use std::{fs, path::PathBuf};

use alloy_trie::{HashBuilder, Nibbles, TrieAccount, proof::ProofRetainer};
use chartseal_record::{
    Address, B256, Bytes, Compartment, ContentHash, Contracts, Scope, Target, U256,
    account::{Role, Status},
    canonical, keccak256,
    manifest::{Entry, Manifest},
    packet::{
        Account, Algorithms, Attachment, Author, BadPacket, Base64, Evidence, FORMAT, Given, Issuer, Listed, Packet,
        Proofs, Signed, Signers, Standing, Text, Unshown,
    },
    receipt::{self, Addresses, Receipt, manifest_name},
    statement::Statement,
    typed,
};
use k256::ecdsa::SigningKey;
use serde_json::{Value, json};

const RESOURCE: &str = r#"{"resourceType":"Claim","status":"active","use":"claim"}"#;
const TIME: u64 = 1_763_900_000;

fn contracts() -> Contracts {
    Contracts {
        chain_id: 31337,
        directory: Address::repeat_byte(0x11),
        consent: Address::repeat_byte(0x22),
        anchors: Address::repeat_byte(0x33),
    }
}

/// Deterministic (RFC 6979), so that a vector stays what it is.
fn key(byte: u8) -> SigningKey {
    SigningKey::from_slice(&[byte; 32]).unwrap()
}

fn address(byte: u8) -> Address {
    Address::from_private_key(&key(byte))
}

fn sign(byte: u8, digest: B256) -> Bytes {
    let (signature, id) = key(byte).sign_prehash_recoverable(digest.as_slice()).unwrap();
    [&signature.to_bytes()[..], &[27 + id.to_byte()]].concat().into()
}

const PATIENT: u8 = 1;
const AUTHOR: u8 = 2;
const INSURER: u8 = 3;

fn grant(target: &Target, salt: Option<B256>) -> Given {
    let (scope, record) = target.fields();
    let mut given = Given {
        patient: address(PATIENT),
        grantee: Address::repeat_byte(0x1a),
        scope,
        record,
        salt,
        serial: 2,
        permission: typed::READ,
        until: u64::MAX,
        purpose: "HPAYMT".into(),
        epoch: 1,
        suite: 1,
        recipient_key_hash: B256::repeat_byte(0x66),
        wrap_hash: B256::repeat_byte(0x67),
        signature: Bytes::new(),
        controller: address(PATIENT),
        block: 40,
        transaction: B256::repeat_byte(0x68),
        revoked: 1,
    };
    given.signature = sign(PATIENT, typed::digest(&given.typed(), &contracts().consent_domain()));
    given
}

fn statement() -> Statement {
    Statement {
        compartment: Compartment::of(address(PATIENT), &Scope::claims()),
        id: B256::repeat_byte(0x55),
        version: 1,
        previous: B256::ZERO,
        resource: ContentHash::of(RESOURCE.as_bytes()).0,
        author: Address::repeat_byte(0x40),
        authored_at: 1_763_800_000,
    }
}

fn evidence() -> Evidence {
    let sealed = b"stands for a sealed record".to_vec();
    let entry = Entry {
        compartment: statement().compartment,
        epoch: 1,
        content: ContentHash::of(&sealed),
    };
    let other = Entry {
        content: ContentHash::of(b"another"),
        ..entry
    };
    let manifest = Manifest::new(vec![entry, other]).unwrap();
    let document = b"stands for a sealed document".to_vec();
    Evidence {
        reference: "Claim/55".into(),
        receipt: Receipt {
            format: receipt::FORMAT.into(),
            chain_id: contracts().chain_id,
            contracts: Addresses::from(&contracts()),
            cid: entry.content,
            compartment: entry.compartment,
            epoch: 1,
            proof: manifest.tree().proof(entry.leaf()).unwrap(),
            root: manifest.tree().root(),
            organisation: Address::repeat_byte(0x40),
            count: 2,
            manifest: manifest_name(manifest.digest()),
            transaction: B256::repeat_byte(0x41),
            block: 42,
            statement: Some(statement()),
            signature: Some(sign(AUTHOR, statement().digest(&contracts()))),
        },
        author: Author {
            account: Address::repeat_byte(0x40),
            signer: address(AUTHOR),
            role: Role::Hospital,
            status: Status::Active,
            credential: B256::repeat_byte(0x12),
            credential_expiry: 1_900_000_000,
            block: 42,
        },
        grant: 0,
        file_key: Base64(vec![7; 16]),
        resource: Text(RESOURCE.into()),
        attachments: vec![Attachment {
            cid: ContentHash::of(&document).to_string(),
            file_key: Base64(vec![8; 16]),
            size: 28,
            sha256: B256::repeat_byte(0x99),
            sealed: Some(Base64(document)),
        }],
        sealed: Base64(sealed),
    }
}

fn packet() -> Packet {
    Packet {
        format: FORMAT.into(),
        algorithms: Algorithms::known(),
        chain_id: contracts().chain_id,
        contracts: Addresses::from(&contracts()),
        issuer: Issuer {
            account: Address::repeat_byte(0x1a),
            signer: address(INSURER),
            block: 50,
            block_hash: B256::repeat_byte(0x77),
            time: TIME,
        },
        purpose: "HPAYMT".into(),
        grants: vec![grant(&Target::Scope(Scope::claims()), None)],
        records: vec![evidence()],
        not_granted: vec!["DocumentReference/66".into()],
        proofs: None,
    }
}

/// A trie of these values under the hashes of these keys: its root, and the nodes to each. Where there is no value the nodes
/// lead nowhere.
fn trie(entries: &[(Vec<u8>, Option<Vec<u8>>)]) -> (B256, Vec<Vec<Bytes>>) {
    let path = |key: &[u8]| Nibbles::unpack(keccak256(key));
    let mut leaves: Vec<_> = entries.iter().map(|(key, value)| (path(key), value)).collect();
    leaves.sort();
    let retainer = ProofRetainer::new(leaves.iter().map(|(path, _)| *path).collect());
    let mut builder = HashBuilder::default().with_proof_retainer(retainer);
    for (path, value) in &leaves {
        if let Some(value) = value {
            builder.add_leaf(*path, value);
        }
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes();
    let to = |(key, _): &(Vec<u8>, Option<Vec<u8>>)| {
        let nodes = nodes.matching_nodes_sorted(&path(key));
        nodes.into_iter().map(|(_, node)| node).collect()
    };
    (root, entries.iter().map(to).collect())
}

/// A contract that keeps these words, and one more; proofs of its own place in the state are still to come.
fn account(words: &[(B256, U256)], code: &[u8]) -> Account {
    let slot = |(key, word): &(B256, U256)| {
        let value = (!word.is_zero()).then(|| alloy_rlp::encode(word));
        (key.to_vec(), value)
    };
    let another = (B256::ZERO, U256::from(1));
    let (storage_hash, mut storage) = trie(&words.iter().chain([&another]).map(slot).collect::<Vec<_>>());
    storage.truncate(words.len());
    Account {
        nonce: 1,
        balance: U256::ZERO,
        storage_hash,
        code: code.to_vec().into(),
        proof: vec![],
        storage,
    }
}

/// The hash of a block with these contracts in its state, its header, and the nodes to each contract.
fn block(contracts: &[(Address, &Account)]) -> (B256, Bytes, Vec<Vec<Bytes>>) {
    let entry = |(address, account): &(Address, &Account)| {
        let leaf = TrieAccount::new(
            account.nonce,
            account.balance,
            account.storage_hash,
            keccak256(&account.code),
        );
        (address.to_vec(), Some(alloy_rlp::encode(leaf)))
    };
    let (state, proofs) = trie(&contracts.iter().map(entry).collect::<Vec<_>>());
    let fields: [&[u8]; 15] = [
        &[1; 32],
        &[2; 32],
        &[3; 20],
        state.as_slice(),
        &[4; 32],
        &[5; 32],
        &[0; 256],
        &[],
        &[50],
        &[1],
        &[],
        &[7],
        &[],
        &[6; 32],
        &[0; 8],
    ];
    let mut header = Vec::new();
    alloy_rlp::encode_list::<&[u8], [u8]>(&fields, &mut header);
    (keccak256(&header), header.into(), proofs)
}

/// Contracts that hold the packet's anchor and its grant.
fn anchors_and_consent(packet: &Packet) -> (Account, Account) {
    let given = &packet.grants[0];
    let digest = typed::digest(&given.typed(), &contracts().consent_domain());
    let word = U256::from(2) | U256::from(1) << 64 | U256::from(u64::MAX) << 128 | U256::from(typed::READ) << 192;
    let word = word | U256::from_be_slice(&digest[..7]) << 200;
    let anchor = (packet.records[0].storage_key().unwrap(), U256::from(42));
    let grant = (given.storage_key().unwrap(), word);
    (
        account(&[anchor], b"stands for the code of Anchors"),
        account(&[grant], b"stands for the code of Consent"),
    )
}

/// The packet in a block whose state holds its anchor, its grant, and another of each.
fn proved() -> Packet {
    let mut packet = packet();
    let (mut anchors, mut consent) = anchors_and_consent(&packet);
    let (hash, header, proofs) = block(&[(contracts().anchors, &anchors), (contracts().consent, &consent)]);
    [anchors.proof, consent.proof] = proofs.try_into().unwrap();
    packet.issuer.block_hash = hash;
    packet.with_proofs(Some(Proofs {
        header,
        anchors,
        consent,
        signers: None,
    }))
}

/// The issuer, the author and the patient, as Directory has them.
fn standings() -> [Standing; 3] {
    let standing = |account, controller, role, credential_expiry, suite| Standing {
        account,
        controller,
        role,
        status: Status::Active,
        credential_expiry,
        suite,
    };
    let (insurer, hospital) = (Address::repeat_byte(0x1a), Address::repeat_byte(0x40));
    [
        standing(insurer, insurer, Role::Insurer, 1_900_000_000, 1),
        standing(hospital, hospital, Role::Hospital, 1_900_000_001, 0x0102),
        standing(address(PATIENT), address(PATIENT), Role::Patient, 0, 1),
    ]
}

/// The issuer's statement key and the author's.
fn keys() -> [Listed; 2] {
    [
        Listed {
            account: Address::repeat_byte(0x1a),
            key: address(INSURER),
            from: 50,
            until: u64::MAX,
        },
        Listed {
            account: Address::repeat_byte(0x40),
            key: address(AUTHOR),
            from: 9,
            until: 43,
        },
    ]
}

/// The packet in a block whose state also holds who its signers were.
fn with_signers(standings: [Standing; 3], keys: [Listed; 2]) -> Packet {
    let mut packet = packet();
    let (mut anchors, mut consent) = anchors_and_consent(&packet);
    let place =
        |account: Address, mapping: u8| keccak256([account.into_word(), B256::with_last_byte(mapping)].concat());
    let standing = |it: &Standing| {
        let controller = U256::from_be_bytes(it.controller.into_word().0);
        let numbers = [
            (it.role as u64, 160),
            (it.status as u64, 168),
            (it.credential_expiry, 176),
            (it.suite.into(), 240),
        ];
        let word = numbers
            .iter()
            .fold(controller, |word, (n, bits)| word | U256::from(*n) << *bits);
        (place(it.account, 4), word)
    };
    let key = |it: &Listed| {
        let place = keccak256([it.key.into_word(), place(it.account, 7)].concat());
        (place, U256::from(it.from) | U256::from(it.until) << 64)
    };
    let words: Vec<_> = standings.iter().map(standing).chain(keys.iter().map(key)).collect();
    let mut directory = account(&words, b"stands for the code of Directory");
    let (hash, header, proofs) = block(&[
        (contracts().anchors, &anchors),
        (contracts().consent, &consent),
        (contracts().directory, &directory),
    ]);
    [anchors.proof, consent.proof, directory.proof] = proofs.try_into().unwrap();
    packet.issuer.block_hash = hash;
    let words: Vec<U256> = words.iter().map(|(_, word)| *word).collect();
    let signers = Signers::of(&packet, directory, &words);
    assert!(signers.is_some());
    packet.with_proofs(Some(Proofs {
        header,
        anchors,
        consent,
        signers,
    }))
}

fn signed(packet: Packet) -> Signed {
    let signature = sign(INSURER, packet.signing_digest().unwrap());
    Signed { packet, signature }
}

/// The packet as a careless issuer would sign it.
fn refusal(change: impl FnOnce(&mut Packet)) -> BadPacket {
    let mut packet = packet();
    change(&mut packet);
    Signed::parse(&canonical::write(&signed(packet)).unwrap()).unwrap_err()
}

fn vector() -> Value {
    let signed = signed(packet());
    json!({
        "file": String::from_utf8(signed.write().unwrap()).unwrap(),
        "digest": signed.packet.digest().unwrap(),
        "typedData": typed::typed_data_json(&signed.packet.typed().unwrap(), &contracts().consent_domain()),
        "signingDigest": signed.packet.signing_digest().unwrap(),
        "signer": signed.packet.issuer.signer,
        "proved": String::from_utf8(self::signed(proved()).write().unwrap()).unwrap(),
        "signers": String::from_utf8(self::signed(with_signers(standings(), keys())).write().unwrap()).unwrap(),
    })
}

#[test]
fn the_committed_packet_is_what_the_code_makes() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/packet.json");
    if std::env::var_os("CHARTSEAL_WRITE_VECTORS").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&vector()).unwrap() + "\n").unwrap();
    }
    let committed: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(committed, vector());
    let file = committed["file"].as_str().unwrap();
    assert_eq!(Signed::parse(file.as_bytes()).unwrap(), signed(packet()));
    let file = committed["proved"].as_str().unwrap();
    assert_eq!(Signed::parse(file.as_bytes()).unwrap(), signed(proved()));
    let file = committed["signers"].as_str().unwrap();
    assert_eq!(
        Signed::parse(file.as_bytes()).unwrap(),
        signed(with_signers(standings(), keys()))
    );
}

#[test]
fn a_grant_of_the_one_record_covers_it_and_no_other() {
    let salt = B256::repeat_byte(0x31);
    let of = |statement: &Statement| Target::record(statement.digest(&contracts()), salt);
    let mut one = packet();
    one.grants = vec![grant(&of(&statement()), Some(salt))];
    signed(one).write().unwrap();
    let other = Statement {
        version: 2,
        ..statement()
    };
    let why = refusal(|packet| packet.grants = vec![grant(&of(&other), Some(salt))]);
    assert_eq!(why.to_string(), "record 0: the grant it names is not of this record");
}

#[test]
fn what_an_issuer_must_not_sign_is_refused_by_name() {
    let deny = |change: fn(&mut Packet), reason: &str| assert_eq!(refusal(change).to_string(), reason);
    deny(
        |p| p.format = "chartseal-packet/3".into(),
        "packet format 'chartseal-packet/3' is not known; expected 'chartseal-packet/1' or 'chartseal-packet/2'",
    );
    deny(
        |p| p.algorithms.hash = "MD5".into(),
        "the packet names other algorithms than those of 'chartseal-packet/1'",
    );
    deny(
        |p| p.records.clear(),
        "a packet holds from 1 to 16 records; this one has 0",
    );
    deny(
        |p| p.grants[0].revoked = 2,
        "grant 0: it was revoked at the issuer's block",
    );
    deny(
        |p| p.issuer.account = Address::ZERO,
        "grant 0: it was given to somebody else than the issuer",
    );
    deny(
        |p| p.grants[0].until = TIME,
        "grant 0: it had expired when the packet was made",
    );
    deny(
        |p| p.grants[0].purpose = "TREAT".into(),
        "grant 0: the patient's controller did not sign these terms",
    );
    deny(
        |p| p.records[0].resource = Text("{}".into()),
        "record 0: its resource is not what its author signed",
    );
    deny(
        |p| p.records[0].sealed = Base64(vec![]),
        "record 0: its sealed bytes are not those that were anchored",
    );
    deny(
        |p| p.records[0].author.signer = Address::ZERO,
        "record 0: its statement was not signed by the author's key",
    );
    deny(
        |p| p.records[0].receipt.statement = None,
        "record 0: its receipt has no statement of its author",
    );
    deny(
        |p| p.records[0].attachments[0].sealed = Some(Base64(vec![])),
        "record 0: an attachment is not what its content id says",
    );
    assert!(matches!(
        refusal(|p| p.records[0].receipt.proof.clear()),
        BadPacket::Receipt { record: 0, .. }
    ));
    assert!(matches!(
        refusal(|p| p.issuer.signer = Address::ZERO),
        BadPacket::Issuer { .. }
    ));
}

#[test]
fn the_same_values_written_otherwise_are_refused() {
    let file = signed(packet()).write().unwrap();
    let text = String::from_utf8(file.clone()).unwrap();
    let pretty = serde_json::to_vec_pretty(&serde_json::from_slice::<Value>(&file).unwrap()).unwrap();
    let slash = text.replace("Claim/55", r"Claim\/55").into_bytes();
    let newline = [&file[..], b"\n"].concat();
    let case = text.replace("0x5555", "0X5555").into_bytes();
    for other in [pretty, slash, newline] {
        assert_eq!(Signed::parse(&other), Err(BadPacket::NotCanonical));
    }
    assert!(Signed::parse(&case).is_err());
}

/// Whoever has the issuer's key still cannot prove what was not so.
#[test]
fn a_state_that_was_not_is_refused_whoever_signed_it() {
    let deny = |change: fn(&mut Packet), expected: &str| {
        let mut packet = proved();
        change(&mut packet);
        let refused = Signed::parse(&canonical::write(&signed(packet)).unwrap()).unwrap_err();
        assert_eq!(refused.to_string(), format!("state proof: {expected}"));
    };
    deny(
        |p| p.issuer.block_hash = B256::ZERO,
        "the header is not that of the issuer's block",
    );
    deny(
        |p| p.issuer.block = 51,
        "the header has another number than the issuer's block",
    );
    deny(
        |p| (p.records[0].receipt.block, p.records[0].author.block) = (41, 41),
        "record 0: its anchor is not in Anchors' storage at that block",
    );
    let revoked = "grant 0: its slot did not hold this grant, so revoked, at that block";
    deny(|p| p.grants[0].revoked = 0, revoked);
    fn of(packet: &mut Packet) -> &mut Proofs {
        packet.proofs.as_mut().unwrap()
    }
    let anchors = "Anchors is no such account in the state of that block";
    deny(|p| of(p).anchors.code = Bytes::new(), anchors);
    deny(|p| of(p).anchors.nonce = 2, anchors);
    deny(|p| of(p).anchors.storage_hash = B256::ZERO, anchors);
    deny(|p| of(p).anchors.proof.clear(), anchors);
    deny(
        |p| of(p).consent.code = of(p).anchors.code.clone(),
        "Consent is no such account in the state of that block",
    );
    deny(|p| of(p).consent.storage[0].push(Bytes::new()), revoked);
    deny(
        |p| of(p).consent.storage.clear(),
        "there is not one of each record and each grant",
    );
    // A block may hold anything else too, so the hash of one is all that a verifier has to trust.
    let mut header = proved();
    let forged = alloy_rlp::encode(&of(&mut header).header);
    header.issuer.block_hash = keccak256(&forged);
    of(&mut header).header = forged.into();
    let refused = Signed::parse(&canonical::write(&signed(header)).unwrap()).unwrap_err();
    assert_eq!(refused, BadPacket::Proofs("the header is not one of a block".into()));
}

#[test]
fn keys_that_were_not_the_accounts_are_refused_whoever_signed_it() {
    let refused = |packet: Packet| {
        Signed::parse(&canonical::write(&signed(packet)).unwrap())
            .unwrap_err()
            .to_string()
    };
    let deny = |change: fn(&mut Packet), expected: &str| {
        let mut packet = with_signers(standings(), keys());
        change(&mut packet);
        assert_eq!(refused(packet), format!("state proof: {expected}"));
    };
    fn of(packet: &mut Packet) -> &mut Signers {
        packet.proofs.as_mut().unwrap().signers.as_mut().unwrap()
    }
    let contract = "Directory is no such account in the state of that block";
    deny(|p| of(p).directory.code = Bytes::new(), contract);
    deny(|p| of(p).directory.proof.clear(), contract);
    let (hospital, patient) = (standings()[1].account, standings()[2].account);
    let account = format!("Directory had account {hospital} otherwise at that block");
    deny(|p| of(p).accounts[1].controller = address(AUTHOR), &account);
    deny(|p| of(p).accounts[1].credential_expiry += 1, &account);
    deny(|p| of(p).accounts[1].suite = 1, &account);
    deny(|p| of(p).directory.storage[1].clear(), &account);
    let account = format!("Directory had account {patient} otherwise at that block");
    deny(|p| of(p).accounts[2].status = Status::Suspended, &account);
    let key = format!(
        "Directory had key {} of account {hospital} otherwise at that block",
        keys()[1].key
    );
    deny(|p| of(p).keys[1].until = u64::MAX, &key);
    deny(|p| (of(p).keys[1].from, of(p).keys[1].until) = (0, 0), &key);
    let each = "there is not one of each account and each key, in their order";
    deny(|p| of(p).accounts.swap(0, 1), each);
    deny(|p| of(p).accounts.truncate(2), each);
    deny(|p| of(p).keys[1].account = Address::ZERO, each);
    deny(|p| of(p).directory.storage.truncate(4), each);
    deny(
        |p| p.records[0].author.role = Role::Doctor,
        "record 0: its author is no doctor in Directory",
    );
    let format = "a packet with one of its signers is of 'chartseal-packet/2', and no other is";
    deny(|p| p.format = FORMAT.into(), format);
    deny(|p| p.proofs.as_mut().unwrap().signers = None, format);

    // A state in which the packet could not have been made.
    let state = |change: fn(&mut [Standing; 3], &mut [Listed; 2]), expected: &str| {
        let (mut standings, mut keys) = (standings(), keys());
        change(&mut standings, &mut keys);
        assert_eq!(
            refused(with_signers(standings, keys)),
            format!("state proof: {expected}")
        );
    };
    let issuer = "the issuer's key was no statement key of its account at that block";
    state(|_, keys| keys[0].from = 51, issuer);
    state(|_, keys| keys[0].until = 50, issuer);
    state(
        |standings, keys| (standings[0].controller, keys[0].until) = (address(INSURER), 50),
        issuer,
    );
    let active = "grant 0: its patient or its grantee was not active when the packet was made";
    state(|standings, _| standings[0].credential_expiry = TIME, active);
    state(|standings, _| standings[0].status = Status::Retired, active);
    state(|standings, _| standings[2].status = Status::Suspended, active);
}

#[test]
fn a_controller_of_before_is_not_shown_by_a_later_state_and_said_not_to_be() {
    let unshown = |change: fn(&mut [Standing; 3], &mut [Listed; 2])| {
        let (mut standings, mut keys) = (standings(), keys());
        change(&mut standings, &mut keys);
        let file = signed(with_signers(standings, keys)).write().unwrap();
        Signed::parse(&file).unwrap().packet.unshown()
    };
    let nothing = Some(vec![]);
    assert_eq!(unshown(|_, _| {}), nothing);
    // The author signed with its wallet; that key was never listed.
    let wallet: fn(&mut [Standing; 3], &mut [Listed; 2]) = |standings, keys| {
        standings[1].controller = address(AUTHOR);
        (keys[1].from, keys[1].until) = (0, 0);
    };
    assert_eq!(unshown(wallet), nothing);
    let author = Some(vec![Unshown::Author(0)]);
    assert_eq!(unshown(|_, keys| (keys[1].from, keys[1].until) = (0, 0)), author);
    assert_eq!(unshown(|_, keys| keys[1].until = 42), author);
    assert_eq!(unshown(|_, keys| keys[1].from = 43), author);
    let patient = Some(vec![Unshown::Patient(0)]);
    assert_eq!(unshown(|standings, _| standings[2].controller = Address::ZERO), patient);
    assert_eq!(packet().unshown(), None);
    assert_eq!(proved().unshown(), None);
}

/// Every byte of a packet, changed in up to four ways: refused, with a reason that says nothing of what is inside.
#[test]
fn every_changed_byte_is_refused() {
    let file = signed(with_signers(standings(), keys())).write().unwrap();
    let half = file.len().div_ceil(2);
    std::thread::scope(|threads| {
        for from in [0, half] {
            let file = &file;
            threads.spawn(move || {
                for at in from..file.len().min(from + half) {
                    for change in [0x01, 0x20, 0x80] {
                        let mut changed = file.clone();
                        changed[at] ^= change;
                        refused(&changed, at);
                    }
                    let cut = [&file[..at], &file[at + 1..]].concat();
                    refused(&cut, at);
                }
            });
        }
    });
}

fn refused(changed: &[u8], at: usize) {
    let why = Signed::parse(changed).expect_err(&format!("byte {at}")).to_string();
    assert!(!why.is_empty() && !why.contains("resourceType"), "byte {at}: {why}");
}
