//! The states of a record and of an intent, in the words every room uses.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The text is not the name of a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a state")]
pub struct BadState(String);

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }

        impl FromStr for $name {
            type Err = BadState;
            fn from_str(s: &str) -> Result<Self, BadState> {
                match s { $($word => Ok(Self::$variant),)* other => Err(BadState(other.into())) }
            }
        }
    };
}

states! {
    /// A record's life, once it has one. (`sealed`, before it, exists only in memory: if the process dies
    /// there, nothing was kept and nothing acknowledged.)
    RecordState {
        /// Ciphertext and outbox row are durable; the client has its 201.
        Stored = "stored",
        /// Manifest pinned, root and ordered leaves committed, nothing sent. The same root is rebuilt from the rows.
        Batched = "batched",
        /// The signed transaction and its hash were committed before broadcast. Ask the chain first, resend only if absent.
        Submitted = "submitted",
        /// k confirmations, proofs stored. A re-org takes it back to `batched`.
        Anchored = "anchored",
    }
}

states! {
    /// An intent's life. Signed bytes are kept until k confirmations; after a re-org the identical bytes are sent again.
    IntentState {
        /// The typed data was handed out; not every signature is here yet.
        Prepared = "prepared",
        /// Every signature is here; the submitter may relay it.
        Signed = "signed",
        /// The relayer's transaction was committed and broadcast.
        Submitted = "submitted",
        /// k confirmations.
        Confirmed = "confirmed",
        /// The contract refuses it; the reason is kept.
        Failed = "failed",
        /// Its deadline passed before it was complete.
        Expired = "expired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_back_from_their_words() {
        for s in [
            RecordState::Stored,
            RecordState::Batched,
            RecordState::Submitted,
            RecordState::Anchored,
        ] {
            assert_eq!(s.as_str().parse::<RecordState>(), Ok(s));
        }
        assert!("sealed".parse::<RecordState>().is_err());
    }
}
