//! Blind indexes: what a record can be found by without the database knowing what it says.
//!
//! value = HMAC-SHA256(key, word), key = the vault's subkey for organisation and column. Equal words of one column
//! have equal values, so only words that say little by their frequency are indexed: identifiers and codes of
//! concepts, never a name, a date or a status.

use alloy::primitives::{Address, B256};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::vault::Vault;

/// The column's name in the database: `Claim.identifier`.
pub fn name(resource_type: &str, column: &str) -> String {
    format!("{resource_type}.{column}")
}

/// The value a word has in a column of an organisation's index.
pub fn value(vault: &Vault, org: Address, name: &str, word: &str) -> B256 {
    column(vault, org, name)(word)
}

/// The same for many words of one column: its key is derived once.
pub fn column(vault: &Vault, org: Address, name: &str) -> impl Fn(&str) -> B256 {
    let key = vault.subkey(&format!("blind-index/{name}"), org);
    let keyed = Hmac::<Sha256>::new_from_slice(&*key).expect("HMAC takes a key of any length");
    move |word| {
        let mut mac = keyed.clone();
        mac.update(word.as_bytes());
        B256::from_slice(&mac.finalize().into_bytes())
    }
}

/// The index entries of a record.
pub fn entries(vault: &Vault, org: Address, resource_type: &str, words: &[(&str, String)]) -> Vec<(String, B256)> {
    let entry = |(column, word): &(&str, String)| {
        let name = name(resource_type, column);
        let value = value(vault, org, &name, word);
        (name, value)
    };
    words.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: Address = Address::repeat_byte(0xA1);

    #[test]
    fn equal_words_meet_only_in_their_own_column_and_organisation() {
        let vault = Vault::new(&[7; 32]);
        let here = value(&vault, ORG, "Claim.identifier", "12345");
        assert_eq!(here, value(&vault, ORG, "Claim.identifier", "12345"));
        for other in [
            value(&vault, ORG, "Patient.identifier", "12345"),
            value(&vault, Address::ZERO, "Claim.identifier", "12345"),
            value(&vault, ORG, "Claim.identifier", "12346"),
            value(&Vault::new(&[8; 32]), ORG, "Claim.identifier", "12345"),
        ] {
            assert_ne!(here, other);
        }
    }

    #[test]
    fn an_entry_shows_nothing_of_its_word() {
        let vault = Vault::new(&[7; 32]);
        let entries = entries(&vault, ORG, "Claim", &[("identifier", "12345".to_owned())]);
        assert_eq!(entries[0].0, "Claim.identifier");
        assert!(!format!("{entries:?}").contains("12345"));
    }
}
