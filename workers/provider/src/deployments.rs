//! Where a model is served: one address, or several that are balanced by latency and load. One
//! that fails is left alone for a while, judged by what became of the calls before their first
//! piece. It sends nothing itself.

use crate::keys::KeyRing;
use crate::pace::{Pace, Running, in_turn};
use crate::provider::StartError;
use crate::sink::{Ended, Sink, SinkClosed};
use crate::translate::{Protocol, protocol};
use crate::upstream::Upstream;
use infra::backoff;
use infra::metrics::Metrics;
use reqwest::Url;
use schemas::error::{ErrorCode, Problem};
use schemas::openai::{AnswerChoice, ChunkChoice};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// At most so many deployments are tried for one request.
const DEPLOYMENTS_TRIED_MAX: usize = 4;

/// When a deployment is left alone. The defaults are those of `breaker:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoolDown {
    /// After so many failures in a row.
    pub failures_max: u32,
    /// For so long at first; it doubles with each failed trial.
    pub first: Duration,
    /// For so long at most, also when the vendor asks for more.
    pub longest: Duration,
    /// A first piece that comes later counts as a failure.
    pub slow: Duration,
}

impl Default for CoolDown {
    fn default() -> Self {
        let breaker = infra::config::Breaker::default();
        Self {
            failures_max: breaker.failures_max,
            first: Duration::from_secs(breaker.cool_down_seconds),
            longest: Duration::from_secs(breaker.cool_down_seconds_max),
            slow: Duration::from_secs(breaker.slow_first_token_seconds),
        }
    }
}

/// One place where a model is served, ready to be called.
pub(crate) struct Deployment {
    pub(crate) upstream: Upstream,
    pub(crate) protocol: &'static dyn Protocol,
    pub(crate) keys: KeyRing,
    /// Its name in the net.
    pub(crate) host: String,
    /// What counters call it; nothing for the only one of its model.
    label: Option<String>,
    pace: Pace,
    /// Failures since the last good answer.
    failures: AtomicU32,
    /// Cool-downs since the last good answer.
    cool_downs: AtomicU32,
}

impl Deployment {
    fn new(name: &str, upstream: Upstream) -> Result<Self, StartError> {
        let protocol = protocol(upstream.vendor, upstream.preset);
        let protocol = protocol.ok_or_else(|| StartError::NotHttp(name.to_owned()))?;
        let url = upstream.base().and_then(|base| Url::parse(base).ok());
        let is_http = url.as_ref().is_some_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.has_host()
        });
        if !is_http {
            return Err(StartError::Address(name.to_owned()));
        }
        let keys: Result<Vec<_>, _> =
            upstream.api_keys.iter().map(|key| protocol.authorize(key)).collect();
        let keys = KeyRing::new(keys.map_err(|_| StartError::Key(name.to_owned()))?);
        let host = url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let (failures, cool_downs) = (AtomicU32::new(0), AtomicU32::new(0));
        let (pace, label) = (Pace::default(), None);
        Ok(Self { upstream, protocol, keys, host, label, pace, failures, cool_downs })
    }

    /// A call begins; it counts until the value is dropped.
    pub(crate) fn begin(&self) -> Called<'_> {
        Called { deployment: self, running: self.pace.begin() }
    }

    /// What a dashboard shows: 0 it is asked, 1 one request tries it, 2 it rests.
    fn state(&self, cool_down: &CoolDown) -> i64 {
        let is_on_trial = self.failures.load(Ordering::Relaxed) >= cool_down.failures_max;
        if self.pace.rests() || self.keys.all_rest() { 2 } else { i64::from(is_on_trial) }
    }

    /// Counts a call of it.
    pub(crate) fn count(&self, metrics: &Metrics, model: &str, ended: &Ended, begun: bool) {
        let Some(label) = &self.label else { return };
        let outcome = match &ended.result {
            Ok(()) => "answered",
            Err(_) if begun => "cut",
            Err(problem) if is_of_the_upstream(problem) => "failed",
            Err(_) => "refused",
        };
        metrics.deployment_calls_total.with_label_values(&[model, label, outcome]).inc();
    }

    /// Whether others are asked before it: it cools down, somebody tries it after that just now,
    /// or none of its keys can be used.
    fn is_left_alone(&self, cool_down: &CoolDown) -> bool {
        let is_on_trial = self.failures.load(Ordering::Relaxed) >= cool_down.failures_max;
        self.pace.rests() || self.keys.all_rest() || is_on_trial && !self.pace.is_idle()
    }

    fn failed(&self, cool_down: &CoolDown) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < cool_down.failures_max {
            return;
        }
        let before = self.cool_downs.fetch_add(1, Ordering::Relaxed);
        let pause = backoff::cool_down(cool_down.first, cool_down.longest, before);
        tracing::warn!(host = %self.host, ?pause, "it failed too often: others go before it");
        self.pace.rest(pause);
    }
}

/// A call of a deployment.
pub(crate) struct Called<'a> {
    deployment: &'a Deployment,
    running: Running<'a>,
}

impl Called<'_> {
    /// Learns from a call that is over; `first` is when the sink was given something. Says whether
    /// another deployment may be asked instead: nothing was given, and it is no fault of the
    /// request.
    pub(crate) fn end(
        self,
        ended: &Ended,
        (streamed, first): (bool, Option<Duration>),
        cool_down: &CoolDown,
    ) -> bool {
        let deployment = self.deployment;
        let waited = first.unwrap_or_else(|| self.running.time());
        match &ended.result {
            Ok(()) => {}
            Err(_) if first.is_some() => {}
            Err(problem) => {
                let can_be_mended = is_of_the_upstream(problem);
                match (problem.code, problem.retry_after_ms) {
                    (ErrorCode::UpstreamOverloaded, Some(pause)) => {
                        let pause = Duration::from_millis(pause).min(cool_down.longest);
                        deployment.pace.rest(pause);
                    }
                    // Whoever gave the call up had waited for too long.
                    _ if can_be_mended || waited >= cool_down.slow => deployment.failed(cool_down),
                    _ => {}
                }
                return can_be_mended;
            }
        }
        if streamed {
            deployment.pace.took(waited);
        }
        if streamed && waited >= cool_down.slow {
            deployment.failed(cool_down);
        } else {
            deployment.failures.store(0, Ordering::Relaxed);
            deployment.cool_downs.store(0, Ordering::Relaxed);
            deployment.pace.wake();
        }
        false
    }
}

/// Whether somebody else could do what was asked.
fn is_of_the_upstream(problem: &Problem) -> bool {
    use ErrorCode::{UpstreamError, UpstreamOverloaded, UpstreamTimeout};
    matches!(problem.code, UpstreamError | UpstreamOverloaded | UpstreamTimeout)
}

/// Of two failures the one to tell: a limit only when all are at theirs, then the shorter pause.
pub(crate) fn to_tell(first: Option<Ended>, next: Ended) -> Ended {
    let Some(first) = first else { return next };
    let pause = |ended: &Ended| match &ended.result {
        Err(problem) if problem.code == ErrorCode::UpstreamOverloaded => {
            Some(problem.retry_after_ms.unwrap_or(0))
        }
        _ => None,
    };
    match (pause(&first), pause(&next)) {
        (Some(before), Some(after)) if after < before => next,
        (Some(_), None) => next,
        _ => first,
    }
}

/// All places where a model is served.
pub(crate) struct Deployments {
    all: Vec<Deployment>,
    next: AtomicUsize,
}

impl Deployments {
    /// At least one.
    ///
    /// # Errors
    /// When there is none, or one can't be called as it is configured.
    pub(crate) fn new(name: &str, upstreams: Vec<Upstream>) -> Result<Self, StartError> {
        let all: Result<Vec<_>, _> =
            upstreams.into_iter().map(|upstream| Deployment::new(name, upstream)).collect();
        let mut all = all?;
        if all.len() > 1 {
            for (number, it) in all.iter_mut().enumerate() {
                it.label = Some(format!("{} {}@{}", number + 1, it.upstream.name, it.host));
            }
        }
        if all.is_empty() {
            return Err(StartError::Address(name.to_owned()));
        }
        Ok(Self { all, next: AtomicUsize::new(0) })
    }

    /// The deployments to try for one request, in their order. At least one.
    pub(crate) fn turn(&self, cool_down: &CoolDown) -> Vec<&Deployment> {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let rests = |it: &Deployment| it.is_left_alone(cool_down);
        let mut order = in_turn(&self.all, count, |it| &it.pace, rests);
        order.truncate(DEPLOYMENTS_TRIED_MAX);
        order
    }

    /// Shows how each stands, where there are several.
    pub(crate) fn show(&self, metrics: &Metrics, model: &str, cool_down: &CoolDown) {
        for it in &self.all {
            let Some(label) = &it.label else { continue };
            let gauge = metrics.deployment_state.with_label_values(&[model, label]);
            gauge.set(it.state(cool_down));
        }
    }

    /// The first, which stands for all in what they have in common; and whether it is the only one.
    pub(crate) fn first(&self) -> Option<(&Deployment, bool)> {
        self.all.first().map(|first| (first, self.all.len() == 1))
    }
}

/// A sink that remembers when it was first given something.
pub(crate) struct Watched<'a, S> {
    sink: &'a mut S,
    since: Instant,
    first: Option<Duration>,
}

impl<'a, S: Sink> Watched<'a, S> {
    pub(crate) fn new(sink: &'a mut S) -> Self {
        Self { sink, since: Instant::now(), first: None }
    }

    /// After how long it was first given something, if it was.
    pub(crate) fn first(&self) -> Option<Duration> {
        self.first
    }

    fn given(&mut self) {
        let waited = self.since.elapsed();
        self.first.get_or_insert(waited);
    }
}

impl<S: Sink> Sink for Watched<'_, S> {
    async fn pieces(&mut self, choices: Vec<ChunkChoice>) -> Result<(), SinkClosed> {
        self.given();
        self.sink.pieces(choices).await
    }

    async fn whole(&mut self, choices: Vec<AnswerChoice>) -> Result<(), SinkClosed> {
        self.given();
        self.sink.whole(choices).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem;
    use schemas::catalogue::Vendor;

    const COOL_DOWN: CoolDown = CoolDown {
        failures_max: 2,
        first: Duration::from_secs(60),
        longest: Duration::from_secs(300),
        slow: Duration::from_secs(5),
    };

    fn two() -> Deployments {
        let upstream = |host: &str| Upstream {
            vendor: Vendor::Compatible,
            preset: None,
            name: "m".into(),
            api_base: Some(format!("http://{host}/v1")),
            api_version: None,
            takes_schemas: true,
            api_keys: Vec::new(),
        };
        Deployments::new("m", vec![upstream("a"), upstream("b")]).unwrap()
    }

    fn ended(problem: Option<Problem>) -> Ended {
        Ended { usage: None, result: problem.map_or(Ok(()), Err) }
    }

    /// Asks `a`; says whether another may be asked.
    fn learn(all: &Deployments, problem: Option<Problem>, first: Option<Duration>) -> bool {
        all.all[0].begin().end(&ended(problem), (true, first), &COOL_DOWN)
    }

    fn firsts(all: &Deployments) -> Vec<&str> {
        (0..2).map(|_| all.turn(&COOL_DOWN)[0].host.as_str()).collect()
    }

    #[test]
    fn failures_in_a_row_let_a_deployment_cool_down_and_an_answer_between_starts_anew() {
        let all = two();
        assert!(learn(&all, Some(problem::failed()), None));
        assert!(!learn(&all, None, Some(Duration::ZERO)));
        assert!(learn(&all, Some(problem::timeout()), None));
        assert_eq!(firsts(&all).len(), 2);
        assert!(!all.all[0].is_left_alone(&COOL_DOWN));
        learn(&all, None, Some(COOL_DOWN.slow));
        assert_eq!(firsts(&all), ["b", "b"], "a late first piece is the second failure");
        // Its pause is over: one call at a time tries it.
        all.all[0].pace.wake();
        assert!(!all.all[0].is_left_alone(&COOL_DOWN));
        let trial = all.all[0].begin();
        assert!(all.all[0].is_left_alone(&COOL_DOWN));
        trial.end(&ended(None), (true, Some(Duration::ZERO)), &COOL_DOWN);
        assert!(!all.all[0].is_left_alone(&COOL_DOWN));
    }

    #[test]
    fn what_the_request_is_to_blame_for_says_nothing_of_a_deployment() {
        let all = two();
        for _ in 0..5 {
            let mistake = problem::cannot("n", "x", "x");
            assert!(!learn(&all, Some(mistake), None));
            assert!(!learn(&all, Some(problem::stopped()), None));
            let broken = Some(problem::cut(true));
            assert!(!learn(&all, broken, Some(Duration::ZERO)), "it had begun to answer");
        }
        assert!(!all.all[0].is_left_alone(&COOL_DOWN));
    }

    #[test]
    fn a_pause_that_a_vendor_asks_for_is_kept_at_once() {
        let all = two();
        let pause = |ms| {
            let busy = Problem::new(ErrorCode::UpstreamOverloaded, "x", "x");
            Some(busy.retry_after_ms(ms))
        };
        assert!(learn(&all, pause(60_000), None));
        assert_eq!(firsts(&all), ["b", "b"]);
        let told = |first, next| to_tell(Some(ended(first)), ended(next)).result.unwrap_err();
        assert_eq!(told(pause(9), pause(7)).retry_after_ms, Some(7));
        assert_eq!(told(pause(7), pause(9)).retry_after_ms, Some(7));
        let failed = Some(problem::failed());
        assert_eq!(told(pause(9), failed.clone()).code, ErrorCode::UpstreamError);
        assert_eq!(told(failed, pause(9)).code, ErrorCode::UpstreamError);
    }
}
