//! Every counter of Fly-LLM in one struct: the doc comment is the HELP text, the field is the name.
//! Labels come from closed sets; a name from outside never becomes a label.

/// The counters read back.
mod readings;

pub use readings::{Ends, Quantiles};

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::time::Duration;

/// What all names begin with.
const NAMESPACE: &str = "fly_llm";

/// Buckets for times, in seconds: from a cache hit to a long answer.
const SECONDS_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];

trait Metric: prometheus::core::Collector + Clone + Sized + 'static {
    fn make(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<Self>;
}

impl Metric for IntCounterVec {
    fn make(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<Self> {
        Self::new(Opts::new(name, help).namespace(NAMESPACE), labels)
    }
}

impl Metric for IntGaugeVec {
    fn make(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<Self> {
        Self::new(Opts::new(name, help).namespace(NAMESPACE), labels)
    }
}

impl Metric for HistogramVec {
    fn make(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<Self> {
        let options = HistogramOpts::new(name, help).namespace(NAMESPACE);
        Self::new(options.buckets(SECONDS_BUCKETS.to_vec()), labels)
    }
}

macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $name:ident: $kind:ident [$($label:literal),*],)+) => {
        /// Every counter, and the registry that prints them.
        #[derive(Clone)]
        pub struct Metrics {
            registry: Registry,
            $($(#[doc = $help])+ pub $name: $kind,)+
        }

        impl Metrics {
            /// All counters at zero.
            ///
            /// # Errors
            /// When two have the same name, which is a mistake in this file.
            pub fn new() -> prometheus::Result<Self> {
                let registry = Registry::new();
                $(
                    let help = concat!($($help),+).trim();
                    let $name = $kind::make(stringify!($name), help, &[$($label),*])?;
                    registry.register(Box::new($name.clone()))?;
                )+
                Ok(Self { registry, $($name,)+ })
            }
        }
    };
}

metrics! {
    /// Requests answered, by model asked for (`other` when unknown) and error code (`ok` when
    /// none).
    requests_total: IntCounterVec["model", "code"],
    /// From the request's arrival to its end.
    request_seconds: HistogramVec["model"],
    /// From the request's arrival to the first token.
    first_token_seconds: HistogramVec["model"],
    /// Between two pieces of a stream, by model.
    piece_gap_seconds: HistogramVec["model"],
    /// Our own share: from the request's arrival until it is queued, or stands in the line.
    overhead_seconds: HistogramVec["model"],
    /// From the queue to a worker's claim.
    queue_seconds: HistogramVec["pool"],
    /// Requests that are being answered.
    requests_running: IntGaugeVec[],
    /// Requests that wait at this gateway's entrance: so many came at once that it masks, admits
    /// and holds for others first.
    entrance_waiting: IntGaugeVec[],
    /// Requests above 64 KiB that wait at this gateway for room to be read or masked.
    heavy_waiting: IntGaugeVec[],
    /// Tokens charged, by model and bucket.
    tokens_total: IntCounterVec["model", "bucket"],
    /// Charged, in micro-USD, by model.
    charged_micro_usd_total: IntCounterVec["model"],
    /// Reservations, by what came of them.
    holds_total: IntCounterVec["result"],
    /// Jobs sent to workers: through the queue, or direct to one with many free slots (near when it
    /// is in the same process); refused are those that found no room and went to the queue.
    jobs_sent_total: IntCounterVec["way"],
    /// Claims of workers, by the answer given.
    claims_total: IntCounterVec["answer"],
    /// Looks into the answer cache: hit, similar (another wording), miss or away.
    cache_total: IntCounterVec["result"],
    /// Requests with a name of their own and retries of SDKs: first, waited, replayed, refused,
    /// taken_over or away.
    idempotent_total: IntCounterVec["result"],
    /// Readings of a changed configuration: taken, unchanged or refused.
    config_reloads_total: IntCounterVec["result"],
    /// Pieces of personal data masked, by kind.
    masked_total: IntCounterVec["kind"],
    /// Requests refused by the operator's rules, by rule.
    blocked_total: IntCounterVec["rule"],
    /// Choices of the auto-router, by model.
    routed_total: IntCounterVec["model"],
    /// What users think of answers, said (good, bad) or done (regenerate, fallback), by model and
    /// kind of work (`named` when the router didn't choose).
    opinions_total: IntCounterVec["model", "task", "signal"],
    /// What came of asking a model's upstream, as its gateway saw it.
    upstream_outcomes_total: IntCounterVec["model", "outcome"],
    /// How a model's upstream stands: 0 it is asked, 1 one request tries it, 2 it cools down.
    upstream_state: IntGaugeVec["model"],
    /// Calls of a model's deployments, when it has several, by what came of them: answered, failed
    /// (another was asked), cut (after the first piece) or refused (the request's own fault).
    deployment_calls_total: IntCounterVec["model", "deployment", "outcome"],
    /// How a deployment of such a model stands in this worker: 0 it is asked, 1 one request tries
    /// it, 2 it rests.
    deployment_state: IntGaugeVec["model", "deployment"],
    /// Workers that advertise themselves, by pool.
    workers: IntGaugeVec["pool"],
    /// Free slots that they advertise, by pool.
    slots_free: IntGaugeVec["pool"],
    /// Jobs that wait in the queue (`num_pending`), by pool.
    queue_pending: IntGaugeVec["pool"],
    /// Requests that wait in this gateway for their turn, by pool; the backlog is the sum over all
    /// gateways and `queue_pending`.
    queue_line: IntGaugeVec["pool"],
    /// Requests refused because the line was full or its end too far away, by pool.
    queue_refused_total: IntCounterVec["pool"],
    /// Requests that went to a later candidate because the wait in this pool was too long.
    queue_overflow_total: IntCounterVec["pool"],
    /// Pulls that wait for a job (`num_waiting`), by pool: at most 32 of each worker, and 0 when no
    /// slot is free.
    queue_waiting: IntGaugeVec["pool"],
    /// Slots of this worker, by pool.
    worker_slots: IntGaugeVec["pool"],
    /// Slots of this worker that are free, by pool.
    worker_slots_free: IntGaugeVec["pool"],
    /// Slots of the local model that read a prompt or write an answer, by pool.
    engine_slots_busy: IntGaugeVec["pool"],
    /// Requests that wait for a slot inside the local model's worker, by pool.
    engine_requests_waiting: IntGaugeVec["pool"],
    /// Tokens whose keys and values the local model keeps, idle slots included, by pool.
    engine_context_tokens: IntGaugeVec["pool"],
    /// Tokens for which it has room, by pool.
    engine_context_tokens_max: IntGaugeVec["pool"],
    /// Tokens of the local model, by pool and kind: `prompt` was computed, `prefix_hit` was kept
    /// from an earlier prompt, `generated` was written. Its rate is tokens per second.
    engine_tokens_total: IntCounterVec["pool", "kind"],
    /// Decode steps of the local model, by pool.
    engine_steps_total: IntCounterVec["pool"],
    /// Times the local model's context was made anew after a failure, by pool.
    engine_restarts_total: IntCounterVec["pool"],
    /// From a request's arrival at the local model to its slot, by pool.
    engine_queue_seconds: HistogramVec["pool"],
    /// From its slot to its computed prompt, by pool.
    engine_prompt_seconds: HistogramVec["pool"],
    /// From its computed prompt to its end, by pool.
    engine_answer_seconds: HistogramVec["pool"],
    /// 1 for the instructions that the local model computes with on the CPU, by pool.
    engine_instructions: IntGaugeVec["pool", "instructions"],
    /// Time the local model took to load, by pool.
    engine_load_seconds: HistogramVec["pool"],
    /// Jobs run by this worker, by pool and how they ended.
    jobs_total: IntCounterVec["pool", "outcome"],
    /// Ledger events applied by this billing worker.
    ledger_applied_total: IntCounterVec["partition"],
    /// Ledger events that came more than a day after their time, and count for nothing; told again
    /// when the view is made anew.
    ledger_late_total: IntCounterVec["partition"],
    /// How far the view is behind the ledger, in its sequence numbers.
    ledger_lag: IntGaugeVec["partition"],
    /// Signed events of Stripe, by what they are about and what came of them.
    stripe_events_total: IntCounterVec["object", "outcome"],
    /// Payments that billing found at Stripe and credited, because no webhook had.
    stripe_reconciled_total: IntCounterVec[],
    /// Saved cards that billing charged for auto-recharge, by what came of it: `paid`, `stopped`,
    /// `lost`, or `away` for a look that is repeated.
    stripe_recharges_total: IntCounterVec["outcome"],
    /// Holds that nobody settled and the sweeper voided or gave back.
    holds_swept_total: IntCounterVec[],
    /// Whether this process is connected to NATS, which answers as far as it is asked: 1 or 0.
    nats_connected: IntGaugeVec[],
    /// Whether the ledger took what this process wrote to it last: 1 or 0. While it takes nothing
    /// nothing that costs is begun, but for a try from time to time.
    ledger_writable: IntGaugeVec[],
    /// Whether Redis answers this process and may be written: 1 or 0.
    redis_connected: IntGaugeVec[],
}

/// How the servers are that a process needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Servers {
    /// It is connected to NATS.
    pub nats: bool,
    /// The ledger takes what is written.
    pub ledger: bool,
    /// Redis answers and may be written; `None` where it isn't needed.
    pub redis: Option<bool>,
}

/// Adds a time to a histogram with one label.
pub fn observe(times: &HistogramVec, label: &str, time: Duration) {
    times.with_label_values(&[label]).observe(time.as_secs_f64());
}

impl Metrics {
    /// Notes how the servers are.
    pub fn see_servers(&self, servers: Servers) {
        let Servers { nats, ledger, redis } = servers;
        self.nats_connected.with_label_values::<&str>(&[]).set(i64::from(nats));
        self.ledger_writable.with_label_values::<&str>(&[]).set(i64::from(ledger));
        if let Some(redis) = redis {
            self.redis_connected.with_label_values::<&str>(&[]).set(i64::from(redis));
        }
    }

    /// How many slots this worker has, in all its pools.
    pub fn slots(&self) -> i64 {
        let families = prometheus::core::Collector::collect(&self.worker_slots);
        let all = families.iter().flat_map(|family| family.get_metric());
        // The library keeps gauges as floats; slots are whole and few.
        all.map(|metric| metric.get_gauge().get_value() as i64).sum()
    }

    /// All counters in Prometheus's text format.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics can't be written");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_help_are_printed() {
        let metrics = Metrics::new().unwrap();
        metrics.requests_total.with_label_values(&["gpt-4o-mini", "ok"]).inc();
        let text = metrics.text();
        assert!(text.contains("# HELP fly_llm_requests_total Requests answered"), "{text}");
        assert!(text.contains("fly_llm_requests_total{code=\"ok\",model=\"gpt-4o-mini\"} 1"));
    }

    #[test]
    fn slots_of_all_pools_are_counted_and_servers_noted() {
        let metrics = Metrics::new().unwrap();
        assert_eq!(metrics.slots(), 0);
        metrics.worker_slots.with_label_values(&["cloud"]).set(4);
        metrics.worker_slots.with_label_values(&["rakuten"]).set(2);
        assert_eq!(metrics.slots(), 6);
        metrics.see_servers(Servers { nats: true, ledger: true, redis: None });
        let text = metrics.text();
        assert!(text.contains("fly_llm_nats_connected 1"), "{text}");
        assert!(!text.contains("fly_llm_redis_connected "), "{text}");
        metrics.see_servers(Servers { nats: false, ledger: false, redis: Some(true) });
        let text = metrics.text();
        assert!(text.contains("fly_llm_nats_connected 0"), "{text}");
        assert!(text.contains("fly_llm_ledger_writable 0"), "{text}");
        assert!(text.contains("fly_llm_redis_connected 1"), "{text}");
    }
}
