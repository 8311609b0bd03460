//! The one way to write a JSON value down: RFC 8785 (JCS), for values without fractions.
//!
//! Fractions are where RFC 8785 needs ECMAScript's own number printing, and nothing of ours has any. What is left is
//! short: members by UTF-16 order of their names, no white space, the shortest escapes. (`serde_json_canonicalizer`
//! does it all, and turns `float_roundtrip` on for every JSON the workspace reads.)

use serde::Serialize;
use serde_json::Value;

/// The largest integer that every JSON parser reads exactly.
const LARGEST: u64 = (1 << 53) - 1;

/// The value has no canonical form that every reader reads alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only integers from 0 to 2^53 - 1 have one canonical form; write others as text")]
pub struct NotExact;

/// The canonical bytes of a value.
pub fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, NotExact> {
    let value = serde_json::to_value(value).map_err(|_| NotExact)?;
    let mut out = Vec::new();
    put(&value, &mut out)?;
    Ok(out)
}

fn put(value: &Value, out: &mut Vec<u8>) -> Result<(), NotExact> {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Number(n) => {
            let exact = n.as_u64().filter(|n| *n <= LARGEST).ok_or(NotExact)?;
            out.extend(exact.to_string().bytes());
        }
        Value::String(text) => put_text(text, out)?,
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                put(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (i, (name, member)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                put_text(name, out)?;
                out.push(b':');
                put(member, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// serde_json escapes what RFC 8785 §3.2.2.2 escapes, and in the same way.
fn put_text(text: &str, out: &mut Vec<u8>) -> Result<(), NotExact> {
    serde_json::to_writer(out, text).map_err(|_| NotExact)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn canonical(value: Value) -> String {
        String::from_utf8(write(&value).unwrap()).unwrap()
    }

    #[test]
    fn members_stand_in_the_order_of_rfc_8785() {
        // The example of RFC 8785 §3.2.3.
        let value = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh", "1": "One",
            "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis",
        });
        let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"\u{f6}\":\"Latin Small Letter O With \
             Diaeresis\",\"\u{20ac}\":\"Euro Sign\",\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
        assert_eq!(canonical(value), expected);
    }

    #[test]
    fn text_is_escaped_as_rfc_8785_escapes_it() {
        // The string of RFC 8785 §3.2.2.
        let value = json!({ "string": "\u{20ac}$\u{000F}\u{000a}A'\u{0042}\u{0022}\u{005c}\\\"/", "literals": [null, true, false] });
        let expected = r#"{"literals":[null,true,false],"string":"€$\u000f\nA'B\"\\\\\"/"}"#;
        assert_eq!(canonical(value), expected);
    }

    #[test]
    fn numbers_that_some_parser_would_round_are_refused() {
        assert_eq!(canonical(json!([0, LARGEST])), "[0,9007199254740991]");
        for value in [json!(LARGEST + 1), json!(-1), json!(0.5)] {
            assert_eq!(write(&value), Err(NotExact));
        }
    }
}
