//! What is good once and was used up: a session that was signed out of, a form that was sent. It is
//! kept until it would have ended by itself. It may be wiped: then what it forbade is possible
//! again, as long as it would have been.

use super::{Store, StoreError, keys};

impl Store {
    /// Uses something up, until a time in milliseconds since 1970; whether this was the first time.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn use_up(&self, name: &str, until_ms: u64) -> Result<bool, StoreError> {
        let was_set: Option<String> = redis::cmd("SET")
            .arg(keys::used_up(name))
            .arg(1)
            .arg("NX")
            .arg("PXAT")
            .arg(until_ms)
            .query_async(&mut self.connection())
            .await?;
        Ok(was_set.is_some())
    }

    /// Whether it was used up.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn is_used_up(&self, name: &str) -> Result<bool, StoreError> {
        let exists = redis::cmd("EXISTS").arg(keys::used_up(name)).to_owned();
        Ok(exists.query_async(&mut self.connection()).await?)
    }

    /// Makes it good again: nothing came of it.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn undo_use(&self, name: &str) -> Result<(), StoreError> {
        let delete = redis::cmd("DEL").arg(keys::used_up(name)).to_owned();
        Ok(delete.query_async(&mut self.connection()).await?)
    }
}
