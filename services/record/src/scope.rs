//! A class of records that is shared as a unit.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A scope's name: 1 to 32 characters of `a`–`z`, `0`–`9` and `-`, starting with a letter.
///
/// People read it in their wallet before they sign, so it is a word and not a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(String);

/// The scopes every deployment knows. More may be added by name alone.
pub const KNOWN: [&str; 9] = [
    "demographics",
    "clinical",
    "laboratory",
    "imaging",
    "medication",
    "claims",
    "sensitive",
    "emergency",
    "audit",
];

/// A scope's name was not 1–32 characters of `a`–`z`, `0`–`9`, `-`, starting with a letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scope names are 1 to 32 characters of a-z, 0-9 and '-', starting with a letter; use one like 'clinical'")]
pub struct BadScope;

impl Scope {
    /// Checks and takes a name.
    pub fn new(name: impl Into<String>) -> Result<Self, BadScope> {
        let name = name.into();
        let lower = |b: u8| b.is_ascii_lowercase();
        let ok = name.len() <= 32
            && name.bytes().next().is_some_and(lower)
            && name.bytes().all(|b| lower(b) || b.is_ascii_digit() || b == b'-');
        if ok { Ok(Self(name)) } else { Err(BadScope) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! known {
    ($($fn:ident),*) => { impl Scope { $(
        #[doc = concat!("The scope `", stringify!($fn), "`.")]
        pub fn $fn() -> Self { Self(stringify!($fn).into()) }
    )* } };
}
known!(
    demographics,
    clinical,
    laboratory,
    imaging,
    medication,
    claims,
    sensitive,
    emergency,
    audit
);

impl FromStr for Scope {
    type Err = BadScope;
    fn from_str(s: &str) -> Result<Self, BadScope> {
        Self::new(s)
    }
}

impl TryFrom<String> for Scope {
    type Error = BadScope;
    fn try_from(s: String) -> Result<Self, BadScope> {
        Self::new(s)
    }
}

impl From<Scope> for String {
    fn from(s: Scope) -> Self {
        s.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_scope_is_a_valid_name() {
        for name in KNOWN {
            assert_eq!(Scope::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_could_be_read_as_another_are_refused() {
        for name in ["", "Clinical", "clinical ", "1clinical", "-a", "clín", &"a".repeat(33)] {
            assert_eq!(Scope::new(name), Err(BadScope), "{name:?}");
        }
    }
}
