//! The resource types with records behind them, as they stand in a path.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};

use super::outcome::Outcome;
use crate::problem::Code;

/// A resource type kept as records. Binary has routes of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Patient,
    DocumentReference,
    Claim,
}

impl Kind {
    /// The type's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "Patient",
            Self::DocumentReference => "DocumentReference",
            Self::Claim => "Claim",
        }
    }

    /// The type of this name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Patient, Self::DocumentReference, Self::Claim]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// The element that says whom a resource is about.
    pub fn subject(self) -> Option<&'static str> {
        match self {
            Self::Patient => None,
            Self::DocumentReference => Some("subject"),
            Self::Claim => Some("patient"),
        }
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
