//! What an account's requests came to between two cuts, so that usage and spending don't need their
//! events. It follows from the events alone, as snapshots do, and changes no balance.

use crate::ids::AccountId;
use serde::{Deserialize, Serialize};

/// What is counted, in the order in which a row has it. A later one comes at the end.
pub const COUNTERS: [&str; 8] =
    ["requests", "cache_hits", "input", "cache_read", "cache_write", "output", "reasoning", "cost"];

/// Where in a row the requests are.
pub const REQUESTS: usize = 0;

/// Where in a row the cost is, in micro-USD.
pub const COST: usize = 7;

/// A day, key and model, as `2026-11-26|key_…|fast`, and what they came to.
pub type CountedRow = (String, Vec<u64>);

/// Some of an account's rows of a cut: an event holds only so many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Whose. The event is one of the part, so that it isn't in the way of who reads the account's.
    pub account: AccountId,
    /// The month that the cut closes, as `2026-11`.
    pub month: String,
    /// The sequence of the last event before the cut.
    pub through: u64,
    /// Which of the account's events of this cut it is, from 0 on.
    pub number: u32,
    /// Rows of events since the cut before.
    pub rows: Vec<CountedRow>,
}
