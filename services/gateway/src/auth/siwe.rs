//! Sign-In with Ethereum (EIP-4361): what a message must say before its signature is even looked at.

use alloy::primitives::Address;
use signinwithethereum::Message;
use time::OffsetDateTime;

/// Bytes of the longest message that is read.
const LONGEST: usize = 4096;
/// Seconds a wallet's clock may be ahead.
const SKEW: i64 = 60;

/// Why a message signs nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the message is not a Sign-In with Ethereum message (EIP-4361)")]
    Shape,
    #[error("the message is for another site: its domain and URI must be this gateway's public address")]
    Domain,
    #[error("the message is for another chain")]
    Chain,
    #[error("the message is dated in the future, not valid yet, or expired")]
    Time,
    #[error("the nonce was not issued here, is older than 10 minutes, or was used before; ask for a new one")]
    Nonce,
}

/// What the gateway expects to read.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Host and port of the public URL.
    pub domain: &'a str,
    /// The public URL: scheme and origin.
    pub origin: &'a reqwest::Url,
    pub chain_id: u64,
    /// Unix seconds.
    pub now: u64,
}

/// Who wants in, and with which nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub address: Address,
    pub nonce: String,
}

/// Reads a message and checks all but nonce and signature.
pub fn read(text: &str, expected: Expected<'_>) -> Result<Asked, Refused> {
    if text.len() > LONGEST {
        return Err(Refused::Shape);
    }
    let message: Message = text.parse().map_err(|_| Refused::Shape)?;
    // What the wallet showed and signed is the text; what we check is the parse. They must be one.
    if message.to_string() != text {
        return Err(Refused::Shape);
    }
    let uri: reqwest::Url = message.uri.as_str().parse().map_err(|_| Refused::Domain)?;
    let scheme = message.scheme.as_deref().is_none_or(|s| s == expected.origin.scheme());
    if message.domain.as_str() != expected.domain || uri.origin() != expected.origin.origin() || !scheme {
        return Err(Refused::Domain);
    }
    if message.chain_id != expected.chain_id {
        return Err(Refused::Chain);
    }
    let now = i64::try_from(expected.now)
        .ok()
        .and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
    let now = now.ok_or(Refused::Time)?;
    let ahead = message.issued_at.as_ref().unix_timestamp() > now.unix_timestamp() + SKEW;
    if ahead || !message.valid_at(&now) {
        return Err(Refused::Time);
    }
    Ok(Asked {
        address: Address::from(message.address),
        nonce: message.nonce,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000; // 2027-01-15T08:00:00Z

    fn message() -> String {
        [
            "records.example wants you to sign in with your Ethereum account:",
            "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
            "",
            "Sign in to Chartseal.",
            "",
            "URI: https://records.example/",
            "Version: 1",
            "Chain ID: 31337",
            "Nonce: abcdef0123456789",
            "Issued At: 2027-01-15T07:59:00Z",
        ]
        .join("\n")
    }

    fn check(text: &str) -> Result<Asked, Refused> {
        let origin = "https://records.example/".parse().unwrap();
        let expected = Expected {
            domain: "records.example",
            origin: &origin,
            chain_id: 31337,
            now: NOW,
        };
        read(text, expected)
    }

    #[test]
    fn a_message_for_this_gateway_names_who_wants_in() {
        let asked = check(&message()).unwrap();
        assert_eq!(asked.address.to_string(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        assert_eq!(asked.nonce, "abcdef0123456789");
    }

    #[test]
    fn messages_for_others_or_other_times_are_refused() {
        let m = message();
        for (changed, why) in [
            (m.replacen("records.example", "evil.example", 1), Refused::Domain),
            (
                m.replace("https://records.example/", "https://evil.example/"),
                Refused::Domain,
            ),
            (
                m.replace("https://records.example/", "https://records.example:8443/"),
                Refused::Domain,
            ),
            (format!("http://{m}"), Refused::Domain),
            (m.replace("31337", "1"), Refused::Chain),
            (m.replace("07:59:00Z", "08:05:00Z"), Refused::Time),
            (format!("{m}\nExpiration Time: 2027-01-15T07:59:30Z"), Refused::Time),
            (format!("{m}\nNot Before: 2027-01-15T09:00:00Z"), Refused::Time),
            (m.replace("Version: 1", "Version: 2"), Refused::Shape),
            (m.replace("abcdef0123456789", "short"), Refused::Shape),
            (m.replace('\n', "\r\n"), Refused::Shape),
            (format!("{m}\n"), Refused::Shape),
            (String::new(), Refused::Shape),
            ("x".repeat(5000), Refused::Shape),
        ] {
            assert_eq!(check(&changed), Err(why), "{changed}");
        }
    }
}
