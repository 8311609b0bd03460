//! Receipts: what is taken proves a path, and is taken again from its own text.
#![no_main]

use chartseal_record::receipt::Receipt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(receipt) = Receipt::parse(input) {
        assert!(receipt.check().is_ok() && receipt.anchor_key().is_ok() && receipt.proof.len() <= 13);
        let text = serde_json::to_vec(&receipt).expect("a receipt is JSON");
        assert_eq!(Receipt::parse(&text).expect("its own text"), receipt);
    }
    // Beyond `parse`, a receipt of any shape is checked without a panic.
    if let Ok(receipt) = serde_json::from_slice::<Receipt>(input) {
        let _ = (receipt.check(), receipt.manifest_digest(), receipt.leaf());
    }
});
