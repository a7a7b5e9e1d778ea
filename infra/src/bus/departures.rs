//! What leaves an account's purchases unspent: refunds, disputes, and what is left of a lot at its
//! end. How much may leave depends on what has left, so that such an event is written only on what
//! its writer has read. Charges in between don't matter, and don't keep it from being written.

use super::ledger::Unmoved;
use super::{Bus, BusError};
use schemas::ids::AccountId;
use schemas::ledger::EventV1;
use schemas::subjects;

/// The kinds of events that leave, or come back.
const KINDS: [&str; 4] = ["refund", "refund_failed", "dispute", "expiry"];

/// How often an event is tried while others of its account are written.
const ATTEMPTS_MAX: u32 = 64;

/// What has left an account's purchases, as it was read.
#[derive(Debug, Clone)]
pub struct Departures {
    /// The events that count, in their order.
    pub events: Vec<EventV1>,
    last: u64,
}

impl Bus {
    /// What has left an account's purchases until now.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn account_departures(&self, account: &AccountId) -> Result<Departures, BusError> {
        let filters = KINDS.map(|kind| subjects::ledger_account_kind(account, kind));
        let entries = self.entries_between(&filters, 1, None).await?;
        let last = entries.last().map_or(0, |entry| entry.sequence);
        let events = entries.into_iter().filter_map(|entry| entry.event).collect();
        Ok(Departures { events, last })
    }

    /// Writes an event that leaves, only if nothing has left its account since it was read what
    /// had.
    ///
    /// # Errors
    /// When NATS doesn't confirm it, or other events of the account are written all the time: it
    /// may or may not be written, and trying again is safe.
    pub async fn record_departure(
        &self,
        event: &EventV1,
        after: &Departures,
    ) -> Result<Unmoved, BusError> {
        let account = &event.account;
        for _ in 0..ATTEMPTS_MAX {
            // In this order: what leaves after this look moves the account.
            let last = self.last_recorded(&subjects::ledger_account(account)).await?;
            if self.last_departure(account).await? != after.last {
                return Ok(Unmoved::Moved);
            }
            if self.record_unmoved(event, last).await? == Unmoved::Written {
                return Ok(Unmoved::Written);
            }
        }
        Err(BusError::request("writing to the ledger", "the account has new events all the time"))
    }

    async fn last_departure(&self, account: &AccountId) -> Result<u64, BusError> {
        let filters = KINDS.map(|kind| subjects::ledger_account_kind(account, kind));
        let lasts = filters.iter().map(|filter| self.last_recorded(filter));
        let lasts = futures::future::try_join_all(lasts).await?;
        Ok(lasts.into_iter().max().unwrap_or(0))
    }
}
