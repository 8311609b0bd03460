//! age v1 files (C2SP `age.md`) with one X25519 recipient: what records and attachments are.
//!
//! Any age program opens them with the epoch's secret; [`open`] and [`Opener`] read files of any age
//! program, whatever other recipients they have. Written binary only; [`Unarmored`] reads armour.

mod armor;
mod header;
mod open;
mod passphrase;
mod pump;
mod pushed;
mod ranges;
mod seal;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod through;
mod x25519;

pub use armor::Unarmored;
pub(crate) use header::derive;
pub use open::{Opener, file_key, open, open_keyed, open_with_file_key};
pub use passphrase::{MAX_WORK_FACTOR, MIN_WORK_FACTOR, open_with_passphrase, seal_with_passphrase};
pub use ranges::Ranges;
#[cfg(test)]
pub(crate) use seal::{Parts, seal_with};
pub use seal::{Sealed, Sealer, seal};
pub use stream::{CHUNK, TAG};
pub use through::{open_through, open_through_with_file_key, seal_through};

/// Bytes of the header [`seal`] and [`Sealer`] write: one X25519 recipient.
pub const HEADER: u64 = 168;

/// Bytes of the file that `plain` bytes become: header, nonce, and 16 bytes for every chunk begun
/// (an empty file has one chunk). Saturates at 2^64 − 1.
pub const fn sealed_size(plain: u64) -> u64 {
    let chunks = match plain.div_ceil(CHUNK as u64) {
        0 => 1,
        chunks => chunks,
    };
    (HEADER + stream::NONCE as u64 + chunks * TAG as u64).saturating_add(plain)
}

/// Bytes of plaintext in a file of `sealed` bytes that [`seal`] wrote. `None`: no such file has this size.
pub const fn opened_size(sealed: u64) -> Option<u64> {
    let Some(payload) = sealed.checked_sub(HEADER + stream::NONCE as u64) else {
        return None;
    };
    let chunks = payload.div_ceil((CHUNK + TAG) as u64);
    match payload.checked_sub(chunks * TAG as u64) {
        Some(plain) if chunks > 0 && sealed_size(plain) == sealed => Some(plain),
        _ => None,
    }
}
