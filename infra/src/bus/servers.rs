//! Which of several servers of NATS is connected to when a connection is lost or left: not the one
//! that it was made to, as long as there is another.

use async_nats::{ReconnectToServer, Server, ServerAddr};
use rand::seq::SliceRandom;
use std::sync::{Mutex, PoisonError};

/// The server that was asked last.
#[derive(Debug, Default)]
pub(super) struct Choice(Mutex<Option<ServerAddr>>);

impl Choice {
    /// The next one; `None` leaves it to the library, as for the first connection.
    pub(super) fn next(&self, mut servers: Vec<Server>) -> Option<ReconnectToServer> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none() {
            let known = servers.iter().find(|server| server.did_connect)?;
            *last = Some(known.addr.clone());
        }
        servers.retain(|server| Some(&server.addr) != last.as_ref());
        // Everybody who loses a server at the same time shall not go to the same one.
        servers.shuffle(&mut rand::rng());
        let next = servers.into_iter().min_by_key(|server| server.failed_attempts)?;
        *last = Some(next.addr.clone());
        Some(ReconnectToServer { addr: next.addr, delay: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str, did_connect: bool) -> Server {
        let addr = format!("nats://{name}:4222").parse().unwrap();
        Server { addr, failed_attempts: 0, did_connect, is_discovered: false, last_error: None }
    }

    #[test]
    fn the_server_that_was_left_is_not_the_next_one() {
        let choice = Choice::default();
        let pool = |connected: bool| vec![server("a", connected), server("b", false)];
        assert!(choice.next(pool(false)).is_none(), "the first connection");
        for expected in ["b", "a", "b"] {
            assert_eq!(choice.next(pool(true)).unwrap().addr.host(), expected);
        }
        let alone = Choice::default();
        assert!(alone.next(vec![server("a", true)]).is_none());
        assert!(alone.next(vec![server("a", true)]).is_none(), "again");
    }
}
