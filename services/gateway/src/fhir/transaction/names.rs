//! What the entries of a transaction call each other, and what they are called once they are stored.

use std::collections::HashMap;

use crate::fhir::json::Json;

/// Elements of type Reference.reference, uri, url, oid and uuid in the types kept here. Canonical URLs are left alone, and
/// so are identifiers, which are texts even where they look like a fullUrl.
const NAMES: [&str; 8] = [
    "reference",
    "url",
    "uri",
    "valueUri",
    "valueUrl",
    "valueOid",
    "valueUuid",
    "source",
];

/// New names by old ones.
#[derive(Debug, Default)]
pub struct Names(HashMap<String, String>);

impl Names {
    /// Gives an entry its name. False if another has this one already.
    pub fn give(&mut self, full_url: &str, name: String) -> bool {
        self.0.insert(full_url.to_owned(), name).is_none()
    }

    /// Rewrites a resource: references, URLs, and links in the narrative.
    pub fn rewrite(&self, json: &mut Json) {
        if self.0.is_empty() {
            return;
        }
        match json {
            Json::List(items) => items.iter_mut().for_each(|item| self.rewrite(item)),
            Json::Object(members) => {
                for (name, value) in members {
                    match value {
                        Json::Text(text) if NAMES.contains(&name.as_str()) => self.replace(text),
                        Json::Text(text) if name == "div" => {
                            for (old, new) in &self.0 {
                                *text = text.replace(&format!("\"{old}\""), &format!("\"{new}\""));
                            }
                        }
                        value => self.rewrite(value),
                    }
                }
            }
            _ => {}
        }
    }

    fn replace(&self, text: &mut String) {
        if let Some(new) = self.0.get(text.as_str()) {
            new.clone_into(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_urls_are_rewritten_and_identifiers_are_not() {
        let mut names = Names::default();
        assert!(names.give("urn:uuid:1", "Patient/a".into()));
        assert!(names.give("urn:uuid:2", "Binary/b".into()));
        assert!(!names.give("urn:uuid:2", "Binary/c".into()));
        let mut names = Names::default();
        names.give("urn:uuid:1", "Patient/a".into());
        names.give("urn:uuid:2", "Binary/b".into());
        let sent = r#"{"identifier":[{"value":"urn:uuid:1"}],"subject":{"reference":"urn:uuid:1"},
            "text":{"div":"<a href=\"urn:uuid:2\">urn:uuid:2</a>"},"content":[{"attachment":{"url":"urn:uuid:2"}}],
            "author":[{"reference":"urn:uuid:3"}]}"#;
        let mut json = Json::parse(sent.as_bytes()).unwrap();
        names.rewrite(&mut json);
        let text = String::from_utf8(json.to_bytes()).unwrap();
        let expected = r#"{"identifier":[{"value":"urn:uuid:1"}],"subject":{"reference":"Patient/a"},"text":{"div":"<a href=\"Binary/b\">urn:uuid:2</a>"},"content":[{"attachment":{"url":"Binary/b"}}],"author":[{"reference":"urn:uuid:3"}]}"#;
        assert_eq!(text, expected);
    }
}
