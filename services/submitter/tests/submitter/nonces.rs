//! Nonces: taken by others, given up, missing.

use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
};
use chartseal_record::state::IntentState;
use chartseal_submitter::Worker;

use crate::{
    people::{patient, relayer},
    stage::{K, Stage},
};

#[tokio::test]
async fn a_nonce_taken_by_another_transaction_costs_a_new_signature_and_nothing_else() {
    let stage = Stage::open().await;
    let directory = stage.chain.contracts.directory;
    stage
        .signed("1", "register", directory, stage.registering(&patient(), 1), None)
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
    // A re-org could still give the nonce back.
    for _ in 1..K {
        worker.turn().await.unwrap();
        assert_eq!(stage.intent("1").await.sent.unwrap().hash, lost.hash);
        stage.chain.mine(1).await;
    }
    let intent = stage.decided(&mut worker, "1").await;
    assert_eq!((intent.state, intent.attempts), (IntentState::Confirmed, 1));
    assert_ne!(intent.sent.unwrap().hash, lost.hash);
}

#[tokio::test]
async fn a_nonce_given_up_is_filled_so_that_later_ones_are_mined() {
    let stage = Stage::open().await;
    let (directory, consent) = (stage.chain.contracts.directory, stage.chain.contracts.consent);
    stage.chain.send(directory, stage.registering(&patient(), 1)).await;
    stage
        .signed("1", "grant", consent, stage.grant("clinical", 1), None)
        .await;
    stage
        .signed("2", "grant", consent, stage.grant("claims", 1), None)
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
        .signed("1", "register", directory, stage.registering(&patient(), 1), None)
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

/// One gwei.
const GWEI: u128 = 1_000_000_000;

#[tokio::test]
async fn transactions_the_base_fee_left_behind_are_outbid_with_the_same_nonce() {
    let stage = Stage::open().await;
    let directory = stage.chain.contracts.directory;
    stage
        .signed("1", "register", directory, stage.registering(&patient(), 1), None)
        .await;
    stage.record(1).await;
    stage.chain.automine(false).await;
    let (mut relaying, mut publishing) = (stage.relayer(), stage.publisher());
    relaying.turn().await.unwrap();
    publishing.turn().await.unwrap();
    let (decision, anchor) = (stage.intent("1").await.sent.unwrap(), stage.batch().await.sent.unwrap());
    stage.chain.base_fee(500 * GWEI).await;
    stage.chain.mine(1).await;
    assert!(stage.chain.client.mined(decision.hash).await.unwrap().is_none());

    let intent = stage.decided(&mut relaying, "1").await;
    let batch = stage.anchored(&mut publishing).await;
    let (dearer, dearer_anchor) = (intent.sent.unwrap(), batch.sent.unwrap());
    assert_eq!(intent.state, IntentState::Confirmed);
    assert_eq!((dearer.nonce, dearer_anchor.nonce), (decision.nonce, anchor.nonce));
    assert_ne!(dearer.hash, decision.hash);
    assert_ne!(dearer_anchor.hash, anchor.hash);
    assert_eq!(stage.store.replaced_of_intent("1").await.unwrap(), [decision]);
    assert_eq!(stage.store.replaced_of_batch(batch.id).await.unwrap(), [anchor]);
    assert_eq!(stage.chain.anchors().await, [batch.root]);
}

#[tokio::test]
async fn an_outbid_transaction_that_is_mined_after_all_counts() {
    let stage = Stage::open().await;
    let directory = stage.chain.contracts.directory;
    stage
        .signed("1", "register", directory, stage.registering(&patient(), 1), None)
        .await;
    stage.record(1).await;
    stage.chain.automine(false).await;
    let (mut relaying, mut publishing) = (stage.relayer(), stage.publisher());
    relaying.turn().await.unwrap();
    publishing.turn().await.unwrap();
    let (decision, anchor) = (stage.intent("1").await.sent.unwrap(), stage.batch().await.sent.unwrap());
    stage.chain.base_fee(500 * GWEI).await;
    stage.chain.mine(1).await;
    relaying.turn().await.unwrap();
    publishing.turn().await.unwrap();
    assert_ne!(stage.intent("1").await.sent.unwrap().hash, decision.hash);
    // Another node never saw the dearer ones, and the base fee falls.
    stage.chain.anvil("anvil_dropAllTransactions", [(); 0]).await;
    stage.chain.base_fee(GWEI / 10).await;
    stage.chain.client.send_raw(&decision.raw).await.unwrap();
    stage.chain.client.send_raw(&anchor.raw).await.unwrap();
    stage.chain.mine(1).await;

    let intent = stage.decided(&mut relaying, "1").await;
    assert_eq!((intent.state, intent.sent), (IntentState::Confirmed, Some(decision)));
    let batch = stage.anchored(&mut publishing).await;
    assert_eq!(batch.tx_hash, Some(anchor.hash));
    assert_eq!(stage.chain.used(relayer().address()).await, 1);
}
