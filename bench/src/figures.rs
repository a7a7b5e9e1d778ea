//! What clients saw: how long things took, and what was wrong.

use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest time that is told apart, in nanoseconds.
const LONGEST_NS: u64 = 600_000_000_000;

/// Of the histograms: 0.1 %.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Durations.
pub(crate) struct Times(Histogram<u64>);

impl Times {
    fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_NS, SIGNIFICANT_DIGITS).unwrap())
    }

    /// Takes one in.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(LONGEST_NS));
    }

    /// What this share of them did not exceed, in milliseconds; `None` without any.
    pub(crate) fn ms(&self, share: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(share) as f64 / 1e6)
    }
}

/// What was seen in a cell.
pub(crate) struct Figures {
    /// How long the counted part was.
    pub(crate) time: Duration,
    /// Answers in the counted part.
    pub(crate) answers: u64,
    /// Answers in all, also those before the counted part.
    pub(crate) complete: u64,
    /// From the request to the end of its answer; of an open loop from when it was due.
    pub(crate) total: Times,
    /// From the request to its first token.
    pub(crate) first: Times,
    /// Between two tokens.
    pub(crate) gap: Times,
    /// From the vendor to the client, of each token.
    pub(crate) way: Times,
    /// What was wrong, and how often.
    pub(crate) errors: BTreeMap<String, u64>,
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            time: Duration::ZERO,
            answers: 0,
            complete: 0,
            total: Times::new(),
            first: Times::new(),
            gap: Times::new(),
            way: Times::new(),
            errors: BTreeMap::new(),
        }
    }

    /// Answers a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.time.as_secs_f64()
    }

    /// Requests that got no right answer.
    pub(crate) fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}
