//! Requests and tokens a minute and requests at once, for each key, in one script that takes all or
//! nothing.

use super::{Store, StoreError, keys};
use redis::Script;
use schemas::ids::{AccountId, KeyId, RequestId};
use std::sync::LazyLock;

static ADMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/admit.lua")));

static GIVE_BACK: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/give_back.lua")));

static STAY: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/stay.lua")));

/// A request that wants to pass.
#[derive(Debug, Clone)]
pub struct Admission<'a> {
    /// Which request.
    pub request: &'a RequestId,
    /// Of which account.
    pub account: &'a AccountId,
    /// With which key.
    pub key: &'a KeyId,
    /// Requests a minute.
    pub requests_max: u64,
    /// Tokens a minute.
    pub tokens_max: u64,
    /// Tokens that this request may take.
    pub tokens: u64,
    /// Requests at once.
    pub parallel_max: u64,
    /// After so long a running request counts as lost, in milliseconds.
    pub lease_ms: u64,
}

/// Which limit said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
    /// Requests at once.
    Parallel,
}

/// Where a key stands after the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// No, and by which limit; nothing was taken then.
    pub refusal: Option<Refusal>,
    /// When the refused request may pass, in milliseconds.
    pub wait_ms: u64,
    /// Requests a minute.
    pub requests_max: u64,
    /// Tokens a minute.
    pub tokens_max: u64,
    /// Requests left.
    pub requests_left: u64,
    /// When all requests are there again, in milliseconds.
    pub requests_reset_ms: u64,
    /// Tokens left.
    pub tokens_left: u64,
    /// When all tokens are there again, in milliseconds.
    pub tokens_reset_ms: u64,
}

impl Store {
    /// Lets a request pass its key's limits, or says which one refuses it.
    ///
    /// # Errors
    /// When Redis is away: then the request must not pass.
    pub async fn admit(&self, wanted: &Admission<'_>) -> Result<Standing, StoreError> {
        let (answer, wait_ms, requests_left, requests_reset_ms, tokens_left, tokens_reset_ms): (
            String,
            u64,
            u64,
            u64,
            u64,
            u64,
        ) = ADMIT
            .prepare_invoke()
            .key(keys::rate(wanted.account, wanted.key))
            .key(keys::parallel(wanted.account, wanted.key))
            .arg(wanted.request.as_str())
            .arg(wanted.requests_max)
            .arg(wanted.tokens_max)
            .arg(wanted.tokens.min(wanted.tokens_max))
            .arg(wanted.parallel_max)
            .arg(wanted.lease_ms)
            .invoke_async(&mut self.connection())
            .await?;
        let refusal = match answer.as_str() {
            "ok" => None,
            "requests" => Some(Refusal::Requests),
            "tokens" => Some(Refusal::Tokens),
            "parallel" => Some(Refusal::Parallel),
            _ => return Err(StoreError::Unreadable("admit".into())),
        };
        Ok(Standing {
            refusal,
            wait_ms,
            requests_max: wanted.requests_max,
            tokens_max: wanted.tokens_max,
            requests_left,
            requests_reset_ms,
            tokens_left,
            tokens_reset_ms,
        })
    }

    /// Gives back what a request took that was refused after it had passed, so that the
    /// refusal costs nothing. `taken` says where the key stood after it had passed.
    ///
    /// # Errors
    /// When Redis is away: then it comes back as the minute goes by.
    pub async fn give_back(
        &self,
        account: &AccountId,
        key: &KeyId,
        tokens: u64,
        taken: Standing,
    ) -> Result<Standing, StoreError> {
        let (requests_left, requests_reset_ms, tokens_left, tokens_reset_ms) = GIVE_BACK
            .prepare_invoke()
            .key(keys::rate(account, key))
            .arg(taken.requests_max)
            .arg(taken.tokens_max)
            .arg(tokens.min(taken.tokens_max))
            .invoke_async(&mut self.connection())
            .await?;
        Ok(Standing { requests_left, requests_reset_ms, tokens_left, tokens_reset_ms, ..taken })
    }

    /// Keeps the places of running requests of one key: a gateway that dies stops doing so.
    ///
    /// # Errors
    /// When Redis is away: the places are kept at the next call.
    pub async fn stay(
        &self,
        account: &AccountId,
        key: &KeyId,
        requests: &[RequestId],
        lease_ms: u64,
    ) -> Result<(), StoreError> {
        let mut script = STAY.prepare_invoke();
        script.key(keys::parallel(account, key)).arg(lease_ms);
        for request in requests {
            script.arg(request.as_str());
        }
        script.invoke_async::<i64>(&mut self.connection()).await?;
        Ok(())
    }

    /// Gives a running request's place back.
    ///
    /// # Errors
    /// When Redis is away: the place comes back by itself after its lease.
    pub async fn leave(
        &self,
        account: &AccountId,
        key: &KeyId,
        request: &RequestId,
    ) -> Result<(), StoreError> {
        redis::cmd("ZREM")
            .arg(keys::parallel(account, key))
            .arg(request.as_str())
            .query_async::<i64>(&mut self.connection())
            .await?;
        Ok(())
    }
}
