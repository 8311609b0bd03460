//! Statements, and the plaintext of records they stand in: what is taken is taken in one form only.
#![no_main]

use chartseal_envelope::record::{self, OpenedRecord};
use chartseal_record::{padding::padded, statement::Statement};
use libfuzzer_sys::fuzz_target;

/// Its SHA-256 stands in the seeds.
const RESOURCE: &[u8] = br#"{"resourceType":"DocumentReference"}"#;

fuzz_target!(|input: &[u8]| {
    if let Ok(statement) = serde_json::from_slice::<Statement>(input) {
        let text = serde_json::to_vec(&statement).expect("a statement is JSON");
        assert_eq!(
            serde_json::from_slice::<Statement>(&text).expect("its own text"),
            statement
        );
    }
    // As a whole plaintext, and as the first line of one that is right behind it.
    check(input);
    let mut plain = [input, b"\n", RESOURCE].concat();
    plain.resize(padded(plain.len()), 0);
    check(&plain);
});

fn check(plain: &[u8]) {
    let Ok(OpenedRecord { header, resource }) = record::parse(plain) else {
        return;
    };
    assert_eq!(padded(plain.len()), plain.len());
    let again = record::compose(&header, &resource).expect("what was parsed can be composed");
    let parsed = record::parse(&again).expect("what was composed can be parsed");
    assert!(parsed == OpenedRecord { header, resource });
}
