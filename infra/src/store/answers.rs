//! Answers kept for equal questions, for each account. Only masked text is kept. When Redis is away
//! the cache is simply empty: it never fails a request.

use super::{Store, StoreError, keys};
use schemas::ids::AccountId;

impl Store {
    /// The answer kept under a digest.
    ///
    /// # Errors
    /// When Redis is away: go on as if there was none.
    pub async fn kept_answer(
        &self,
        account: &AccountId,
        digest: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let kept = redis::cmd("GET")
            .arg(keys::answer(account, digest))
            .query_async(&mut self.connection())
            .await?;
        Ok(kept)
    }

    /// Keeps an answer under a digest for so many seconds.
    ///
    /// # Errors
    /// When Redis is away: the answer is simply not kept.
    pub async fn keep_answer(
        &self,
        account: &AccountId,
        digest: &str,
        answer: &[u8],
        ttl_seconds: u64,
    ) -> Result<(), StoreError> {
        redis::cmd("SET")
            .arg(keys::answer(account, digest))
            .arg(answer)
            .arg("EX")
            .arg(ttl_seconds.max(1))
            .query_async::<()>(&mut self.connection())
            .await?;
        Ok(())
    }
}
