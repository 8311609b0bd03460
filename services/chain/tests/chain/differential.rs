//! On random input both sides compute the same digest: what is signed over the record room's struct the contract takes,
//! and the same signature over one flipped bit it does not. The contracts are asked, not changed, so that every case
//! meets the same state.
//!
//! `CHARTSEAL_SEED=n` draws other cases; a failure names its seed and round.

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    signers::local::PrivateKeySigner,
    sol_types::{Eip712Domain, SolStruct},
};
use chartseal_chain::{
    Error, Revert,
    bindings::{ConsentErrors, DirectoryErrors},
    calls::{self, Wrap},
};
use chartseal_record::{
    Compartment, ContentHash, Slot, Target,
    event::Event,
    merkle,
    typed::{self, READ, WRITE},
};

use chartseal_stage::{Chain, FAR, key, sign};

const ROUNDS: u64 = 24;

/// Numbers drawn from a seed: keccak256 over seed and counter.
struct Draw {
    seed: B256,
    count: u64,
}

impl Draw {
    fn new(round: u64) -> Self {
        let seed: u64 = std::env::var("CHARTSEAL_SEED").map_or(1, |s| s.parse().expect("a number"));
        Self {
            seed: keccak256([seed.to_be_bytes(), round.to_be_bytes()].concat()),
            count: 0,
        }
    }

    fn word(&mut self) -> B256 {
        self.count += 1;
        keccak256([self.seed.as_slice(), &self.count.to_be_bytes()].concat())
    }

    fn number(&mut self) -> u64 {
        u64::from_be_bytes(self.word()[..8].try_into().unwrap())
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    fn address(&mut self) -> Address {
        Address::from_slice(&self.word()[..20])
    }

    fn bytes(&mut self, length: u64) -> Bytes {
        let mut bytes = Vec::new();
        while bytes.len() < length as usize {
            bytes.extend_from_slice(self.word().as_slice());
        }
        bytes.truncate(length as usize);
        bytes.into()
    }

    /// Text of at most `limit` bytes: letters of one, two, three and four bytes.
    fn text(&mut self, least: u64, limit: u64) -> String {
        let length = least + self.below(limit - least + 1);
        let mut text = String::new();
        while (text.len() as u64) < length {
            let letter = ['a', 'Z', '0', '-', ' ', '"', '\\', 'ß', 'Ω', '漢', '🩺'][self.below(11) as usize];
            let room = length as usize - text.len();
            text.push(if letter.len_utf8() > room { 'x' } else { letter });
        }
        text
    }
}

/// The signature, and the same with one bit of `r` flipped.
fn both<T: SolStruct>(signer: &PrivateKeySigner, value: &T, domain: &Eip712Domain) -> [Bytes; 2] {
    let good = sign(signer, value, domain);
    let mut bad = good.to_vec();
    bad[7] ^= 1;
    [good, bad.into()]
}

/// The contract takes the first of the two calls and refuses the signature of the second.
async fn differs_by_signature(
    world: &Chain,
    to: Address,
    what: &str,
    call: impl Fn(Bytes) -> Bytes,
    signed: [Bytes; 2],
) {
    let [good, bad] = signed.map(call);
    let nobody = Address::repeat_byte(0x0d);
    let taken = world.client.simulate(nobody, to, &good, Default::default()).await;
    taken.unwrap_or_else(|refused| panic!("{what}: {refused}"));
    let refused = world.client.simulate(nobody, to, &bad, Default::default()).await;
    assert!(
        matches!(
            &refused,
            Err(Error::Reverted(
                Revert::Directory(DirectoryErrors::BadSignature(_))
                    | Revert::Consent(ConsentErrors::BadSignature(_) | ConsentErrors::NotStatementKey(_))
            ))
        ),
        "{what}: {refused:?}"
    );
}

#[tokio::test]
async fn the_directory_computes_our_digests_on_random_input() {
    let world = Chain::start().await;
    let (hospital, doctor, patient) = (key(1), key(2), key(3));
    world.register(&hospital, 3, None).await;
    world.register(&doctor, 2, None).await;
    world.register(&patient, 1, Some(hospital.address())).await;
    let to = world.contracts.directory;
    let domain = world.contracts.directory_domain();
    let registrar = world.admin.address();
    for round in 0..ROUNDS {
        let mut draw = Draw::new(round);
        let at = |what: &str| format!("{what}, round {round}");
        let deadline = FAR + draw.below(1 << 40);

        let fresh = PrivateKeySigner::from_bytes(&draw.word()).unwrap();
        let role = 2 + draw.below(3) as u8;
        let (suite, length) = (2 + draw.below(60_000) as u16, 1 + draw.below(2048));
        let register = typed::Register {
            who: fresh.address(),
            role,
            suite,
            encryptionKey: draw.bytes(length),
            custodian: Address::ZERO,
            custody: 0,
            credential: draw.word(),
            credentialExpiry: FAR + draw.below(1 << 40),
            endpoint: if role == 2 { String::new() } else { draw.text(0, 256) },
            deadline,
        };
        let countersign = typed::Countersign {
            registration: register.eip712_hash_struct(),
            registrar,
        };
        let yes = sign(&world.admin, &countersign, &domain);
        let call = |s| calls::register(&register, s, &countersign, yes.clone());
        differs_by_signature(&world, to, &at("register"), call, both(&fresh, &register, &domain)).await;
        let own = sign(&fresh, &register, &domain);
        let call = |s| calls::register(&register, own.clone(), &countersign, s);
        differs_by_signature(
            &world,
            to,
            &at("countersign"),
            call,
            both(&world.admin, &countersign, &domain),
        )
        .await;

        let nonce = world.nonce(doctor.address()).await;
        let from = draw.below(1 << 50);
        let statement_key = typed::StatementKey {
            who: doctor.address(),
            key: draw.address(),
            from,
            until: from + 1_000 + draw.below(1 << 50),
            nonce,
            deadline,
        };
        let call = |s| calls::set_statement_key(&statement_key, s);
        differs_by_signature(
            &world,
            to,
            &at("statement key"),
            call,
            both(&doctor, &statement_key, &domain),
        )
        .await;

        let publisher = typed::Publisher {
            org: hospital.address(),
            publisher: fresh.address(),
            listed: true,
            nonce: world.nonce(hospital.address()).await,
            deadline,
        };
        let accept = typed::PublisherAccept {
            org: hospital.address(),
            publisher: fresh.address(),
        };
        let accepted = sign(&fresh, &accept, &domain);
        let call = |s| calls::set_publisher(&publisher, s, accepted.clone());
        differs_by_signature(&world, to, &at("publisher"), call, both(&hospital, &publisher, &domain)).await;
        let signed = sign(&hospital, &publisher, &domain);
        let call = |s| calls::set_publisher(&publisher, signed.clone(), s);
        differs_by_signature(
            &world,
            to,
            &at("publisher accept"),
            call,
            both(&fresh, &accept, &domain),
        )
        .await;

        let custodian = typed::Custodian {
            who: patient.address(),
            custodian: hospital.address(),
            custody: 1 + draw.below(2) as u8,
            nonce: world.nonce(patient.address()).await,
            deadline,
        };
        let call = |s| calls::set_custodian(&custodian, s);
        differs_by_signature(&world, to, &at("custodian"), call, both(&patient, &custodian, &domain)).await;

        let encryption = typed::EncryptionKey {
            who: doctor.address(),
            suite,
            encryptionKey: draw.bytes(length),
            nonce,
            deadline,
        };
        let call = |s| calls::set_encryption_key(&encryption, s);
        differs_by_signature(
            &world,
            to,
            &at("encryption key"),
            call,
            both(&doctor, &encryption, &domain),
        )
        .await;

        let credential = typed::Credential {
            who: doctor.address(),
            credential: draw.word(),
            credentialExpiry: FAR + draw.below(1 << 40),
            nonce,
            deadline,
        };
        let countersign = typed::Countersign {
            registration: credential.eip712_hash_struct(),
            registrar,
        };
        let yes = sign(&world.admin, &countersign, &domain);
        let call = |s| calls::renew_credential(&credential, s, &countersign, yes.clone());
        differs_by_signature(&world, to, &at("credential"), call, both(&doctor, &credential, &domain)).await;

        let endpoint = typed::Endpoint {
            who: hospital.address(),
            endpoint: draw.text(0, 256),
            nonce: world.nonce(hospital.address()).await,
            deadline,
        };
        let call = |s| calls::move_endpoint(&endpoint, s);
        differs_by_signature(&world, to, &at("endpoint"), call, both(&hospital, &endpoint, &domain)).await;

        let hand_over = typed::HandOver {
            who: patient.address(),
            controller: fresh.address(),
            nonce: world.nonce(patient.address()).await,
            deadline,
        };
        let taken = sign(&fresh, &hand_over, &domain);
        let call = |s| calls::hand_over(&hand_over, s, taken.clone());
        differs_by_signature(&world, to, &at("hand over"), call, both(&patient, &hand_over, &domain)).await;

        let status = typed::SetStatus {
            who: doctor.address(),
            status: 1 + draw.below(3) as u8,
            registrar,
            nonce: world.nonce(registrar).await,
            deadline,
        };
        let call = |s| calls::set_status(&status, s);
        differs_by_signature(&world, to, &at("status"), call, both(&world.admin, &status, &domain)).await;
    }
}

#[tokio::test]
async fn consent_computes_our_digests_and_places_on_random_input() {
    let world = Chain::start().await;
    let (hospital, doctor, patient, statement) = (key(1), key(2), key(3), key(8));
    world.register(&hospital, 3, None).await;
    world.register(&doctor, 2, None).await;
    world.register(&patient, 1, Some(hospital.address())).await;
    world.statement_key(&hospital, statement.address()).await;
    let to = world.contracts.consent;
    let domain = world.contracts.consent_domain();
    let recipient = keccak256(world.registration(doctor.address(), 2, None).encryptionKey);
    let (patient_id, doctor_id) = (patient.address(), doctor.address());
    for round in 0..ROUNDS {
        let mut draw = Draw::new(round);
        let at = |what: &str| format!("{what}, round {round}");
        let one_record = draw.below(3) == 0;
        let (scope, record) = if one_record {
            (String::new(), draw.word())
        } else {
            (draw.text(1, 32), B256::ZERO)
        };

        let revoke = typed::Revoke {
            patient: patient_id,
            grantee: draw.address(),
            scope: scope.clone(),
            record,
            serial: draw.number(),
        };
        let call = |s| calls::revoke(&revoke, s);
        differs_by_signature(&world, to, &at("revoke"), call, both(&patient, &revoke, &domain)).await;

        let permission = [READ, WRITE, READ | WRITE][draw.below(3) as usize];
        let carries_wrap = !one_record && permission & READ != 0;
        let wrap = if carries_wrap { draw.bytes(80) } else { Bytes::new() };
        let grant = typed::Grant {
            patient: patient_id,
            grantee: doctor_id,
            scope: scope.clone(),
            record,
            serial: 1,
            permission,
            until: FAR + draw.below(1 << 60),
            purpose: draw.text(0, 64),
            epoch: draw.number() as u32,
            suite: carries_wrap.into(),
            recipientKeyHash: if carries_wrap { recipient } else { B256::ZERO },
            wrapHash: if carries_wrap { keccak256(&wrap) } else { B256::ZERO },
        };
        let call = |s| calls::grant(&grant, wrap.clone(), s);
        differs_by_signature(&world, to, &at("grant"), call, both(&patient, &grant, &domain)).await;

        let delegate = typed::Delegate {
            patient: patient_id,
            delegate: world.contracts.directory,
            scope: "emergency".into(),
            maxDuration: 1 + draw.below(2_592_000) as u32,
            serial: 1 + draw.below(u64::MAX - 1),
        };
        let call = |s| calls::delegate(&delegate, s);
        differs_by_signature(&world, to, &at("delegate"), call, both(&patient, &delegate, &domain)).await;

        let suite = 2 + draw.below(60_000) as u16;
        let [key_length, link_length] = [1 + draw.below(2048), draw.below(2049)];
        let wraps: Vec<_> = (0..draw.below(4))
            .map(|_| Wrap {
                grantee: draw.address(),
                serial: draw.number(),
                recipientKeyHash: draw.word(),
                wrap: {
                    let length = 1 + draw.below(200);
                    draw.bytes(length)
                },
            })
            .collect();
        let by_custodian = draw.below(2) == 0;
        let advance = typed::Advance {
            patient: patient_id,
            scope: draw.text(1, 32),
            epoch: 1 + draw.below(u32::MAX.into()) as u32,
            suite,
            key: draw.bytes(key_length),
            link: draw.bytes(link_length),
            wraps: calls::wraps_hash(&wraps),
            by: if by_custodian { hospital.address() } else { patient_id },
        };
        let signer = if by_custodian { &statement } else { &patient };
        let call = |s| calls::advance(&advance, wraps.clone(), s);
        differs_by_signature(&world, to, &at("advance"), call, both(signer, &advance, &domain)).await;

        // From here on in earnest: the slot in the event, and the state behind it, are where we say they are.
        let mined = world
            .send(to, calls::grant(&grant, wrap.clone(), sign(&patient, &grant, &domain)))
            .await;
        let target = if one_record {
            Target::Record(record)
        } else {
            // A scope of any letters: the contract does not know the names a Scope may have.
            Target::Record(B256::ZERO)
        };
        let word = if one_record {
            target.word(patient_id)
        } else {
            keccak256(alloy::sol_types::SolValue::abi_encode_params(&(
                patient_id,
                scope.as_str(),
            )))
        };
        let slot = Slot::with_word(patient_id, doctor_id, word);
        assert!(
            matches!(&mined.events[0].event, Event::Granted { slot: told, .. } if *told == slot),
            "{}",
            at("slot")
        );
        assert!(
            world
                .client
                .is_allowed(patient_id, doctor_id, word, permission)
                .await
                .unwrap()
        );
        if carries_wrap {
            let open = typed::Advance {
                scope: scope.clone(),
                suite: 1,
                key: draw.bytes(32),
                link: Bytes::new(),
                wraps: calls::wraps_hash(&[]),
                ..advance.clone()
            };
            world
                .send(to, calls::advance(&open, vec![], sign(signer, &open, &domain)))
                .await;
            assert_eq!(
                world.client.epoch_of(Compartment(word)).await.unwrap().number,
                open.epoch
            );
            let again = draw.bytes(80);
            let rewrap = typed::Rewrap {
                patient: patient_id,
                grantee: doctor_id,
                scope: scope.clone(),
                record,
                serial: 1,
                epoch: 1 + draw.below(open.epoch.into()) as u32,
                suite: 1,
                recipientKeyHash: recipient,
                wrapHash: keccak256(&again),
                by: open.by,
            };
            let call = |s| calls::rewrap(&rewrap, again.clone(), s);
            differs_by_signature(&world, to, &at("rewrap"), call, both(signer, &rewrap, &domain)).await;
        }
    }
}

#[tokio::test]
async fn anchors_follows_our_paths_in_batches_of_random_size() {
    let world = Chain::start().await;
    let hospital = key(1);
    world.register(&hospital, 3, None).await;
    world.publisher(&hospital, &world.admin).await;
    let org = hospital.address();
    for round in 0..ROUNDS {
        let mut draw = Draw::new(round);
        let count = if round == 0 { 1 } else { 1 + draw.below(200) };
        let leaves: Vec<_> = (0..count)
            .map(|_| {
                let epoch = draw.number() as u32;
                merkle::leaf(Compartment(draw.word()), epoch, ContentHash(draw.word()))
            })
            .collect();
        let tree = merkle::Tree::new(leaves.clone()).unwrap();
        let (root, manifest, count) = (tree.root(), draw.word(), count as u32);
        let mined = world
            .send(world.contracts.anchors, calls::anchor(org, root, count, manifest))
            .await;
        for leaf in leaves.iter().take(8) {
            let proof = tree.proof(*leaf).unwrap();
            let found = world
                .client
                .verify(org, root, count, manifest, *leaf, proof.clone())
                .await;
            assert_eq!(found.unwrap(), Some(mined.block), "round {round}");
            let mut other = *leaf;
            other.0[draw.below(32) as usize] ^= 1 << draw.below(8);
            let found = world.client.verify(org, root, count, manifest, other, proof).await;
            assert_eq!(found.unwrap(), None, "round {round}");
        }
    }
    assert_eq!(world.nonce(org).await, U256::from(1));
}
