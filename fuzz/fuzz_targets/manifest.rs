//! Manifests of other publishers: one list has one encoding.
#![no_main]

use chartseal_record::manifest::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(manifest) = Manifest::decode(input) else { return };
    assert_eq!(manifest.encode(), input);
    let leaves: Vec<_> = manifest.entries().iter().map(|entry| entry.leaf()).collect();
    assert!(leaves.is_sorted());
    for leaf in leaves {
        assert!(manifest.tree().proof(leaf).is_some());
    }
});
