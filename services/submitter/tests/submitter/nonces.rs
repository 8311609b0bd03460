//! Nonces: taken by others, given up, missing.

use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
};
use chartseal_record::state::IntentState;
use chartseal_submitter::Worker;

use crate::{
    chain::{patient, relayer},
    stage::Stage,
};

#[tokio::test]
async fn a_nonce_taken_by_another_transaction_costs_a_new_signature_and_nothing_else() {
    let stage = Stage::open().await;
    let directory = stage.chain.contracts.directory;
    stage
        .signed(
            "1",
            "register",
            directory,
            stage.chain.registration(&patient(), 1),
            None,
        )
        .await;
    let mut worker = stage.relayer();
    worker.hold().await.unwrap();
    let lost = worker.sign(&stage.intent("1").await).await.unwrap().unwrap();
    // Somebody uses the key elsewhere before the bytes go out.
    let elsewhere = ProviderBuilder::new()
        .wallet(EthereumWallet::from(relayer()))
        .connect_http(stage.chain.anvil.url.parse().unwrap());
    let request = TransactionRequest::default().with_to(relayer().address());
    elsewhere
        .send_transaction(request)
        .await
        .unwrap()
        .get_receipt()
        .await
        .unwrap();
    let intent = stage.decided(&mut worker, "1").await;
    assert_eq!((intent.state, intent.attempts), (IntentState::Confirmed, 1));
    assert_ne!(intent.sent.unwrap().hash, lost.hash);
}

#[tokio::test]
async fn a_nonce_given_up_is_filled_so_that_later_ones_are_mined() {
    let stage = Stage::open().await;
    let (directory, consent) = (stage.chain.contracts.directory, stage.chain.contracts.consent);
    stage
        .chain
        .send(directory, stage.chain.registration(&patient(), 1))
        .await;
    stage
        .signed("1", "grant", consent, stage.chain.grant("clinical", 1), None)
        .await;
    stage
        .signed("2", "grant", consent, stage.chain.grant("claims", 1), None)
        .await;
    let mut worker = stage.relayer();
    worker.hold().await.unwrap();
    worker.sign(&stage.intent("1").await).await.unwrap().unwrap();
    let second = worker.sign(&stage.intent("2").await).await.unwrap().unwrap();
    assert_eq!(second.nonce, 1);
    stage.store.intent_failed("1", "given up by hand", 1).await.unwrap();
    let intent = stage.decided(&mut worker, "2").await;
    assert_eq!((intent.state, intent.sent.unwrap()), (IntentState::Confirmed, second));
    assert_eq!(stage.chain.used(relayer().address()).await, 2);
}

#[tokio::test]
async fn a_transaction_the_node_forgot_is_sent_again_byte_for_byte() {
    let stage = Stage::open().await;
    let directory = stage.chain.contracts.directory;
    stage
        .signed(
            "1",
            "register",
            directory,
            stage.chain.registration(&patient(), 1),
            None,
        )
        .await;
    stage.chain.automine(false).await;
    let mut worker = stage.relayer();
    worker.turn().await.unwrap();
    let sent = stage.intent("1").await.sent.unwrap();
    assert!(stage.chain.client.transaction(sent.hash).await.unwrap().is_some());
    stage.chain.anvil("anvil_dropAllTransactions", [(); 0]).await;
    assert!(stage.chain.client.transaction(sent.hash).await.unwrap().is_none());
    let intent = stage.decided(&mut worker, "1").await;
    assert_eq!((intent.state, intent.sent), (IntentState::Confirmed, Some(sent)));
}
