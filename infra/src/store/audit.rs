//! What the operator did lately, for a page to show. The log is the record; this is a view of it
//! that may be wiped.

use super::{Store, StoreError, keys};
use serde::{Deserialize, Serialize};

/// Deeds that are kept to be shown.
pub const AUDIT_ROWS_MAX: isize = 1_000;

/// One deed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// When: milliseconds since 1970.
    pub at_ms: u64,
    /// What, in words, without a secret.
    pub done: String,
}

impl Store {
    /// Adds a deed.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn note_audit(&self, row: &AuditRow) -> Result<(), StoreError> {
        let name = keys::audit();
        let text = serde_json::to_string(row).map_err(|_| StoreError::Unreadable(name.clone()))?;
        redis::pipe()
            .atomic()
            .lpush(&name, text)
            .ignore()
            .ltrim(&name, 0, AUDIT_ROWS_MAX - 1)
            .ignore()
            .query_async::<()>(&mut self.connection())
            .await?;
        Ok(())
    }

    /// The last deeds, the newest first.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn audits(&self) -> Result<Vec<AuditRow>, StoreError> {
        let name = keys::audit();
        let rows: Vec<String> = redis::cmd("LRANGE")
            .arg(&name)
            .arg(0)
            .arg(AUDIT_ROWS_MAX - 1)
            .query_async(&mut self.connection())
            .await?;
        let rows = rows.iter().map(|row| serde_json::from_str(row));
        rows.collect::<Result<_, _>>().map_err(|_| StoreError::Unreadable(name))
    }
}
