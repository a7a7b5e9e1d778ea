//! What requests come to: the counters of one event, and their sums by day, key and model. The view
//! counts with it, and so does who closes a month, so that both always count the same.

use crate::clock;
use schemas::counted::{COST, COUNTERS, Counted, CountedRow, REQUESTS};
use schemas::ids::AccountId;
use schemas::ledger::{EventV1, Fact};
use schemas::snapshots::Cut;
use std::collections::BTreeMap;

/// The highest count of one event: no vendor's nonsense may overflow a counter, because a script
/// that fails has written half of its batch.
const COUNT_MAX: u64 = 1_000_000_000_000;

/// Rows that one event of the ledger holds: far below what NATS takes.
const ROWS_MAX: usize = 2_000;

/// What one event counts, in the order of [`COUNTERS`].
pub type Counts = [u64; COUNTERS.len()];

/// The row and the counts of an event; none for one that answers no request.
pub fn count(event: &EventV1) -> Option<(String, Counts)> {
    let Fact::Use(fact) = &event.fact else { return None };
    let row = format!("{}|{}|{}", clock::day_of(event.at_ms), fact.key, fact.model);
    let cost = u64::try_from(event.amount.negated().0).unwrap_or(0);
    let usage = &fact.usage;
    let counts = match fact.cached {
        // Its tokens were counted when they were consumed.
        true => [1, 1, 0, 0, 0, 0, 0, cost],
        false => [
            1,
            0,
            usage.input,
            usage.cache_read.unwrap_or(0),
            usage.cache_writes().unwrap_or(0),
            usage.output,
            usage.reasoning.unwrap_or(0),
            cost,
        ],
    };
    Some((row, counts.map(|count| count.min(COUNT_MAX))))
}

/// A row's counters that are not 0, by the names that the view has for them.
pub fn fields<'a>(row: &'a str, counts: &'a [u64]) -> impl Iterator<Item = (String, u64)> + 'a {
    let named = COUNTERS.iter().zip(counts).filter(|(_, count)| **count > 0);
    named.map(move |(name, count)| (format!("{row}|{name}"), *count))
}

/// The key that a row is of.
pub(crate) fn key_of(row: &str) -> &str {
    row.split('|').nth(1).unwrap_or_default()
}

/// What a row's requests cost, in micro-USD.
pub(crate) fn cost_of(counts: &[u64]) -> u64 {
    counts.get(COST).copied().unwrap_or(0)
}

/// How many requests rows are of.
pub fn requests_of(counted: &Counted) -> u64 {
    counted.rows.iter().filter_map(|(_, counts)| counts.get(REQUESTS)).sum()
}

/// An account's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows(BTreeMap<String, Vec<u64>>);

impl Rows {
    /// One more event.
    pub fn add_event(&mut self, event: &EventV1) {
        if let Some((row, counts)) = count(event) {
            self.add(&row, &counts);
        }
    }

    /// Rows that were summed up before.
    pub fn add_counted(&mut self, counted: &Counted) {
        counted.rows.iter().for_each(|(row, counts)| self.add(row, counts));
    }

    /// How many requests they are of.
    pub fn requests(&self) -> u64 {
        self.0.values().filter_map(|counts| counts.get(REQUESTS)).sum()
    }

    /// As events of a cut.
    pub fn counted(&self, account: &AccountId, cut: &Cut) -> Vec<Counted> {
        let rows: Vec<CountedRow> = self.0.clone().into_iter().collect();
        let parts = (0..).zip(rows.chunks(ROWS_MAX));
        let part = |(number, rows): (u32, &[CountedRow])| Counted {
            account: account.clone(),
            month: cut.month.clone(),
            through: cut.through,
            number,
            rows: rows.to_vec(),
        };
        parts.map(part).collect()
    }

    fn add(&mut self, row: &str, counts: &[u64]) {
        let sums = self.0.entry(row.to_owned()).or_default();
        sums.resize(sums.len().max(counts.len()), 0);
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum = sum.saturating_add(*count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_are_several_events_of_one_sum() {
        let account = AccountId::fresh();
        let cut = Cut { partition: 0, month: "2026-11".into(), through: 9 };
        let mut rows = Rows::default();
        for number in 0..5_001_u64 {
            rows.add(&format!("2026-11-01|key_{number}|fast"), &[1, 0, number, 0, 0, 0, 0, 2]);
        }
        rows.add("2026-11-01|key_7|fast", &[1]);
        let counted = rows.counted(&account, &cut);
        let sizes: Vec<usize> = counted.iter().map(|counted| counted.rows.len()).collect();
        assert_eq!(sizes, [2_000, 2_000, 1_001]);
        assert_eq!(counted.iter().map(|c| c.number).collect::<Vec<_>>(), [0, 1, 2]);
        let mut again = Rows::default();
        counted.iter().for_each(|counted| again.add_counted(counted));
        assert_eq!(again, rows);
        assert_eq!(again.requests(), 5_002);
    }

    #[test]
    fn a_row_names_its_key_and_its_fields() {
        let row = "2026-11-01|key_a|fast|er";
        assert_eq!(key_of(row), "key_a");
        let counts = [2, 0, 5, 0, 0, 0, 0, 9];
        let named: Vec<(String, u64)> = fields(row, &counts).collect();
        let expected = [("requests", 2), ("input", 5), ("cost", 9)];
        assert_eq!(named, expected.map(|(name, count)| (format!("{row}|{name}"), count)));
        assert_eq!(cost_of(&counts), 9);
    }
}
