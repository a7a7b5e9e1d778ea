//! The way of a job that every worker walks: pull → claim → (answer) → reply → meter → settle. What
//! an answer is made of, a [`Backend`] knows; this crate knows the queue and the money, and no
//! vendor and no model.

/// The worker's side of the queue: pullers, adverts, cancellations, draining.
mod worker;

/// 1. May this job start?
mod claim;

/// 2. The answer's frames, numbered.
mod reply;

/// 3. What was consumed.
mod meter;

/// 4. The charge, durable before the end is told.
mod settle;

/// Jobs that run, and the word that stops them.
mod running;

/// How long an answer goes on whose client has left.
mod patience;

/// Jobs whose gateway is gone.
mod orphans;

/// What this worker says of itself.
mod advertise;

/// Vectors as they go through the queue.
pub mod vectors;

pub use reply::Reply;
pub use worker::{Pool, Worker, WorkerError, WorkerSettings};

use crate::patience::Progress;
use crate::running::RunningJob;
use futures::FutureExt;
use futures::future::BoxFuture;
use infra::bus::delivery::Delivery;
use infra::clock;
use infra::crash::Point;
use infra::trace::{self, Kind, Span};
use schemas::error::{ErrorCode, Problem};
use schemas::job::{ChatJob, JobKind};
use schemas::usage::{TokenSource, Usage};
use settle::End;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What makes answers: a vendor's API or a model of our own.
pub trait Backend: Send + Sync + 'static {
    /// The catalogue names of the models that it can serve now.
    fn models(&self) -> Vec<String>;

    /// Whether it knows at any moment what an answer has consumed. A vendor tells it at the end.
    fn counts_itself(&self) -> bool {
        false
    }

    /// Shows in its counters how what it calls stands; asked with each advert.
    fn show(&self) {}

    /// Answers one job through `reply`, and stops soon after `stop` is cancelled. Everything sent
    /// through `reply` is charged, so it must have reached this process.
    fn answer<'a>(
        &'a self,
        job: &'a ChatJob,
        reply: &'a mut Reply,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Ended>;

    /// Embeds the texts of one job: through `reply` goes one choice for each user message, with its
    /// vector in [`schemas::openai::EMBEDDING`]. A backend that can't leaves this as it is.
    fn embed<'a>(
        &'a self,
        _job: &'a ChatJob,
        _reply: &'a mut Reply,
        _stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Ended> {
        Box::pin(async { Ended { usage: None, problem: Some(embeds_nothing()) } })
    }
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What was consumed, if somebody counted.
    pub usage: Option<(Usage, TokenSource)>,
    /// What went wrong, if anything did.
    pub problem: Option<Problem>,
}

/// How the job's run ended, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JobOutcome {
    Done,
    Failed,
    Refused,
    Unreadable,
}

impl JobOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The conductor of a job: all branching of the way stands here.
async fn run_job(worker: Arc<Worker>, mut delivery: Delivery) -> JobOutcome {
    // Taken, so that it is dropped here: the payload is a slice of what was read from NATS at once,
    // and keeps all of that in memory.
    let (kind, job) = match std::mem::take(&mut delivery.job).read() {
        Ok(job) => job.open(),
        Err(error) => {
            // The error's own text may quote the job.
            let (line, column) = (error.line(), error.column());
            tracing::error!(line, column, "a job that can't be read was removed");
            delivery.terminate().await;
            return JobOutcome::Unreadable;
        }
    };
    let mut span =
        Span::begin(format!("process chat.{}", job.pool), Kind::Consumer, delivery.trace);
    tell(&mut span, kind, &job);
    let running = worker.running().begin(&job, delivery.delivered);
    let left = match claim::ask(&worker, &job, &delivery).await {
        claim::Verdict::Go(_) if running.was_cancelled() => {
            delivery.terminate().await;
            return JobOutcome::Refused;
        }
        claim::Verdict::Go(left) => left,
        claim::Verdict::Never(answer) => {
            tracing::debug!(request = %job.request, answer, "a job was not needed any more");
            delivery.terminate().await;
            return JobOutcome::Refused;
        }
        claim::Verdict::Overtaken => {
            tracing::warn!(request = %job.request, "a claim's answer was read too late");
            return JobOutcome::Refused;
        }
        claim::Verdict::Later => {
            tracing::warn!(request = %job.request, "no word from the gateway; the job goes back");
            delivery.give_back().await;
            return JobOutcome::Refused;
        }
    };
    Point::Claimed.pass().await;
    let behind_ms = claim::behind_ms(job.deadline_ms, left, clock::steady_ms());
    if behind_ms > 0 {
        tracing::error!(behind_ms, "our clock is far behind our gateway's, whose time is taken");
    }
    let mut reply = Reply::new(worker.bus(), &job, delivery.delivered);
    let execution = Execution { kind, job: &job, delivery: &delivery, left, running: &running };
    let ended = trace::within(span.context(), answer(&worker, &execution, &mut reply)).await;
    tell_end(&mut span, &ended);
    let failed = ended.problem.is_some();
    let cancelled = running.was_cancelled();
    // A gateway that cancelled us waits for our count and starts no other worker: it isn't asked.
    let in_doubt = failed && !cancelled && reply.produced().is_something();
    if running.was_replaced()
        || (in_doubt && !claim::still_counts(&worker, &job, delivery.delivered).await)
    {
        // We were silent for too long: another execution answers the client, and charges.
        tracing::warn!(request = %job.request, "another worker has taken our place");
        return JobOutcome::Failed;
    }
    Point::Answered.pass().await;
    let end = End { cancelled, behind_ms, seal: delivery.seal.as_deref() };
    // Boxed: it takes a moment, and without the box a job would carry its state all the while.
    Box::pin(settle::settle(&worker, &job, &mut reply, ended, end)).await;
    if failed { JobOutcome::Failed } else { JobOutcome::Done }
}

/// What a trace tells of a job: names of the catalogue, and nothing of what was asked.
fn tell(span: &mut Span, kind: JobKind, job: &ChatJob) {
    let operation = match kind {
        JobKind::Chat => "chat",
        JobKind::Embeddings => "embeddings",
    };
    span.set("messaging.system", "nats");
    span.set("messaging.operation.type", "process");
    span.set("gen_ai.operation.name", operation);
    span.set("gen_ai.request.model", job.model.as_str());
    span.set("fly_llm.pool", job.pool.as_str());
    span.set("fly_llm.request_id", job.request.as_str());
    span.set("fly_llm.attempt", u64::from(job.attempt));
    span.set("fly_llm.stream", job.stream);
}

/// What a trace tells of an answer's end: counts and a code.
pub fn tell_end(span: &mut Span, ended: &Ended) {
    if let Some((usage, _)) = &ended.usage {
        let read = usage.input + usage.cache_read.unwrap_or(0) + usage.cache_write.unwrap_or(0);
        span.set("gen_ai.usage.input_tokens", read);
        span.set("gen_ai.usage.output_tokens", usage.output + usage.reasoning.unwrap_or(0));
    }
    if let Some(problem) = &ended.problem {
        span.fail(problem.code.as_str());
    }
}

/// One run of a job.
struct Execution<'a> {
    kind: JobKind,
    job: &'a ChatJob,
    delivery: &'a Delivery,
    /// The time it has.
    left: Duration,
    running: &'a RunningJob,
}

/// Runs the backend, tells the queue that we live until the first piece, and ends at the deadline,
/// or when its client has left and nothing is to be waited for. The job is acknowledged with the
/// first piece, or else with the end: it never comes back.
async fn answer(worker: &Worker, execution: &Execution<'_>, reply: &mut Reply) -> Ended {
    let Execution { kind, job, delivery, left, running } = *execution;
    let (stop, progress) = (running.stop(), reply.progress());
    let (acknowledged, mut first_piece) = tokio::sync::oneshot::channel();
    reply.on_first_piece(acknowledged);
    let answered = match kind {
        JobKind::Chat => worker.backend().answer(job, reply, stop),
        JobKind::Embeddings => worker.backend().embed(job, reply, stop),
    };
    let mut answered = Box::pin(AssertUnwindSafe(answered).catch_unwind());
    // From the first interval's end on: waiting for a tick that is due at once takes a millisecond.
    let interval = worker.settings().alive_interval;
    let mut alive = tokio::time::interval_at(Instant::now() + interval, interval);
    let deadline = tokio::time::sleep(left);
    tokio::pin!(deadline);
    let read_on = tokio::time::sleep(left);
    tokio::pin!(read_on);
    let (mut begun, mut late, mut alone) = (false, false, false);
    let ended = loop {
        tokio::select! {
            ended = &mut answered => break ended,
            _ = &mut first_piece, if !begun => {
                begun = true;
                delivery.acknowledge().await;
            }
            _ = alive.tick(), if !begun => tell_alive(worker, execution).await,
            () = &mut deadline, if !late => {
                late = true;
                stop.cancel();
            }
            () = running.is_cancelled(), if !alone => {
                alone = true;
                match patience(worker, execution, &progress) {
                    Some(patience) => read_on.as_mut().reset(Instant::now() + patience),
                    None => stop.cancel(),
                }
            }
            () = &mut read_on, if alone && !stop.is_cancelled() => stop.cancel(),
        }
    };
    if !begun {
        // Nothing was said, or the first piece and the end came at once.
        delivery.acknowledge().await;
    }
    match ended {
        Ok(ended) if late => Ended { problem: Some(deadline_exceeded()), ..ended },
        Ok(ended) => ended,
        Err(_) => {
            tracing::error!(request = %job.request, "the backend panicked");
            Ended { usage: None, problem: Some(internal()) }
        }
    }
}

/// How long an answer goes on whose client has left.
fn patience(worker: &Worker, execution: &Execution<'_>, progress: &Progress) -> Option<Duration> {
    let Execution { kind, job, .. } = execution;
    if *kind != JobKind::Chat || worker.backend().counts_itself() {
        return None;
    }
    patience::patience((&job.model, &job.chat), progress, worker.thinkers())
}

/// Whoever would give the job to another is told that it lives: the queue, or past it the gateway.
async fn tell_alive(worker: &Worker, execution: &Execution<'_>) {
    match execution.delivery.left_when_sent() {
        Some(_) => reply::sign_of_life(worker.bus(), execution.job).await,
        None => execution.delivery.in_progress().await,
    }
}

fn deadline_exceeded() -> Problem {
    Problem::new(
        ErrorCode::DeadlineExceeded,
        "時間内に回答が終わりませんでした。max_tokens を減らすか、もう一度お試しください。",
        "The answer did not end in time. Lower max_tokens or try again.",
    )
}

fn embeds_nothing() -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        "このモデルは埋め込み（embeddings）に対応していません。",
        "This model makes no embeddings.",
    )
    .at("model")
}

fn internal() -> Problem {
    Problem::new(
        ErrorCode::Internal,
        "内部エラーが起きました。x-request-id を添えてご連絡ください。",
        "An internal error occurred. Please report it with the x-request-id.",
    )
}
