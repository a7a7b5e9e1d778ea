//! Answers kept for equal questions, for each tenant. Only masked text is kept. When Redis is away
//! or slow the cache is simply empty: it never fails a request.

use super::{Store, StoreError, keys};
use redis::Script;
use schemas::ids::AccountId;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

static KEEP: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/keep_answer.lua")));
static FORGET: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/forget_answers.lua")));

/// How long a look for a kept answer may take before the question is simply asked anew.
const LOOK_TIME_MAX: Duration = Duration::from_millis(100);

/// Answers that one script call forgets at most.
const FORGOTTEN_AT_ONCE_MAX: usize = 500;

/// Who shares kept answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tenant {
    /// One account.
    Account(AccountId),
    /// Accounts that the operator put together under a name.
    Group(AccountId),
}

impl Tenant {
    /// What decides where its answers lie.
    pub(super) fn name(&self) -> &AccountId {
        match self {
            Self::Account(name) | Self::Group(name) => name,
        }
    }
}

/// No name has a point in it, so a group never is an account.
impl fmt::Display for Tenant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => write!(formatter, "{account}"),
            Self::Group(group) => write!(formatter, "group.{group}"),
        }
    }
}

/// An answer to keep.
#[derive(Debug, Clone, Copy)]
pub struct Keeping<'a> {
    /// Under what.
    pub digest: &'a str,
    /// The answer.
    pub answer: &'a [u8],
    /// For so many seconds.
    pub ttl_seconds: u64,
    /// All answers of the tenant together take no more, in bytes.
    pub tenant_bytes_max: usize,
}

impl Store {
    /// The answer kept under a digest.
    ///
    /// # Errors
    /// When Redis is away or takes longer than 100 ms: go on as if there was none.
    pub async fn kept_answer(
        &self,
        tenant: &Tenant,
        digest: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut connection = self.connection();
        let mut command = redis::cmd("GET");
        let look = command.arg(keys::answer(tenant, digest)).query_async(&mut connection);
        let kept = tokio::time::timeout(LOOK_TIME_MAX, look).await;
        Ok(kept.map_err(|_| StoreError::Slow)??)
    }

    /// Keeps an answer. Returns how many of the tenant's others had to go for it.
    ///
    /// # Errors
    /// When Redis is away: the answer is simply not kept.
    pub async fn keep_answer(
        &self,
        tenant: &Tenant,
        keeping: Keeping<'_>,
    ) -> Result<u64, StoreError> {
        let gone = KEEP
            .prepare_invoke()
            .key(keys::answer(tenant, keeping.digest))
            .key(keys::answers(tenant))
            .key(keys::answer_sizes(tenant))
            .arg(keeping.digest)
            .arg(keeping.answer)
            .arg(keeping.ttl_seconds.max(1))
            .arg(keeping.tenant_bytes_max)
            .invoke_async(&mut self.connection())
            .await?;
        Ok(gone)
    }

    /// Forgets all answers of a tenant. Returns how many there were.
    ///
    /// # Errors
    /// When Redis is away: some may be left.
    pub async fn forget_answers(&self, tenant: &Tenant) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let (seen, gone): (u64, u64) = FORGET
                .prepare_invoke()
                .key(keys::answer(tenant, ""))
                .key(keys::answers(tenant))
                .key(keys::answer_sizes(tenant))
                .arg(FORGOTTEN_AT_ONCE_MAX)
                .invoke_async(&mut self.connection())
                .await?;
            if seen == 0 {
                return Ok(forgotten);
            }
            forgotten += gone;
        }
    }
}
