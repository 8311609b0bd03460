//! No order of keeping and refusing leaves a release key behind.

use alloy_primitives::Address;
use chartseal_record::Slot;
use chartseal_store::{ReleaseKeyPlace, Tombstone};

use crate::stage::{NOW, ORG, Stage, sealed, word};

fn tombstone(slot: Slot, serial: u64) -> Tombstone {
    Tombstone {
        slot,
        org: ORG,
        serial,
        refused_at: NOW + serial % 100,
        receipt: serde_json::json!({ "serial": serial }),
    }
}

fn at(org: Address, slot: Slot, serial: u64) -> ReleaseKeyPlace {
    ReleaseKeyPlace {
        org,
        slot,
        serial,
        epoch: 1,
        wrap: word("wrap", serial as u32),
    }
}

#[tokio::test]
async fn a_refused_slot_loses_its_release_keys_in_every_vault_and_its_serial_only_rises() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let (slot, neighbour) = (Slot(word("slot", 1)), Slot(word("slot", 2)));
        let former = Address::repeat_byte(0xF0);
        // As text 10 comes before 2 and 9; as a serial after both.
        let (refused, kept) = (
            [at(ORG, slot, 2), at(former, slot, 9)],
            [at(ORG, slot, 10), at(ORG, neighbour, 2)],
        );
        for (seed, key) in (0..).zip(refused.iter().chain(&kept)) {
            assert!(store.keep_release_key(key, &sealed(seed), NOW).await.unwrap());
        }
        assert_eq!(store.refuse_slot(&tombstone(slot, 9)).await.unwrap(), 2);
        for (seed, key) in (0..).zip(&refused) {
            assert_eq!(store.vault_get(&key.key()).await.unwrap(), None);
            assert!(!stage.engine.holds(&sealed(seed)));
        }
        for key in &kept {
            assert!(store.vault_get(&key.key()).await.unwrap().is_some());
        }
        store.refuse_slot(&tombstone(slot, 8)).await.unwrap();
        assert_eq!(store.tombstone(slot).await.unwrap(), Some(tombstone(slot, 9)));
        store.refuse_slot(&tombstone(slot, 10)).await.unwrap();
        assert_eq!(store.tombstone(slot).await.unwrap(), Some(tombstone(slot, 10)));
        assert_eq!(store.vault_get(&kept[0].key()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn no_release_key_is_kept_that_a_refusal_forbids() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let slot = Slot(word("slot", 1));
        store.refuse_slot(&tombstone(slot, 3)).await.unwrap();
        for serial in [1, 3] {
            assert!(
                !store
                    .keep_release_key(&at(ORG, slot, serial), &sealed(1), NOW)
                    .await
                    .unwrap()
            );
        }
        assert_eq!(store.vault_list(ORG, "release-key").await.unwrap(), []);
        for serial in [4, u64::MAX] {
            assert!(
                store
                    .keep_release_key(&at(ORG, slot, serial), &sealed(1), NOW)
                    .await
                    .unwrap()
            );
        }
        store.refuse_slot(&tombstone(slot, i64::MAX as u64)).await.unwrap();
        assert!(
            !store
                .keep_release_key(&at(ORG, slot, u64::MAX), &sealed(1), NOW)
                .await
                .unwrap()
        );
        assert_eq!(store.vault_list(ORG, "release-key").await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_kept_while_the_slot_is_refused_are_gone_or_refused() {
    for stage in Stage::each().await {
        for round in 0..20 {
            let slot = Slot(word("slot", round));
            let keeping = (0..8).map(|epoch| {
                let (store, place) = (
                    stage.store.clone(),
                    ReleaseKeyPlace {
                        epoch,
                        ..at(ORG, slot, 1)
                    },
                );
                tokio::spawn(async move { store.keep_release_key(&place, &sealed(epoch), NOW).await.unwrap() })
            });
            let keeping: Vec<_> = keeping.collect();
            stage.store.refuse_slot(&tombstone(slot, 1)).await.unwrap();
            for task in keeping {
                task.await.unwrap();
            }
            assert_eq!(stage.store.vault_list(ORG, "release-key").await.unwrap(), []);
        }
    }
}

#[tokio::test]
async fn leftovers_of_refused_slots_are_swept_and_nothing_else() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let (slot, neighbour) = (Slot(word("slot", 1)), Slot(word("slot", 2)));
        store.refuse_slot(&tombstone(slot, 9)).await.unwrap();
        // As an older program, or a restored copy, would have left it.
        let (leftover, kept) = (at(ORG, slot, 9), [at(ORG, slot, 10), at(ORG, neighbour, 9)]);
        store.vault_put(&leftover.key(), &sealed(1), NOW).await.unwrap();
        for key in &kept {
            store.keep_release_key(key, &sealed(2), NOW).await.unwrap();
        }
        assert_eq!(store.destroy_refused_keys().await.unwrap(), 1);
        assert!(!stage.engine.holds(&sealed(1)));
        assert_eq!(store.vault_list(ORG, "release-key").await.unwrap().len(), 2);
        assert_eq!(store.destroy_release_keys(neighbour, 9).await.unwrap(), 1);
        assert_eq!(store.destroy_release_keys(neighbour, 9).await.unwrap(), 0);
        assert!(store.vault_get(&kept[0].key()).await.unwrap().is_some());
    }
}
