//! The resource types with records behind them, as they stand in a path.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};

use super::outcome::Outcome;
use crate::problem::Code;

/// A resource type kept as records. Binary has routes of its own, and so has what is made from the chain and the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Patient,
    DocumentReference,
    Claim,
    ClaimResponse,
    Coverage,
    List,
}

/// All of them.
pub const KINDS: [Kind; 6] = [
    Kind::Patient,
    Kind::DocumentReference,
    Kind::Claim,
    Kind::ClaimResponse,
    Kind::Coverage,
    Kind::List,
];

impl Kind {
    /// The type's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "Patient",
            Self::DocumentReference => "DocumentReference",
            Self::Claim => "Claim",
            Self::ClaimResponse => "ClaimResponse",
            Self::Coverage => "Coverage",
            Self::List => "List",
        }
    }

    /// The type of this name.
    pub fn of(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The element that says whom a resource is about.
    pub fn subject(self) -> Option<&'static str> {
        match self {
            Self::Patient => None,
            Self::DocumentReference | Self::List => Some("subject"),
            Self::Claim | Self::ClaimResponse => Some("patient"),
            Self::Coverage => Some("beneficiary"),
        }
    }

    /// Whether a later version may replace one. What was claimed and decided is not rewritten: it is cancelled by another.
    pub fn is_updated(self) -> bool {
        matches!(self, Self::Patient | Self::DocumentReference)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Kind {
    type Rejection = Outcome;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Outcome> {
        let unknown = || {
            Outcome::new(
                Code::NotSupported,
                "this server does not keep resources of this type; see metadata",
            )
        };
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| unknown())?;
        let name = params.iter().find(|(name, _)| *name == "kind").map(|(_, value)| value);
        name.and_then(Self::of).ok_or_else(unknown)
    }
}
