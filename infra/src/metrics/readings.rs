//! The same counters read back, for pages that show how a process does. Nothing is counted here.

use super::Metrics;
use prometheus::core::Collector;
use prometheus::proto::{Histogram, Metric};
use prometheus::{HistogramVec, IntCounterVec};
use schemas::error::ErrorCode;

/// Two quantiles, in seconds; nothing before the first observation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quantiles {
    /// Half of all were faster.
    pub p50: Option<f64>,
    /// All but one of a hundred were faster.
    pub p99: Option<f64>,
}

/// How requests ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ends {
    /// They were answered well.
    pub well: u64,
    /// They were refused for what is the client's: its credit, its limits, a wrong request.
    pub refused: u64,
    /// They failed for what is ours or an upstream's.
    pub failed: u64,
}

impl Metrics {
    /// How requests ended.
    pub fn answered(&self) -> Ends {
        split(&self.requests_total, |_| true)
    }

    /// The same of one model.
    pub fn answered_by(&self, model: &str) -> Ends {
        split(&self.requests_total, |metric| label(metric, "model") == model)
    }

    /// What was charged in all, in micro-USD.
    pub fn charged(&self) -> u64 {
        let all = metrics_of(&self.charged_micro_usd_total);
        all.iter().map(|metric| whole(metric.get_counter().get_value())).sum()
    }

    /// How long a model's requests took.
    pub fn request_times(&self, model: &str) -> Quantiles {
        quantiles(&self.request_seconds, model)
    }

    /// How long a model's first tokens took.
    pub fn first_token_times(&self, model: &str) -> Quantiles {
        quantiles(&self.first_token_seconds, model)
    }

    /// Stripe's events: what they are about, what came of them, how many.
    pub fn stripe_events(&self) -> Vec<(String, String, u64)> {
        let all = metrics_of(&self.stripe_events_total).into_iter();
        let row = |metric: Metric| {
            let count = whole(metric.get_counter().get_value());
            (label(&metric, "object").to_owned(), label(&metric, "outcome").to_owned(), count)
        };
        all.map(row).filter(|(_, _, count)| *count > 0).collect()
    }
}

fn metrics_of(collector: &impl Collector) -> Vec<Metric> {
    collector.collect().iter().flat_map(|family| family.get_metric().to_vec()).collect()
}

fn label<'a>(metric: &'a Metric, name: &str) -> &'a str {
    let found = metric.get_label().iter().find(|pair| pair.name() == name);
    found.map_or("", |pair| pair.value())
}

fn whole(value: f64) -> u64 {
    value as u64
}

fn split(counters: &IntCounterVec, is_wanted: impl Fn(&Metric) -> bool) -> Ends {
    let mut ends = Ends::default();
    let is_refusal =
        |name: &str| ErrorCode::ALL.iter().any(|code| code.as_str() == name && code.status() < 500);
    for metric in metrics_of(counters).iter().filter(|metric| is_wanted(metric)) {
        let count = whole(metric.get_counter().get_value());
        match label(metric, "code") {
            "ok" => ends.well += count,
            code if is_refusal(code) => ends.refused += count,
            _ => ends.failed += count,
        }
    }
    ends
}

fn quantiles(histograms: &HistogramVec, model: &str) -> Quantiles {
    let all = metrics_of(histograms);
    let found = all.iter().find(|metric| label(metric, "model") == model);
    let histogram = found.map(|metric| metric.get_histogram());
    let of = |part| histogram.and_then(|histogram| quantile(histogram, part));
    Quantiles { p50: of(0.5), p99: of(0.99) }
}

/// Within its bucket the time is told as if observations lay there evenly.
fn quantile(histogram: &Histogram, part: f64) -> Option<f64> {
    let total = histogram.get_sample_count();
    if total == 0 {
        return None;
    }
    let wanted = total as f64 * part;
    let (mut below, mut from) = (0.0, 0.0);
    for bucket in histogram.get_bucket() {
        let (count, to) = (bucket.cumulative_count() as f64, bucket.upper_bound());
        if count >= wanted {
            let inside = ((wanted - below) / (count - below).max(1.0)).clamp(0.0, 1.0);
            return Some(from + (to - from) * inside);
        }
        (below, from) = (count, to);
    }
    // Beyond the last bucket nobody knows how far.
    Some(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_read_back() {
        let metrics = Metrics::new().unwrap();
        assert_eq!(metrics.request_times("m"), Quantiles::default());
        for _ in 0..98 {
            metrics.request_seconds.with_label_values(&["m"]).observe(0.2);
        }
        metrics.request_seconds.with_label_values(&["m"]).observe(7.0);
        metrics.request_seconds.with_label_values(&["m"]).observe(500.0);
        metrics.request_seconds.with_label_values(&["other"]).observe(1.0);
        let Quantiles { p50, p99 } = metrics.request_times("m");
        assert!(p50.is_some_and(|p50| (0.1..=0.25).contains(&p50)), "{p50:?}");
        assert!(p99.is_some_and(|p99| (2.5..=10.0).contains(&p99)), "{p99:?}");
        metrics.requests_total.with_label_values(&["m", "ok"]).inc_by(3);
        metrics.requests_total.with_label_values(&["n", "upstream_overloaded"]).inc();
        metrics.requests_total.with_label_values(&["n", "insufficient_quota"]).inc_by(9);
        assert_eq!(metrics.answered(), Ends { well: 3, refused: 9, failed: 1 });
        assert_eq!(metrics.answered_by("n"), Ends { well: 0, refused: 9, failed: 1 });
        metrics.charged_micro_usd_total.with_label_values(&["m"]).inc_by(7);
        assert_eq!(metrics.charged(), 7);
    }
}
