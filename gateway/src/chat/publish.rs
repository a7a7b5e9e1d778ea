//! Onto the queue. The seat for the answer is taken first, so that no frame can be missed. What the
//! queue refuses is told with what to do, and the hold is given back.

use super::hold::Held;
use super::receive::Received;
use crate::abilities;
use crate::credits::WorstCase;
use crate::estimate::prompt_tokens_estimate;
use crate::exchange::{Seat, take_from_queue};
use crate::fleet::Taker;
use crate::line::{Asking, LinePlace, LineTurn, Ticket};
use crate::problems::queue_full;
use crate::state::Gateway;
use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use bytes::Bytes;
use infra::bus::delivery::LEFT_MS;
use infra::bus::direct::{DirectJob, JobBody};
use infra::bus::near::Handed;
use infra::bus::seal::SEAL;
use infra::clock;
use infra::config::Model;
use infra::store::holds::OpenHold;
use infra::trace::{Kind, Span, TRACEPARENT};
use schemas::error::{ErrorCode, Problem};
use schemas::job::{ChatJob, Job, JobKind};
use schemas::{json, subjects};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// When a retry makes sense after the queue couldn't be reached, in milliseconds.
const AWAY_RETRY_MS: u64 = 2_000;

/// The shortest life of a message that NATS takes, in seconds.
const TTL_SECONDS_MIN: u64 = 1;

/// Bytes of a message that its headers may take.
const HEADER_BYTES_MAX: usize = 1_024;

/// A request in the queue.
pub(super) struct Published {
    /// Boxed: it is large, and goes from step to step.
    pub(super) held: Box<Held>,
    pub(super) seat: Seat,
    /// Which candidate it was published for.
    pub(super) candidate: usize,
    /// Which try it is.
    pub(super) attempt: u32,
    /// What it was allowed when it was sent.
    pub(super) tokens_max: TokensMax,
    /// The fields that its model can't honour: they are not in the job.
    pub(super) dropped: Vec<String>,
    /// Its place in the stream, to remove it by; absent when it isn't there.
    pub(super) sequence: Option<u64>,
    /// It waits here for its turn; the queue has nothing of it.
    pub(super) ticket: Option<Ticket>,
    /// Where it stood when it joined the line, if it had to.
    pub(super) position: Option<u64>,
    /// An earlier candidate's wait was too long.
    pub(super) overflowed: bool,
    /// When it asked for its turn.
    pub(super) since: Instant,
    /// When it had its turn.
    pub(super) sent: Instant,
}

/// How many tokens a job may have at most.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TokensMax {
    pub(super) input: u64,
    pub(super) output: u64,
    /// The credit affords no more: with more credit the answer could be longer.
    pub(super) is_shortened: bool,
}

impl Published {
    /// The model that it waits for.
    pub(super) fn model(&self) -> &Arc<Model> {
        // A routed request has at least one candidate, and `candidate` never leaves the list.
        &self.held.routed.candidates[self.candidate]
    }

    /// What is asked.
    pub(super) fn received(&self) -> &Received {
        self.held.routed.received()
    }

    /// Publishes again: for another candidate, or because the first message or its worker was lost.
    /// Who has had a turn in a pool needs no other there.
    pub(super) async fn again(
        &mut self,
        gateway: &Arc<Gateway>,
        candidate: usize,
    ) -> Result<(), Problem> {
        let request = self.received().request.clone();
        let Some(attempt) = gateway.exchange.next_attempt(&request) else {
            tracing::debug!(%request, "the execution that broke off is just being settled");
            return Ok(());
        };
        self.attempt = attempt;
        let had_turn = self.ticket.take().is_none();
        let pool = self.model().pool.clone();
        self.aim(candidate);
        self.since = Instant::now();
        if had_turn && self.model().pool == pool {
            self.sent = self.since;
            self.sequence = send(gateway, self).await?;
            return Ok(());
        }
        gateway.exchange.leave_place(&request);
        self.line_up(gateway).await
    }

    /// The turn has come.
    pub(super) async fn take_turn(
        &mut self,
        gateway: &Arc<Gateway>,
        place: LinePlace,
    ) -> Result<(), Problem> {
        self.ticket = None;
        self.sent = Instant::now();
        gateway.exchange.take_place(&self.received().request, place);
        self.sequence = send(gateway, self).await?;
        Ok(())
    }

    /// The candidate to go to because the wait for this one is too long.
    pub(super) fn overflow(&self, gateway: &Gateway) -> Option<usize> {
        let ticket = self.ticket.as_ref()?;
        let limit = gateway.config.queue.overflow_of(&self.model().pool);
        let expected = ticket.standing().expected.unwrap_or_default();
        if expected.max(self.since.elapsed()) <= limit {
            return None;
        }
        within_wait(gateway, &self.held, self.candidate + 1)
    }

    /// How long the answer may be, in tokens, when the client asked for a longer one.
    pub(super) fn cut_to(&self) -> Option<u64> {
        let chat = &self.received().chat;
        let allowed = self.tokens_max.output / u64::from(chat.n.unwrap_or(1)).max(1);
        chat.answer_tokens_max().filter(|asked| *asked > allowed && allowed > 0).map(|_| allowed)
    }

    /// It goes on to a later candidate because of the wait.
    pub(super) fn overflows(&mut self, gateway: &Gateway) {
        let pool = &self.model().pool;
        gateway.metrics.queue_overflow_total.with_label_values(&[pool]).inc();
        self.overflowed = true;
    }

    fn aim(&mut self, candidate: usize) {
        self.candidate = candidate;
        self.dropped = dropped(&self.held, candidate);
    }

    /// Asks for a turn: publishes at once if there is room, else waits in the line.
    async fn line_up(&mut self, gateway: &Arc<Gateway>) -> Result<(), Problem> {
        match gateway.line.enter(&asking(gateway, &self.held, self.model())) {
            Ok(LineTurn::Now(place)) => self.take_turn(gateway, place).await,
            Ok(LineTurn::Later(ticket)) => {
                self.position = self.position.or(Some(ticket.standing().position));
                self.ticket = Some(ticket);
                Ok(())
            }
            Err(full) => {
                let pool = &self.model().pool;
                gateway.metrics.queue_refused_total.with_label_values(&[pool]).inc();
                Err(queue_full(full.retry_after))
            }
        }
    }
}

/// Publishes for the first candidate whose wait is not too long.
pub(super) async fn publish(gateway: &Arc<Gateway>, held: Box<Held>) -> Result<Published, Problem> {
    let authenticated = held.routed.authenticated();
    let open = OpenHold {
        request: authenticated.received.request.clone(),
        account: authenticated.key.account.clone(),
        key: authenticated.key.key.clone(),
        amount: held.amount.0.to_string(),
        lifetime_ms: gateway.hold_lifetime_ms(),
    };
    let seat = gateway.exchange.enter(open, authenticated.received.deadline_ms);
    let now = Instant::now();
    let mut published = Published {
        dropped: dropped(&held, 0),
        held,
        seat,
        candidate: 0,
        attempt: 1,
        tokens_max: TokensMax::default(),
        sequence: None,
        ticket: None,
        position: None,
        overflowed: false,
        since: now,
        sent: now,
    };
    if let Some(next) = better_than_waiting(gateway, &published.held) {
        published.overflows(gateway);
        published.aim(next);
    }
    loop {
        let problem = match published.line_up(gateway).await {
            Err(problem) if problem.code == ErrorCode::QueueFull => problem,
            ended => return ended.map(|()| published),
        };
        let next = within_wait(gateway, &published.held, published.candidate + 1);
        published.overflows(gateway);
        published.aim(next.ok_or(problem)?);
    }
}

/// Who asks for a turn, for one of the candidates.
fn asking<'a>(gateway: &Gateway, held: &'a Held, model: &'a Model) -> Asking<'a> {
    let authenticated = held.routed.authenticated();
    let left_ms = authenticated.received.deadline_ms.saturating_sub(clock::steady_ms());
    let wait_max = gateway.config.queue.wait_max_of(&model.pool);
    Asking {
        pool: &model.pool,
        account: &authenticated.key.account,
        priority: authenticated.key.priority,
        patience: wait_max.min(Duration::from_millis(left_ms)),
    }
}

/// A later candidate, if the first one's wait is too long.
fn better_than_waiting(gateway: &Gateway, held: &Held) -> Option<usize> {
    let first = held.routed.candidates.first()?;
    let expected = gateway.line.expected(&asking(gateway, held, first))?;
    let is_long = expected > gateway.config.queue.overflow_of(&first.pool);
    is_long.then(|| within_wait(gateway, held, 1)).flatten()
}

/// The first candidate from there on whose wait is within its limit. Those that are there for their
/// longer context are for other reasons.
fn within_wait(gateway: &Gateway, held: &Held, from: usize) -> Option<usize> {
    let routed = &held.routed;
    let fits = |model: &Arc<Model>| {
        let limit = gateway.config.queue.overflow_of(&model.pool);
        let expected = gateway.line.expected(&asking(gateway, held, model));
        expected.is_some_and(|wait| wait <= limit)
            && !routed.for_context.iter().any(|longer| longer.name == model.name)
            && gateway.breakers.is_usable(&model.name, Instant::now())
    };
    let later = routed.candidates.iter().enumerate().skip(from);
    later.filter(|(_, model)| fits(model)).map(|(index, _)| index).next()
}

/// What a candidate can't honour of the request.
fn dropped(held: &Held, candidate: usize) -> Vec<String> {
    let received = held.routed.received();
    match held.routed.candidates.get(candidate) {
        Some(model) if received.kind == JobKind::Chat => abilities::dropped(model, &received.chat),
        _ => Vec::new(),
    }
}

/// Sends the job: straight to a worker with many free slots, or else to the queue. Answers its
/// place there.
async fn send(gateway: &Arc<Gateway>, published: &mut Published) -> Result<Option<u64>, Problem> {
    let (job, is_shortened) = job_of(gateway, published);
    let (input, output) = (job.input_tokens_max, job.output_tokens_max);
    published.tokens_max = TokensMax { input, output, is_shortened };
    let published = &*published;
    let model = published.model();
    let left_ms = job.deadline_ms.saturating_sub(clock::steady_ms());
    let job = Job::new(published.received().kind, job);
    let bytes_max = gateway.bus.payload_bytes_max().saturating_sub(HEADER_BYTES_MAX);
    let mut headers = sealed(gateway, published).await?;
    if let Some(taker) = ample_worker(gateway, published) {
        let subject = subjects::direct(&model.pool, &taker.worker);
        let job = match gateway.bus.is_near(&subject) {
            true => JobBody::Whole(Box::new(job)),
            false => JobBody::Encoded(encoded(&job, bytes_max)?),
        };
        gateway.breakers.begin(&model.name, Instant::now());
        headers.insert(LEFT_MS, left_ms.to_string().as_str());
        hand_over(gateway, published, (subject, taker), headers, job).await;
        return Ok(None);
    }
    let body = encoded(&job, bytes_max)?;
    gateway.breakers.begin(&model.name, Instant::now());
    let ttl_seconds = left_ms.div_ceil(1_000).max(TTL_SECONDS_MIN);
    headers.insert(async_nats::header::NATS_MESSAGE_TTL, ttl_seconds.to_string().as_str());
    let subject = subjects::chat(&model.pool, &model.name);
    let mut span = traced(published, &subject);
    if let Some(context) = span.context() {
        headers.insert(TRACEPARENT, context.header().as_str());
    }
    gateway.metrics.jobs_sent_total.with_label_values(&["queue"]).inc();
    let message = Message { subject, headers, body };
    let put = put(gateway, published, message).await.map_err(|failed| {
        span.fail("unqueued");
        match failed {
            Some(PublishErrorKind::MaxPayloadExceeded) => too_large(bytes_max),
            Some(PublishErrorKind::Other) => queue_full(gateway.line.retry_after(&model.pool)),
            _ => unavailable(),
        }
    });
    put.map(Some)
}

/// A job as NATS takes it, if it isn't larger than that.
fn encoded(job: &Job, bytes_max: usize) -> Result<Bytes, Problem> {
    let body = json::to_vec(job).map_err(|error| {
        tracing::error!(%error, "a job can't be encoded");
        unavailable()
    })?;
    if body.len() > bytes_max {
        return Err(too_large(bytes_max));
    }
    Ok(body.into())
}

/// The job's first header: what its end is to be written under.
async fn sealed(gateway: &Gateway, published: &Published) -> Result<HeaderMap, Problem> {
    let sealer = gateway.bus.sealer().await.map_err(|error| {
        tracing::error!(%error, "a job can't be sealed");
        unavailable()
    })?;
    let held = &published.held;
    let key = &held.routed.authenticated().key;
    let request = &published.received().request;
    let seal = sealer.seal(&key.account, &key.key, request, held.amount);
    let mut headers = HeaderMap::new();
    headers.insert(SEAL, seal.as_str());
    Ok(headers)
}

/// A worker that needs no queue: it has many free slots. What came back once goes to the queue.
fn ample_worker(gateway: &Gateway, published: &Published) -> Option<Taker> {
    let model = published.model();
    let bus = &gateway.bus;
    let may = published.attempt == 1 && bus.is_connected() && !bus.is_direct_denied();
    may.then(|| gateway.fleet.take_ample(&model.pool, &model.name)).flatten()
}

/// Hands the job to a worker. That it was sent is its claim; whatever goes wrong then, the relay
/// sends it to the queue.
async fn hand_over(
    gateway: &Gateway,
    published: &Published,
    (subject, taker): (String, Taker),
    mut headers: HeaderMap,
    job: JobBody,
) {
    let request = &published.received().request;
    let refuse = subjects::direct_refused(&gateway.id, request, published.attempt);
    let mut span = traced(published, &subject);
    if let Some(context) = span.context() {
        headers.insert(TRACEPARENT, context.header().as_str());
    }
    gateway.exchange.hand(request, taker);
    let job = DirectJob { refuse, headers, job };
    let way = match gateway.bus.hand(subject, job).await {
        Ok(Handed::Near) => "near",
        Ok(Handed::Sent) => "direct",
        Ok(Handed::Refused) => "refused",
        Err(error) => {
            span.fail("unsent");
            tracing::warn!(%error, "a job couldn't be handed over");
            "refused"
        }
    };
    gateway.metrics.jobs_sent_total.with_label_values(&[way]).inc();
    if way == "refused" {
        gateway.exchange.refused(request, published.attempt);
    }
}

/// A job as NATS takes it.
struct Message {
    subject: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Puts a message into the queue, in a task of its own: a client that leaves before we know its
/// place would leave it behind for good. Then the task removes it.
async fn put(
    gateway: &Arc<Gateway>,
    published: &Published,
    message: Message,
) -> Result<u64, Option<PublishErrorKind>> {
    let (tell, told) = oneshot::channel();
    let request = published.received().request.clone();
    let sender = Arc::clone(gateway);
    gateway.settlements.spawn("publish", async move {
        let Message { subject, headers, body } = message;
        let sent = sender.bus.jetstream().publish_with_headers(subject, headers, body).await;
        let acknowledged = match sent {
            Ok(acknowledgement) => acknowledgement.await,
            Err(error) => Err(error),
        };
        match acknowledged {
            Ok(acknowledged) => {
                let (heard, is_heard) = oneshot::channel();
                // Unheard words are dropped, and what is in them.
                let _ = tell.send(Ok((acknowledged.sequence, heard)));
                if is_heard.await.is_err() {
                    take_from_queue(&sender, &request, acknowledged.sequence).await;
                }
            }
            Err(error) => {
                tracing::error!(%error, "a job couldn't be queued");
                let _ = tell.send(Err(error.kind()));
            }
        }
    });
    match told.await {
        Ok(Ok((sequence, heard))) => {
            let _ = heard.send(());
            Ok(sequence)
        }
        Ok(Err(kind)) => Err(Some(kind)),
        Err(_) => Err(None),
    }
}

/// The job's way into the queue, as a trace tells it.
fn traced(published: &Published, subject: &str) -> Span {
    let received = published.received();
    let mut span = Span::begin(format!("send {subject}"), Kind::Producer, received.trace);
    span.set("messaging.system", "nats");
    span.set("messaging.operation.type", "send");
    span.set("messaging.destination.name", subject);
    span.set("fly_llm.request_id", received.request.as_str());
    span.set("fly_llm.attempt", u64::from(published.attempt));
    span
}

/// The job, and whether the credit makes its answer shorter than it could be.
fn job_of(gateway: &Gateway, published: &Published) -> (ChatJob, bool) {
    let model = published.model();
    let authenticated = published.held.routed.authenticated();
    let received = &authenticated.received;
    let max_tokens = gateway.config.limits.max_tokens_per_request;
    let bound = published.held.routed.prompt_tokens_max(model);
    let mut chat = abilities::without(&received.chat, &published.dropped);
    abilities::fit(model, &mut chat);
    let hold = published.held.amount;
    let worst = WorstCase::of(received.kind, (&chat, bound), model, max_tokens);
    let is_shortened = worst.amount > hold;
    let worst = worst.within(hold, &chat, model);
    let job = ChatJob {
        request: received.request.clone(),
        attempt: published.attempt,
        gateway: gateway.id.clone(),
        account: authenticated.key.account.clone(),
        key: authenticated.key.key.clone(),
        model: model.name.clone(),
        pool: model.pool.clone(),
        deadline_ms: received.deadline_ms,
        stream: received.chat.wants_stream(),
        takes_complete: true,
        output_tokens_max: worst.output_tokens_max,
        input_tokens_max: worst.input_tokens_max,
        input_tokens_estimate: prompt_tokens_estimate(&chat),
        hold,
        price: model.price,
        route: published.held.routed.route(),
        chat,
    };
    (job, is_shortened)
}

fn unavailable() -> Problem {
    Problem::new(
        ErrorCode::ServiceUnavailable,
        "キューに接続できません。しばらくしてからもう一度お試しください。",
        "The queue can't be reached. Try again in a moment.",
    )
    .retry_after_ms(AWAY_RETRY_MS)
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(
        ErrorCode::PayloadTooLarge,
        format!("リクエストが大きすぎます（上限 {bytes_max} バイト）。画像を小さくしてください。"),
        format!("The request is too large (limit {bytes_max} bytes). Make images smaller."),
    )
}
