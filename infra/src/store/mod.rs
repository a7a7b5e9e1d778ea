//! Redis: a view of the ledger (balances, holds, usage), limits and cached answers. It may be wiped
//! at any moment and is rebuilt from the ledger; what can't be rebuilt doesn't belong here.

/// Every Redis key, spelled once.
pub mod keys;

/// A script and what it is given.
mod call;

/// The connection that all share.
mod link;

/// Lists of what happened lately.
mod lately;

/// What Stripe told lately.
pub mod notices;

/// What the operator did lately.
pub mod audit;

/// What of the pages is good once and was used up.
pub mod used_up;

/// Reserving credit and finding holds that nobody settled.
pub mod holds;

/// Bought credit that ends.
pub mod lots;

/// Ledger events → balances, exactly once.
pub mod apply;

/// What a batch of them comes to.
mod batch;

/// What an empty view begins with.
pub mod base;

/// Requests and tokens a minute, requests at once.
pub mod limits;

/// Limits, a kept answer and the reservation together.
pub mod enter;

/// What several requests ask at the same time.
pub mod together;

/// What was spent in a day, a week, a month.
pub mod spending;

/// Balances and usage, read.
pub mod balances;

/// Answers kept for equal questions.
pub mod answers;

/// Keeping them.
pub mod keep;

/// Who gives way before Redis is full.
mod room;

/// Responses kept for those who asked.
pub mod responses;

/// Requests with names of their own.
pub mod once;

/// Responses that run in the background.
pub mod backgrounds;

/// What users think of answers, and who answered them last.
pub mod opinions;

use crate::calendar::TimeZone;
use crate::secret::without_secret;
use link::Link;
use std::time::Duration;

/// How long one command may take before the store counts as away.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(1);

/// How long a connection may take.
const CONNECT_TIME_MAX: Duration = Duration::from_millis(500);

/// Longest pause between two attempts to reconnect.
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(20);

/// Attempts to reconnect that a waiting command sits through: a refused connection is told within
/// 100 ms, and the next command tries again.
const RECONNECT_ATTEMPTS_MAX: usize = 1;

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Redis can't be reached, or a command failed.
    #[error("Redis: {0}")]
    Away(#[from] redis::RedisError),
    /// Redis doesn't know us.
    #[error(
        "Redis at {0} refuses the user or password of REDIS_URL (redis://:PASSWORD@HOST:6379/)"
    )]
    Unauthorized(String),
    /// Redis took longer than the question was worth.
    #[error("Redis: no answer in time")]
    Slow,
    /// What Redis holds isn't what we write.
    #[error("Redis holds something unreadable at {0}")]
    Unreadable(String),
}

impl StoreError {
    /// Whether it is certain that nothing was done: a lost answer leaves that open.
    pub fn is_refusal(&self) -> bool {
        let Self::Away(error) = self else { return false };
        error.code().is_some_and(|code| REFUSALS.contains(&code)) || refuses(error)
    }

    /// Whether Redis is there, and still reads its file.
    pub fn is_loading(&self) -> bool {
        let loading = redis::ErrorKind::Server(redis::ServerErrorKind::BusyLoading);
        matches!(self, Self::Away(error) if error.kind() == loading)
    }
}

/// What Redis answers when it does nothing of what was asked: for want of memory or disk, because
/// it only reads, or because it isn't there yet.
const REFUSALS: [&str; 6] = ["OOM", "MISCONF", "READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN"];

/// Whether it is about who we are.
fn refuses(error: &redis::RedisError) -> bool {
    error.kind() == redis::ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
}

/// What changes nothing, and is refused as any write.
fn probe() -> redis::Cmd {
    let mut command = redis::cmd("SETRANGE");
    command.arg(keys::probe()).arg(0).arg("");
    command
}

/// A connection to Redis. Cheap to clone; it reconnects by itself.
#[derive(Clone)]
pub struct Store {
    connection: Link,
    time_zone: TimeZone,
}

impl Store {
    /// Connects.
    ///
    /// # Errors
    /// When the URL is wrong, nobody answers, or Redis wants another password.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let told = |error: redis::RedisError| match refuses(&error) {
            true => StoreError::Unauthorized(without_secret(url)),
            false => error.into(),
        };
        let connection = Link::connect(url).await.map_err(told)?;
        let store = Self { connection, time_zone: TimeZone::JAPAN };
        // Redis takes a connection without a password and refuses each command on it: we ask once,
        // so that a wrong password is told at the start.
        match store.probe().await {
            Err(StoreError::Away(error)) if refuses(&error) => Err(told(error)),
            _ => Ok(store),
        }
    }

    /// Whether a text can be Redis's address at all.
    pub fn is_address(url: &str) -> bool {
        redis::Client::open(url).is_ok()
    }

    /// The same, with days that begin by another place's clocks. Whoever reserves and whoever
    /// applies must mean the same place.
    #[must_use]
    pub fn in_time_zone(self, time_zone: TimeZone) -> Self {
        Self { time_zone, ..self }
    }

    /// When the calendar month of a moment is over by the clocks of budgets, in seconds since 1970.
    pub fn month_end_seconds(&self, at_ms: u64) -> u64 {
        crate::calendar::Period::Month.end_seconds(at_ms, self.time_zone)
    }

    /// Whether Redis answers and may be written: nothing put into a key that isn't there leaves
    /// nothing, and is refused as any write by a server without memory or disk, and by a replica.
    ///
    /// # Errors
    /// When it doesn't, or may not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        Ok(probe().exec_async(&mut self.connection()).await?)
    }

    fn connection(&self) -> Link {
        self.connection.clone()
    }
}
