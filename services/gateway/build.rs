//! Which schema of the contract stands for a type that is not this crate's. A field says its Rust type only; its
//! file imports the schema from `crate::openapi::words`, since an alias is one name and not a path.

use utoipa_config::Config;

const WORDS: [(&str, &str); 10] = [
    ("Address", "AddressSchema"),
    ("B256", "HashSchema"),
    ("Bytes", "HexSchema"),
    ("Slot", "HashSchema"),
    ("Scope", "ScopeSchema"),
    ("Role", "RoleSchema"),
    ("Status", "StatusSchema"),
    ("Custody", "CustodySchema"),
    ("RecordState", "RecordStateSchema"),
    ("IntentState", "IntentStateSchema"),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let config = WORDS
        .iter()
        .fold(Config::new(), |config, (rust, schema)| config.alias_for(rust, schema));
    config.write_to_file();
}
