//! The provider worker as a process runs it: the configured models that have a key here, served in
//! their pools through the way of a job. It maps configuration and pieces; it translates nothing.

use crate::call::Limits;
use crate::deployments::CoolDown;
use crate::provider::{Provider, StartError};
use crate::sink::{Sink, SinkClosed};
use crate::upstream::{ApiKey, Upstream};
use futures::future::BoxFuture;
use infra::bus::Bus;
use infra::config::{Config, Deployment, Model};
use infra::metrics::Metrics;
use infra::trace::{self, Kind, Span};
use schemas::catalogue::{Capability, Vendor};
use schemas::job::ChatJob;
use schemas::openai::{AnswerChoice, ChunkChoice};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use worker_job::{Backend, Ended, Pool, Reply, Worker, WorkerError, WorkerSettings};

/// The end of an address that Anthropic's own clients leave out and people write.
const ANTHROPIC_VERSION_PATH: &str = "/v1";

/// A provider worker that could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A model can't be called as it is configured.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The queue.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

/// Whether a provider worker could serve with a configuration.
///
/// # Errors
/// When a model is wrongly configured.
pub fn check(config: &Config) -> Result<(), RunError> {
    provider(config, &callable(config)).map(drop)
}

/// What a worker is given beside its configuration.
#[derive(Clone)]
pub struct Given {
    /// Jobs come from here, and answers go there.
    pub bus: Bus,
    /// Counters.
    pub metrics: Metrics,
}

/// Serves every configured model that can be called from here, until `stop`.
///
/// # Errors
/// When there is none, one is wrongly configured, or NATS refuses what a worker needs.
pub async fn run(config: &Config, given: Given, stop: CancellationToken) -> Result<(), RunError> {
    run_until_retired(config, &[], given, stop, CancellationToken::new()).await
}

/// What a worker says that can call no model.
pub fn nothing_to_serve() -> RunError {
    WorkerError::NothingToServe(
        "no model can be called: set OPENAI_API_KEY or ANTHROPIC_API_KEY, or configure a model \
         with api_base and without api_key"
            .to_owned(),
    )
    .into()
}

/// The same; at `retired` it takes no more jobs and lets running ones take their time until `stop`.
/// Jobs for `former` models, which nobody is offered any more, may still be queued: they are run.
///
/// # Errors
/// As [`run`].
pub async fn run_until_retired(
    config: &Config,
    former: &[Arc<Model>],
    given: Given,
    stop: CancellationToken,
    retired: CancellationToken,
) -> Result<(), RunError> {
    let callable = callable(config);
    if callable.is_empty() {
        return Err(nothing_to_serve());
    }
    let is_gone = |model: &&Arc<Model>| callable.iter().all(|it| it.name != model.name);
    let former: Vec<&Arc<Model>> = former.iter().filter(is_gone).collect();
    let provider = provider(config, &[callable.as_slice(), &former].concat())?;
    let provider = provider.counting(given.metrics.clone());
    let alive_interval = Duration::from_secs(config.queue.acknowledge_seconds) / 3;
    let settings = WorkerSettings {
        pools: pools(config, &callable, &former),
        drain_max: Duration::from_secs(config.workers.drain_seconds_max),
        alive_interval,
        pull_lifetime: Duration::from_millis(config.queue.pull_ms),
    };
    let worker = Worker::new(given.bus, Arc::new(Calls(provider)), given.metrics, settings);
    tracing::info!(worker = %worker.id(), models = callable.len(), "serving vendors' models");
    let keyless = keyless(config);
    if !keyless.is_empty() {
        tracing::info!(models = keyless.join(" "), "these have no API key here: not offered");
    }
    Ok(worker.run_until_retired(stop, retired).await?)
}

fn callable(config: &Config) -> Vec<&Arc<Model>> {
    config.models.iter().filter(|model| model.can_be_called()).collect()
}

/// The names of vendors' models that can't be called for want of a key.
fn keyless(config: &Config) -> Vec<&str> {
    let of_vendors = config.models.iter().filter(|model| model.vendor != Vendor::Llama);
    let keyless = of_vendors.filter(|model| !model.can_be_called());
    keyless.map(|model| model.name.as_str()).collect()
}

fn provider(config: &Config, callable: &[&Arc<Model>]) -> Result<Provider, RunError> {
    let upstreams = callable.iter().map(|model| (model.name.clone(), upstreams(model))).collect();
    Ok(Provider::with_limits(upstreams, limits(config))?)
}

/// The pools of all models; only those that are offered are advertised.
fn pools(config: &Config, callable: &[&Arc<Model>], former: &[&Arc<Model>]) -> Vec<Pool> {
    let slots = config.workers.provider_slots;
    let pool = |name: String| {
        let models = callable.iter().filter(|model| model.pool == name);
        Pool { models: models.map(|model| model.name.clone()).collect(), name, slots }
    };
    let names: BTreeSet<&String> = callable.iter().chain(former).map(|model| &model.pool).collect();
    names.into_iter().cloned().map(pool).collect()
}

/// The places of a model that can be called from here.
fn upstreams(model: &Model) -> Vec<Upstream> {
    let upstream = |at: &Deployment| Upstream {
        vendor: model.vendor,
        preset: model.preset,
        api_version: at.api_version.clone(),
        takes_schemas: model.can(Capability::JsonSchema),
        name: at.upstream.clone(),
        api_base: at.api_base.clone().map(|base| {
            match (model.vendor, base.strip_suffix(ANTHROPIC_VERSION_PATH)) {
                (Vendor::Anthropic, Some(bare)) => bare.to_owned(),
                _ => base,
            }
        }),
        api_keys: at.api_keys.iter().map(|key| ApiKey::new(key.reveal())).collect(),
    };
    let deployments = model.deployments();
    deployments.iter().filter(|at| at.can_be_called()).map(upstream).collect()
}

fn limits(config: &Config) -> Limits {
    let (workers, breaker) = (&config.workers, &config.breaker);
    Limits {
        connect: Duration::from_secs(workers.connect_seconds_max),
        first_byte: Duration::from_secs(workers.first_byte_seconds_max),
        stream_idle: Duration::from_secs(workers.idle_seconds_max),
        stream: Duration::from_secs(config.gateway.request_seconds_max),
        whole: Duration::from_secs(config.gateway.request_seconds_max),
        cool_down: CoolDown {
            failures_max: breaker.failures_max,
            first: Duration::from_secs(breaker.cool_down_seconds),
            longest: Duration::from_secs(breaker.cool_down_seconds_max),
            slow: Duration::from_secs(breaker.slow_first_token_seconds),
        },
        ..Limits::default()
    }
}

/// The provider as the way of a job sees it.
struct Calls(Provider);

/// The way back as the provider sees it.
struct ReplySink<'a>(&'a mut Reply);

impl Calls {
    /// The call of a vendor, as a trace tells it.
    fn span(&self, operation: &'static str, job: &ChatJob) -> Span {
        let mut span =
            Span::begin(format!("{operation} {}", job.model), Kind::Client, trace::current());
        span.set("gen_ai.operation.name", operation);
        span.set("gen_ai.request.model", job.model.as_str());
        if let Some(called) = self.0.called(&job.model) {
            span.set("gen_ai.provider.name", called.vendor);
            if let Some((upstream, host)) = called.place {
                span.set("fly_llm.upstream_model", upstream);
                span.set("server.address", host);
            }
        }
        span
    }
}

impl Backend for Calls {
    fn models(&self) -> Vec<String> {
        self.0.models().map(str::to_owned).collect()
    }

    fn show(&self) {
        self.0.show();
    }

    fn answer<'a>(
        &'a self,
        job: &'a ChatJob,
        reply: &'a mut Reply,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Ended> {
        Box::pin(async move {
            let mut span = self.span("chat", job);
            let mut sink = ReplySink(reply);
            let answered = self.0.answer(job, &mut sink, stop);
            let ended = trace::within(span.context(), answered).await;
            let ended = Ended { usage: ended.counted(), problem: ended.result.err() };
            worker_job::tell_end(&mut span, &ended);
            ended
        })
    }

    fn embed<'a>(
        &'a self,
        job: &'a ChatJob,
        reply: &'a mut Reply,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Ended> {
        Box::pin(async move {
            let mut span = self.span("embeddings", job);
            let mut sink = ReplySink(reply);
            let embedded = self.0.embed(job, &mut sink, stop);
            let ended = trace::within(span.context(), embedded).await;
            let ended = Ended { usage: ended.counted(), problem: ended.result.err() };
            worker_job::tell_end(&mut span, &ended);
            ended
        })
    }
}

impl Sink for ReplySink<'_> {
    async fn pieces(&mut self, choices: Vec<ChunkChoice>) -> Result<(), SinkClosed> {
        self.0.pieces(choices).await;
        Ok(())
    }

    async fn whole(&mut self, choices: Vec<AnswerChoice>) -> Result<(), SinkClosed> {
        self.0.whole(choices).await;
        Ok(())
    }
}
