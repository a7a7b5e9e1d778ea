//! The rakuten worker as a process runs it: one model, loaded before the first advert, served in
//! its pool through the way of a job. When the engine dies the worker ends, so that its supervisor
//! can start a fresh one.

use crate::decode;
use crate::engine::{Engine, EngineError, EngineOptions, Sampling};
use crate::figures::Figures;
use crate::translate;
use futures::future::BoxFuture;
use infra::bus::Bus;
use infra::config::{Config, Llama, Model};
use infra::metrics::Metrics;
use infra::trace::{self, Kind, Span};
use schemas::job::ChatJob;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use worker_job::{Backend, Ended, Pool, Reply, Worker, WorkerError, WorkerSettings};

/// Prompt tokens in one step while others are being answered, as a share of a whole step.
const BUSY_SHARE: u32 = 4;

/// A rakuten worker that could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The model.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The queue.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The engine died while it ran.
    #[error("the engine died; this process ends so that a fresh one can be started")]
    EngineDied,
}

/// Serves the configured local model until `stop`; `file` wins over the configured GGUF.
///
/// # Errors
/// When no model is configured, its file can't be served, NATS refuses what a worker needs, or the
/// engine dies.
pub async fn run(
    config: &Config,
    file: Option<PathBuf>,
    bus: Bus,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let (model, llama) = configured(config)?;
    let options = options(model, llama, file)?;
    tracing::info!(model = model.name, file = %options.model_file.display(), "loading");
    let loaded = tokio::task::spawn_blocking(move || Engine::load(options)).await;
    let engine = loaded.map_err(|_| EngineError::Stopped)??;
    let info = engine.model();
    if !info.has_template {
        return Err(EngineError::NoTemplate.into());
    }
    tracing::info!(
        model = model.name,
        gguf = info.name,
        architecture = info.architecture,
        seconds = info.load_seconds,
        "loaded"
    );
    let died = stop.child_token();
    let figures = Figures::new(metrics.clone(), model.pool.clone());
    let backend = LocalModel {
        name: model.name.clone(),
        engine: engine.clone(),
        system_prompt: llama.system_prompt.clone(),
        sampling: sampling(llama),
        died: died.clone(),
        figures: figures.clone(),
    };
    let settings = WorkerSettings {
        pools: vec![Pool {
            name: model.pool.clone(),
            slots: llama.slots,
            models: vec![model.name.clone()],
        }],
        drain_max: Duration::from_secs(config.workers.drain_seconds_max),
        alive_interval: Duration::from_secs(config.queue.acknowledge_seconds) / 3,
    };
    let worker = Worker::new(bus, Arc::new(backend), metrics, settings);
    let ran = tokio::select! {
        ran = worker.run(died.clone()) => ran,
        never = figures.follow(&engine) => match never {},
    };
    let fell = died.is_cancelled() && !stop.is_cancelled();
    if tokio::task::spawn_blocking(move || engine.stop()).await.is_err() {
        tracing::warn!("the engine could not be stopped in order");
    }
    ran?;
    if fell { Err(RunError::EngineDied) } else { Ok(()) }
}

fn configured(config: &Config) -> Result<(&Model, &Llama), WorkerError> {
    let found = config.models.iter().find_map(|model| Some((&**model, model.llama.as_ref()?)));
    found.ok_or_else(|| {
        let hint = "no model has vendor: llama in the configuration (or RAKUTEN_LLM_API_BASE moves \
                    it to another server)";
        WorkerError::NothingToServe(hint.to_owned())
    })
}

fn options(
    model: &Model,
    llama: &Llama,
    file: Option<PathBuf>,
) -> Result<EngineOptions, WorkerError> {
    let file = file.or_else(|| llama.file.clone()).ok_or_else(|| {
        let hint = "no GGUF is named: set RAKUTEN_MODEL_PATH, llama.file, or --model FILE";
        WorkerError::NothingToServe(hint.to_owned())
    })?;
    let slots = u16::try_from(llama.slots).unwrap_or(u16::MAX);
    Ok(EngineOptions {
        slots,
        context_tokens_per_slot: u32::try_from(model.context).unwrap_or(u32::MAX),
        batch_tokens_max: llama.batch_tokens_max.max(llama.slots),
        batch_tokens_busy: (llama.batch_tokens_max / BUSY_SHARE).max(1),
        threads: llama.threads.and_then(|threads| u16::try_from(threads).ok()),
        ..EngineOptions::new(file)
    })
}

fn sampling(llama: &Llama) -> Sampling {
    let usual = Sampling::default();
    Sampling {
        temperature: llama.temperature.unwrap_or(usual.temperature),
        top_p: llama.top_p.unwrap_or(usual.top_p),
        repetition_penalty: llama.repetition_penalty.unwrap_or(usual.repetition_penalty),
        ..usual
    }
}

/// The engine as the way of a job sees it.
struct LocalModel {
    name: String,
    engine: Engine,
    system_prompt: Option<String>,
    /// Of requests that say nothing of it.
    sampling: Sampling,
    died: CancellationToken,
    figures: Figures,
}

impl Backend for LocalModel {
    fn models(&self) -> Vec<String> {
        vec![self.name.clone()]
    }

    fn answer<'a>(
        &'a self,
        job: &'a ChatJob,
        reply: &'a mut Reply,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Ended> {
        Box::pin(async move {
            let translated = match self.translated(job, stop).await {
                Ok(translated) => translated,
                Err(problem) => return Ended { usage: None, problem: Some(problem) },
            };
            let name = format!("chat {}", self.name);
            let mut span = Span::begin(name, Kind::Client, trace::current());
            span.set("gen_ai.operation.name", "chat");
            span.set("gen_ai.provider.name", "llama.cpp");
            span.set("gen_ai.request.model", self.name.as_str());
            let decoded = decode::decode(&self.engine, translated, &job.request, reply).await;
            worker_job::tell_end(&mut span, &decoded.ended);
            decoded.timings.iter().for_each(|timing| self.figures.answered(timing));
            if decoded.engine_died {
                tracing::error!("the engine died");
                self.died.cancel();
            }
            decoded.ended
        })
    }
}

impl LocalModel {
    /// Rendering and tokenising a long chat takes milliseconds: not on a thread that others share.
    async fn translated(
        &self,
        job: &ChatJob,
        stop: &CancellationToken,
    ) -> Result<translate::Translated, schemas::error::Problem> {
        let (engine, job, stop) = (self.engine.clone(), job.clone(), stop.clone());
        let (system_prompt, sampling) = (self.system_prompt.clone(), self.sampling.clone());
        let translated = tokio::task::spawn_blocking(move || {
            translate::requests(&engine, &job, system_prompt.as_deref(), &sampling, &stop)
        });
        translated.await.unwrap_or_else(|_| Err(translate::problem(&EngineError::Stopped)))
    }
}
