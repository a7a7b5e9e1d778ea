//! How many connections are open at once: of all clients, so that descriptors are left for NATS
//! and Redis, and of one stranger, so that others find a place, too. It opens and reads none.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 20_000;

/// Connections of the metrics port at once.
const METRICS_CONNECTIONS_MAX: usize = 64;

/// Descriptors that no client gets: of NATS, Redis, the metrics port and files.
const DESCRIPTORS_KEPT: usize = 256;

/// Connections of one public address at once, where no proxy stands before us.
const CONNECTIONS_OF_ONE_MAX: usize = 1_000;

/// Places for connections.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    /// Absent where one address may have any number.
    of_one: Option<OfOne>,
}

/// How many each public address has, and how many it may have.
#[derive(Clone)]
struct OfOne {
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    max: usize,
}

/// One connection's place; dropping it gives it back.
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    of_one: Option<(OfOne, IpAddr)>,
}

impl Places {
    /// Of the API. Behind a proxy that tells whom it serves all clients have the proxy's address.
    pub(crate) fn of_api(is_behind_proxy: bool) -> Self {
        let descriptors = infra::net::allow_descriptors(CONNECTIONS_MAX + DESCRIPTORS_KEPT);
        let max = connections_max(descriptors);
        let of_one = OfOne { taken: Arc::default(), max: CONNECTIONS_OF_ONE_MAX.min(max / 2) };
        Self::new(max, Some(of_one).filter(|_| !is_behind_proxy))
    }

    /// Of the metrics port.
    pub(crate) fn of_metrics() -> Self {
        Self::new(METRICS_CONNECTIONS_MAX, None)
    }

    fn new(max: usize, of_one: Option<OfOne>) -> Self {
        Self { all: Arc::new(Semaphore::new(max)), of_one }
    }

    /// Waits until there is a place for anybody.
    pub(super) async fn one(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// Gives it to a client, unless it has as many as it may have.
    pub(super) fn give(&self, place: OwnedSemaphorePermit, client: IpAddr) -> Option<Place> {
        let of_one = match (&self.of_one, whose(client)) {
            (Some(of_one), Some(client)) => Some((of_one.take(client)?, client)),
            _ => None,
        };
        Some(Place { _of_all: place, of_one })
    }
}

impl OfOne {
    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // A panic while holding the lock leaves a usable table: every change is one call.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, client: IpAddr) -> Option<Self> {
        let mut taken = self.taken();
        let count = taken.entry(client).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(self.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((of_one, client)) = &self.of_one else { return };
        let mut taken = of_one.taken();
        let Some(count) = taken.get_mut(client) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            taken.remove(client);
        }
    }
}

/// How many connections so many descriptors are for.
fn connections_max(descriptors: usize) -> usize {
    let kept = DESCRIPTORS_KEPT.min(descriptors / 2);
    (descriptors - kept).clamp(1, CONNECTIONS_MAX)
}

/// As whose an address counts, when it is one of the open net: one client has a whole /64 of IPv6.
fn whose(client: IpAddr) -> Option<IpAddr> {
    match client {
        IpAddr::V4(address) => {
            let is_near = address.is_loopback() || address.is_private() || address.is_link_local();
            (!is_near).then_some(client)
        }
        IpAddr::V6(address) => {
            let is_near = address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local();
            (!is_near).then(|| net_of(address).into())
        }
    }
}

/// As which address a client counts: one of IPv6 has a whole /64.
pub(super) fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => net_of(address).into(),
        address => address,
    }
}

fn net_of(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(address) >> 64 << 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_a_whole_net() {
        for (address, client) in [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::9", "2001:db8:1:2::"),
            ("2001:db8:1:3::9", "2001:db8:1:3::"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            let client: IpAddr = client.parse().unwrap();
            assert_eq!(client_of(address.parse().unwrap()), client, "{address}");
        }
    }

    #[test]
    fn descriptors_are_left_for_others() {
        for (descriptors, max) in [(1_000_000, 20_000), (20_000, 19_744), (1_024, 768), (100, 50)] {
            assert_eq!(connections_max(descriptors), max);
        }
    }

    #[test]
    fn of_the_api_one_address_has_half_at_most_and_any_number_behind_a_proxy() {
        let places = Places::of_api(false);
        let most = infra::net::allow_descriptors(CONNECTIONS_MAX + DESCRIPTORS_KEPT);
        let all = connections_max(most);
        assert_eq!(places.all.available_permits(), all, "no more were to be had");
        let of_one = places.of_one.map(|of_one| of_one.max);
        assert_eq!(of_one, Some(CONNECTIONS_OF_ONE_MAX.min(all / 2)));
        let behind = Places::of_api(true);
        assert!(behind.of_one.is_none(), "all clients have the proxy's address");
        assert_eq!(behind.all.available_permits(), all);
    }

    #[tokio::test]
    async fn a_stranger_has_so_many_places_and_who_is_near_has_any_number() {
        let of_one = OfOne { taken: Arc::default(), max: 2 };
        let places = Places::new(100, Some(of_one.clone()));
        let take = async |client: &str| {
            let place = places.one().await.unwrap();
            places.give(place, client.parse().unwrap())
        };
        let (first, second) = (take("198.51.100.7").await, take("198.51.100.7").await);
        assert!(first.is_some() && second.is_some());
        assert!(take("198.51.100.7").await.is_none());
        assert!(take("198.51.100.8").await.is_some());
        drop(first);
        assert!(take("198.51.100.7").await.is_some());
        drop(second);
        assert!(of_one.taken().is_empty(), "who has left is forgotten");
        let mut kept = Vec::new();
        for near in ["127.0.0.1", "10.1.2.3", "192.168.0.9", "::1", "fd00::1"] {
            for _ in 0..5 {
                kept.push(take(near).await.unwrap());
            }
        }
        let (one, other) = (take("2001:db8::1").await, take("2001:db8::2:3").await);
        assert!(one.is_some() && other.is_some());
        assert!(take("2001:db8::4").await.is_none(), "a /64 is one client's");
        assert_eq!(places.all.available_permits(), 100 - kept.len() - 2);
    }
}
