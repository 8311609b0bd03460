//! The fixtures of IPIP-0499 for the profile unixfs-v1-2025, as Kubo's own tests hold them: ChaCha20's keystream under
//! SHA-256 of a seed and a nonce of zeros.

use std::io::{self, Read};

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use chartseal_ipfs::unixfs::file_cid;
use sha2::{Digest, Sha256};

use crate::suite::MIB;

fn cid_of(seed: &str, length: usize) -> String {
    let mut data = vec![0; length];
    ChaCha20::new(&Sha256::digest(seed), &[0; 12].into()).apply_keystream(&mut data);
    file_cid(&data[..]).unwrap().0.to_string()
}

#[test]
fn a_chunk_and_a_chunk_and_a_byte() {
    assert_eq!(
        cid_of("chunk-v1-seed", MIB),
        "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta"
    );
    assert_eq!(
        cid_of("chunk-v1-seed", MIB + 1),
        "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64"
    );
}

/// From Kubo 0.43, by the flags of the profile: zeros, which cost no keystream, for 1024 chunks, the most a node
/// links to, and for a byte more.
#[test]
fn as_many_links_as_a_node_takes_and_one_more() {
    for (length, cid) in [
        (
            1024 * MIB,
            "bafybeibqawkaltgjfdebq4no6nmfcvkcw7k52xqzclkwfmrkn6oxw7srmy",
        ),
        (
            1024 * MIB + 1,
            "bafybeigx4uyebjbq65346xh6cjrt6yshbdudzudhnqecwbzvymslxj7gje",
        ),
    ] {
        let (ours, size) = file_cid(io::repeat(0).take(length as u64)).unwrap();
        assert_eq!((ours.to_string().as_str(), size), (cid, length as u64));
    }
}
