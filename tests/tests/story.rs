//! The demo: whole, and with one step broken.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

use std::process::{Command, Output};

use chartseal_tests::program;

/// Two systems at once would only wait for each other on a small machine.
static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn demo(arguments: &[&str]) -> (Output, String) {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let output = Command::new(program("chartseal"))
        .arg("demo")
        .args(arguments)
        .output()
        .unwrap();
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output, told)
}

#[test]
fn the_demo_tells_the_whole_story() {
    let (output, told) = demo(&[]);
    assert!(output.status.success(), "{told}");
    for sentence in [
        "a second registration of the doctor's address is refused",
        "receipts verify",
        "bytes equal",
        "is declined",
        "refused at once",
        "wrap + key open nothing",
        "opens with the new epoch secret, not with the old",
        "content-corrupt",
        "together",
    ] {
        assert!(told.contains(sentence), "'{sentence}' is missing:\n{told}");
    }
}

#[test]
fn a_flipped_byte_before_the_doctor_reads_fails_the_demo() {
    let (output, told) = demo(&["--sabotage", "read"]);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("content-corrupt"),
        "it failed for another reason:\n{told}"
    );
    assert!(
        !told.contains("together"),
        "the table was printed all the same:\n{told}"
    );
}

#[test]
fn an_insurer_revoked_before_the_lookup_fails_the_demo() {
    let (output, told) = demo(&["--sabotage", "lookup"]);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("the claim's number finds 0 claims"),
        "it failed for another reason:\n{told}"
    );
}
