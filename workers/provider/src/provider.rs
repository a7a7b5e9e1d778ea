//! The models of this process and the way of one answer: translate → call → relay. It holds the
//! vendors' keys, and never gives one away.

use crate::call::{Limits, Tails, client, open, whole_body};
use crate::keys::KeyRing;
use crate::problem;
use crate::relay::{Relay, whole};
use crate::sink::{Ended, Sink};
use crate::translate::{Protocol, choices_wanted, protocol};
use crate::upstream::Upstream;
use crate::vectors::{Vectors, give};
use reqwest::{Client, Url};
use schemas::catalogue::Vendor;
use schemas::error::{ErrorCode, Problem};
use schemas::job::ChatJob;
use std::collections::HashMap;
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
    client: Client,
    limits: Limits,
    tails: Tails,
    models: HashMap<String, Model>,
}

/// One model, ready to be called.
struct Model {
    upstream: Upstream,
    protocol: &'static dyn Protocol,
    keys: KeyRing,
    /// The vendor's name in the net.
    host: String,
}

impl Provider {
    /// A provider of these models, by their names in our catalogue, with the default limits.
    ///
    /// # Errors
    /// When a model can't be called as it is configured, or HTTP can't be set up.
    pub fn new(models: Vec<(String, Upstream)>) -> Result<Self, StartError> {
        Self::with_limits(models, Limits::default())
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// As [`Provider::new`].
    pub fn with_limits(
        models: Vec<(String, Upstream)>,
        limits: Limits,
    ) -> Result<Self, StartError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(StartError::NoCryptography);
        }
        let client = client(&limits).map_err(StartError::Client)?;
        let mut ready = HashMap::with_capacity(models.len());
        for (name, upstream) in models {
            let model = Model::new(&name, upstream)?;
            if ready.insert(name.clone(), model).is_some() {
                return Err(StartError::Twice(name));
            }
        }
        Ok(Self { client, limits, tails: Tails::default(), models: ready })
    }

    /// The names of the models, in no order.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// Who is called for a model: the vendor as OpenTelemetry names it, its model, and its host.
    pub fn called(&self, model: &str) -> Option<(&'static str, &str, &str)> {
        let model = self.models.get(model)?;
        let vendor = match model.upstream.vendor {
            Vendor::Openai => "openai",
            Vendor::Anthropic => "anthropic",
            Vendor::Azure => "azure.ai.openai",
            Vendor::Gemini => "gcp.gemini",
            Vendor::Compatible => "openai_compatible",
            Vendor::Llama => "llama.cpp",
        };
        Some((vendor, &model.upstream.name, &model.host))
    }

    /// Answers a job into a sink. When `stop` is cancelled the upstream call is given up at once.
    /// It never retries after the vendor's first byte, and doesn't look at the job's deadline: that
    /// is for whoever holds `stop`.
    pub async fn answer(
        &self,
        job: &ChatJob,
        sink: &mut impl Sink,
        stop: &CancellationToken,
    ) -> Ended {
        let Some(model) = self.models.get(&job.model) else {
            return Ended::failed(not_served());
        };
        if job.stream {
            self.answer_streamed(job, model, sink, stop).await
        } else {
            let answer = timeout(self.limits.whole, self.answer_whole(job, model, sink));
            match stop.run_until_cancelled(answer).await {
                Some(Ok(ended)) => ended,
                Some(Err(_)) => Ended::failed(problem::timeout()),
                None => Ended::failed(problem::stopped()),
            }
        }
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
        let vectors = timeout(self.limits.whole, self.vectors(job, model));
        match stop.run_until_cancelled(vectors).await {
            Some(Ok(Ok(vectors))) => give(vectors, job.chat.messages.len(), sink).await,
            Some(Ok(Err(problem))) => Ended::failed(problem),
            Some(Err(_)) => Ended::failed(problem::timeout()),
            None => Ended::failed(problem::stopped()),
        }
    }

    async fn vectors(&self, job: &ChatJob, model: &Model) -> Result<Vectors, Problem> {
        let call = model.protocol.embeddings(job, &model.upstream)?;
        let wait = self.limits.whole;
        let response = open(&self.client, model.protocol, &call, &model.keys, wait).await?;
        let body = whole_body(response, self.limits.vectors_bytes_max).await?;
        model.protocol.vectors(&body)
    }

    async fn answer_whole(&self, job: &ChatJob, model: &Model, sink: &mut impl Sink) -> Ended {
        let call = match model.protocol.request(job, &model.upstream) {
            Ok(call) => call,
            Err(problem) => return Ended::failed(problem),
        };
        // The whole answer's limit stands around this.
        let wait = self.limits.whole;
        match open(&self.client, model.protocol, &call, &model.keys, wait).await {
            Ok(response) => whole(response, model.protocol, &self.limits, sink).await,
            Err(problem) => Ended::failed(problem),
        }
    }

    async fn answer_streamed(
        &self,
        job: &ChatJob,
        model: &Model,
        sink: &mut impl Sink,
        stop: &CancellationToken,
    ) -> Ended {
        let call = match model.protocol.request(job, &model.upstream) {
            Ok(call) => call,
            Err(problem) => return Ended::failed(problem),
        };
        let wait = self.limits.first_byte;
        let opening = open(&self.client, model.protocol, &call, &model.keys, wait);
        let response = match stop.run_until_cancelled(opening).await {
            Some(Ok(response)) => response,
            Some(Err(problem)) => return Ended::failed(problem),
            None => return Ended::failed(problem::stopped()),
        };
        let mut relay = Relay::new(response, model.protocol.stream(choices_wanted(job)));
        let run = stop.run_until_cancelled(relay.run(&self.limits, sink)).await;
        relay.end(run.unwrap_or_else(|| Err(problem::stopped())), &self.tails)
    }
}

impl Model {
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
        Ok(Self { upstream, protocol, keys, host })
    }
}

fn not_served() -> Problem {
    Problem::new(
        ErrorCode::NoWorker,
        "このワーカーはそのモデルを提供していません",
        "this worker doesn't serve that model",
    )
}
