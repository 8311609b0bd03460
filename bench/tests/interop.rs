//! Files go both ways between Chartseal and the `age` crate (rage).

use std::{
    io::{self, Read, Write},
    iter,
};

use chartseal_envelope::{age, key::Identity};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const SIZES: [usize; 7] = [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB + 7, 300 * MIB];

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

#[test]
fn the_age_crate_opens_what_is_sealed_here() {
    let identity = Identity::generate().unwrap();
    let theirs: age_crate::x25519::Identity = identity.to_text().parse().unwrap();
    for len in SIZES {
        let (plain, mut sealed) = (sample(len), Vec::new());
        age::seal_through(identity.public_key(), plain.as_slice(), &mut sealed, 2).unwrap();
        assert_eq!(sealed.len() as u64, age::sealed_size(len as u64));
        let opening = age_crate::Decryptor::new_buffered(sealed.as_slice()).unwrap();
        let mut opened = Vec::with_capacity(len);
        let mut from = opening.decrypt(iter::once(&theirs as _)).unwrap();
        from.read_to_end(&mut opened).unwrap();
        assert!(opened == plain, "{len}");
    }
}

#[test]
fn what_the_age_crate_sealed_opens_here() {
    let identity = Identity::generate().unwrap();
    let to: age_crate::x25519::Recipient = identity.public_key().to_string().parse().unwrap();
    for len in SIZES {
        let (plain, mut sealed) = (sample(len), Vec::new());
        let sealing = age_crate::Encryptor::with_recipients(iter::once(&to as _)).unwrap();
        let mut writer = sealing.wrap_output(&mut sealed).unwrap();
        writer.write_all(&plain).unwrap();
        writer.finish().unwrap();
        let mut opened = Vec::with_capacity(len);
        age::open_through(std::slice::from_ref(&identity), sealed.as_slice(), &mut opened, 2).unwrap();
        assert!(opened == plain, "{len}");
        let stranger = Identity::generate().unwrap();
        assert!(age::open_through(&[stranger], sealed.as_slice(), io::sink(), 1).is_err());
    }
}
