//! Onto the queue. The seat for the answer is taken first, so that no frame can be missed. What the
//! queue refuses is told with what to do, and the hold is given back.

use super::hold::Held;
use crate::abilities;
use crate::credits::{self, WorstCase};
use crate::exchange::Seat;
use crate::state::Gateway;
use async_nats::jetstream::context::PublishErrorKind;
use infra::clock;
use infra::config::Model;
use infra::store::holds::OpenHold;
use schemas::error::{ErrorCode, Problem};
use schemas::job::{ChatJob, Job, JobKind};
use schemas::subjects;
use std::sync::Arc;
use std::time::Instant;

/// When a retry makes sense after the queue was full, in milliseconds.
const FULL_RETRY_MS: u64 = 2_000;

/// The shortest life of a message that NATS takes, in seconds.
const TTL_SECONDS_MIN: u64 = 1;

/// Bytes of a message that its headers may take.
const HEADER_BYTES_MAX: usize = 1_024;

/// A request in the queue.
pub(super) struct Published {
    pub(super) held: Held,
    pub(super) seat: Seat,
    /// Which candidate it was published for.
    pub(super) candidate: usize,
    /// Which try it is.
    pub(super) attempt: u32,
    /// The fields that its model can't honour: they are not in the job.
    pub(super) dropped: Vec<String>,
    /// Its place in the stream, to remove it by.
    pub(super) sequence: u64,
    pub(super) since: Instant,
}

impl Published {
    /// The model that it waits for.
    pub(super) fn model(&self) -> &Arc<Model> {
        // A routed request has at least one candidate, and `candidate` never leaves the list.
        &self.held.routed.candidates[self.candidate]
    }
}

impl Published {
    /// Publishes again: for another candidate, or because the first message or its worker was lost.
    pub(super) async fn again(
        &mut self,
        gateway: &Gateway,
        candidate: usize,
    ) -> Result<(), Problem> {
        let authenticated = &self.held.routed.missed.masked.admitted.authenticated;
        let request = &authenticated.received.request;
        self.attempt = gateway.exchange.next_attempt(request).unwrap_or(self.attempt + 1);
        self.candidate = candidate;
        self.dropped = dropped(&self.held, candidate);
        self.since = Instant::now();
        self.sequence = send(gateway, self).await?;
        Ok(())
    }
}

/// Publishes for the first candidate.
pub(super) async fn publish(gateway: &Arc<Gateway>, held: Held) -> Result<Published, Problem> {
    let authenticated = &held.routed.missed.masked.admitted.authenticated;
    let open = OpenHold {
        request: authenticated.received.request.clone(),
        account: authenticated.key.account.clone(),
        key: authenticated.key.key.clone(),
        amount: held.amount.0.to_string(),
    };
    let seat = gateway.exchange.enter(open, authenticated.received.deadline_ms);
    let (attempt, since) = (1, Instant::now());
    let dropped = dropped(&held, 0);
    let mut published =
        Published { held, seat, candidate: 0, attempt, dropped, sequence: 0, since };
    published.sequence = send(gateway, &published).await?;
    Ok(published)
}

/// What a candidate can't honour of the request.
fn dropped(held: &Held, candidate: usize) -> Vec<String> {
    let received = &held.routed.missed.masked.admitted.authenticated.received;
    match held.routed.candidates.get(candidate) {
        Some(model) if received.kind == JobKind::Chat => abilities::dropped(model, &received.chat),
        _ => Vec::new(),
    }
}

async fn send(gateway: &Gateway, published: &Published) -> Result<u64, Problem> {
    let model = published.model();
    let job = job_of(gateway, published);
    let left_ms = job.deadline_ms.saturating_sub(clock::unix_ms());
    let kind = published.held.routed.missed.masked.admitted.authenticated.received.kind;
    let body = serde_json::to_vec(&Job::new(kind, job)).map_err(|error| {
        tracing::error!(%error, "a job can't be encoded");
        unavailable()
    })?;
    let bytes_max = gateway.bus.payload_bytes_max().saturating_sub(HEADER_BYTES_MAX);
    if body.len() > bytes_max {
        return Err(too_large(bytes_max));
    }
    let mut headers = async_nats::HeaderMap::new();
    let ttl_seconds = left_ms.div_ceil(1_000).max(TTL_SECONDS_MIN);
    headers.insert(async_nats::header::NATS_MESSAGE_TTL, ttl_seconds.to_string().as_str());
    gateway.breakers.begin(&model.name, Instant::now());
    let subject = subjects::chat(&model.pool, &model.name);
    let sent = gateway.bus.jetstream().publish_with_headers(subject, headers, body.into()).await;
    let acknowledged = match sent {
        Ok(acknowledgement) => acknowledgement.await,
        Err(error) => Err(error),
    };
    acknowledged.map(|acknowledged| acknowledged.sequence).map_err(|error| {
        tracing::error!(%error, "a job couldn't be queued");
        match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => too_large(bytes_max),
            PublishErrorKind::Other => queue_full(),
            _ => unavailable(),
        }
    })
}

fn job_of(gateway: &Gateway, published: &Published) -> ChatJob {
    let model = published.model();
    let authenticated = &published.held.routed.missed.masked.admitted.authenticated;
    let received = &authenticated.received;
    let max_tokens = gateway.config.limits.max_tokens_per_request;
    let bound = published.held.routed.prompt_tokens_max;
    let chat = abilities::without(&received.chat, &published.dropped);
    let worst = WorstCase::of(received.kind, (&chat, bound), model, max_tokens);
    ChatJob {
        request: received.request.clone(),
        attempt: published.attempt,
        gateway: gateway.id.clone(),
        account: authenticated.key.account.clone(),
        key: authenticated.key.key.clone(),
        model: model.name.clone(),
        pool: model.pool.clone(),
        deadline_ms: received.deadline_ms,
        stream: received.chat.wants_stream(),
        output_tokens_max: worst.output_tokens_max,
        input_tokens_max: worst.input_tokens_max,
        input_tokens_estimate: credits::prompt_tokens_estimate(&chat),
        hold: published.held.amount,
        price: model.price,
        chat,
    }
}

fn queue_full() -> Problem {
    Problem::new(
        ErrorCode::QueueFull,
        "順番待ちが満杯です。retry-after の後にもう一度お試しください。",
        "The queue is full. Try again after retry-after.",
    )
    .retry_after_ms(FULL_RETRY_MS)
}

fn unavailable() -> Problem {
    Problem::new(
        ErrorCode::ServiceUnavailable,
        "キューに接続できません。少し待ってもう一度お試しください。",
        "The queue can't be reached. Try again in a moment.",
    )
    .retry_after_ms(FULL_RETRY_MS)
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(
        ErrorCode::PayloadTooLarge,
        format!("リクエストが大きすぎます (上限 {bytes_max} バイト)。画像を小さくしてください。"),
        format!("The request is too large (limit {bytes_max} bytes). Make images smaller."),
    )
}
