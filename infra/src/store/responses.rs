//! Responses kept for those who asked, for a while, so that any gateway can read them again. What
//! comes here is sealed: neither Redis nor we can read it. When Redis is wiped they are gone.

use super::{Store, StoreError, keys};
use redis::Script;
use schemas::ids::AccountId;
use std::sync::LazyLock;

static KEEP: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/keep_response.lua")));

/// Kept responses of one account; beyond it the oldest gives way.
const RESPONSES_MAX: usize = 1_000;

/// A response to keep.
#[derive(Debug, Clone, Copy)]
pub struct Sealed<'a> {
    /// Whose it is.
    pub account: &'a AccountId,
    /// Its name.
    pub id: &'a str,
    /// What is kept.
    pub content: &'a str,
    /// For how long, in seconds.
    pub ttl_seconds: u64,
    /// What the account's responses may take together, in bytes.
    pub account_bytes_max: usize,
    /// Whether it takes the place of its own earlier state, and is not kept when that was deleted.
    pub again: bool,
}

impl Store {
    /// Keeps a response; false when it is larger than all that the account may have, or when it was
    /// deleted.
    ///
    /// # Errors
    /// When Redis is away: it isn't kept.
    pub async fn keep_response(&self, sealed: &Sealed<'_>) -> Result<bool, StoreError> {
        let kept: i64 = KEEP
            .prepare_invoke()
            .key(keys::response(sealed.account, sealed.id))
            .key(keys::responses(sealed.account))
            .key(keys::response_sizes(sealed.account))
            .arg(sealed.content)
            .arg(sealed.ttl_seconds.max(1))
            .arg(sealed.id)
            .arg(sealed.account_bytes_max)
            .arg(RESPONSES_MAX)
            .arg(keys::response(sealed.account, ""))
            .arg(if sealed.again { "again" } else { "" })
            .invoke_async(&mut self.connection())
            .await?;
        Ok(kept == 1)
    }

    /// A response as it was kept.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn kept_response(
        &self,
        account: &AccountId,
        id: &str,
    ) -> Result<Option<String>, StoreError> {
        let kept = redis::cmd("GET")
            .arg(keys::response(account, id))
            .query_async(&mut self.connection())
            .await?;
        Ok(kept)
    }

    /// Forgets a response.
    ///
    /// # Errors
    /// When Redis is away: it is still there.
    pub async fn forget_response(&self, account: &AccountId, id: &str) -> Result<(), StoreError> {
        redis::pipe()
            .atomic()
            .del(keys::response(account, id))
            .zrem(keys::responses(account), id)
            .hdel(keys::response_sizes(account), id)
            .query_async::<()>(&mut self.connection())
            .await?;
        Ok(())
    }
}
