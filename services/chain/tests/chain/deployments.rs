//! Whether the contracts at the configured addresses are this program's.

use alloy::{primitives::Address, providers::Provider};
use chartseal_chain::{Client, Error};
use chartseal_record::Contracts;

use chartseal_stage::Chain;

async fn check(world: &Chain, contracts: Contracts) -> Result<(), Error> {
    Client::connect(&world.anvil.url, contracts)
        .await?
        .check_contracts()
        .await
}

#[tokio::test]
async fn our_own_deployment_passes_and_every_other_is_named() {
    let world = Chain::start().await;
    let ours = world.contracts;
    check(&world, ours).await.unwrap();

    let elsewhere = Contracts {
        anchors: Address::repeat_byte(9),
        ..ours
    };
    assert!(matches!(
        check(&world, elsewhere).await,
        Err(Error::NoCode {
            contract: "Anchors",
            ..
        })
    ));
    let swapped = Contracts {
        consent: ours.anchors,
        ..ours
    };
    assert!(matches!(
        check(&world, swapped).await,
        Err(Error::OtherCode {
            contract: "Consent",
            ..
        })
    ));
    let other_chain = Contracts { chain_id: 1, ..ours };
    assert!(matches!(
        check(&world, other_chain).await,
        Err(Error::OtherChain {
            expected: 1,
            found: 31337
        })
    ));

    // A second Directory beside it: the code is ours, but Consent asks the first one.
    let code = world.node.get_code_at(ours.directory).await.unwrap();
    let second = Address::repeat_byte(7);
    world.anvil("anvil_setCode", (second, &code)).await;
    let mixed = Contracts {
        directory: second,
        ..ours
    };
    assert!(matches!(
        check(&world, mixed).await,
        Err(Error::OtherDirectory {
            contract: "Consent",
            ..
        })
    ));

    let mut changed = code.to_vec();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    world
        .anvil(
            "anvil_setCode",
            (ours.directory, alloy::primitives::Bytes::from(changed)),
        )
        .await;
    assert!(matches!(
        check(&world, ours).await,
        Err(Error::OtherCode {
            contract: "Directory",
            ..
        })
    ));
}
