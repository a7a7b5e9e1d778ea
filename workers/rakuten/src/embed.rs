//! One job's texts into vectors, by a model that makes nothing else.

use crate::engine::{Embedder, EngineError, EngineOptions};
use crate::translate;
use crate::worker::span;
use futures::future::BoxFuture;
use schemas::error::{ErrorCode, Problem};
use schemas::job::ChatJob;
use schemas::openai::{Content, Message, TOKENS};
use schemas::usage::{TokenSource, Usage};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use worker_job::{Backend, Ended, Reply, vectors};

/// The field of a request that asks for shorter vectors.
const DIMENSIONS: &str = "dimensions";

/// A model that makes vectors as the way of a job sees it.
pub(crate) struct VectorModel {
    name: String,
    embedder: Embedder,
    died: CancellationToken,
}

impl VectorModel {
    /// Loads it; `died` is cancelled when it can't go on.
    pub(crate) async fn load(
        name: String,
        options: EngineOptions,
        died: CancellationToken,
    ) -> Result<Self, EngineError> {
        let loaded = tokio::task::spawn_blocking(move || Embedder::load(options)).await;
        let embedder = loaded.map_err(|_| EngineError::Stopped)??;
        let info = embedder.model();
        tracing::info!(
            model = name,
            gguf = info.name,
            architecture = info.architecture,
            width = info.width,
            seconds = info.load_seconds,
            "loaded"
        );
        Ok(Self { name, embedder, died })
    }

    /// Ends the model's thread.
    pub(crate) fn stop(&self) {
        self.embedder.stop();
    }

    async fn vectors(
        &self,
        job: &ChatJob,
        stop: &CancellationToken,
    ) -> Result<(Vec<Vec<f32>>, Usage), EngineError> {
        let width = self.embedder.model().width;
        let wanted = job.chat.rest.get(DIMENSIONS).and_then(Value::as_u64);
        if wanted.is_some_and(|wanted| usize::try_from(wanted) != Ok(width)) {
            let reason = format!("must be left out: this model's vectors have {width} numbers");
            return Err(EngineError::request(DIMENSIONS, reason));
        }
        // Tokenising takes milliseconds: not on a thread that others share.
        let (embedder, messages) = (self.embedder.clone(), job.chat.messages.clone());
        let read = move || messages.iter().map(|message| tokens(&embedder, message)).collect();
        let texts: Result<Vec<Vec<i32>>, _> =
            tokio::task::spawn_blocking(read).await.unwrap_or(Err(EngineError::Stopped));
        let texts = texts?;
        let vectors = self.embedder.embed(&texts, stop).await?;
        let input = texts.iter().map(Vec::len).sum::<usize>();
        let input = u64::try_from(input).unwrap_or(u64::MAX);
        Ok((vectors, Usage { input, ..Usage::default() }))
    }
}

impl Backend for VectorModel {
    fn models(&self) -> Vec<String> {
        vec![self.name.clone()]
    }

    fn answer<'a>(
        &'a self,
        _job: &'a ChatJob,
        _reply: &'a mut Reply,
        _stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Ended> {
        Box::pin(async { Ended { usage: None, problem: Some(writes_nothing()) } })
    }

    fn embed<'a>(
        &'a self,
        job: &'a ChatJob,
        reply: &'a mut Reply,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Ended> {
        Box::pin(async move {
            let mut span = span("embeddings", &self.name);
            let ended = match self.vectors(job, stop).await {
                Ok((made, usage)) => {
                    for message in
                        vectors::messages(made.into_iter().map(|one| vectors::encode(&one)))
                    {
                        reply.pieces(message).await;
                    }
                    Ended { usage: Some((usage, TokenSource::Counted)), problem: None }
                }
                Err(error) => {
                    if error == EngineError::Stopped && !stop.is_cancelled() {
                        tracing::error!("the engine died");
                        self.died.cancel();
                    }
                    Ended { usage: None, problem: Some(problem(&error)) }
                }
            };
            worker_job::tell_end(&mut span, &ended);
            ended
        })
    }
}

/// A text's tokens, or those that the client counted itself.
fn tokens(embedder: &Embedder, message: &Message) -> Result<Vec<i32>, EngineError> {
    let content = match &message.content {
        Some(Content::Text(text)) => return embedder.tokens(text),
        Some(content) => content,
        None => return embedder.tokens(""),
    };
    let Some(numbers) = content.parts().iter().find_map(|part| part.rest.get(TOKENS)) else {
        return embedder.tokens(&content.texts().collect::<String>());
    };
    let number = |number: &Value| i32::try_from(number.as_i64()?).ok();
    let numbers: Option<_> = numbers.as_array().and_then(|all| all.iter().map(number).collect());
    numbers.ok_or_else(|| EngineError::request("input", "has a token that is no whole number"))
}

fn problem(error: &EngineError) -> Problem {
    match error {
        EngineError::ContextLengthExceeded { .. } => translate::problem(error).at("input"),
        other => translate::problem(other),
    }
}

fn writes_nothing() -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        "このモデルは埋め込み専用です。/v1/embeddings で使ってください。",
        "This model only makes embeddings: use it with /v1/embeddings.",
    )
    .at("model")
}
