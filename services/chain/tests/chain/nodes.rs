//! Nodes that are away, slow, or forget; transactions handed to them.

use std::time::Duration;

use alloy::{
    consensus::{EthereumTypedTransaction, SignableTransaction, TxEip1559},
    eips::{BlockId, Encodable2718},
    network::TxSignerSync,
    primitives::{Address, B256, TxKind, U256},
};
use chartseal_chain::{Client, Error};
use chartseal_record::Contracts;

use chartseal_stage::{Anvil, Chain, key};

fn nowhere() -> Contracts {
    Contracts {
        chain_id: 31337,
        directory: Address::ZERO,
        consent: Address::ZERO,
        anchors: Address::ZERO,
    }
}

#[tokio::test]
async fn a_node_that_is_away_is_a_transport_error_that_does_not_tell_the_url() {
    let client = Client::connect("http://user:secret@127.0.0.1:1/key", nowhere())
        .await
        .unwrap();
    let error = client.head().await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }) && error.is_transient());
    let told = format!("{error} {error:?}");
    assert!(!told.contains("secret") && !told.contains("/key"), "{told}");
}

#[tokio::test]
async fn a_node_that_does_not_answer_times_out() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let client = Client::connect(&url, nowhere())
        .await
        .unwrap()
        .with_timeout(Duration::from_millis(100));
    let error = client.chain_id().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }) && error.is_transient());
}

#[tokio::test]
async fn only_urls_a_node_can_have_are_taken() {
    for url in ["", "anvil", "ftp://127.0.0.1", "/tmp/anvil.ipc"] {
        assert!(
            matches!(Client::connect(url, nowhere()).await, Err(Error::BadUrl)),
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_websocket_reads_the_same_chain() {
    let anvil = Anvil::start(&[]);
    let http = Client::connect(&anvil.url, nowhere()).await.unwrap();
    let ws = Client::connect(&format!("ws://127.0.0.1:{}", anvil.port), nowhere())
        .await
        .unwrap();
    assert_eq!(http.genesis().await.unwrap(), ws.genesis().await.unwrap());
    assert_eq!(ws.chain_id().await.unwrap(), 31337);
}

fn signed(nonce: u64) -> Vec<u8> {
    let transaction = TxEip1559 {
        chain_id: 31337,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(1)),
        value: U256::from(1),
        ..Default::default()
    };
    let mut typed = EthereumTypedTransaction::<alloy::consensus::TxEip4844>::Eip1559(transaction.clone());
    let signature = key(1).sign_transaction_sync(&mut typed).unwrap();
    transaction.into_signed(signature).encoded_2718()
}

#[tokio::test]
async fn identical_bytes_may_be_sent_again_and_a_taken_nonce_is_refused() {
    let world = Chain::start().await;
    let (client, sender) = (&world.client, key(1).address());
    world.anvil("evm_setAutomine", [false]).await;
    let raw = signed(0);
    let hash = client.send_raw(&raw).await.unwrap();
    assert_eq!(client.send_raw(&raw).await.unwrap(), hash);
    let known = client.transaction(hash).await.unwrap().unwrap();
    assert_eq!((known.from, known.nonce, known.block), (sender, 0, None));
    assert_eq!(client.mined(hash).await.unwrap(), None);
    assert_eq!(client.transaction_count(sender, BlockId::pending()).await.unwrap(), 1);
    assert_eq!(client.transaction_count(sender, BlockId::latest()).await.unwrap(), 0);
    world.mine(1).await;
    let mined = client.mined(hash).await.unwrap().unwrap();
    assert!(mined.success && mined.gas_used == 21_000);
    let head = client.head().await.unwrap();
    assert_eq!((mined.block_hash, head.confirmations(mined.block)), (head.hash, 1));
    assert_eq!(client.send_raw(&raw).await.unwrap(), hash, "mined already");

    let mut other = signed(0);
    other.truncate(0);
    assert!(matches!(client.send_raw(&other).await, Err(Error::Refused { .. })));
    let taken = {
        let mut transaction = TxEip1559 {
            chain_id: 31337,
            gas_limit: 21_000,
            max_fee_per_gas: 1,
            ..Default::default()
        };
        let signature = key(1).sign_transaction_sync(&mut transaction).unwrap();
        transaction.into_signed(signature).encoded_2718()
    };
    assert!(matches!(client.send_raw(&taken).await, Err(Error::Refused { .. })));
    assert_eq!(client.transaction(B256::ZERO).await.unwrap(), None);
}

#[tokio::test]
async fn a_transaction_whose_block_left_the_chain_is_not_mined() {
    let world = Chain::start().await;
    world.automine(false).await;
    let hash = world.client.send_raw(&signed(0)).await.unwrap();
    world.mine(1).await;
    assert!(world.client.mined(hash).await.unwrap().is_some());
    world.anvil("anvil_rollback", [1]).await;
    assert_eq!(world.client.mined(hash).await.unwrap(), None);
    assert_eq!(
        world
            .client
            .transaction_count(key(1).address(), BlockId::latest())
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn fees_cover_the_base_fee_and_balances_are_read() {
    let world = Chain::start().await;
    let fees = world.client.fees().await.unwrap();
    assert!(fees.base_fee > 0 && fees.max_fee_per_gas >= fees.base_fee + fees.max_priority_fee_per_gas);
    assert!(world.client.balance(key(5).address()).await.unwrap() > U256::ZERO);
    assert_eq!(world.client.block(BlockId::number(1_000_000)).await.unwrap(), None);
}
