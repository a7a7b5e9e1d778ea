//! Which models' upstreams are well, judged by the outcomes that this gateway saw before the first
//! piece. A model that failed too often, or whose vendor asked for a pause, cools down; then one
//! request tries it. It knows neither HTTP nor NATS, and refuses nobody: routing prefers others.

use infra::backoff::cool_down;
use infra::config::Breaker;
use schemas::error::{ErrorCode, Problem};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A trial without a verdict counts as forgotten after so long.
const TRIAL_LIFETIME: Duration = Duration::from_secs(30);

/// What came of asking an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A first piece in good time.
    Answered,
    /// A first piece, but late.
    Slow,
    /// It is at its limit; it may have said for how long.
    Overloaded(Option<Duration>),
    /// It failed.
    Failed,
    /// It said nothing in time.
    TimedOut,
}

impl Outcome {
    /// What a failure before the first piece says; nothing when it is the request's own.
    pub(crate) fn of(problem: &Problem) -> Option<Self> {
        match problem.code {
            ErrorCode::UpstreamOverloaded => {
                Some(Self::Overloaded(problem.retry_after_ms.map(Duration::from_millis)))
            }
            ErrorCode::UpstreamError => Some(Self::Failed),
            ErrorCode::UpstreamTimeout => Some(Self::TimedOut),
            _ => None,
        }
    }

    /// Its label in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Slow => "slow",
            Self::Overloaded(_) => "overloaded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
        }
    }
}

/// The state of the circuit breaker of a model's upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BreakerState {
    /// It is asked.
    Closed,
    /// Its pause is over: one request tries it.
    HalfOpen,
    /// It is left alone.
    Open,
}

impl BreakerState {
    /// Its number in metrics.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

#[derive(Default)]
struct Upstream {
    /// Failures since the last good answer.
    failures: u32,
    /// Cool-downs since the last good answer.
    cool_downs: u32,
    /// The end of the cool-down.
    cooling_until: Option<Instant>,
    /// When a trial began.
    trial: Option<Instant>,
}

/// All models' upstreams.
pub(crate) struct Breakers {
    settings: Breaker,
    upstreams: Mutex<HashMap<String, Upstream>>,
}

impl Breakers {
    pub(crate) fn new(settings: Breaker) -> Self {
        Self { settings, upstreams: Mutex::default() }
    }

    fn upstreams(&self) -> MutexGuard<'_, HashMap<String, Upstream>> {
        // A panic while holding the lock leaves a usable table: every change is one call.
        self.upstreams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a model's upstream stands.
    pub(crate) fn standing(&self, model: &str, now: Instant) -> BreakerState {
        self.upstreams().get(model).map_or(BreakerState::Closed, |upstream| upstream.standing(now))
    }

    /// Whether a model should be asked while another could be asked instead: it is well, or nobody
    /// tries it just now.
    pub(crate) fn is_usable(&self, model: &str, now: Instant) -> bool {
        let upstreams = self.upstreams();
        let Some(upstream) = upstreams.get(model) else { return true };
        match upstream.standing(now) {
            BreakerState::Closed => true,
            BreakerState::HalfOpen => !upstream.is_tried(now),
            BreakerState::Open => false,
        }
    }

    /// A model is asked: after a cool-down that is its trial.
    pub(crate) fn begin(&self, model: &str, now: Instant) {
        if let Some(upstream) = self.upstreams().get_mut(model)
            && upstream.standing(now) == BreakerState::HalfOpen
            && !upstream.is_tried(now)
        {
            upstream.trial = Some(now);
        }
    }

    /// The question ended without a word on the upstream: the next one may try it.
    pub(crate) fn release(&self, model: &str) {
        if let Some(upstream) = self.upstreams().get_mut(model) {
            upstream.trial = None;
        }
    }

    /// Learns what came of asking a model.
    pub(crate) fn learn(&self, model: &str, outcome: Outcome, now: Instant) {
        let mut upstreams = self.upstreams();
        if outcome == Outcome::Answered {
            upstreams.remove(model);
            return;
        }
        let upstream = upstreams.entry(model.to_owned()).or_default();
        let was_tried = upstream.trial.take().is_some();
        upstream.failures = upstream.failures.saturating_add(1);
        let longest = Duration::from_secs(self.settings.cool_down_seconds_max);
        if let Outcome::Overloaded(Some(pause)) = outcome {
            upstream.cool(now + pause.min(longest));
        } else if was_tried || upstream.failures >= self.settings.failures_max {
            let first = Duration::from_secs(self.settings.cool_down_seconds);
            let pause = cool_down(first, longest, upstream.cool_downs);
            upstream.cool_downs = upstream.cool_downs.saturating_add(1);
            upstream.cool(now + pause);
        }
    }

    /// A first piece came after `waited`: in good time, or late.
    pub(crate) fn first_piece(&self, waited: Duration) -> Outcome {
        let slow = Duration::from_secs(self.settings.slow_first_token_seconds);
        if waited >= slow { Outcome::Slow } else { Outcome::Answered }
    }
}

impl Upstream {
    fn standing(&self, now: Instant) -> BreakerState {
        match self.cooling_until {
            None => BreakerState::Closed,
            Some(until) if until > now => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        }
    }

    fn is_tried(&self, now: Instant) -> bool {
        self.trial.is_some_and(|since| now.saturating_duration_since(since) < TRIAL_LIFETIME)
    }

    /// Cools down until then; a longer pause that was asked for before stands.
    fn cool(&mut self, until: Instant) {
        self.cooling_until = Some(self.cooling_until.map_or(until, |before| before.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breakers() -> Breakers {
        Breakers::new(Breaker {
            failures_max: 3,
            cool_down_seconds: 10,
            cool_down_seconds_max: 30,
            slow_first_token_seconds: 5,
        })
    }

    #[test]
    fn failures_in_a_row_cool_a_model_down_and_an_answer_between_starts_anew() {
        let (breakers, now) = (breakers(), Instant::now());
        for outcome in [Outcome::Failed, Outcome::TimedOut, Outcome::Answered, Outcome::Slow] {
            breakers.learn("m", outcome, now);
        }
        breakers.learn("m", Outcome::Overloaded(None), now);
        assert_eq!(breakers.standing("m", now), BreakerState::Closed);
        breakers.learn("m", Outcome::Failed, now);
        assert_eq!(breakers.standing("m", now), BreakerState::Open);
        assert!(!breakers.is_usable("m", now) && breakers.is_usable("other", now));
    }

    #[test]
    fn a_pause_that_the_vendor_asks_for_is_kept_at_once_up_to_the_limit() {
        let (breakers, now) = (breakers(), Instant::now());
        breakers.learn("m", Outcome::Overloaded(Some(2 * SECOND)), now);
        assert_eq!(breakers.standing("m", now + SECOND), BreakerState::Open);
        assert_eq!(breakers.standing("m", now + 2 * SECOND), BreakerState::HalfOpen);
        breakers.learn("m", Outcome::Overloaded(Some(3_600 * SECOND)), now);
        assert_eq!(breakers.standing("m", now + 30 * SECOND), BreakerState::HalfOpen);
    }

    #[test]
    fn one_request_tries_a_model_and_a_failed_trial_doubles_the_pause() {
        let (breakers, now) = (breakers(), Instant::now());
        for _ in 0..3 {
            breakers.learn("m", Outcome::Failed, now);
        }
        let trial = now + 10 * SECOND;
        assert!(breakers.is_usable("m", trial));
        breakers.begin("m", trial);
        assert!(!breakers.is_usable("m", trial), "one at a time");
        assert!(breakers.is_usable("m", trial + TRIAL_LIFETIME), "a trial may be forgotten");
        breakers.release("m");
        assert!(breakers.is_usable("m", trial), "no verdict: the next may try");
        breakers.begin("m", trial);
        breakers.learn("m", Outcome::Failed, trial);
        assert_eq!(breakers.standing("m", trial + 19 * SECOND), BreakerState::Open);
        let second = trial + 20 * SECOND;
        breakers.begin("m", second);
        breakers.learn("m", breakers.first_piece(SECOND), second);
        assert_eq!(breakers.standing("m", second), BreakerState::Closed);
        assert_eq!(breakers.first_piece(5 * SECOND), Outcome::Slow);
    }
}
