//! The rakuten worker as a process runs it: one model, loaded before the first advert, served in
//! its pool through the way of a job. When the engine dies the worker ends, so that its supervisor
//! can start a fresh one.

use crate::decode;
use crate::embed::VectorModel;
use crate::engine::{Engine, EngineError, EngineOptions, Instructions, Sampling};
use crate::figures::Figures;
use crate::translate;
use futures::future::BoxFuture;
use infra::bus::Bus;
use infra::config::{self, Config, Llama, Model};
use infra::metrics::Metrics;
use infra::trace::{self, Kind, Span};
use schemas::catalogue::Capability;
use schemas::job::ChatJob;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use worker_job::{Backend, Ended, Pool, Reply, Worker, WorkerError, WorkerSettings};

/// Prompt tokens in one step while others are being answered, in thirty-seconds of a whole step.
const BUSY_THIRTY_SECONDS: u32 = 9;

/// Whether this build can give layers to a GPU.
const HAS_GPU: bool = cfg!(any(feature = "cuda", feature = "metal", feature = "vulkan"));

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

/// Which model is served.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// The configured model's name; the first one with `vendor: llama` when absent.
    pub name: Option<String>,
    /// Its GGUF, instead of the configured one.
    pub file: Option<PathBuf>,
}

/// Serves a configured local model until `stop`.
///
/// # Errors
/// When no such model is configured, its file can't be served, NATS refuses what a worker needs, or
/// the engine dies.
pub async fn run(
    config: &Config,
    served: Served,
    bus: Bus,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let (model, llama) = configured(config, served.name.as_deref())?;
    let options = options(model, llama, served.file)?;
    tracing::info!(model = model.name, file = %options.model_file.display(), "loading");
    let settings = settings(config, model, llama);
    if model.can(Capability::Embeddings) {
        return serve_vectors(model.name.clone(), options, bus, (metrics, settings), stop).await;
    }
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

/// The same with a model that makes vectors.
async fn serve_vectors(
    name: String,
    options: EngineOptions,
    bus: Bus,
    (metrics, settings): (Metrics, WorkerSettings),
    stop: CancellationToken,
) -> Result<(), RunError> {
    let died = stop.child_token();
    let backend = Arc::new(VectorModel::load(name, options, died.clone()).await?);
    let served: Arc<dyn Backend> = Arc::clone(&backend) as _;
    let ran = Worker::new(bus, served, metrics, settings).run(died.clone()).await;
    let fell = died.is_cancelled() && !stop.is_cancelled();
    if tokio::task::spawn_blocking(move || backend.stop()).await.is_err() {
        tracing::warn!("the engine could not be stopped in order");
    }
    ran?;
    if fell { Err(RunError::EngineDied) } else { Ok(()) }
}

fn configured<'a>(
    config: &'a Config,
    name: Option<&str>,
) -> Result<(&'a Model, &'a Llama), WorkerError> {
    let is_meant = |model: &Model| name.is_none_or(|name| model.name == name);
    let mut models = config.models.iter().filter(|model| is_meant(model));
    models.find_map(|model| Some((&**model, model.llama.as_ref()?))).ok_or_else(|| {
        let which = name.map_or("no model".to_owned(), |name| format!("no model named {name}"));
        WorkerError::NothingToServe(format!(
            "{which} has vendor: llama in the configuration (or RAKUTEN_LLM_API_BASE moves it to \
             another server)"
        ))
    })
}

fn settings(config: &Config, model: &Model, llama: &Llama) -> WorkerSettings {
    WorkerSettings {
        pools: vec![Pool {
            name: model.pool.clone(),
            slots: llama.slots,
            models: vec![model.name.clone()],
        }],
        drain_max: Duration::from_secs(config.workers.drain_seconds_max),
        alive_interval: Duration::from_secs(config.queue.acknowledge_seconds) / 3,
        pull_lifetime: Duration::from_millis(config.queue.pull_ms),
    }
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
    if llama.gpu_layers > 0 && !HAS_GPU {
        let hint = "llama.gpu_layers needs a build with --features cuda, metal or vulkan: build \
                    one, or write 0";
        return Err(WorkerError::NothingToServe(hint.to_owned()));
    }
    let slots = u16::try_from(llama.slots).unwrap_or(u16::MAX);
    Ok(EngineOptions {
        instructions: instructions(llama.instructions),
        gpu_layers: llama.gpu_layers,
        slots,
        context_tokens_per_slot: u32::try_from(model.context).unwrap_or(u32::MAX),
        batch_tokens_max: llama.batch_tokens_max.max(llama.slots),
        batch_tokens_busy: (llama.batch_tokens_max * BUSY_THIRTY_SECONDS / 32).max(1),
        threads: llama.threads.and_then(|threads| u16::try_from(threads).ok()),
        ..EngineOptions::new(file)
    })
}

/// The configuration's word in the engine's.
fn instructions(wanted: config::Instructions) -> Option<Instructions> {
    match wanted {
        config::Instructions::Auto => None,
        config::Instructions::Sse42 => Some(Instructions::Sse42),
        config::Instructions::Avx2 => Some(Instructions::Avx2),
        config::Instructions::AvxVnni => Some(Instructions::AvxVnni),
        config::Instructions::Avx512 => Some(Instructions::Avx512),
    }
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

    fn counts_itself(&self) -> bool {
        true
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
            let mut span = span("chat", &self.name);
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

/// What a model of ours does, in a trace.
pub(crate) fn span(operation: &'static str, model: &str) -> Span {
    let mut span = Span::begin(format!("{operation} {model}"), Kind::Client, trace::current());
    span.set("gen_ai.operation.name", operation);
    span.set("gen_ai.provider.name", "llama.cpp");
    span.set("gen_ai.request.model", model);
    span
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
