//! FHIR JSON as it was sent: members in order, decimals digit for digit (`1.10` is not `1.1`), duplicate
//! names and deep nesting refused. `serde_json::Value` would sort the names and round the numbers, and a
//! record's signature is over its bytes.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::value::RawValue;

/// Levels of objects and lists inside each other. R4 resources of the real world stay below 20; each level
/// costs one more pass over the text below it.
pub const MAX_DEPTH: usize = 32;
/// Values in one resource, so that a few megabytes of `[0,0,0…` do not become a gigabyte of nodes.
pub const MAX_NODES: usize = 200_000;

/// One JSON value.
#[derive(Debug, Clone)]
pub enum Json {
    Null,
    Bool(bool),
    /// The digits as they were sent.
    Number(Box<RawValue>),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Why the text is not a resource's JSON. No variant repeats the text: it may hold a patient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON at all.
    #[error("the body is not JSON (line {line}, column {column}); send one FHIR resource as application/fhir+json")]
    Syntax {
        /// Line of the first error, from 1.
        line: usize,
        /// Column of the first error, from 1.
        column: usize,
    },
    /// An object has the same member twice; readers disagree which one counts.
    #[error("an object names the same member twice; send each member once")]
    Duplicate,
    /// Deeper than [`MAX_DEPTH`].
    #[error("the resource nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// More than [`MAX_NODES`] values.
    #[error("the resource holds more than {MAX_NODES} values")]
    TooMany,
    /// The body is JSON, but not an object.
    #[error("the body is not a JSON object; send one FHIR resource")]
    NotAnObject,
}

impl Json {
    /// Reads one object.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        not_too_many(text)?;
        let raw: &RawValue = serde_json::from_slice(text).map_err(|e| Malformed::Syntax {
            line: e.line(),
            column: e.column(),
        })?;
        let mut left = MAX_NODES;
        match grow(raw, 0, &mut left)? {
            object @ Self::Object(_) => Ok(object),
            _ => Err(Malformed::NotAnObject),
        }
    }

    /// The bytes that are signed and sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a tree of JSON values has string keys and finite numbers")
    }

    /// The member `name` of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Self::Object(members) = self else { return None };
        members.iter_mut().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Puts `value` at `name`, in the place of the old one if there is one. Anything but an object stays as it is.
    pub fn set(&mut self, name: &str, value: impl Into<Self>) {
        let value = value.into();
        if let Some(old) = self.get_mut(name) {
            *old = value;
        } else if let Self::Object(members) = self {
            members.push((name.to_owned(), value));
        }
    }

    /// Takes the member `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Self> {
        let Self::Object(members) = self else { return None };
        let at = members.iter().position(|(n, _)| n == name)?;
        Some(members.remove(at).1)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The value of a whole, non-negative number.
    pub fn as_u64(&self) -> Option<u64> {
        if let Self::Number(raw) = self {
            raw.get().parse().ok()
        } else {
            None
        }
    }

    /// The elements of a list; of anything else none.
    pub fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// The string at `name`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Self::as_str)
    }

    /// The elements of the list at `name`; none if there is no such list.
    pub fn list(&self, name: &str) -> &[Self] {
        self.get(name).map_or(&[], Self::items)
    }

    /// The same, to be changed.
    pub fn list_mut(&mut self, name: &str) -> &mut [Self] {
        match self.get_mut(name) {
            Some(Self::List(items)) => items,
            _ => &mut [],
        }
    }

    /// Whether this is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }
}

/// Counts values before anything is made of them: [`grow`] lists a level before it looks at its elements. Every value but
/// the first stands behind an opening bracket or a comma; an empty list or object counts as if it held one.
fn not_too_many(text: &[u8]) -> Result<(), Malformed> {
    let (mut values, mut quoted, mut escaped) = (1usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b'[' | b'{' if !quoted => values += 1,
            _ => {}
        }
    }
    if values > MAX_NODES {
        Err(Malformed::TooMany)
    } else {
        Ok(())
    }
}

fn grow(raw: &RawValue, depth: usize, left: &mut usize) -> Result<Json, Malformed> {
    *left = left.checked_sub(1).ok_or(Malformed::TooMany)?;
    let text = raw.get();
    // The scanner has seen the whole text, so what fails here is what it does not look at: escapes in strings.
    let syntax = |_| Malformed::Syntax { line: 1, column: 1 };
    let deeper = || {
        if depth < MAX_DEPTH {
            Ok(depth + 1)
        } else {
            Err(Malformed::TooDeep)
        }
    };
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let depth = deeper()?;
            let Members(members) = serde_json::from_str(text).map_err(syntax)?;
            let mut seen = HashSet::with_capacity(members.len());
            if !members.iter().all(|(name, _)| seen.insert(name.as_str())) {
                return Err(Malformed::Duplicate);
            }
            drop(seen);
            let grown = members
                .into_iter()
                .map(|(name, raw)| Ok((name, grow(raw, depth, left)?)));
            Json::Object(grown.collect::<Result<_, _>>()?)
        }
        Some(b'[') => {
            let depth = deeper()?;
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(syntax)?;
            Json::List(
                items
                    .into_iter()
                    .map(|raw| grow(raw, depth, left))
                    .collect::<Result<_, _>>()?,
            )
        }
        Some(b'"') => Json::Text(serde_json::from_str(text).map_err(syntax)?),
        Some(b't') => Json::Bool(true),
        Some(b'f') => Json::Bool(false),
        Some(b'n') => Json::Null,
        _ => Json::Number(raw.to_owned()),
    })
}

/// An object's members in order, duplicates kept so that they can be refused.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Number(raw) => raw.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| seq.serialize_element(item))?;
                seq.end()
            }
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                members
                    .iter()
                    .try_for_each(|(name, value)| map.serialize_entry(name, value))?;
                map.end()
            }
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        let raw = RawValue::from_string(number.to_string()).expect("decimal digits are JSON");
        Self::Number(raw)
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Self::List(items)
    }
}

impl<const N: usize> From<[(&str, Json); N]> for Json {
    fn from(members: [(&str, Json); N]) -> Self {
        Self::Object(
            members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_comes_back_in_its_order_and_with_its_digits() {
        let sent = r#"{"resourceType":"Claim","b":1.10,"a":[1e3,-0.0,null,true],"é":"\u00e9\n"}"#;
        let back = Json::parse(sent.as_bytes()).unwrap().to_bytes();
        assert_eq!(
            String::from_utf8(back).unwrap(),
            r#"{"resourceType":"Claim","b":1.10,"a":[1e3,-0.0,null,true],"é":"é\n"}"#
        );
    }

    #[test]
    fn the_same_member_twice_is_refused_even_when_it_is_escaped() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":[{"a":{"b":1,"b":1}}]}"#,
        ] {
            assert_eq!(
                Json::parse(text.as_bytes()).unwrap_err(),
                Malformed::Duplicate,
                "{text}"
            );
        }
    }

    #[test]
    fn deep_and_wide_bodies_are_refused() {
        let nested = |n: usize| format!("{{\"a\":{}1{}}}", "[".repeat(n), "]".repeat(n));
        assert!(Json::parse(nested(MAX_DEPTH - 1).as_bytes()).is_ok());
        assert_eq!(
            Json::parse(nested(MAX_DEPTH).as_bytes()).unwrap_err(),
            Malformed::TooDeep
        );
        assert!(Json::parse(nested(100_000).as_bytes()).is_err());
        let wide = format!("{{\"a\":[{}0]}}", "0,".repeat(MAX_NODES));
        assert_eq!(Json::parse(wide.as_bytes()).unwrap_err(), Malformed::TooMany);
        // Counted before it is parsed: this is no JSON, and nobody came to see it.
        let counted_first = format!("{{\"a\":[{}", "0,".repeat(MAX_NODES));
        assert_eq!(Json::parse(counted_first.as_bytes()).unwrap_err(), Malformed::TooMany);
        let quoted = format!("{{\"a\":\"\\\"{}\"}}", ",[{".repeat(MAX_NODES));
        assert!(Json::parse(quoted.as_bytes()).is_ok(), "text is no values");
    }

    #[test]
    fn text_that_is_not_one_object_is_refused() {
        for text in ["[]", "1", "\"x\"", "null"] {
            assert_eq!(
                Json::parse(text.as_bytes()).unwrap_err(),
                Malformed::NotAnObject,
                "{text}"
            );
        }
        let not_json: [&[u8]; 6] = [b"", b"{", b"{}{}", b"{\"a\":01}", b"{\"a\":\"\xff\"}", b"<Patient/>"];
        for text in not_json {
            assert!(matches!(Json::parse(text), Err(Malformed::Syntax { .. })), "{text:?}");
        }
        assert!(Json::parse(br#"{"a":"\ud800"}"#).is_err());
    }

    #[test]
    fn a_member_is_set_in_place_and_removed() {
        let mut json = Json::parse(br#"{"a":1,"b":2,"c":3}"#).unwrap();
        json.set("b", "x");
        json.set("d", 4u64);
        assert!(json.remove("a").is_some());
        assert_eq!(json.to_bytes(), br#"{"b":"x","c":3,"d":4}"#);
        assert_eq!(json.get("d").and_then(Json::as_u64), Some(4));
    }
}
