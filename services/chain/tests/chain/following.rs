//! Every block is told once, in order; blocks that leave the chain are taken back first.

use std::time::Duration;

use chartseal_chain::{BlockRef, Client, Error, Follower, Pace, Step};
use chartseal_record::{Contracts, event::Event};

use chartseal_stage::{Chain, key};

/// What a follower has told, as a database would keep it: blocks and the events in them.
#[derive(Default, Debug, PartialEq)]
struct Told {
    blocks: Vec<BlockRef>,
    events: Vec<(u64, &'static str)>,
    removals: Vec<u64>,
}

impl Told {
    async fn until(mut self, follower: &mut Follower, block: u64) -> Self {
        while self.blocks.last().is_none_or(|last| last.number < block) {
            self.take(next(follower).await);
        }
        self
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Added { block, events, .. } => {
                if let Some(last) = self.blocks.last() {
                    assert!(block.number > last.number);
                }
                self.blocks.push(block.place());
                for logged in events {
                    assert_eq!((logged.block, logged.block_hash), (block.number, block.hash));
                    assert_eq!(logged.timestamp, block.timestamp);
                    self.events.push((logged.block, logged.event.name()));
                }
            }
            Step::Removed { from, .. } => {
                self.blocks.retain(|block| block.number < from);
                self.events.retain(|(block, _)| *block < from);
                self.removals.push(from);
            }
        }
    }
}

async fn next(follower: &mut Follower) -> Step {
    tokio::time::timeout(Duration::from_secs(20), follower.next())
        .await
        .expect("a step")
        .unwrap()
}

fn pace(depth: usize) -> Pace {
    Pace {
        poll: Duration::from_millis(20),
        depth,
        range: 7,
    }
}

async fn told(world: &Chain, depth: usize) -> Told {
    let head = world.client.head().await.unwrap().number;
    let mut follower = world.client.follow(world.first_block, [], pace(depth));
    Told::default().until(&mut follower, head).await
}

#[tokio::test]
async fn every_block_is_told_with_or_without_events() {
    let world = Chain::start().await;
    world.register(&key(1), 3, None).await;
    world.mine(3).await;
    world.register(&key(2), 2, None).await;
    let told = told(&world, 64).await;
    let numbers: Vec<u64> = told.blocks.iter().map(|block| block.number).collect();
    assert_eq!(numbers, (1..=8).collect::<Vec<u64>>());
    assert_eq!(told.events, [(4, "Registered"), (8, "Registered")]);
    assert!(told.removals.is_empty());
}

#[tokio::test]
async fn far_below_the_head_only_blocks_with_events_are_told() {
    let world = Chain::start().await;
    world.register(&key(1), 3, None).await;
    world.mine(50).await;
    world.register(&key(2), 2, None).await;
    world.mine(3).await;
    let sparse = told(&world, 5).await;
    let dense = told(&world, 64).await;
    assert_eq!(sparse.events, dense.events);
    assert_eq!(sparse.blocks.last(), dense.blocks.last());
    assert_eq!(dense.blocks.len(), 58);
    assert!(sparse.blocks.len() < 20 && sparse.blocks.iter().all(|block| dense.blocks.contains(block)));
}

#[tokio::test]
async fn ranges_are_halved_until_the_node_takes_them() {
    let world = Chain::start().await;
    world.register(&key(1), 3, None).await;
    world.mine(100).await;
    world.register(&key(2), 2, None).await;
    world.mine(10).await;
    let url = crate::relay::before(world.anvil.url.clone(), 5).await;
    let client = Client::connect(&url, world.contracts).await.unwrap();
    let mut follower = client.follow(1, [], Pace { range: 64, ..pace(4) });
    let limited = Told::default().until(&mut follower, 115).await;
    assert_eq!(limited.events, [(4, "Registered"), (105, "Registered")]);
}

#[tokio::test]
async fn a_reorg_takes_back_and_tells_what_stands_there_now() {
    let world = Chain::start().await;
    world.register(&key(1), 3, None).await;
    world.register(&key(2), 2, None).await;
    world.mine(1).await;
    let head = world.client.head().await.unwrap();
    let mut follower = world.client.follow(1, [], pace(64));
    let before = Told::default().until(&mut follower, head.number).await;
    assert_eq!(before.events.len(), 2);

    // The second registration and the empty block go; two empty blocks come, and a third.
    world.anvil("anvil_reorg", (2u64, [0u8; 0])).await;
    world.mine(1).await;
    let mut after = before;
    while after.removals.is_empty() {
        after.take(next(&mut follower).await);
    }
    let after = after.until(&mut follower, head.number + 1).await;
    assert_eq!(after.removals, [head.number - 1]);
    assert_eq!(after.events, [(4, "Registered")]);
    assert_eq!(after.blocks.last(), Some(&world.client.head().await.unwrap().place()));
    assert!(!after.blocks.contains(&head.place()));
}

#[tokio::test]
async fn a_rollback_is_noticed_when_another_block_stands_there() {
    let world = Chain::start().await;
    world.mine(6).await;
    let mut follower = world.client.follow(1, [], pace(64));
    let before = Told::default().until(&mut follower, 9).await;
    world.anvil("anvil_rollback", [4]).await;
    // A shorter chain alone may be a node that is behind: nothing is told.
    let quiet = tokio::time::timeout(Duration::from_millis(200), follower.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    world.register(&key(1), 3, None).await;
    let mut after = before;
    while after.events.is_empty() {
        after.take(next(&mut follower).await);
    }
    assert_eq!((after.removals, after.events), (vec![6], vec![(6, "Registered")]));
}

#[tokio::test]
async fn a_follower_goes_on_where_the_stored_blocks_end() {
    let world = Chain::start().await;
    world.register(&key(1), 3, None).await;
    let first = told(&world, 64).await;
    world.mine(2).await;
    world.register(&key(2), 2, None).await;
    let mut follower = world.client.follow(1, first.blocks.clone(), pace(64));
    let Step::Added { block, .. } = next(&mut follower).await else {
        panic!()
    };
    assert_eq!(block.number, first.blocks.last().unwrap().number + 1);

    // The chain changed while nobody looked.
    world.anvil("anvil_reorg", (3u64, [0u8; 0])).await;
    let mut follower = world.client.follow(1, first.blocks.clone(), pace(64));
    let resumed = Told {
        blocks: first.blocks.clone(),
        events: first.events.clone(),
        ..Told::default()
    };
    let resumed = resumed
        .until(&mut follower, world.client.head().await.unwrap().number)
        .await;
    assert_eq!(resumed.events, [(4, "Registered")]);
    assert!(resumed.removals.is_empty(), "the stored blocks are still there");
    let again = told(&world, 64).await;
    assert_eq!((resumed.blocks, resumed.events), (again.blocks, again.events));
}

#[tokio::test]
async fn a_reorg_below_what_is_remembered_ends_the_follower() {
    use futures::StreamExt;
    let world = Chain::start().await;
    world.mine(20).await;
    let mut follower = world.client.follow(1, [], pace(4));
    Told::default().until(&mut follower, 23).await;
    world.anvil("anvil_reorg", (10u64, [0u8; 0])).await;
    world.mine(1).await;
    let mut steps = Box::pin(follower.into_stream());
    let error = steps.next().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::ReorgTooDeep { oldest: 20, depth: 4 }), "{error}");
    assert!(steps.next().await.is_none());
}

#[tokio::test]
async fn a_chain_that_is_replaced_from_the_first_block_is_told_anew() {
    let world = Chain::start().await;
    world.mine(2).await;
    let mut follower = world.client.follow(3, [], pace(64));
    let before = Told::default().until(&mut follower, 5).await;
    world.anvil("anvil_reorg", (4u64, [0u8; 0])).await;
    world.mine(1).await;
    let mut after = before;
    while after.removals.is_empty() {
        after.take(next(&mut follower).await);
    }
    let after = after.until(&mut follower, 6).await;
    assert_eq!(after.removals, [3]);
    let numbers: Vec<u64> = after.blocks.iter().map(|block| block.number).collect();
    assert_eq!(numbers, [3, 4, 5, 6]);
}

#[tokio::test]
async fn a_node_that_goes_away_and_comes_back_loses_nothing() {
    let world = Chain::start().await;
    world.register(&key(1), 3, None).await;
    let (gate, contracts) = (Gate::before(world.anvil.port).await, world.contracts);
    let client = Client::connect(&gate.url(), Contracts { ..contracts }).await.unwrap();
    let client = client.with_timeout(Duration::from_secs(2));
    let mut follower = client.follow(1, [], pace(64));
    let before = Told::default().until(&mut follower, 4).await;
    gate.close();
    let heard = tokio::time::timeout(Duration::from_secs(10), follower.next())
        .await
        .unwrap();
    let error = heard.unwrap_err();
    assert!(error.is_transient(), "{error}");
    world.register(&key(2), 2, None).await;
    gate.open();
    let mut after = before;
    while after.events.len() < 2 {
        match tokio::time::timeout(Duration::from_secs(10), follower.next())
            .await
            .unwrap()
        {
            Ok(step) => after.take(step),
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    assert_eq!(after.events, [(4, "Registered"), (5, "Registered")]);
    let Event::Registered { .. } = world.register(&key(3), 2, None).await.events[0].event else {
        panic!()
    };
    assert_eq!(after.until(&mut follower, 6).await.events.len(), 3);
}

/// A TCP relay that can be closed: connections break, new ones are refused.
struct Gate {
    port: u16,
    open: tokio::sync::watch::Sender<bool>,
}

impl Gate {
    async fn before(target: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, seen) = tokio::sync::watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut inside, _)) = listener.accept().await {
                let mut seen = seen.clone();
                if !*seen.borrow_and_update() {
                    continue;
                }
                tokio::spawn(async move {
                    let mut outside = tokio::net::TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut inside, &mut outside) => {}
                        _ = seen.changed() => {}
                    }
                });
            }
        });
        Self { port, open }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn close(&self) {
        self.open.send_replace(false);
    }

    fn open(&self) {
        self.open.send_replace(true);
    }
}
