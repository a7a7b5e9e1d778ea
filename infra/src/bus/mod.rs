//! NATS: one connection of a process, and what our streams need of it. It spells no subject (that
//! is `schemas::subjects`) and decides nothing about money or jobs.

/// Streams, consumers and buckets as we want them.
pub mod streams;

/// What is read of the ledger.
pub mod ledger;

/// Writing to the ledger.
mod write;

/// Whether the ledger takes what is written.
pub mod writable;

/// An account's history, from its last snapshot on.
pub mod history;

/// What leaves an account's purchases unspent.
pub mod departures;

/// What a part of the ledger sums to.
pub mod tallies;

/// Which ends of requests count in the ledger.
pub mod seal;

/// The records of keys and accounts.
pub mod records;

/// Who has redeemed which code.
pub mod coupons;

/// Auto-recharge, account by account.
pub mod recharges;

/// What a connection over TLS needs.
mod tls;

/// What is told of the connection itself.
mod ears;

/// Whether NATS answers.
mod pulse;

/// The next server of several.
mod servers;

/// Workers, as they advertise themselves.
mod adverts;

/// A job as a worker gets it.
pub mod delivery;

/// Jobs for free slots, one pull for each.
pub mod pull;

/// Jobs that lie in the queue.
pub mod queued;

/// Jobs past the queue, for a worker with many free slots.
pub mod direct;

/// Jobs and frames that need not leave the process.
pub mod near;

pub use tls::Tls;

use crate::secret::without_secret;
use async_nats::jetstream;
use ears::Ears;
use schemas::subjects;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// The lowest nats-server that keeps what we ask of it: older ones accept per-message TTL and
/// ignore it.
const SERVER_VERSION_MIN: (u64, u64) = (2, 12);

/// How long one request to NATS may take.
const REQUEST_SECONDS_MAX: Duration = Duration::from_secs(5);

/// How often the connection is checked while silent: the third time without an answer it is broken.
/// A shorter silence breaks nothing: what was sent meanwhile comes when the network is whole again.
const PING_INTERVAL: Duration = Duration::from_secs(3);

/// How long one attempt to connect may take. A lost packet is sent anew by the kernel after pauses
/// that double: a longer attempt would find a network that is whole again later than a new one.
const CONNECT_SECONDS_MAX: Duration = Duration::from_secs(3);

/// Messages that may wait unread in one subscription.
const SUBSCRIPTION_MESSAGES_MAX: usize = 262_144;

/// What went wrong on the bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// NATS can't be reached or refused the connection.
    #[error("can't connect to NATS at {url}: {cause}")]
    Connect {
        /// Where.
        url: String,
        /// Why.
        cause: String,
    },
    /// NATS doesn't know us.
    #[error(
        "NATS at {0} refuses the user or password of NATS_URL (nats://USER:PASSWORD@HOST:4222)"
    )]
    Unauthorized(String),
    /// The server is too old.
    #[error("nats-server {0} is too old: 2.12 or newer is needed (it would ignore message TTLs)")]
    TooOld(String),
    /// NATS lets our user not do what we want.
    #[error("NATS refuses ({0}): the user of NATS_URL may not do this; see nats.conf")]
    Denied(String),
    /// A request failed.
    #[error("{what}: {cause}")]
    Request {
        /// What was asked.
        what: &'static str,
        /// Why it failed.
        cause: String,
    },
    /// An event moves more than any event may: the ledger never takes it.
    #[error("writing to the ledger: the amount is beyond AMOUNT_MAX")]
    TooMuch,
    /// A stored or received message isn't what the contract says.
    #[error("a message on {subject} can't be read: {cause}")]
    Unreadable {
        /// Where it was.
        subject: String,
        /// Why.
        cause: String,
    },
}

impl BusError {
    /// A failed request.
    pub fn request(what: &'static str, cause: impl ToString) -> Self {
        Self::Request { what, cause: cause.to_string() }
    }
}

/// A connection to NATS. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    name: String,
    client: async_nats::Client,
    jetstream: jetstream::Context,
    connections: watch::Receiver<u64>,
    denials: watch::Receiver<Option<String>>,
    direct_denied: Arc<AtomicBool>,
    work_denied: Arc<AtomicBool>,
    near: Arc<near::Near>,
    sealer: seal::KnownSealer,
    writable: Arc<writable::Writable>,
    pulse: Arc<pulse::Pulse>,
    /// Whether there are several servers.
    has_others: bool,
}

impl Bus {
    /// Connects; `name` begins what is shown in NATS's monitoring.
    ///
    /// # Errors
    /// When nobody answers within five seconds or the server is older than 2.12.
    pub async fn connect(url: &str, name: &str) -> Result<Self, BusError> {
        Self::connect_over(url, name, &Tls::default()).await
    }

    /// Whether a text can be NATS's address at all, or several with commas between.
    pub fn is_address(url: &str) -> bool {
        url.split(',').all(|server| server.trim().parse::<async_nats::ServerAddr>().is_ok())
    }

    /// The same, with what TLS needs.
    ///
    /// # Errors
    /// As [`Bus::connect`]; also when NATS's certificate isn't signed as it should be, or ours is
    /// not taken.
    pub async fn connect_over(url: &str, name: &str, tls: &Tls) -> Result<Self, BusError> {
        let connect_error = |cause: String| BusError::Connect { url: without_secret(url), cause };
        let servers: Vec<async_nats::ServerAddr> = url
            .split(',')
            .map(|server| server.trim().parse())
            .collect::<Result<_, _>>()
            .map_err(|error| connect_error(format!("{error}")))?;
        // A worker is recognised by the name of its connection when that is lost.
        let name = format!("{name} {}", uuid::Uuid::now_v7().simple());
        let (connected, mut connections) = watch::channel(0u64);
        let (denied, denials) = watch::channel(None);
        let (direct_denied, work_denied, writable) = <(Arc<_>, Arc<_>, Arc<_>)>::default();
        let ears = Ears {
            connected,
            denied,
            direct_denied: Arc::clone(&direct_denied),
            work_denied: Arc::clone(&work_denied),
            writable: Arc::clone(&writable),
            connected_at: Mutex::default(),
        };
        let has_others = servers.len() > 1;
        let options = options(tls, &servers, ears).name(&name);
        let attempt = tokio::time::timeout(REQUEST_SECONDS_MAX, options.connect(servers)).await;
        let attempt = attempt.map_err(|_| connect_error("no answer".into()))?;
        let client = attempt.map_err(|error| match error.kind() {
            async_nats::ConnectErrorKind::Authentication
            | async_nats::ConnectErrorKind::AuthorizationViolation => {
                BusError::Unauthorized(without_secret(url))
            }
            _ => connect_error(error.to_string()),
        })?;
        let version = client.server_info().version;
        if !new_enough(&version) {
            return Err(BusError::TooOld(version));
        }
        // The first connection must not look like a new one: a puller would pull twice.
        let first = connections.wait_for(|count| *count > 0);
        match tokio::time::timeout(REQUEST_SECONDS_MAX, first).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return Err(connect_error("it was not confirmed".into())),
        }
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(REQUEST_SECONDS_MAX);
        let (near, sealer) = (Arc::default(), seal::KnownSealer::default());
        Ok(Self {
            name,
            client,
            jetstream,
            connections,
            denials,
            direct_denied,
            work_denied,
            near,
            sealer,
            writable,
            pulse: Arc::default(),
            has_others,
        })
    }

    /// The name of this connection: the role's, and something that no other connection has.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The core client.
    pub fn client(&self) -> &async_nats::Client {
        &self.client
    }

    /// JetStream.
    pub fn jetstream(&self) -> &jetstream::Context {
        &self.jetstream
    }

    /// Counts the times a connection was made; it changes when NATS came back.
    pub fn connections(&self) -> watch::Receiver<u64> {
        self.connections.clone()
    }

    /// What NATS refused our user last.
    pub fn denials(&self) -> watch::Receiver<Option<String>> {
        self.denials.clone()
    }

    /// Does some work, and ends it as soon as NATS refuses our user anything: no answer ever comes
    /// to what is refused. The advice is added to what NATS says.
    ///
    /// # Errors
    /// [`BusError::Denied`], or as the work.
    pub async fn unless_denied<T, E: From<BusError>>(
        &self,
        advice: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut denials = self.denials();
        denials.borrow_and_update();
        tokio::select! {
            done = work => done,
            Ok(()) = denials.changed() => {
                let said = denials.borrow().clone().unwrap_or_default();
                Err(BusError::Denied(format!("{said}; {advice}")).into())
            }
        }
    }

    /// Whether our user may not use the way past the queue: its nats.conf is older than that way.
    pub fn is_direct_denied(&self) -> bool {
        self.direct_denied.load(Ordering::Relaxed)
    }

    /// Whether our user may not do a worker's work: it is another role's, or another pool's.
    pub fn is_work_denied(&self) -> bool {
        self.work_denied.load(Ordering::Relaxed)
    }

    /// Whether the ledger takes what is written.
    pub fn ledger(&self) -> &Arc<writable::Writable> {
        &self.writable
    }

    /// Whether NATS is there now.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// The largest message the server takes, in bytes.
    pub fn payload_bytes_max(&self) -> usize {
        self.client.server_info().max_payload
    }

    /// Sends what was published and closes nothing: for the end of a process, which doesn't wait
    /// for a NATS that is away.
    pub async fn flush(&self) {
        match tokio::time::timeout(REQUEST_SECONDS_MAX, self.client.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the last messages couldn't be flushed"),
            Err(_) => tracing::warn!("NATS is away: the last messages couldn't be flushed"),
        }
    }
}

/// How a connection is made and kept.
fn options(
    tls: &Tls,
    servers: &[async_nats::ServerAddr],
    ears: Ears,
) -> async_nats::ConnectOptions {
    let choice = servers::Choice::default();
    tls.secure(credentials(servers))
        .ping_interval(PING_INTERVAL)
        .connection_timeout(CONNECT_SECONDS_MAX)
        .request_timeout(Some(REQUEST_SECONDS_MAX))
        .subscription_capacity(SUBSCRIPTION_MESSAGES_MAX)
        .reconnect_to_server_callback(move |servers, _| std::future::ready(choice.next(servers)))
        .event_callback(move |event| {
            ears.hear(&event);
            std::future::ready(())
        })
}

/// The client library reads no user or password out of a URL. A user hears answers in a place of
/// its own, where nats.conf lets nobody else listen.
fn credentials(servers: &[async_nats::ServerAddr]) -> async_nats::ConnectOptions {
    let known = servers.iter().find_map(|server| server.username().zip(server.password()));
    match known {
        Some((user, password)) => {
            async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
                .custom_inbox_prefix(subjects::inbox(user))
        }
        None => async_nats::ConnectOptions::new(),
    }
}

fn new_enough(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map(|part| part.parse::<u64>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= SERVER_VERSION_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_refused() {
        assert!(!new_enough("2.9.10") && !new_enough("2.11.11"));
        assert!(new_enough("2.12.0") && new_enough("2.15.1") && new_enough("3.0.0-beta"));
    }
}
