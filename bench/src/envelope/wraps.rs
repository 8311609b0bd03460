//! Wraps, against the bare `hpke` crate with the same bytes.

use std::hint::black_box;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::SolValue;
use anyhow::Result;
use chartseal_envelope::{
    key::{EpochSecret, Identity, ReleaseKey},
    wrap::{self, Place},
};
use chartseal_record::{Contracts, Slot};
use hpke::{
    Deserializable, OpModeR, OpModeS, PskBundle, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::Kem,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal,
};

use super::Envelope;
use crate::measure::{Contestant, goal, race};

const TIMES: usize = 1000;

pub fn run(bench: &Envelope) -> Result<()> {
    let contracts = Contracts {
        chain_id: 31337,
        directory: Address::repeat_byte(1),
        consent: Address::repeat_byte(2),
        anchors: Address::repeat_byte(3),
    };
    let place = Place {
        contracts,
        slot: Slot(B256::repeat_byte(4)),
        serial: 7,
        epoch: 3,
    };
    let (grantee, release) = (Identity::generate()?, ReleaseKey::generate()?);
    let secret = EpochSecret::from_bytes([5; 32]);
    let sealed = wrap::seal(&place, grantee.public_key(), &release, &secret)?;

    let chain = U256::from(31337);
    let info = (
        "chartseal/v1/wrap",
        1u16,
        chain,
        contracts.consent,
        place.slot.0,
        7u64,
        3u32,
    )
        .abi_encode_params();
    let id = (place.slot.0, 7u64, 3u32, grantee.public_key().key_hash()).abi_encode_params();
    let id = keccak256(id);
    let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(grantee.public_key().as_bytes()).expect("a key");
    let private = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(grantee.as_bytes()).expect("a key");
    let psk = || PskBundle::new(release.as_bytes(), &id[..]).expect("a key");
    let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&sealed[..32]).expect("a share");

    let mut contestants = [
        Contestant::new("wrap::seal", || {
            for _ in 0..TIMES {
                black_box(wrap::seal(&place, grantee.public_key(), &release, &secret).expect("seals"));
            }
        }),
        Contestant::new("bare hpke, seal", || {
            for _ in 0..TIMES {
                let mode = OpModeS::Psk(psk());
                let sealed = single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                    &mode,
                    &public,
                    &info,
                    secret.as_bytes(),
                    &[],
                );
                let (enc, ct) = sealed.expect("seals");
                black_box((enc.to_bytes(), ct));
            }
        }),
        Contestant::new("wrap::open (and its check against the chain's key)", || {
            for _ in 0..TIMES {
                let opened = wrap::open(&place, &grantee, &release, secret.public_key(), &sealed);
                black_box(opened.expect("opens"));
            }
        }),
        Contestant::new("bare hpke, open", || {
            for _ in 0..TIMES {
                let opened = single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                    &OpModeR::Psk(psk()),
                    &private,
                    &enc,
                    &info,
                    &sealed[32..],
                    &[],
                );
                black_box(opened.expect("opens"));
            }
        }),
    ];
    let times = race(bench.rounds, &mut contestants);
    println!("wraps");
    for (contestant, time) in contestants.iter().zip(&times) {
        println!("  {:<50} {:>8.0} /s", contestant.name, TIMES as f64 / time);
    }
    goal("seal / bare hpke", times[1] / times[0], 0.9);
    goal("open / bare hpke", times[3] / times[2], 0.9);
    println!();
    Ok(())
}
