//! Requests with a name of their own (`Idempotency-Key`, or an SDK's own retry): each runs once, on
//! whichever gateway it comes in. What is kept of their answers is sealed: neither Redis nor we can
//! read it. When Redis is wiped the names are free again.

use super::{Store, StoreError, keys};
use crate::clock::milliseconds;
use redis::Script;
use schemas::ids::{AccountId, RequestId};
use std::sync::LazyLock;
use std::time::Duration;

static BEGIN: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/begin_once.lua")));
static LEAD: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/lead_once.lua")));
static END: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/end_once.lua")));

/// Names of one account whose ends are remembered; beyond it those that end soonest give way.
const NAMES_MAX: usize = 10_000;

/// A request's own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnceName {
    /// Whose it is.
    pub account: AccountId,
    /// A digest of key and name.
    pub name: String,
}

/// What comes with a name.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    /// A digest of what is asked.
    pub body: &'a str,
    /// Which request comes with it.
    pub request: &'a RequestId,
    /// It leads for so long without a sign of life.
    pub lease: Duration,
    /// So long nobody leads.
    pub lifetime: Duration,
    /// The request that is known to be lost and settled: its place may be taken.
    pub lost: Option<&'a str>,
    /// Whatever the name stands for counts for nothing.
    pub anew: bool,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Once {
    /// The request that came is the first: it is to run.
    Lead,
    /// This one is running.
    Running(String),
    /// This one was running, and its gateway gives no sign of life.
    Lost(String),
    /// This one asked for something else.
    Other(String),
    /// This one has ended, with this sealed answer; empty when it was too large to be kept.
    Done(String, Vec<u8>),
}

/// An end to keep.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// Which request.
    pub request: &'a RequestId,
    /// Its answer, sealed; empty when it is too large.
    pub answer: &'a [u8],
    /// For so many seconds.
    pub ttl_seconds: u64,
    /// All of the account together, in bytes.
    pub account_bytes_max: usize,
}

impl Store {
    /// What a name stands for; takes it when it is free.
    ///
    /// # Errors
    /// When Redis is away: nobody knows.
    pub async fn begin_once(
        &self,
        name: &OnceName,
        beginning: Beginning<'_>,
    ) -> Result<Once, StoreError> {
        let Beginning { body, request, lease, lifetime, lost, anew } = beginning;
        let mut script = BEGIN.prepare_invoke();
        script.key(keys::once(&name.account, &name.name)).arg(body).arg(request.as_str());
        script.arg(milliseconds(lease)).arg(milliseconds(lifetime));
        script.arg(lost.unwrap_or_default()).arg(u8::from(anew));
        let (state, of, answer): (String, String, Vec<u8>) =
            script.invoke_async(&mut self.connection()).await?;
        Ok(match state.as_str() {
            "lead" => Once::Lead,
            "running" => Once::Running(of),
            "lost" => Once::Lost(of),
            "done" => Once::Done(of, answer),
            _ => Once::Other(of),
        })
    }

    /// Leads for so much longer; with nothing the name is given back. Returns how long ago somebody
    /// waited for the answer, if anybody did.
    ///
    /// # Errors
    /// When Redis is away: the lead ends with its lease.
    pub async fn lead_once(
        &self,
        name: &OnceName,
        request: &RequestId,
        lease: Duration,
    ) -> Result<Option<Duration>, StoreError> {
        let mut script = LEAD.prepare_invoke();
        script.key(keys::once(&name.account, &name.name)).arg(request.as_str());
        let ago: i64 = script.arg(milliseconds(lease)).invoke_async(&mut self.connection()).await?;
        Ok(u64::try_from(ago).ok().map(Duration::from_millis))
    }

    /// Keeps an end. Returns whether the request still led.
    ///
    /// # Errors
    /// When Redis is away: the name counts as lost until its time is over.
    pub async fn end_once(&self, name: &OnceName, ending: Ending<'_>) -> Result<bool, StoreError> {
        let Ending { request, answer, ttl_seconds, account_bytes_max } = ending;
        let kept: i64 = END
            .prepare_invoke()
            .key(keys::once(&name.account, &name.name))
            .key(keys::onces(&name.account))
            .key(keys::once_sizes(&name.account))
            .arg(&name.name)
            .arg(request.as_str())
            .arg(answer)
            .arg(ttl_seconds.max(1))
            .arg(account_bytes_max)
            .arg(NAMES_MAX)
            .invoke_async(&mut self.connection())
            .await?;
        Ok(kept == 1)
    }
}
