//! How many requests a second each client may make. Who has no token is counted by network address; with a token the
//! client counts, wherever it is. A refused token counts for the address that sent it.

use std::{
    hash::Hash,
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};

use crate::{
    auth::caller::{Caller, Via},
    config::Limits,
    peers::Peer,
    problem::{Code, Problem},
};

/// Clients below which nothing is swept.
const FEW: usize = 1024;

/// The three kinds of clients; each has its own rate. Claim numbers that are looked up have one more, by caller.
#[derive(Debug)]
pub struct Rates {
    strangers: Buckets<Peer>,
    persons: Buckets<String>,
    systems: Buckets<String>,
    lookups: Buckets<String>,
}

impl Rates {
    pub fn new(limits: &Limits) -> Self {
        Self {
            strangers: Buckets::new(limits.stranger_rate, limits.stranger_burst),
            persons: Buckets::new(limits.person_rate, limits.person_burst),
            systems: Buckets::new(limits.system_rate, limits.system_burst),
            lookups: Buckets::new(limits.lookup_rate, limits.lookup_burst),
        }
    }

    /// One request of somebody without a valid token.
    pub fn stranger(&self, peer: Peer) -> Result<(), Problem> {
        self.strangers.take(peer)
    }

    /// One request of a caller.
    pub fn caller(&self, caller: &Caller) -> Result<(), Problem> {
        match &caller.via {
            Via::Session { address } => self.persons.take(address.to_string()),
            Via::Client { client_id, .. } => self.systems.take(client_id.clone()),
        }
    }

    /// So many claim numbers of one lookup. More than the burst never pass at once.
    pub fn lookup(&self, caller: &Caller, numbers: u32) -> Result<(), Problem> {
        match NonZeroU32::new(numbers) {
            Some(numbers) => self.lookups.take_many(caller.name(), numbers),
            None => Ok(()),
        }
    }
}

/// A bucket for each client that asked lately.
#[derive(Debug)]
struct Buckets<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, HashMapStateStore<K>, MonotonicClock, NoOpMiddleware<<MonotonicClock as Clock>::Instant>>,
    /// So many are kept before those that are full again are thrown away.
    sweep_at: AtomicUsize,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(rate: NonZeroU32, burst: NonZeroU32) -> Self {
        let quota = Quota::per_second(rate).allow_burst(burst);
        Self {
            limiter: RateLimiter::hashmap_with_clock(quota, MonotonicClock),
            sweep_at: AtomicUsize::new(FEW),
        }
    }

    fn take(&self, client: K) -> Result<(), Problem> {
        self.take_many(client, NonZeroU32::MIN)
    }

    fn take_many(&self, client: K, cells: NonZeroU32) -> Result<(), Problem> {
        self.sweep();
        let early = match self.limiter.check_key_n(&client, cells) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(early)) => early,
            Err(_) => {
                let text = "this is more at once than one client may ask at any time; ask for less";
                return Err(Problem::new(Code::TooMany, text));
            }
        };
        let wait = early.wait_time_from(MonotonicClock.now());
        let text = "this client asked more often than it may; wait as long as Retry-After says";
        Err(Problem {
            retry_after: Some(wait.as_secs() + 1),
            ..Problem::new(Code::TooOften, text)
        })
    }

    /// At twice the clients that were left the last time. Those who are left asked within burst / rate seconds, so memory
    /// is bounded by what one can ask in that time, and a sweep costs each request a constant.
    fn sweep(&self) {
        if self.limiter.len() < self.sweep_at.load(Ordering::Relaxed) {
            return;
        }
        self.limiter.retain_recent();
        let next = FEW.max(self.limiter.len().saturating_mul(2));
        self.sweep_at.store(next, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn buckets(rate: u32, burst: u32) -> Buckets<Peer> {
        Buckets::new(NonZeroU32::new(rate).unwrap(), NonZeroU32::new(burst).unwrap())
    }

    fn peer(n: u32) -> Peer {
        Peer::from(IpAddr::V4(Ipv4Addr::from(n)))
    }

    #[test]
    fn a_client_that_asks_too_often_is_told_when_to_come_back_and_its_neighbour_is_served() {
        let buckets = buckets(1, 3);
        for _ in 0..3 {
            buckets.take(peer(1)).unwrap();
        }
        let refused = buckets.take(peer(1)).unwrap_err();
        assert_eq!(refused.code, Code::TooOften);
        assert_eq!(refused.retry_after, Some(1));
        buckets.take(peer(2)).unwrap();
    }

    #[test]
    fn one_ipv6_network_is_one_client() {
        let buckets = buckets(1, 1);
        let peer = |text: &str| Peer::from(text.parse::<IpAddr>().unwrap());
        buckets.take(peer("2001:db8::1")).unwrap();
        assert!(buckets.take(peer("2001:db8::2")).is_err());
        assert!(buckets.take(peer("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn clients_who_are_gone_take_no_room() {
        // A bucket is full again after a microsecond.
        let buckets = buckets(1_000_000, 1);
        for n in 0..100_000 {
            buckets.take(peer(n)).unwrap();
        }
        assert!(buckets.limiter.len() <= 2 * FEW, "{}", buckets.limiter.len());
    }
}
