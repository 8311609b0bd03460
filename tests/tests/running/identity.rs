//! Keys of the tests' own.

/// 32 bytes nobody knows.
pub fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}
