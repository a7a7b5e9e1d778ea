//! The models of this process and the way of one answer: translate → call → relay. It holds the
//! vendors' keys, and never gives one away.

use crate::call::{Caller, Limits, Tails, open, whole_body};
use crate::deployments::{Deployment, Deployments, Watched, to_tell};
use crate::problem;
use crate::relay::{Relay, whole};
use crate::sink::{Ended, Sink};
use crate::upstream::Upstream;
use crate::vectors::{Vectors, give};
use infra::metrics::Metrics;
use schemas::catalogue::Vendor;
use schemas::error::{ErrorCode, Problem};
use schemas::job::ChatJob;
use std::collections::HashMap;
use std::pin::{Pin, pin};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Why a provider can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// TLS has no cryptography yet.
    #[error("no rustls provider is installed: install ring's before the provider is built")]
    NoCryptography,
    /// The HTTP client can't be built; mostly there are no root certificates.
    #[error("the HTTP client can't be built ({0}): are root certificates (ca-certificates) there?")]
    Client(#[source] reqwest::Error),
    /// Two upstreams for one model.
    #[error("model '{0}' is listed twice: remove one of them")]
    Twice(String),
    /// The model is not for this worker.
    #[error("model '{0}' has vendor llama: it is served by the rakuten worker")]
    NotHttp(String),
    /// The model's address is missing or isn't an HTTP URL.
    #[error("model '{0}' needs an api_base such as https://HOST/v1")]
    Address(String),
    /// One of the model's keys has characters that no header may have. The key isn't shown.
    #[error("an API key of model '{0}' has characters that can't be sent: copy it again")]
    Key(String),
}

/// Answers chats with vendors' models. Share it: it has one connection pool.
pub struct Provider {
    caller: Caller,
    limits: Limits,
    tails: Tails,
    models: HashMap<String, Deployments>,
    metrics: Option<Metrics>,
}

/// Who is called for a model, as traces tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalledFor<'a> {
    /// The vendor as OpenTelemetry names it.
    pub vendor: &'static str,
    /// The model there, and its host; of several deployments nobody knows before.
    pub place: Option<(&'a str, &'a str)>,
}

impl Provider {
    /// A provider of these models, by their names in our catalogue, with the default limits.
    /// Several upstreams of one model are balanced.
    ///
    /// # Errors
    /// When a model can't be called as it is configured, or HTTP can't be set up.
    pub fn new(models: Vec<(String, Vec<Upstream>)>) -> Result<Self, StartError> {
        Self::with_limits(models, Limits::default())
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// As [`Provider::new`].
    pub fn with_limits(
        models: Vec<(String, Vec<Upstream>)>,
        limits: Limits,
    ) -> Result<Self, StartError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(StartError::NoCryptography);
        }
        let caller = Caller::new(&limits).map_err(StartError::Client)?;
        let mut ready = HashMap::with_capacity(models.len());
        for (name, upstreams) in models {
            let model = Deployments::new(&name, upstreams)?;
            if ready.insert(name.clone(), model).is_some() {
                return Err(StartError::Twice(name));
            }
        }
        Ok(Self { caller, limits, tails: Tails::default(), models: ready, metrics: None })
    }

    /// Counts calls of models that have several deployments.
    #[must_use]
    pub fn counting(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Shows how the deployments stand.
    pub fn show(&self) {
        let Some(metrics) = &self.metrics else { return };
        for (name, model) in &self.models {
            model.show(metrics, name, &self.limits.cool_down);
        }
    }

    fn count(&self, at: &Deployment, model: &str, ended: &Ended, begun: bool) {
        if let Some(metrics) = &self.metrics {
            at.count(metrics, model, ended, begun);
        }
    }

    /// The names of the models, in no order.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// Who is called for a model.
    pub fn called(&self, model: &str) -> Option<CalledFor<'_>> {
        let (first, is_only) = self.models.get(model)?.first()?;
        let vendor = match first.upstream.vendor {
            Vendor::Openai => "openai",
            Vendor::Anthropic => "anthropic",
            Vendor::Azure => "azure.ai.openai",
            Vendor::Gemini => "gcp.gemini",
            Vendor::Compatible => "openai_compatible",
            Vendor::Llama => "llama.cpp",
        };
        let place = is_only.then_some((first.upstream.name.as_str(), first.host.as_str()));
        Some(CalledFor { vendor, place })
    }

    /// Answers a job into a sink. When `stop` is cancelled the upstream call is given up at once.
    /// Other deployments are tried until the first piece. It doesn't look at the job's deadline:
    /// that is for whoever holds `stop`.
    pub async fn answer(
        &self,
        job: &ChatJob,
        sink: &mut impl Sink,
        stop: &CancellationToken,
    ) -> Ended {
        let Some(model) = self.models.get(&job.model) else {
            return Ended::failed(not_served());
        };
        let mut failed = None;
        for deployment in model.turn(&self.limits.cool_down) {
            let called = deployment.begin();
            let mut watched = Watched::new(sink);
            let ended = if job.stream {
                self.answer_streamed(job, deployment, &mut watched, stop).await
            } else {
                // Pinned and lent: an async function that takes a future by value stores it twice,
                // as its argument and as what it waits for.
                let answer = pin!(self.answer_whole(job, deployment, &mut watched));
                self.within_limits(answer, stop).await
            };
            let seen = (job.stream, watched.first());
            self.count(deployment, &job.model, &ended, seen.1.is_some());
            if !called.end(&ended, seen, &self.limits.cool_down) {
                return ended;
            }
            failed = Some(to_tell(failed, ended));
        }
        failed.unwrap_or_else(|| Ended::failed(not_served()))
    }

    /// Embeds the texts of a job into a sink: one choice for each, in their order. When `stop` is
    /// cancelled the upstream call is given up at once.
    pub async fn embed(
        &self,
        job: &ChatJob,
        sink: &mut impl Sink,
        stop: &CancellationToken,
    ) -> Ended {
        let Some(model) = self.models.get(&job.model) else {
            return Ended::failed(not_served());
        };
        let mut failed = None;
        for deployment in model.turn(&self.limits.cool_down) {
            let called = deployment.begin();
            let mut watched = Watched::new(sink);
            let embedding = async {
                match self.vectors(job, deployment).await {
                    Ok(vectors) => give(vectors, job.chat.messages.len(), &mut watched).await,
                    Err(problem) => Ended::failed(problem),
                }
            };
            let ended = self.within_limits(pin!(embedding), stop).await;
            let seen = (false, watched.first());
            self.count(deployment, &job.model, &ended, seen.1.is_some());
            if !called.end(&ended, seen, &self.limits.cool_down) {
                return ended;
            }
            failed = Some(to_tell(failed, ended));
        }
        failed.unwrap_or_else(|| Ended::failed(not_served()))
    }

    /// What comes at once, within the limit of whole answers and until `stop`.
    async fn within_limits(
        &self,
        answer: Pin<&mut impl Future<Output = Ended>>,
        stop: &CancellationToken,
    ) -> Ended {
        match stop.run_until_cancelled(timeout(self.limits.whole, answer)).await {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Ended::failed(problem::timeout()),
            None => Ended::failed(problem::stopped()),
        }
    }

    async fn vectors(&self, job: &ChatJob, at: &Deployment) -> Result<Vectors, Problem> {
        let call = at.protocol.embeddings(job, &at.upstream)?;
        let wait = self.limits.whole;
        let (response, _key) = open(&self.caller, at.protocol, &call, &at.keys, wait).await?;
        let body = whole_body(response, self.limits.vectors_bytes_max).await?;
        at.protocol.vectors(&body)
    }

    async fn answer_whole(&self, job: &ChatJob, at: &Deployment, sink: &mut impl Sink) -> Ended {
        let call = match at.protocol.request(job, &at.upstream) {
            Ok(call) => call,
            Err(problem) => return Ended::failed(problem),
        };
        // The whole answer's limit stands around this.
        let wait = self.limits.whole;
        match open(&self.caller, at.protocol, &call, &at.keys, wait).await {
            Ok((response, _key)) => whole(response, at.protocol, &self.limits, sink).await,
            Err(problem) => Ended::failed(problem),
        }
    }

    async fn answer_streamed(
        &self,
        job: &ChatJob,
        at: &Deployment,
        sink: &mut impl Sink,
        stop: &CancellationToken,
    ) -> Ended {
        let call = match at.protocol.request(job, &at.upstream) {
            Ok(call) => call,
            Err(problem) => return Ended::failed(problem),
        };
        let wait = self.limits.first_byte;
        let opened = {
            let opening = pin!(open(&self.caller, at.protocol, &call, &at.keys, wait));
            stop.run_until_cancelled(opening).await
        };
        let (response, _key) = match opened {
            Some(Ok(opened)) => opened,
            Some(Err(problem)) => return Ended::failed(problem),
            None => return Ended::failed(problem::stopped()),
        };
        // It holds all that was asked, and a stream may take minutes.
        drop(call);
        let reader = at.protocol.stream_for(job, &at.upstream);
        let mut relay = Relay::new(response, reader, job.output_tokens_max);
        let run = {
            let running = pin!(relay.run(&self.limits, sink));
            stop.run_until_cancelled(running).await
        };
        relay.end(run.unwrap_or_else(|| Err(problem::stopped())), &self.tails)
    }
}

fn not_served() -> Problem {
    Problem::new(
        ErrorCode::NoWorker,
        "このワーカーはそのモデルを提供していません。",
        "This worker doesn't serve that model.",
    )
}
