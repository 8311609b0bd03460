//! Secret bytes: wiped when dropped, compared in constant time, never printed, never serialised. A clone is asked for by
//! name and wipes itself too.

use crate::error::{Error, Result};

/// Fresh bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Takes the bytes as they are. The caller's copy is the caller's to wipe.
            pub fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Fresh from the operating system.
            pub fn generate() -> crate::error::Result<Self> {
                crate::secret::random().map(Self)
            }

            /// The bytes. Whoever copies them wipes the copy.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = crate::error::Error;
            fn try_from(bytes: &[u8]) -> crate::error::Result<Self> {
                let bytes = bytes.try_into().map_err(|_| {
                    crate::error::Error::Key(concat!(stringify!($name), " is ", $len, " bytes long"))
                })?;
                Ok(Self(bytes))
            }
        }

        /// Constant time.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]).into()
            }
        }
        impl Eq for $name {}

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}
pub(crate) use secret;
