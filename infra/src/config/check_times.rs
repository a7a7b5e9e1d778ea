//! Times and counts of config.yaml: from where to where each may go. A time of zero would refuse
//! everything; one without an end would never let go of what it holds.

use super::file::File;
use super::load::Mistake;

/// A request's whole life, in seconds: an idempotent retry within a day must find what became of
/// it, so life and grace together stay well below that.
const REQUEST_SECONDS_MAX: u64 = 43_200;

/// How long a dead gateway's hold may keep its account's credit beyond the request's life, in
/// seconds.
const SETTLE_GRACE_SECONDS_MAX: u64 = 3_600;

/// The longest that a hold may be asked for, in seconds: a request's whole life, and the time to
/// settle it.
pub const HOLD_SECONDS_MAX: u64 = REQUEST_SECONDS_MAX + SETTLE_GRACE_SECONDS_MAX;

/// A worker that ends waits as long, and a halted one takes jobs that long.
const PULL_MS_MAX: u64 = 60_000;

/// Any other time that something waits, in seconds.
const WAIT_SECONDS_MAX: u64 = 86_400;

/// How long something is kept, in seconds.
const KEPT_SECONDS_MAX: u64 = 31_536_000;

/// How long a look for a kept answer may take, in milliseconds: after a second Redis counts as away
/// for every command.
const LOOK_MS_MAX: u64 = 1_000;

/// What a key says, and the least and the most that it may.
type Bound = (&'static str, u64, u64, u64);

/// Nothing beyond its bounds; all that is.
pub(super) fn check_times(file: &File) -> Vec<Mistake> {
    let bounds = [gateway(file), queue(file), workers(file), kept(file)];
    let beyond = bounds.into_iter().flatten().filter_map(beyond);
    let mut mistakes: Vec<Mistake> = beyond.collect();
    let queue = &file.queue;
    if !matches!(queue.replicas, 1 | 3 | 5) {
        mistakes.push((1, "queue.replicas: write 1, or 3 or 5 in a NATS cluster".into()));
    }
    for (name, value) in [
        ("jobs_max", queue.jobs_max),
        ("bytes_max", queue.bytes_max),
        ("deliveries_max", queue.deliveries_max),
    ] {
        if value < 1 {
            mistakes.push((
                1,
                format!("queue.{name}: {value} would refuse everything: write 1 or more"),
            ));
        }
    }
    mistakes
}

fn beyond((name, value, least, most): Bound) -> Option<Mistake> {
    let why = match value {
        _ if (least..=most).contains(&value) => return None,
        0 => "would refuse everything",
        _ => "is too much",
    };
    let remedy = match most {
        u64::MAX => format!("write {least} or more"),
        most => format!("write {least} to {most}"),
    };
    Some((1, format!("{name}: {value} {why}: {remedy}")))
}

fn gateway(file: &File) -> Vec<Bound> {
    let gateway = &file.gateway;
    vec![
        ("gateway.body_bytes_max", gateway.body_bytes_max as u64, 1, u64::MAX),
        ("gateway.request_seconds_max", gateway.request_seconds_max, 1, REQUEST_SECONDS_MAX),
        ("gateway.first_token_seconds_max", gateway.first_token_seconds_max, 1, WAIT_SECONDS_MAX),
        ("gateway.stream_idle_seconds_max", gateway.stream_idle_seconds_max, 1, WAIT_SECONDS_MAX),
        (
            "gateway.begin_stream_after_ms",
            gateway.begin_stream_after_ms,
            0,
            WAIT_SECONDS_MAX * 1_000,
        ),
        ("gateway.ping_seconds", gateway.ping_seconds, 1, WAIT_SECONDS_MAX),
        ("gateway.leave_notice_seconds", gateway.leave_notice_seconds, 0, WAIT_SECONDS_MAX),
        ("gateway.drain_seconds_max", gateway.drain_seconds_max, 0, WAIT_SECONDS_MAX),
        ("gateway.settle_grace_seconds", gateway.settle_grace_seconds, 0, SETTLE_GRACE_SECONDS_MAX),
    ]
}

fn queue(file: &File) -> Vec<Bound> {
    let (queue, breaker) = (&file.queue, &file.breaker);
    vec![
        ("queue.acknowledge_seconds", queue.acknowledge_seconds, 1, WAIT_SECONDS_MAX),
        ("queue.pull_ms", queue.pull_ms, 1, PULL_MS_MAX),
        ("queue.waiting_max", queue.waiting_max as u64, 1, u64::MAX),
        ("queue.wait_seconds_max", queue.wait_seconds_max, 1, WAIT_SECONDS_MAX),
        ("queue.overflow_seconds", queue.overflow_seconds, 0, WAIT_SECONDS_MAX),
        ("queue.weight_high", queue.weight_high.into(), 1, u64::MAX),
        ("queue.weight_normal", queue.weight_normal.into(), 1, u64::MAX),
        ("queue.weight_low", queue.weight_low.into(), 1, u64::MAX),
        ("breaker.failures_max", breaker.failures_max.into(), 1, u64::MAX),
        ("breaker.cool_down_seconds", breaker.cool_down_seconds, 1, WAIT_SECONDS_MAX),
        ("breaker.cool_down_seconds_max", breaker.cool_down_seconds_max, 1, WAIT_SECONDS_MAX),
        ("breaker.slow_first_token_seconds", breaker.slow_first_token_seconds, 1, WAIT_SECONDS_MAX),
    ]
}

fn workers(file: &File) -> Vec<Bound> {
    let workers = &file.workers;
    vec![
        ("workers.provider_slots", workers.provider_slots.into(), 1, u64::MAX),
        ("workers.connect_seconds_max", workers.connect_seconds_max, 1, WAIT_SECONDS_MAX),
        ("workers.first_byte_seconds_max", workers.first_byte_seconds_max, 1, WAIT_SECONDS_MAX),
        ("workers.idle_seconds_max", workers.idle_seconds_max, 1, WAIT_SECONDS_MAX),
        ("workers.drain_seconds_max", workers.drain_seconds_max, 0, WAIT_SECONDS_MAX),
    ]
}

fn kept(file: &File) -> Vec<Bound> {
    let (cache, once) = (&file.cache, &file.idempotency);
    vec![
        ("auto.pin_seconds", file.auto.pin_seconds, 0, KEPT_SECONDS_MAX),
        ("cache.ttl_seconds", cache.ttl_seconds, 0, KEPT_SECONDS_MAX),
        ("cache.look_ms_max", cache.look_ms_max, 0, LOOK_MS_MAX),
        ("responses.ttl_seconds", file.responses.ttl_seconds, 0, KEPT_SECONDS_MAX),
        ("idempotency.ttl_seconds", once.ttl_seconds, 0, KEPT_SECONDS_MAX),
        ("idempotency.sdk_retry_seconds", once.sdk_retry_seconds, 0, KEPT_SECONDS_MAX),
        ("idempotency.sdk_wait_seconds", once.sdk_wait_seconds, 0, WAIT_SECONDS_MAX),
    ]
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::environment::Environment;

    #[test]
    fn each_time_beyond_its_bounds_is_told_with_its_line() {
        let text = "gateway:\n  settle_grace_seconds: 3601\n  ping_seconds: 0\ncache:\n  \
                    look_ms_max: 1001\nqueue:\n  jobs_max: 0\n";
        let model = "models:\n  - {name: m, pool: p, vendor: openai, upstream: gpt-4.1, \
                     context: 9, max_output: 9}\n";
        let text = format!("{text}{model}");
        let found = Config::mistakes(&text, "c", &Environment::default());
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        let expected = [
            "c:2: gateway.settle_grace_seconds: 3601 is too much: write 0 to 3600",
            "c:3: gateway.ping_seconds: 0 would refuse everything: write 1 to 86400",
            "c:5: cache.look_ms_max: 1001 is too much: write 0 to 1000",
            "c:7: queue.jobs_max: 0 would refuse everything: write 1 or more",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn more_models_than_there_may_be_are_told_where_they_begin() {
        let model = |at: usize| {
            format!(
                "  - {{name: m{at}, pool: p, vendor: openai, upstream: gpt-4.1, context: 9, \
                 max_output: 9}}\n"
            )
        };
        let text = format!("models:\n{}", (0..1_000).map(model).collect::<String>());
        let mistakes = |text: &str| Config::mistakes(text, "c", &Environment::default());
        assert!(mistakes(&text).is_empty());
        let found = mistakes(&format!("{text}{}", model(1_000)));
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["c:1002: models: more than 1000: take out from here on what nobody asks"]
        );
    }
}
