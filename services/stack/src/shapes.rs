//! The shapes a text could be kept in: as it is, in UTF-16, hex, base64, or escaped for JSON or a URL.

use aho_corasick::AhoCorasick;
use anyhow::{Context, Result};
use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

/// Words in all their shapes, to be looked for at once.
#[derive(Debug)]
pub struct Words {
    shapes: AhoCorasick,
    /// For each pattern the word it is a shape of, and which.
    names: Vec<(String, &'static str)>,
}

/// A word that can be read, and the shape it was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read<'a> {
    pub word: &'a str,
    pub shape: &'static str,
}

impl Words {
    /// Each word as it is spelled, and one of six bytes or more in small letters too, as an index would keep it.
    pub fn new(words: &[String]) -> Result<Self> {
        let (mut patterns, mut names) = (Vec::new(), Vec::new());
        for word in words {
            let small = word.to_lowercase();
            // The fewer letters, the likelier they stand in somebody else's word: "manam" does in "schemaname".
            let spellings = match small == *word || word.len() < 6 {
                true => vec![word.clone()],
                false => vec![word.clone(), small],
            };
            for (shape, bytes) in spellings.iter().flat_map(|spelled| shapes(spelled)) {
                patterns.push(bytes);
                names.push((word.clone(), shape));
            }
        }
        let shapes = AhoCorasick::new(patterns).context("too many words to be looked for at once")?;
        Ok(Self { shapes, names })
    }

    /// The first of them that stands in `bytes`.
    pub fn read_in(&self, bytes: &[u8]) -> Option<Read<'_>> {
        let found = self.shapes.find(bytes)?;
        let (word, shape) = &self.names[found.pattern().as_usize()];
        Some(Read { word, shape })
    }
}

/// A text in every shape, each under its name.
fn shapes(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = text.as_bytes();
    let little = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let mut shapes = vec![
        ("plain", bytes.to_vec()),
        ("UTF-16LE", little),
        ("UTF-16BE", big),
        ("hex", hex::encode(bytes).into_bytes()),
        ("hex", hex::encode_upper(bytes).into_bytes()),
        ("JSON", json(text)),
        ("URL", url(text, "%20")),
        ("form", url(text, "+")),
    ];
    for alphabet in [STANDARD, URL_SAFE] {
        shapes.extend((0..3).map(|before| ("base64", base64(bytes, before, &alphabet))));
    }
    shapes
}

/// What base64 always makes of `bytes` that stand `before` bytes behind a border of three, whatever stands around them:
/// the characters that hold bits of a neighbour are left out.
fn base64(bytes: &[u8], before: usize, alphabet: &Alphabet) -> Vec<u8> {
    let padded = [&vec![0; before], bytes].concat();
    let text = GeneralPurpose::new(alphabet, NO_PAD).encode(&padded);
    let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    text.as_bytes()[first..last].to_vec()
}

/// As a JSON text that is kept in ASCII.
fn json(text: &str) -> Vec<u8> {
    let mut escaped = String::new();
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b @ (b'"' | b'\\')) => escaped.extend(['\\', char::from(b)]),
            Ok(b @ 0x20..0x7f) => escaped.push(char::from(b)),
            _ => escaped.push_str(&format!("\\u{unit:04x}")),
        }
    }
    escaped.into_bytes()
}

/// Percent-encoded but for RFC 3986's unreserved characters.
fn url(text: &str, blank: &str) -> Vec<u8> {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => escaped.push_str(blank),
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => escaped.push(char::from(b)),
            b => escaped.push_str(&format!("%{b:02X}")),
        }
    }
    escaped.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_every_shape_and_nothing_is_found_in_none() {
        let words = Words::new(&["Gustavo Mejía".into(), "O'Keefe".into()]).unwrap();
        assert_eq!(words.read_in(b"Gustavo, and Mejia; 4f274b"), None);
        let utf16: Vec<u8> = "Gustavo Mejía".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let found: [(&[u8], &str); 10] = [
            ("x Gustavo Mejía y".as_bytes(), "plain"),
            (b"o'keefe", "plain"),
            (&utf16, "UTF-16LE"),
            (b"\0O\0'\0K\0e\0e\0f\0e", "UTF-16BE"),
            (b"\\x4f274b65656665", "hex"),
            (b"4F274B65656665", "hex"),
            (br#""Gustavo Mej\u00eda""#, "JSON"),
            (b"?name=Gustavo%20Mej%C3%ADa", "URL"),
            (b"name=gustavo+mej%C3%ADa&", "form"),
            // Of "an O'Keefe".
            (b"YW4gTydLZWVmZQ==", "base64"),
        ];
        for (bytes, shape) in found {
            assert_eq!(words.read_in(bytes).map(|read| read.shape), Some(shape), "{shape}");
        }
    }

    #[test]
    fn base64_is_found_wherever_the_word_begins_and_ends() {
        let words = Words::new(&["999-26-2058".into()]).unwrap();
        for before in 0..4 {
            for after in 0..4 {
                let text = ["x".repeat(before), "999-26-2058".into(), "?".repeat(after)].concat();
                let text = GeneralPurpose::new(&URL_SAFE, NO_PAD).encode(text);
                let read = words.read_in(text.as_bytes()).map(|read| read.shape);
                assert_eq!(read, Some("base64"), "{before} before, {after} after");
            }
        }
    }
}
