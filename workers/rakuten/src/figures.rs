//! The engine's figures as metrics. It looks at the engine once a second and never asks its thread
//! for anything, so that looking costs no answer any time.

use crate::engine::{Engine, Status, Timing};
use infra::metrics::{Metrics, observe};
use std::convert::Infallible;
use std::time::Duration;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Where the figures of one engine go.
#[derive(Clone)]
pub(crate) struct Figures {
    metrics: Metrics,
    pool: String,
}

impl Figures {
    pub(crate) fn new(metrics: Metrics, pool: String) -> Self {
        Self { metrics, pool }
    }

    /// Keeps the figures true for as long as it is polled.
    pub(crate) async fn follow(&self, engine: &Engine) -> Infallible {
        let info = engine.model();
        let room = info.context_tokens * info.slots;
        self.metrics.engine_context_tokens_max.with_label_values(&[&self.pool]).set(signed(room));
        if let Some(set) = info.instructions {
            let labels = [self.pool.as_str(), set.name()];
            self.metrics.engine_instructions.with_label_values(&labels).set(1);
        }
        let load = Duration::from_secs_f64(info.load_seconds.max(0.0));
        observe(&self.metrics.engine_load_seconds, &self.pool, load);
        let mut seen = Status::default();
        loop {
            seen = self.show(&seen, engine.status());
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn show(&self, before: &Status, now: Status) -> Status {
        let metrics = &self.metrics;
        for (gauge, value) in [
            (&metrics.engine_slots_busy, now.slots_busy),
            (&metrics.engine_requests_waiting, now.waiting),
            (&metrics.engine_context_tokens, now.context_tokens_used),
        ] {
            gauge.with_label_values(&[&self.pool]).set(signed(value));
        }
        for (kind, before, now) in [
            ("prompt", before.prompt_tokens_total, now.prompt_tokens_total),
            ("prefix_hit", before.cached_prompt_tokens_total, now.cached_prompt_tokens_total),
            ("generated", before.completion_tokens_total, now.completion_tokens_total),
        ] {
            let counter = metrics.engine_tokens_total.with_label_values(&[&self.pool, kind]);
            counter.inc_by(now.saturating_sub(before));
        }
        for (counter, before, now) in [
            (&metrics.engine_steps_total, before.steps_total, now.steps_total),
            (&metrics.engine_restarts_total, before.restarts_total, now.restarts_total),
        ] {
            counter.with_label_values(&[&self.pool]).inc_by(now.saturating_sub(before));
        }
        now
    }

    /// Notes where the time of an answer went.
    pub(crate) fn answered(&self, timing: &Timing) {
        for (histogram, seconds) in [
            (&self.metrics.engine_queue_seconds, timing.queue_seconds),
            (&self.metrics.engine_prompt_seconds, timing.prompt_seconds),
            (&self.metrics.engine_answer_seconds, timing.answer_seconds),
        ] {
            observe(histogram, &self.pool, Duration::from_secs_f64(seconds.max(0.0)));
        }
    }
}

fn signed(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_grow_by_what_is_new_and_gauges_stand_for_now() {
        let figures = Figures::new(Metrics::new().unwrap(), "rakuten".into());
        let first = Status { slots_busy: 2, completion_tokens_total: 10, ..Status::default() };
        let then = Status {
            slots_busy: 0,
            completion_tokens_total: 25,
            cached_prompt_tokens_total: 7,
            context_tokens_used: 99,
            ..Status::default()
        };
        let seen = figures.show(&Status::default(), first);
        figures.show(&seen, then);
        figures.answered(&Timing { queue_seconds: 0.5, ..Timing::default() });
        let metrics = &figures.metrics;
        let tokens = |kind| metrics.engine_tokens_total.with_label_values(&["rakuten", kind]).get();
        assert_eq!((tokens("generated"), tokens("prefix_hit"), tokens("prompt")), (25, 7, 0));
        assert_eq!(metrics.engine_slots_busy.with_label_values(&["rakuten"]).get(), 0);
        assert_eq!(metrics.engine_context_tokens.with_label_values(&["rakuten"]).get(), 99);
        let waited = metrics.engine_queue_seconds.with_label_values(&["rakuten"]);
        assert_eq!((waited.get_sample_count(), waited.get_sample_sum()), (1, 0.5));
    }
}
