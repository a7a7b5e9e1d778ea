//! What a part of the ledger sums to, account by account: from its beginning, or from a cut whose
//! snapshots are all there. What is read here proves what others sum up; it never reads the view.

use super::{Bus, BusError};
use crate::counted::Rows;
use futures::StreamExt;
use schemas::ids::AccountId;
use schemas::ledger::EventV1;
use schemas::money::MicroUsd;
use schemas::snapshots::{Closing, Snapshot, Tally};
use schemas::subjects;
use std::collections::{BTreeMap, BTreeSet};

/// What a part sums to.
#[derive(Debug, Clone, Default)]
pub struct Tallies {
    /// By account.
    pub accounts: BTreeMap<AccountId, Tally>,
    /// Those that have events after the cut.
    pub touched: BTreeSet<AccountId>,
    /// What their requests came to after the cut.
    pub counted: BTreeMap<AccountId, Rows>,
    /// Events that were read, beside snapshots.
    pub read: u64,
    /// Events that came too late to count.
    pub late: Vec<EventV1>,
    /// Snapshots that don't sum to what their closing says.
    pub is_broken: bool,
}

impl Tallies {
    /// What all accounts have together.
    pub fn balance(&self) -> MicroUsd {
        let balances = self.accounts.values().map(Tally::balance);
        balances.fold(MicroUsd::ZERO, MicroUsd::saturating_add)
    }

    /// How many events all accounts have together.
    pub fn events(&self) -> u64 {
        self.accounts.values().map(Tally::events).sum()
    }

    /// How many requests came after the cut.
    pub fn requests(&self) -> u64 {
        self.counted.values().map(Rows::requests).sum()
    }

    fn begin(&mut self, closing: &Closing, snapshots: Vec<(AccountId, Snapshot)>) {
        for (account, snapshot) in snapshots {
            // A later cut may be in the making.
            if snapshot.through <= closing.cut.through {
                self.accounts.insert(account, Tally::from_snapshot(&snapshot));
            }
        }
        let accounts = self.accounts.len() as u64;
        let found = (accounts, self.events(), self.balance());
        self.is_broken = found != (closing.accounts, closing.events, closing.balance);
    }

    fn add(&mut self, event: &EventV1) {
        self.read += 1;
        if event.is_of_an_account() {
            self.accounts.entry(event.account.clone()).or_default().add(event);
            self.counted.entry(event.account.clone()).or_default().add_event(event);
            self.touched.insert(event.account.clone());
        }
    }
}

impl Bus {
    /// Sums up a part until a sequence, which is that of one of its events; from a closing on, when
    /// one is given.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn tallies(
        &self,
        partition: u16,
        since: Option<&Closing>,
        until: u64,
    ) -> Result<Tallies, BusError> {
        let mut tallies = Tallies::default();
        if let Some(closing) = since {
            tallies.begin(closing, self.snapshots(partition).await?);
        }
        let after = since.map_or(0, |closing| closing.cut.through);
        self.tally_on(partition, &mut tallies, after, until).await?;
        Ok(tallies)
    }

    /// Adds what came after a sequence until another one, which is that of one of the part's
    /// events.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn tally_on(
        &self,
        partition: u16,
        tallies: &mut Tallies,
        after: u64,
        until: u64,
    ) -> Result<(), BusError> {
        let from = after + 1;
        if until < from {
            return Ok(());
        }
        let filter = subjects::ledger_partition(partition);
        let mut entries = std::pin::pin!(self.follow_ledger(&filter, from).await?);
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            if entry.sequence <= until {
                entry.event.iter().for_each(|event| tallies.add(event));
                tallies.late.extend(entry.late.map(|late| *late));
            }
            if entry.sequence >= until {
                return Ok(());
            }
        }
        Err(BusError::request("reading the ledger", "it ended before its last event"))
    }
}
