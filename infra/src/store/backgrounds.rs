//! Responses that run in the background, by account: who runs is known to every gateway, and so is
//! a cancellation. A running one is a lease of its gateway, so nothing is left of a dead one. What
//! is wiped is made anew by the gateways; only a cancellation that nobody had heard is lost.

use super::{Store, StoreError, keys};
use redis::Script;
use schemas::ids::AccountId;
use std::sync::LazyLock;

static BACKGROUND: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/background.lua")));

/// Responses of one account that run in the background at once.
const BACKGROUNDS_MAX: usize = 64;

/// A response without a sign of its gateway for so long counts as lost, in milliseconds.
const BACKGROUND_LEASE_MS: u64 = 10_000;

impl Store {
    /// Takes a place for a response that is to run; false when the account has no more.
    ///
    /// # Errors
    /// When Redis is away: then it must not run.
    pub async fn begin_background(&self, of: &AccountId, id: &str) -> Result<bool, StoreError> {
        self.background(of, "begin", id).await
    }

    /// Tells that it still runs; true when it was cancelled meanwhile.
    ///
    /// # Errors
    /// When Redis is away: nothing is known then.
    pub async fn stay_background(&self, of: &AccountId, id: &str) -> Result<bool, StoreError> {
        self.background(of, "stay", id).await
    }

    /// Cancels it at whichever gateway; false when it runs nowhere.
    ///
    /// # Errors
    /// When Redis is away: it runs on.
    pub async fn cancel_background(&self, of: &AccountId, id: &str) -> Result<bool, StoreError> {
        self.background(of, "cancel", id).await
    }

    /// Whether it runs at some gateway.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn runs_background(&self, of: &AccountId, id: &str) -> Result<bool, StoreError> {
        self.background(of, "look", id).await
    }

    /// Gives its place back.
    ///
    /// # Errors
    /// When Redis is away: the lease ends by itself.
    pub async fn finish_background(&self, of: &AccountId, id: &str) -> Result<(), StoreError> {
        self.background(of, "finish", id).await.map(|_| ())
    }

    async fn background(&self, of: &AccountId, word: &str, id: &str) -> Result<bool, StoreError> {
        let answer: i64 = BACKGROUND
            .prepare_invoke()
            .key(keys::backgrounds(of))
            .key(keys::background_cancels(of))
            .arg(word)
            .arg(id)
            .arg(BACKGROUND_LEASE_MS)
            .arg(BACKGROUNDS_MAX)
            .invoke_async(&mut self.connection())
            .await?;
        Ok(answer == 1)
    }
}
