//! An account's history, read from its last snapshot on instead of from its beginning: what it has
//! now, what it bought, what a month brought. It only reads; snapshots are made by billing.

use super::ledger::Entry;
use super::{Bus, BusError};
use futures::StreamExt;
use futures::stream::BoxStream;
use schemas::counted::Counted;
use schemas::ids::AccountId;
use schemas::ledger::{EventV1, Fact};
use schemas::lots::Lots;
use schemas::money::MicroUsd;
use schemas::snapshots::{Closing, Snapshot, Tally};
use schemas::subjects;

/// Purchases that a list has at most; a receipt is found by its payment for ever.
const PURCHASES_MAX: usize = 1_000;

/// What an account has now, and the events since its last snapshot.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Its last snapshot; none before its first.
    pub snapshot: Option<Snapshot>,
    /// What came after that, in its order.
    pub entries: Vec<Entry>,
}

/// What a month brought.
#[derive(Debug, Clone, Default)]
pub struct MonthHistory {
    /// The balance before the first of `events`.
    pub opening: MicroUsd,
    /// At least the events of the month, in their order.
    pub events: Vec<EventV1>,
}

impl History {
    /// All that it sums to.
    pub fn tally(&self) -> Tally {
        let mut tally = self.snapshot.as_ref().map(Tally::from_snapshot).unwrap_or_default();
        self.events().for_each(|event| tally.add(event));
        tally
    }

    /// What the balance is made of.
    pub fn lots(&self) -> Lots {
        let mut lots = self.snapshot.as_ref().map(Lots::from_snapshot).unwrap_or_default();
        self.events().for_each(|event| lots.add_event(event));
        lots
    }

    /// The events that count.
    pub fn events(&self) -> impl Iterator<Item = &EventV1> {
        self.entries.iter().filter_map(|entry| entry.event.as_ref())
    }

    /// The sequence of the account's last message; 0 when it has none.
    pub fn last(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.sequence)
    }
}

impl Bus {
    /// What an account has now. A snapshot lies after its own cut, so the account's last message is
    /// always among the entries.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn account_history(&self, account: &AccountId) -> Result<History, BusError> {
        let snapshot = self.last_snapshot(account).await?;
        let from = snapshot.as_ref().map_or(1, |snapshot| snapshot.through + 1);
        let filter = subjects::ledger_account(account);
        let entries = self.entries_between(&[filter], from, None).await?;
        Ok(History { snapshot, entries })
    }

    /// The newest purchases of an account, with what came on top of them.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn account_purchases(&self, account: &AccountId) -> Result<Vec<EventV1>, BusError> {
        let of = |kind| subjects::ledger_account_kind(account, kind);
        let mut entries = self.entries_between(&[of("topup"), of("bonus")], 1, None).await?;
        let older = entries.len().saturating_sub(2 * PURCHASES_MAX);
        entries.drain(..older);
        Ok(entries.into_iter().filter_map(|entry| entry.event).collect())
    }

    /// What went back of an account's purchases: refunds, those that failed, and disputes.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn account_returns(&self, account: &AccountId) -> Result<Vec<EventV1>, BusError> {
        let filters = ["refund", "refund_failed", "dispute"]
            .map(|kind| subjects::ledger_account_kind(account, kind));
        let entries = self.entries_between(&filters, 1, None).await?;
        Ok(entries.into_iter().filter_map(|entry| entry.event).collect())
    }

    /// One purchase of an account, with what came on top of it.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn account_purchase(
        &self,
        account: &AccountId,
        payment: &str,
    ) -> Result<Vec<EventV1>, BusError> {
        let mut events = Vec::new();
        for kind in ["topup", "bonus"] {
            events.extend(self.recorded(&subjects::ledger(account, kind, payment)).await?);
        }
        Ok(events)
    }

    /// An account's snapshots, in their order.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn account_snapshots(&self, account: &AccountId) -> Result<Vec<Snapshot>, BusError> {
        let filter = subjects::ledger_account_snapshots(account);
        let entries = self.entries_between(&[filter], 1, None).await?;
        Ok(entries.into_iter().filter_map(snapshot_of).map(|(_, snapshot)| snapshot).collect())
    }

    /// What a month brought, which begins at a time in milliseconds since 1970. It is read from the
    /// last snapshot before it to the first that closes it.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn account_month(
        &self,
        account: &AccountId,
        month: &str,
        begins_ms: u64,
    ) -> Result<MonthHistory, BusError> {
        let snapshots = self.account_snapshots(account).await?;
        let before = snapshots.iter().rfind(|snapshot| snapshot.latest_ms < begins_ms);
        let closing = snapshots.iter().find(|snapshot| snapshot.month.as_str() >= month);
        let from = before.map_or(1, |snapshot| snapshot.through + 1);
        let until = closing.map(|snapshot| snapshot.through);
        let filter = subjects::ledger_account(account);
        let entries = self.entries_between(&[filter], from, until).await?;
        Ok(MonthHistory {
            opening: before.map_or(MicroUsd::ZERO, |snapshot| snapshot.balance),
            events: entries.into_iter().filter_map(|entry| entry.event).collect(),
        })
    }

    /// All snapshots of a part of the ledger up to a sequence, with their accounts.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn snapshots(&self, partition: u16) -> Result<Vec<(AccountId, Snapshot)>, BusError> {
        let filter = subjects::ledger_snapshots(partition);
        let entries = self.entries_between(&[filter], 1, None).await?;
        Ok(entries.into_iter().filter_map(snapshot_of).collect())
    }

    /// What the requests of all accounts of a part came to up to a sequence, cut by cut.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn counted(&self, partition: u16, through: u64) -> Result<CountedStream, BusError> {
        let filter = subjects::ledger_counted_all(partition);
        let until = self.last_recorded(&filter).await?;
        if until == 0 {
            return Ok(futures::stream::empty().boxed());
        }
        let entries = self.follow_ledger(&filter, 1).await?;
        // The last one is still wanted.
        let ends = futures::stream::unfold(
            (entries.boxed(), false),
            move |(mut entries, over)| async move {
                let entry = if over { None } else { entries.next().await };
                let over = entry.as_ref().is_none_or(|entry| is_last(entry, until));
                entry.map(|entry| (entry, (entries, over)))
            },
        );
        let counted = ends.filter_map(move |entry| async move {
            match entry {
                Ok(entry) => counted_of(entry).filter(|it| it.through <= through).map(Ok),
                Err(error) => Some(Err(error)),
            }
        });
        Ok(counted.boxed())
    }

    /// The sequence from which on all events under a filter were taken at a time or later, in
    /// milliseconds since 1970.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn first_since(&self, filter: &str, at_ms: u64) -> Result<u64, BusError> {
        let (mut low, mut high) = (1, self.last_recorded(filter).await? + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.taken_from(filter, middle).await? {
                Some((sequence, taken_ms)) if taken_ms < at_ms => low = sequence + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The last cut of a part whose snapshots are all there.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn last_closing(&self, partition: u16) -> Result<Option<Closing>, BusError> {
        let filter = subjects::ledger_closings(partition);
        Ok(match self.last_event(&filter).await? {
            Some(EventV1 { fact: Fact::Closing(closing), .. }) => Some(closing),
            _ => None,
        })
    }

    async fn last_snapshot(&self, account: &AccountId) -> Result<Option<Snapshot>, BusError> {
        let filter = subjects::ledger_account_snapshots(account);
        Ok(match self.last_event(&filter).await? {
            Some(EventV1 { fact: Fact::Snapshot(snapshot), .. }) => Some(*snapshot),
            _ => None,
        })
    }

    /// What lies under filters from a sequence to another, or to what is there now.
    pub(super) async fn entries_between(
        &self,
        filters: &[String],
        from: u64,
        until: Option<u64>,
    ) -> Result<Vec<Entry>, BusError> {
        let mut last = 0;
        for filter in filters {
            last = last.max(self.last_recorded(filter).await?);
        }
        let until = until.map_or(last, |until| until.min(last));
        let mut entries = Vec::new();
        if until < from {
            return Ok(entries);
        }
        let mut events = std::pin::pin!(self.follow_filters(filters, from).await?);
        while let Some(entry) = events.next().await {
            let entry = entry?;
            let is_last = entry.sequence >= until;
            if entry.sequence <= until {
                entries.push(entry);
            }
            if is_last {
                return Ok(entries);
            }
        }
        Err(BusError::request("reading the ledger", "it ended before its last event"))
    }
}

/// Rows as they come.
pub type CountedStream = BoxStream<'static, Result<Counted, BusError>>;

fn is_last(entry: &Result<Entry, BusError>, until: u64) -> bool {
    entry.as_ref().map_or(true, |entry| entry.sequence >= until)
}

fn counted_of(entry: Entry) -> Option<Counted> {
    match entry.event {
        Some(EventV1 { fact: Fact::Counted(counted), .. }) => Some(*counted),
        _ => None,
    }
}

fn snapshot_of(entry: Entry) -> Option<(AccountId, Snapshot)> {
    match entry.event {
        Some(EventV1 { account, fact: Fact::Snapshot(snapshot), .. }) => Some((account, *snapshot)),
        _ => None,
    }
}
