//! One reader, one document.

use chartseal_stack::client::{Answer, ClientError, Gateway, text};

/// What a reader was given.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    Bytes(Vec<u8>),
    /// 4xx, by which nobody learns more than that it is not for them.
    Refused(u16),
    /// Nothing, 5xx, or to come back later; in its words.
    Unanswered(String),
}

/// Reads a DocumentReference and the bytes it names.
pub async fn read(reader: &Gateway, path: &str) -> Seen {
    let resource = match sorted(reader.get(path).await) {
        Seen::Bytes(resource) => resource,
        other => return other,
    };
    let resource: serde_json::Value = serde_json::from_slice(&resource).unwrap_or_default();
    match text(&resource["content"][0]["attachment"], "url") {
        // By its path: of several gateways under one public URL, at this one.
        Ok(url) => sorted(reader.get_as(url.trim_start_matches(&public(&url)), "*/*").await),
        Err(_) => panic!("{path} was answered with no document: {resource}"),
    }
}

fn sorted(answer: Result<Answer, ClientError>) -> Seen {
    match answer {
        Ok(answer) if answer.status == 200 => Seen::Bytes(answer.body),
        Ok(answer) if refuses(answer.status) => Seen::Refused(answer.status),
        Ok(answer) => Seen::Unanswered(format!("{}: {} {}", answer.what, answer.status, answer.code())),
        Err(error) => Seen::Unanswered(error.to_string()),
    }
}

/// A definite no: nothing was done and nothing will be.
pub fn refuses(status: u16) -> bool {
    (400..500).contains(&status) && ![408, 409, 425, 429].contains(&status)
}

/// Scheme and authority of a URL.
fn public(url: &str) -> String {
    let whole: Vec<&str> = url.splitn(4, '/').take(3).collect();
    whole.join("/")
}
