//! One stranger with many sockets stops nobody else.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use std::time::Duration;

use common::World;
use reqwest::Method;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn half_a_request(world: &World, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.base.trim_start_matches("http://"))
        .await
        .unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// What comes until the gateway hangs up.
async fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer));
    let _ = read.await.expect("the gateway hangs up");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_never_finish_a_request_stop_nobody() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    // Whose wallet would have to sign a draft is told so before the body: this one never comes.
    let large = format!(
        "POST /fhir/R4/Claim HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         content-type: application/fhir+json\r\ncontent-length: 30000000\r\n\r\n{{",
        people.doctor.token
    );
    let refused = answer(half_a_request(&world, &large).await).await;
    assert!(
        refused.contains("403") && refused.contains("draft-required"),
        "{refused}"
    );
    let (status, _) = people.alice.get("/v1/audit?after=18446744073709551615").await;
    assert_eq!(status, 400);

    let sign_in =
        "POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    let forged = format!(
        "POST /v1/intents HTTP/1.1\r\nhost: x\r\nauthorization: Bearer css_{}\r\ncontent-length: 1000\r\n\r\n{{",
        "A".repeat(43)
    );
    let mut sockets = Vec::new();
    for _ in 0..250 {
        sockets.push(half_a_request(&world, sign_in).await);
        sockets.push(half_a_request(&world, &forged).await);
        sockets.push(half_a_request(&world, "GET /v1/dep").await);
    }
    // Once a stranger is refused, the pool of strangers is full.
    let full = async {
        while world.call(Method::GET, "/v1/deployment", None, None).await.0 != 503 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(8), full)
        .await
        .expect("strangers have a limited number of places");
    for path in ["/livez", "/readyz"] {
        assert_eq!(world.call(Method::GET, path, None, None).await.0, 200, "{path}");
    }
    let hospital = people.hospital.address();
    let laid = people
        .alice
        .lay_out(
            "revoke",
            serde_json::json!({ "grantee": hospital, "scope": "clinical" }),
        )
        .await;
    let revoked = people.alice.sign(&laid).await;
    assert_ne!(revoked["receipt"], Value::Null, "a revocation is taken meanwhile");
    // A body that stands still, and a head that does not come, end.
    let last = sockets.pop().unwrap();
    assert!(!answer(last).await.contains("200 OK"), "no head, no answer");
    let first = answer(sockets.swap_remove(0)).await;
    assert!(first.is_empty() || first.starts_with("HTTP/1.1 4"), "{first}");
    assert_eq!(
        world.call(Method::GET, "/v1/deployment", None, None).await.0,
        200,
        "the places are free again"
    );
    world.stop.cancel();
}

#[tokio::test]
async fn who_is_refused_while_still_sending_reads_why_and_may_go_on() {
    let world = World::new().await;
    let head = format!(
        "POST /fhir/R4/Binary HTTP/1.1\r\nhost: x\r\nauthorization: Bearer css_{}\r\ncontent-length: 1000\r\n\r\n",
        "A".repeat(43)
    );
    let mut stream = half_a_request(&world, &head).await;
    let refused = until(&mut stream, "\"OperationOutcome\"").await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    stream.write_all(&[b'x'; 1000]).await.unwrap();
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let next = until(&mut stream, "\r\n\r\n").await;
    assert!(next.contains("HTTP/1.1 200"), "{next}");
    world.stop.cancel();
}

/// What comes until `mark` has come.
async fn until(stream: &mut TcpStream, mark: &str) -> String {
    let (mut answer, mut piece) = (String::new(), [0; 4096]);
    while !answer.contains(mark) {
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read(&mut piece));
        let read = read.await.expect("the gateway answers").unwrap();
        assert_ne!(read, 0, "hung up after {answer:?}");
        answer.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    answer
}

#[test]
fn a_setting_nobody_knows_is_refused_in_the_environment_too() {
    let program = env!("CARGO_BIN_EXE_chartseal-gateway");
    let output = std::process::Command::new(program)
        .args([
            "--check-config",
            "--config",
            concat!(env!("CARGO_MANIFEST_DIR"), "/sample.toml"),
        ])
        .env("CHARTSEAL_LOG", "info")
        .env("CHARTSEAL_LIMIT__DOCUMENT_BYTES", "1")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.contains("LIMIT") && said.contains("CHARTSEAL_"), "{said}");
}
