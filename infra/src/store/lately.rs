//! Lists of what happened lately, for a page to show: the newest first, and only so many. They may
//! be wiped: the record is elsewhere.

use super::{Store, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;

impl Store {
    /// Adds a row to a list that keeps so many.
    pub(super) async fn push_lately<R: Serialize + Sync>(
        &self,
        name: String,
        row: &R,
        rows_max: isize,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(row).map_err(|_| StoreError::Unreadable(name.clone()))?;
        redis::pipe()
            .atomic()
            .lpush(&name, text)
            .ignore()
            .ltrim(&name, 0, rows_max - 1)
            .ignore()
            .query_async::<()>(&mut self.connection())
            .await?;
        Ok(())
    }

    /// Its rows, the newest first.
    pub(super) async fn lately<R: DeserializeOwned>(
        &self,
        name: String,
        rows_max: isize,
    ) -> Result<Vec<R>, StoreError> {
        let rows: Vec<String> = redis::cmd("LRANGE")
            .arg(&name)
            .arg(0)
            .arg(rows_max - 1)
            .query_async(&mut self.connection())
            .await?;
        let rows = rows.iter().map(|row| serde_json::from_str(row));
        rows.collect::<Result<_, _>>().map_err(|_| StoreError::Unreadable(name))
    }
}
