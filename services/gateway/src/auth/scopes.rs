//! SMART scopes of a system client: `system/<Type|*>.<c r u d s>` and the older `.read`, `.write`, `.*`.

use std::fmt;

/// What smart-configuration says is offered.
pub const SUPPORTED: [&str; 15] = [
    "system/*.cruds",
    "system/Patient.crus",
    "system/DocumentReference.crus",
    "system/Binary.cr",
    "system/Claim.crs",
    "system/ClaimResponse.crs",
    "system/Coverage.crs",
    "system/List.crs",
    "system/Task.crus",
    "system/Consent.rs",
    "system/AuditEvent.rs",
    "system/Provenance.rs",
    "system/Practitioner.rs",
    "system/Organization.rs",
    "system/*.rs",
];

/// The longest scope parameter that is read, in bytes.
const LONGEST: usize = 2048;
/// What apps ask for when a person launches them. It means nothing to a system, and some clients put it before their
/// system scopes all the same.
const OF_PEOPLE: [&str; 7] = [
    "launch",
    "launch/patient",
    "openid",
    "profile",
    "fhirUser",
    "online_access",
    "offline_access",
];

/// What a client may do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interaction {
    Create,
    Read,
    Update,
    Delete,
    Search,
}

const ORDER: [(char, Interaction); 5] = [
    ('c', Interaction::Create),
    ('r', Interaction::Read),
    ('u', Interaction::Update),
    ('d', Interaction::Delete),
    ('s', Interaction::Search),
];

/// The text is not a list of scopes this server knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a scope offered here: expected system/<Type or *>.<some of cruds, in this order>, without a query"
)]
pub struct BadScope(String);

/// One scope.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    /// `None` stands for `*`.
    resource: Option<String>,
    /// In the order of [`ORDER`].
    may: [bool; 5],
    /// As the client wrote it.
    text: String,
}

/// What a client was granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Reads scopes separated by spaces. An empty list is refused: it would be a token for nothing.
    pub fn parse(text: &str) -> Result<Self, BadScope> {
        let refused = || BadScope(text.chars().take(80).collect());
        if text.len() > LONGEST {
            return Err(refused());
        }
        let scopes: Vec<Scope> = text.split_whitespace().map(Scope::parse).collect::<Result<_, _>>()?;
        if scopes.is_empty() {
            Err(refused())
        } else {
            Ok(Self(scopes))
        }
    }

    /// Reads what a client asks the token endpoint for: the same, past what only people are granted.
    pub fn asked(text: &str) -> Result<Self, BadScope> {
        let words = text.split_whitespace().filter(|word| !OF_PEOPLE.contains(word));
        Self::parse(&words.collect::<Vec<_>>().join(" "))
    }

    /// Whether the resource type may be used this way.
    pub fn allow(&self, resource: &str, how: Interaction) -> bool {
        let i = ORDER
            .iter()
            .position(|(_, h)| *h == how)
            .expect("ORDER holds every interaction");
        self.0
            .iter()
            .any(|s| s.may[i] && s.resource.as_deref().is_none_or(|r| r == resource))
    }

    /// Whether everything in `asked` is in `self`.
    pub fn cover(&self, asked: &Self) -> bool {
        asked
            .0
            .iter()
            .all(|a| (0..ORDER.len()).all(|i| !a.may[i] || self.0.iter().any(|s| s.may[i] && s.holds(a))))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<&str> = self.0.iter().map(|s| s.text.as_str()).collect();
        f.write_str(&texts.join(" "))
    }
}

impl Scope {
    fn parse(text: &str) -> Result<Self, BadScope> {
        let refused = || BadScope(text.chars().take(80).collect());
        let (resource, verbs) = text
            .strip_prefix("system/")
            .and_then(|s| s.split_once('.'))
            .ok_or_else(refused)?;
        let name = resource != "*";
        if name && (resource.is_empty() || !resource.bytes().all(|b| b.is_ascii_alphabetic())) {
            return Err(refused());
        }
        let verbs = match verbs {
            "read" => "rs",
            "write" => "cud",
            "*" => "cruds",
            other => other,
        };
        Ok(Self {
            resource: name.then(|| resource.to_owned()),
            may: interactions(verbs).ok_or_else(refused)?,
            text: text.to_owned(),
        })
    }

    fn holds(&self, other: &Self) -> bool {
        self.resource.is_none() || self.resource == other.resource
    }
}

/// The letters in their order, each at most once, at least one.
fn interactions(verbs: &str) -> Option<[bool; 5]> {
    let mut may = [false; 5];
    let mut next = 0;
    for c in verbs.chars() {
        let at = next + ORDER[next..].iter().position(|(letter, _)| *letter == c)?;
        may[at] = true;
        next = at + 1;
    }
    (next > 0).then_some(may)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        Scopes::parse(text).unwrap()
    }

    #[test]
    fn letters_and_older_names_mean_the_same() {
        for (text, yes, no) in [
            ("system/Claim.rs", Interaction::Search, Interaction::Create),
            ("system/Claim.read", Interaction::Read, Interaction::Update),
            ("system/Claim.write", Interaction::Create, Interaction::Read),
            ("system/*.cruds", Interaction::Delete, Interaction::Delete),
        ] {
            assert!(scopes(text).allow("Claim", yes), "{text}");
            assert!(yes == no || !scopes(text).allow("Claim", no), "{text}");
        }
        assert!(!scopes("system/Claim.cruds").allow("Patient", Interaction::Read));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        for text in [
            "",
            "  ",
            "system/Claim",
            "system/Claim.",
            "system/Claim.sr",
            "system/Claim.rr",
            "system/Claim.x",
            "user/Claim.rs",
            "patient/*.read",
            "system/Claim.rs?status=active",
            "system/.rs",
            "system/Cl aim.rs",
        ] {
            assert!(Scopes::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_only_people_are_granted_is_passed_over_in_a_request() {
        let asked = Scopes::asked("launch/patient openid system/Claim.rs").unwrap();
        assert_eq!(asked.to_string(), "system/Claim.rs");
        assert!(Scopes::asked("launch/patient").is_err());
        assert!(Scopes::asked("user/Claim.rs system/Claim.rs").is_err());
    }

    #[test]
    fn a_client_gets_no_more_than_it_was_registered_for() {
        let registered = scopes("system/DocumentReference.crus system/Claim.rs");
        assert!(registered.cover(&scopes("system/Claim.r system/DocumentReference.cu")));
        assert!(!registered.cover(&scopes("system/Claim.c")));
        assert!(!registered.cover(&scopes("system/*.r")));
        assert!(scopes("system/*.cruds").cover(&registered));
    }
}
