//! Supervision with real processes, and deployments on a real anvil that is killed.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{path::Path, sync::Arc, time::Duration};

use alloy::{
    eips::BlockId,
    network::{EthereumWallet, TransactionBuilder},
    primitives::Bytes,
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
};
use chartseal_chain::{bindings::Directory, deployment};
use chartseal_record::Contracts;
use chartseal_stack::{
    anvil::{self, ChainFolder},
    deploy::{Deployment, Outcome, deploy},
    ports::Ports,
    rpc::Node,
    supervise::{Process, Service, Supervised},
    wallet,
};

fn service(program: &str, arguments: &[&str], folder: &Path) -> Service {
    Service {
        process: Process::Gateway,
        program: program.into(),
        arguments: arguments.iter().map(Into::into).collect(),
        log: folder.join("log"),
        chatty: false,
        prepare: Arc::new(|| Ok(())),
    }
}

/// Each process id as it is told.
fn told() -> (
    impl Fn(Process, Option<u32>) + Send + Sync,
    tokio::sync::mpsc::UnboundedReceiver<Option<u32>>,
) {
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    (move |_, pid| tell.send(pid).unwrap_or_default(), told)
}

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_child_that_dies_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let (changed, mut told) = told();
    let mut child = Supervised::start(service("sleep", &["1000"], folder.path()), changed).unwrap();
    let first = told.recv().await.unwrap().unwrap();
    assert!(runs(first));
    child.kill().await.unwrap();
    assert!(!runs(first));
    assert_eq!(told.recv().await.unwrap(), None);
    let second = told.recv().await.unwrap().unwrap();
    assert!(runs(second) && second != first);
    child.stop().await;
    assert!(!runs(second));
    assert_eq!(told.recv().await.unwrap(), None);
    assert_eq!(told.recv().await, None);
}

#[tokio::test]
async fn a_child_that_is_held_stays_down_until_it_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let (changed, mut told) = told();
    let mut child = Supervised::start(service("sleep", &["1000"], folder.path()), changed).unwrap();
    let first = told.recv().await.unwrap().unwrap();
    child.hold().await.unwrap();
    assert!(!runs(first) && child.pid().is_none());
    assert_eq!(told.recv().await.unwrap(), None);
    assert!(
        tokio::time::timeout(Duration::from_millis(300), told.recv())
            .await
            .is_err()
    );
    child.resume().await.unwrap();
    assert!(runs(child.pid().unwrap()));
    child.stop().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let Err(error) = Supervised::start(service("/nowhere/chartseal-gateway", &[], folder.path()), |_, _| {}) else {
        panic!("started")
    };
    assert!(error.to_string().contains("/nowhere/chartseal-gateway"));
}

async fn answering(node: &Node) -> u64 {
    loop {
        if let Ok(head) = node.head().await {
            return head;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_deployment_is_made_once_and_outlives_a_kill_of_its_chain() {
    let folder = tempfile::tempdir().unwrap();
    let chain = ChainFolder::new(folder.path()).unwrap();
    let port = Ports::choose(0).unwrap().rpc;
    let service = Service {
        process: Process::Anvil,
        program: anvil::program().unwrap(),
        arguments: chain.arguments(port),
        log: folder.path().join("anvil.log"),
        chatty: true,
        prepare: Arc::new(move || chain.mend()),
    };
    let mut supervised = Supervised::start(service, |_, _| {}).unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let node = Node::new(&url);
    answering(&node).await;

    let out = folder.path().join("deployments/31337.json");
    let admin = wallet::signer(wallet::ADMIN);
    let (Outcome::Made(made), _) = deploy(&url, admin.clone(), None, Some(&out)).await.unwrap() else {
        panic!()
    };
    assert_eq!(made.registrar, admin.address());
    assert_eq!(Deployment::read(&out).unwrap(), Some(made));

    // A state with these blocks has to be on disk before the kill.
    let state = folder.path().join("chain/state.json");
    let kept = |bytes: Vec<u8>| {
        String::from_utf8_lossy(&bytes).contains(&format!("{:?}", made.contracts.anchors).to_lowercase())
    };
    while !std::fs::read(&state).is_ok_and(kept) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    supervised.kill().await.unwrap();
    answering(&node).await;
    let (Outcome::Found(found), _) = deploy(&url, admin.clone(), None, Some(&out)).await.unwrap() else {
        panic!()
    };
    assert_eq!(found, made);
    let roles = node
        .logs::<Directory::RoleGranted>(made.contracts.directory)
        .await
        .unwrap();
    assert_eq!(roles.len(), 2, "events outlive the kill: the index can be rebuilt");

    // Another chain behind the same URL.
    supervised.hold().await.unwrap();
    std::fs::remove_dir_all(folder.path().join("chain")).unwrap();
    std::fs::create_dir(folder.path().join("chain")).unwrap();
    supervised.resume().await.unwrap();
    answering(&node).await;
    let error = deploy(&url, admin.clone(), None, Some(&out)).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("chain was reset; run chartseal up --fresh"),
        "{error:#}"
    );

    // A run that died after its first transaction: the next one makes the other two, at the addresses planned.
    std::fs::remove_file(&out).unwrap();
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::from(admin.clone()))
        .connect_http(url.parse().unwrap());
    let genesis = provider.get_block(BlockId::number(0)).await.unwrap().unwrap();
    let nonce = provider.get_transaction_count(admin.address()).await.unwrap();
    let multisig = admin.address().create(nonce + 7);
    let directory = admin.address().create(nonce);
    let expected = Deployment {
        contracts: Contracts {
            directory,
            consent: admin.address().create(nonce + 1),
            anchors: admin.address().create(nonce + 2),
            ..made.contracts
        },
        block: 1,
        genesis: genesis.header.hash,
        registrar: multisig,
    };
    let plan = serde_json::json!({ "deployer": admin.address(), "nonce": nonce, "deployment": expected });
    let planned = out.with_extension("planned.json");
    std::fs::write(&planned, plan.to_string()).unwrap();
    let first = TransactionRequest::default().with_deploy_code(deployment::directory_initcode(multisig));
    let sent = provider.send_transaction(first).await.unwrap();
    assert_eq!(sent.get_receipt().await.unwrap().contract_address, Some(directory));
    let (Outcome::Made(taken_up), _) = deploy(&url, admin.clone(), Some(multisig), Some(&out)).await.unwrap() else {
        panic!()
    };
    assert_eq!(taken_up, expected);
    assert_eq!(
        provider.get_transaction_count(admin.address()).await.unwrap(),
        nonce + 3
    );
    assert!(!planned.exists());
    let roles = node.logs::<Directory::RoleGranted>(directory).await.unwrap();
    assert!(roles.iter().all(|role| role.event.account == multisig));

    // Whoever thinks another registrar was named is told.
    let error = deploy(&url, admin.clone(), Some(admin.address()), Some(&out))
        .await
        .unwrap_err();
    assert!(
        format!("{error:#}").contains(&format!("for the registrar {multisig}")),
        "{error:#}"
    );

    // Code that is not this program's.
    let code = provider.get_code_at(taken_up.contracts.consent).await.unwrap();
    let other: Bytes = code.iter().map(|byte| byte ^ 1).collect();
    let parameters = serde_json::value::to_raw_value(&(taken_up.contracts.consent, other)).unwrap();
    provider
        .raw_request_dyn("anvil_setCode".into(), &parameters)
        .await
        .unwrap();
    let error = deploy(&url, admin, None, Some(&out)).await.unwrap_err();
    assert!(format!("{error:#}").contains("Consent"), "{error:#}");
    supervised.stop().await;
}
