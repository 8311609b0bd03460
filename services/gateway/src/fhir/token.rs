//! Tokens (`system|code`): what a resource is indexed under, and what a search asks for.

use super::json::Json;

/// A searched token. `system|code`, `|code` (no system) or `code` (any system).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    system: Option<String>,
    code: String,
}

impl Token {
    /// A code of this system; of any system if there is none, and of no system if it is empty.
    pub fn new(system: Option<String>, code: String) -> Self {
        Self { system, code }
    }

    /// Reads a search value. `None` if there is no code: `system|` would match by system alone, which a blind
    /// index of whole values cannot.
    pub fn parse(text: &str) -> Option<Self> {
        let (system, code) = match text.split_once('|') {
            Some((system, code)) => (Some(system.to_owned()), code),
            None => (None, text),
        };
        (!code.is_empty()).then(|| Self {
            system,
            code: code.to_owned(),
        })
    }

    /// The words to look for in the index.
    pub fn word(&self) -> String {
        word(self.system.as_deref(), &self.code)
    }

    /// Whether a (system, code) pair of a resource is the one asked for.
    pub fn admits(&self, system: &str, code: &str) -> bool {
        self.code == code && self.system.as_deref().is_none_or(|asked| asked == system)
    }
}

/// The (system, code) pairs of a value of any type a token can be: a code, a flag, a Coding, a concept, an Identifier.
pub fn pairs_of(value: &Json) -> Vec<(String, String)> {
    if let Some(code) = value.as_str() {
        return vec![(String::new(), code.to_owned())];
    }
    if let Json::Bool(flag) = value {
        return vec![(String::new(), flag.to_string())];
    }
    let own = std::iter::once(value);
    let mut found = pairs(own.clone(), "code");
    found.extend(pairs(own, "value"));
    found.extend(pairs(value.list("coding").iter(), "code"));
    found
}

/// A pair's two index words: with its system and with any.
pub fn words(system: &str, code: &str) -> [String; 2] {
    [word(Some(system), code), word(None, code)]
}

// The length in front keeps `a|b` under system `c` and `b` under system `a|` apart.
fn word(system: Option<&str>, code: &str) -> String {
    match system {
        Some(system) => format!("{}:{system}|{code}", system.len()),
        None => format!("*|{code}"),
    }
}

/// (system, value) of every Identifier of a resource that a search by `identifier` finds.
pub fn identifiers(resource: &Json) -> Vec<(String, String)> {
    let list = resource.list("identifier").iter();
    let identifiers = list.chain(resource.get("masterIdentifier"));
    pairs(identifiers, "value")
}

/// (system, code) of the codings of the element `name`, be it one concept or several.
pub fn codings(resource: &Json, name: &str) -> Vec<(String, String)> {
    let concepts = match resource.get(name) {
        Some(Json::List(concepts)) => concepts.iter().collect(),
        Some(concept) => vec![concept],
        None => vec![],
    };
    pairs(concepts.into_iter().flat_map(|concept| concept.list("coding")), "code")
}

fn pairs<'a>(elements: impl Iterator<Item = &'a Json>, code: &str) -> Vec<(String, String)> {
    let pair = |element: &Json| {
        let code = element.text(code).filter(|code| !code.is_empty())?;
        Some((element.text("system").unwrap_or_default().to_owned(), code.to_owned()))
    };
    elements.filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_admits_what_it_names() {
        let token = |text: &str| Token::parse(text).unwrap();
        assert!(token("12345").admits("http://a", "12345"));
        assert!(token("http://a|12345").admits("http://a", "12345"));
        assert!(!token("http://b|12345").admits("http://a", "12345"));
        assert!(token("|12345").admits("", "12345"));
        assert!(!token("|12345").admits("http://a", "12345"));
        assert_eq!(Token::parse("http://a|"), None);
        assert_eq!(Token::parse(""), None);
    }

    #[test]
    fn the_index_holds_a_word_for_each_way_of_asking() {
        let words = words("http://a", "1|2");
        assert!(words.contains(&Token::parse("http://a|1|2").unwrap().word()));
        assert_ne!(super::words("a", "b|c"), super::words("a|b", "c"));
    }

    #[test]
    fn identifiers_and_codings_are_read_out() {
        let json = Json::parse(
            br#"{"identifier":[{"system":"s","value":"1"},{"value":"2"},{"system":"x"}],
                "masterIdentifier":{"system":"m","value":"3"},
                "category":[{"coding":[{"system":"c","code":"4"},{"code":"5"}]}],"type":{"coding":[{"code":"6"}]}}"#,
        )
        .unwrap();
        let values: Vec<_> = identifiers(&json).into_iter().map(|(_, v)| v).collect();
        assert_eq!(values, ["1", "2", "3"]);
        assert_eq!(codings(&json, "category").len(), 2);
        assert_eq!(codings(&json, "type"), [(String::new(), "6".to_owned())]);
        assert!(codings(&json, "code").is_empty());
    }
}
