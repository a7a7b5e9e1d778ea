//! What the operator did lately, for a page to show. The log is the record; this is a view of it
//! that may be wiped.

use super::{Store, StoreError, keys};
use serde::{Deserialize, Serialize};

/// Deeds that are kept to be shown.
const AUDIT_ROWS_MAX: isize = 1_000;

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
        self.push_lately(keys::audit(), row, AUDIT_ROWS_MAX).await
    }

    /// The last deeds, the newest first.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn audits(&self) -> Result<Vec<AuditRow>, StoreError> {
        self.lately(keys::audit(), AUDIT_ROWS_MAX).await
    }
}
