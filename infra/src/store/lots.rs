//! Which lots of bought credit end when: an index that applying the ledger makes. What is left of a
//! lot is not kept here: the ledger says it.

use super::{Store, StoreError, keys};
use schemas::ids::AccountId;
use schemas::ledger::{EventV1, Fact, LotKind, TopUp};
use schemas::subjects;
use serde::{Deserialize, Serialize};

/// Lots that one look finds at most.
const DUE_LOTS_MAX: usize = 100;

/// A lot whose time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueLot {
    /// Whose.
    pub account: AccountId,
    /// Bought, or a bonus.
    pub kind: LotKind,
    /// The payment that it comes from.
    pub source: String,
    /// When it was to end: milliseconds since 1970.
    pub expires_ms: u64,
    member: String,
}

/// A lot as the index names it.
#[derive(Serialize, Deserialize)]
struct Member {
    account: AccountId,
    kind: LotKind,
    source: String,
}

/// The lot that an event makes, for the index: its name and its time.
pub(super) fn lot_of(event: &EventV1) -> Option<Result<(String, u64), serde_json::Error>> {
    let (kind, payment, expires_ms) = match &event.fact {
        Fact::TopUp(TopUp { payment, expires_ms, .. }) => (LotKind::Paid, payment, expires_ms),
        Fact::Bonus { payment, expires_ms } => (LotKind::Bonus, payment, expires_ms),
        _ => return None,
    };
    Some(name(&event.account, kind, payment).map(|name| (name, *expires_ms)))
}

/// A lot's name in the index.
pub(super) fn name(
    account: &AccountId,
    kind: LotKind,
    source: &str,
) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Member { account: account.clone(), kind, source: source.to_owned() })
}

impl Store {
    /// Lots of a part whose time is over, the oldest first.
    ///
    /// # Errors
    /// When Redis is away, or the index can't be read.
    pub async fn due_lots(&self, partition: u16, now_ms: u64) -> Result<Vec<DueLot>, StoreError> {
        let name = keys::lots(partition);
        let due: Vec<(String, f64)> = redis::cmd("ZRANGEBYSCORE")
            .arg(&name)
            .arg("-inf")
            .arg(now_ms)
            .arg("WITHSCORES")
            .arg("LIMIT")
            .arg(0)
            .arg(DUE_LOTS_MAX)
            .query_async(&mut self.connection())
            .await?;
        let lot = |(member, score): (String, f64)| {
            let read: Member = serde_json::from_str(&member).ok()?;
            // Milliseconds are far below what a double holds exactly.
            let expires_ms = score as u64;
            let Member { account, kind, source } = read;
            Some(DueLot { account, kind, source, expires_ms, member })
        };
        due.into_iter()
            .map(|found| lot(found).ok_or_else(|| StoreError::Unreadable(name.clone())))
            .collect()
    }

    /// Takes a lot that has ended out of the index.
    ///
    /// # Errors
    /// When Redis is away: it is found again, and nothing is left of it.
    pub async fn forget_lot(&self, lot: &DueLot) -> Result<(), StoreError> {
        redis::cmd("ZREM")
            .arg(keys::lots(subjects::partition(&lot.account)))
            .arg(&lot.member)
            .query_async::<i64>(&mut self.connection())
            .await?;
        Ok(())
    }
}
