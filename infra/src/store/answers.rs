//! Answers kept for equal questions, for each tenant. Only masked text is kept. When Redis is away
//! or slow the cache is simply empty: it never fails a request.

use super::{Store, StoreError, keys};
use redis::Script;
use schemas::ids::{AccountId, RequestId};
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

/// How a lead is told from an answer, whose place it has: [`LEAD_MARK`].
pub(super) const ASKS_TEXT: &str = include_str!("scripts/asks.lua");

/// What a lead begins with, and no answer does.
const LEAD_MARK: u8 = 0;

/// The functions that look for a kept answer, after [`ASKS_TEXT`].
pub(super) const LOOK_TEXT: &str = include_str!("scripts/look.lua");

/// They alone.
const LOOK_ALONE_TEXT: &str = "\
local what, found = look(ARGV[1], KEYS[1], redis.call('MGET', KEYS[1])[1], ARGV[2])
lead(ARGV[2])
return {what, found}";

static LOOK: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[ASKS_TEXT, LOOK_TEXT, LOOK_ALONE_TEXT].concat()));
static LEAD_ON: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[ASKS_TEXT, include_str!("scripts/lead_on.lua")].concat()));
static LOOK_SIMILAR: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[ASKS_TEXT, include_str!("scripts/look_similar.lua")].concat()));
static FORGET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&[ASKS_TEXT, include_str!("scripts/forget_answers.lua")].concat())
});

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

/// What stands before a group's name: no name has a point in it, so a group never is an account.
const GROUP_MARK: &str = "group.";

impl Tenant {
    /// Whose text it is, as it is displayed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let group = text.strip_prefix(GROUP_MARK);
        let name = AccountId::parse(group.unwrap_or(text)).ok()?;
        Some(if group.is_some() { Self::Group(name) } else { Self::Account(name) })
    }

    /// What decides where its answers lie.
    pub(super) fn name(&self) -> &AccountId {
        match self {
            Self::Account(name) | Self::Group(name) => name,
        }
    }

    /// What stands before its name.
    pub(super) fn mark(&self) -> &'static str {
        match self {
            Self::Account(_) => "",
            Self::Group(_) => GROUP_MARK,
        }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.mark(), self.name())
    }
}

/// What a look for a kept answer finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The answer.
    Kept(Vec<u8>),
    /// None, and nobody asks for it: whoever looked is to ask now.
    Lead,
    /// None yet: this request asks for it now.
    Follow(String),
}

/// A look for a kept answer.
#[derive(Debug, Clone, Copy)]
pub struct Looking<'a> {
    /// Under what it would be kept.
    pub digest: &'a str,
    /// Which request looks.
    pub request: &'a RequestId,
    /// It leads for so many milliseconds without [`Store::lead_on`].
    pub lease_ms: u64,
    /// For so long it may wait for Redis.
    pub time_max: Duration,
}

/// A request that leads those that ask the same.
#[derive(Debug, Clone, Copy)]
pub struct Leading<'a> {
    /// Who shares the answer.
    pub tenant: &'a Tenant,
    /// Under what it will be kept.
    pub digest: &'a str,
    /// Which request.
    pub request: &'a RequestId,
}

impl Store {
    /// Looks for a kept answer. When there is none the first that looks leads.
    ///
    /// # Errors
    /// When Redis is away or takes too long: go on as if there was none.
    pub async fn look_for_answer(
        &self,
        tenant: &Tenant,
        looking: Looking<'_>,
    ) -> Result<Look, StoreError> {
        let Looking { digest, request, lease_ms, time_max } = looking;
        let mut connection = self.connection();
        let mut script = LOOK.prepare_invoke();
        script.key(keys::answer(tenant, digest)).arg(request.as_str()).arg(lease_ms);
        let look = tokio::time::timeout(time_max, script.invoke_async(&mut connection)).await;
        let (state, found): (String, Vec<u8>) = look.map_err(|_| StoreError::Slow)??;
        match state.as_str() {
            "kept" => Ok(Look::Kept(found)),
            "lead" => Ok(Look::Lead),
            _ => Ok(Look::Follow(String::from_utf8_lossy(&found).into_owned())),
        }
    }

    /// Leads for so many more milliseconds; with 0 it ends. Returns for each whether its request
    /// still led.
    ///
    /// # Errors
    /// When Redis is away: the leads end with their leases.
    pub async fn lead_on(
        &self,
        leading: &[Leading<'_>],
        lease_ms: u64,
    ) -> Result<Vec<bool>, StoreError> {
        let mut script = LEAD_ON.prepare_invoke();
        script.arg(lease_ms);
        for Leading { tenant, digest, request } in leading {
            script.key(keys::answer(tenant, digest)).arg(request.as_str());
        }
        Ok(script.invoke_async(&mut self.connection()).await?)
    }

    /// The kept answer to the wording that `judge` says is the nearest, and what it said; it says
    /// nothing of a wording that is not near enough.
    ///
    /// # Errors
    /// When Redis is away or takes too long: go on as if there was none.
    pub async fn look_for_similar(
        &self,
        tenant: &Tenant,
        digest: &str,
        time_max: Duration,
        judge: impl Fn(&[u8]) -> Option<f64>,
    ) -> Result<Option<(Vec<u8>, f64)>, StoreError> {
        let look = async {
            let mut connection = self.connection();
            let found: Vec<(String, Vec<u8>)> = LOOK_SIMILAR
                .prepare_invoke()
                .key(keys::similar(tenant, digest))
                .key(keys::answer(tenant, ""))
                .key(keys::similars(tenant))
                .invoke_async(&mut connection)
                .await?;
            let judged = found.into_iter().filter_map(|(own, vector)| Some((own, judge(&vector)?)));
            let nearest = judged.max_by(|one, other| one.1.total_cmp(&other.1));
            let Some((own, likeness)) = nearest else { return Ok(None) };
            let name = keys::answer(tenant, &own);
            let answer: Option<Vec<u8>> =
                redis::cmd("GET").arg(name).query_async(&mut connection).await?;
            let answer = answer.filter(|answer| answer.first() != Some(&LEAD_MARK));
            Ok(answer.map(|answer| (answer, likeness)))
        };
        tokio::time::timeout(time_max, look).await.map_err(|_| StoreError::Slow)?
    }

    /// Whether any answer of a tenant may be kept.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn keeps_answers(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let index = keys::answers(tenant);
        Ok(redis::cmd("EXISTS").arg(index).query_async(&mut self.connection()).await?)
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
                .key(keys::similar(tenant, ""))
                .key(keys::similars(tenant))
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
