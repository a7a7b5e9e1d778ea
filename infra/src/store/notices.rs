//! What Stripe told lately and what came of it, for a page to show. The ledger is the record; this
//! is a view that may be wiped. It never holds a card, an address or a secret: only Stripe's names.

use super::{Store, StoreError, keys};
use serde::{Deserialize, Serialize};

/// Events that are kept to be shown.
const NOTICE_ROWS_MAX: isize = 200;

/// One signed event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRow {
    /// When it came: milliseconds since 1970.
    pub at_ms: u64,
    /// Its name at Stripe.
    pub event: String,
    /// What happened, in Stripe's words.
    pub kind: String,
    /// Stripe's name of what it happened to, if that concerns credit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What came of it.
    pub outcome: NoticeOutcome,
    /// Why it was passed over, as the log says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What came of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeOutcome {
    /// What it asks for is durable.
    Done,
    /// It asks for nothing that could be done.
    PassedOver,
    /// It could not be done then: Stripe sends it again.
    Again,
}

impl NoticeOutcome {
    /// As counters name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::PassedOver => "passed_over",
            Self::Again => "again",
        }
    }
}

impl Store {
    /// Adds an event.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn note_notice(&self, row: &NoticeRow) -> Result<(), StoreError> {
        self.push_lately(keys::notices(), row, NOTICE_ROWS_MAX).await
    }

    /// The last events, the newest first.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn notices(&self) -> Result<Vec<NoticeRow>, StoreError> {
        self.lately(keys::notices(), NOTICE_ROWS_MAX).await
    }
}
