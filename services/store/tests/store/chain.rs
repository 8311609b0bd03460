//! Blocks are appended once and forgotten from one on.

use alloy_primitives::{Address, B256};
use chartseal_record::{
    Slot,
    event::{Event, Logged},
};
use chartseal_store::{Block, BlockPlace, Error, ReleaseKeyPlace, Tombstone};

use crate::stage::{ORG, PATIENT, Stage, word};

fn block(number: u64, fork: u32) -> Block {
    Block {
        number,
        hash: word(&format!("fork {fork}"), number as u32),
        timestamp: 1000 + number,
    }
}

fn at(block: Block) -> BlockPlace {
    BlockPlace {
        number: block.number,
        hash: block.hash,
    }
}

pub fn logged(block: Block, log_index: u64, event: Event) -> Logged {
    Logged {
        block: block.number,
        block_hash: block.hash,
        timestamp: block.timestamp,
        log_index,
        transaction: word("transaction", log_index as u32),
        event,
    }
}

fn revoked(block: Block, log_index: u64, grantee: Address) -> Logged {
    let event = Event::Revoked {
        slot: slot(grantee),
        patient: PATIENT,
        grantee,
        serial: block.number,
    };
    logged(block, log_index, event)
}

fn slot(grantee: Address) -> Slot {
    Slot::with_word(PATIENT, grantee, B256::ZERO)
}

#[tokio::test]
async fn events_are_found_by_whom_they_are_about_in_the_order_of_the_chain() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let other = Address::repeat_byte(0x77);
        let (one, two) = (block(1, 0), block(2, 0));
        let first = [revoked(one, 0, ORG), revoked(one, 3, other)];
        let second = [revoked(two, 1, ORG)];
        store.append_block(one, None, &first).await.unwrap();
        store.append_block(two, None, &second).await.unwrap();
        // After a crash between telling and remembering, the same block is told again.
        store.append_block(two, None, &second).await.unwrap();

        let all = [&first[..], &second[..]].concat();
        assert_eq!(store.events().await.unwrap(), all);
        assert_eq!(store.events_named("Revoked").await.unwrap(), all);
        assert_eq!(store.events_named("Granted").await.unwrap(), []);
        assert_eq!(store.events_of_patient(PATIENT).await.unwrap(), all);
        assert_eq!(store.events_of_grantee(other).await.unwrap(), first[1..]);
        assert_eq!(
            store.events_of(slot(ORG).0).await.unwrap(),
            [first[0].clone(), second[0].clone()]
        );
    }
}

#[tokio::test]
async fn a_re_org_forgets_blocks_before_others_take_their_place() {
    for stage in Stage::each().await {
        let store = &stage.store;
        for number in 1..=5 {
            let block = block(number, 0);
            store
                .append_block(block, None, &[revoked(block, 0, ORG)])
                .await
                .unwrap();
        }
        let other = block(4, 1);
        let refused = store.append_block(other, None, &[revoked(other, 0, ORG)]).await;
        assert!(matches!(refused, Err(Error::AnotherBlock { number: 4 })));
        assert_eq!(store.remove_blocks_from(at(block(4, 0))).await.unwrap(), 2);
        assert_eq!(store.last_blocks(2).await.unwrap(), [block(3, 0), block(2, 0)]);
        assert_eq!(store.events().await.unwrap().len(), 3);
        store
            .append_block(other, None, &[revoked(other, 0, ORG)])
            .await
            .unwrap();
        assert_eq!(store.events().await.unwrap().last().unwrap().block_hash, other.hash);
        assert_eq!(store.remove_blocks_from(at(block(1, 0))).await.unwrap(), 4);
        assert_eq!(store.last_blocks(10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn what_two_processes_bring_of_two_forks_is_one_chain_at_every_moment() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let append = async |number: u64, fork: u32, before: Block| {
            let block = block(number, fork);
            store
                .append_block(block, Some(at(before)), &[revoked(block, 0, ORG)])
                .await
        };
        let root = block(1, 0);
        store.append_block(root, None, &[]).await.unwrap();
        for number in 2..=4 {
            append(number, 0, block(number - 1, 0)).await.unwrap();
        }
        // One process takes blocks 3 and 4 back and brings others; the other still holds an old block 5.
        assert_eq!(store.remove_blocks_from(at(block(3, 0))).await.unwrap(), 2);
        let unfounded = append(5, 0, block(4, 0)).await;
        assert!(matches!(unfounded, Err(Error::Unfounded { number: 5 })));
        append(3, 1, block(2, 0)).await.unwrap();
        let unfounded = append(4, 0, block(3, 0)).await;
        assert!(matches!(unfounded, Err(Error::Unfounded { number: 4 })));
        // The other notices later, and takes back what is gone already: what came instead stays.
        assert_eq!(store.remove_blocks_from(at(block(3, 0))).await.unwrap(), 0);
        append(3, 1, block(2, 0)).await.unwrap();
        assert!(matches!(
            append(3, 2, block(2, 0)).await,
            Err(Error::AnotherBlock { number: 3 })
        ));
        append(4, 1, block(3, 1)).await.unwrap();
        assert_eq!(
            store.last_blocks(9).await.unwrap(),
            [block(4, 1), block(3, 1), block(2, 0), root]
        );
    }
}

#[tokio::test]
async fn a_revocation_refuses_for_good_from_the_block_that_brought_it() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let (one, nine) = (block(1, 0), block(9, 0));
        let place = |serial| ReleaseKeyPlace {
            org: ORG,
            slot: slot(ORG),
            serial,
            epoch: 1,
            wrap: B256::ZERO,
        };
        for serial in [9, 10] {
            store.keep_release_key(&place(serial), b"sealed", 1).await.unwrap();
        }
        assert_eq!(store.append_block(one, None, &[revoked(one, 0, ORG)]).await.unwrap(), 0);
        assert_eq!(
            store.append_block(nine, None, &[revoked(nine, 0, ORG)]).await.unwrap(),
            1
        );
        assert_eq!(store.vault_get(&place(9).key()).await.unwrap(), None);
        assert!(store.vault_get(&place(10).key()).await.unwrap().is_some());

        store.remove_blocks_from(at(block(1, 0))).await.unwrap();
        let refused = store.tombstone(slot(ORG)).await.unwrap().unwrap();
        assert_eq!((refused.serial, refused.refused_at), (9, nine.timestamp));
        assert!(refused.receipt.is_null());
        assert!(!store.keep_release_key(&place(9), b"sealed", 1).await.unwrap());

        // The custodian's receipt joins it, and stays.
        let answered = Tombstone {
            org: ORG,
            receipt: serde_json::json!("signed"),
            ..refused
        };
        store.refuse_slot(&answered).await.unwrap();
        assert_eq!(store.tombstone(slot(ORG)).await.unwrap(), Some(answered.clone()));
        store.append_block(nine, None, &[revoked(nine, 0, ORG)]).await.unwrap();
        assert_eq!(store.tombstone(slot(ORG)).await.unwrap(), Some(answered));
    }
}

#[tokio::test]
async fn a_database_belongs_to_what_was_pinned_first() {
    for stage in Stage::each().await {
        assert_eq!(stage.store.meta_pin("chain.genesis", "0xaa").await.unwrap(), "0xaa");
        let stage = stage.reopen().await;
        assert_eq!(stage.store.meta_pin("chain.genesis", "0xbb").await.unwrap(), "0xaa");
        stage.store.meta_set("cursor", "1").await.unwrap();
        stage.store.meta_set("cursor", "2").await.unwrap();
        assert_eq!(stage.store.meta("cursor").await.unwrap().as_deref(), Some("2"));
        assert_eq!(stage.store.meta("absent").await.unwrap(), None);
    }
}
