//! Snapshots: what the ledger sums to at a cut, so that nobody has to read what lies before. A cut
//! is a sequence, the same for all accounts of a part of the ledger. Snapshots are made of events
//! alone, so that whoever makes one of the same cut makes the same one; they change no balance.

use crate::ledger::{EventV1, Fact};
use crate::lots::{Lot, Lots};
use crate::money::MicroUsd;
use serde::{Deserialize, Serialize};

/// What an account had at a cut.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The month that the cut closes, as `2026-11`.
    pub month: String,
    /// The sequence up to which all the account's events are in it.
    pub through: u64,
    /// How many events those are.
    pub events: u64,
    /// The latest time that one of them tells: milliseconds since 1970.
    pub latest_ms: u64,
    /// What they sum to.
    pub balance: MicroUsd,
    /// What that is made of.
    pub lots: Vec<Lot>,
    /// What is owed.
    pub owed: MicroUsd,
}

/// A cut through a part of the ledger: whoever writes it first says where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Through which part.
    pub partition: u16,
    /// The month that it closes, as `2026-11`.
    pub month: String,
    /// The sequence of the last event before it.
    pub through: u64,
}

/// Every account that had events before a cut has its snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Which cut.
    pub cut: Cut,
    /// How many accounts have a snapshot, of this cut or of one before.
    pub accounts: u64,
    /// How many events are in them.
    pub events: u64,
    /// What all of them sum to.
    pub balance: MicroUsd,
    /// How many requests all that was counted up to the cut comes to. Absent when that was not yet
    /// written with snapshots: then only the events tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
}

/// An account's events, summed up one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    events: u64,
    latest_ms: u64,
    balance: MicroUsd,
    lots: Lots,
}

impl Tally {
    /// From where a snapshot stands.
    pub fn from_snapshot(snapshot: &Snapshot) -> Self {
        let Snapshot { events, latest_ms, balance, .. } = *snapshot;
        Self { events, latest_ms, balance, lots: Lots::from_snapshot(snapshot) }
    }

    /// The next event of the account.
    pub fn add(&mut self, event: &EventV1) {
        if !event.is_of_an_account() {
            return;
        }
        self.events += 1;
        self.latest_ms = self.latest_ms.max(event.at_ms);
        self.balance = self.balance.saturating_add(event.amount);
        self.lots.add_event(event);
    }

    /// What the events sum to.
    pub fn balance(&self) -> MicroUsd {
        self.balance
    }

    /// How many there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// What the balance is made of.
    pub fn lots(&self) -> &Lots {
        &self.lots
    }

    /// As the snapshot of a cut.
    pub fn snapshot(&self, cut: &Cut) -> Snapshot {
        Snapshot {
            month: cut.month.clone(),
            through: cut.through,
            events: self.events,
            latest_ms: self.latest_ms,
            balance: self.balance,
            lots: self.lots.all().iter().filter(|lot| lot.may_matter()).cloned().collect(),
            owed: self.lots.owed(),
        }
    }
}

impl EventV1 {
    /// Whether it is a fact about an account's money: snapshots, cuts and closings are none.
    pub fn is_of_an_account(&self) -> bool {
        let fact = &self.fact;
        !matches!(fact, Fact::Snapshot(_) | Fact::Counted(_) | Fact::Cut(_) | Fact::Closing(_))
    }
}
