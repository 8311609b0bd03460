//! Who is connected, counted by network address, so that one of them does not take every place.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// The address a connection came from. Behind a proxy that is the proxy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(IpAddr);

impl From<IpAddr> for Peer {
    /// Whoever has one IPv6 address has its /64.
    fn from(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            v4 => v4,
        })
    }
}

/// How many of something each peer has now. Peers that have none take no room.
#[derive(Debug, Clone, Default)]
pub struct Peers(Arc<Mutex<HashMap<Peer, usize>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Held(Peers, Peer);

impl Peers {
    /// One more for this peer, unless it has `most` already.
    pub fn enter(&self, peer: Peer, most: usize) -> Option<Held> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Held(self.clone(), peer))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(ip: &str) -> Peer {
        Peer::from(ip.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn a_peer_holds_so_many_and_its_neighbours_are_not_counted() {
        let peers = Peers::default();
        let (one, two) = (peers.enter(peer("192.0.2.1"), 2), peers.enter(peer("192.0.2.1"), 2));
        assert!(one.is_some() && two.is_some());
        assert!(
            peers.enter(peer("::ffff:192.0.2.1"), 2).is_none(),
            "the same address in IPv6"
        );
        assert!(peers.enter(peer("192.0.2.2"), 2).is_some());
        drop(two);
        assert!(peers.enter(peer("192.0.2.1"), 2).is_some());
        drop(one);
        assert!(
            peers.0.lock().unwrap().is_empty(),
            "nobody is left, and nothing of them"
        );
    }

    #[test]
    fn one_ipv6_network_is_one_peer() {
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
    }
}
