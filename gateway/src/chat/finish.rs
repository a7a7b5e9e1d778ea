//! The end of a request: what is owed when its worker or its client is gone, what is counted, and
//! what is kept. `use` and `void` of a request stand on one ledger subject, so that whoever writes
//! first is right and nothing is charged twice.

use super::hold::Held;
use super::lead::Lead;
use super::publish::TokensMax;
use super::recall::KeptAnswer;
use super::relay::Live;
use crate::conversation::Answered;
use crate::estimate::prompt_tokens_estimate;
use crate::exchange::{replace_execution, stop_execution, take_from_queue};
use crate::state::Gateway;
use infra::bus::ledger::Recorded;
use infra::clock;
use infra::store::keep::{Keeping, Similar};
use schemas::frame::{Complete, Done, FrameBody};
use schemas::ledger::{EventV1, Fact, Outcome, Use, VoidReason, Writer};
use schemas::openai::{AnswerChoice, ChatRequest, FinishReason};
use schemas::produced::Produced;
use schemas::usage::{TokenSource, Usage};
use schemas::{json, subjects};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a worker that was told to stop may take to settle, before the gateway does: it may read
/// on for 30 seconds.
const WORKER_SETTLE_SECONDS_MAX: Duration = Duration::from_secs(40);

/// Between two looks whether that worker lives.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Between two looks whether it has settled, and its word was lost.
const RECORD_INTERVAL: Duration = Duration::from_secs(5);

/// What is owed if nobody else counts.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// What came through so far.
    pub(super) produced: Produced,
    /// Known once what was asked isn't kept any more.
    input_tokens_estimate: Option<u64>,
    /// Its worker has ended, and could not write a charge.
    pub(super) is_left_to_us: bool,
}

impl Owed {
    /// About so much, and no more than the job allowed.
    fn usage(&self, chat: &ChatRequest, allowed: TokensMax) -> Usage {
        let input = self.input_tokens_estimate.unwrap_or_else(|| prompt_tokens_estimate(chat));
        let output = self.produced.tokens_estimate();
        let (input, output) = (input.min(allowed.input), output.min(allowed.output));
        Usage { input, output, ..Usage::default() }
    }
}

/// The end as it should be: counts it, and keeps the answer where it may be kept.
pub(super) fn finish(gateway: &Arc<Gateway>, mut live: Live, model: &str, done: &Done) {
    live.settled(gateway, model, done);
    // A worker wrote it: the ledger takes what is written.
    gateway.bus.ledger().open();
    live.remember(gateway, model);
    let lead = live.published.held.routed.missed.lead.take();
    let missed = &live.published.held.routed.missed;
    let whole = live.collector.and_then(|collector| collector.whole());
    // What only this account's credit cut off is no answer for who asks the same with more.
    let is_shortened = live.published.tokens_max.is_shortened;
    let is_cut = |choice: &AnswerChoice| choice.finish_reason == FinishReason::Length;
    let whole = whole.filter(|choices| !(is_shortened && choices.iter().any(is_cut)));
    let (Some(keep), Some(choices)) = (&missed.keep, whole) else { return };
    let Some(maker) = gateway.makers.get(model).map(str::to_owned) else { return };
    let kept = KeptAnswer {
        model: model.to_owned(),
        maker,
        choices,
        usage: done.usage,
        source: done.source,
        kept_ms: clock::unix_ms(),
    };
    let (key, ttl_seconds) = (keep.key.clone(), keep.ttl_seconds);
    let similar = keep.similar.clone();
    let request = missed.masked.admitted.authenticated.received.request.clone();
    let place = live.published.held.routed.missed.masked.admitted.place;
    let gateway = Arc::clone(gateway);
    let tasks = gateway.settlements.clone();
    // Boxed: `spawn` moves a future by copying it several times; a box is moved as one pointer.
    let keeping = Box::pin(async move {
        // Those that follow must find the answer when the lead ends.
        let (lead, place) = (lead, place);
        let Ok(body) = json::to_vec(&kept) else { return };
        let cache = &gateway.config.cache;
        if body.len() > cache.entry_bytes_max {
            return;
        }
        let vector = similar.as_ref().map(|similar| similar.vector().to_bytes());
        let similar = similar.as_ref().zip(vector.as_deref());
        let keeping = Keeping {
            tenant: key.tenant(),
            digest: key.digest(),
            request: &request,
            answer: &body,
            ttl_seconds,
            tenant_bytes_max: cache.tenant_bytes_max,
            similar: similar.map(|(key, vector)| Similar { digest: key.digest(), vector }),
            place: Some(place.owner()),
        };
        match gateway.together.keep_answer(keeping).await {
            Ok(gone) => {
                lead.into_iter().for_each(Lead::end);
                place.end();
                if gone > 0 {
                    tracing::debug!(gone, "kept answers made room for another");
                }
            }
            Err(error) => tracing::warn!(%error, "an answer couldn't be kept"),
        }
    });
    tasks.spawn("keep an answer", keeping);
}

impl Live {
    /// Whether its client has got something: of a whole answer nobody gets pieces.
    fn is_told(&self) -> bool {
        self.begun && self.is_stream
    }

    /// The first piece has come, and nobody is asked again: of the question only what is owed for
    /// it is needed. A slow answer may take minutes.
    pub(super) fn forget_question(&mut self) {
        let routed = &mut self.published.held.routed;
        let received = &mut routed.missed.masked.admitted.authenticated.received;
        let Some(chat) = received.chat.forget() else { return };
        self.owed.input_tokens_estimate = Some(prompt_tokens_estimate(&chat));
    }

    /// The router learns who answered.
    fn remember(&self, gateway: &Arc<Gateway>, model: &str) {
        let published = &self.published;
        let routed = &published.held.routed;
        let Some(chosen) = &routed.chosen else { return };
        let first = routed.candidates.first().map(|first| first.name.as_str());
        let received = self.received();
        gateway.remember(&Answered {
            account: &routed.authenticated().key.account,
            request: &received.request,
            model,
            failed: first.filter(|first| *first != model && !published.overflowed),
            route: &routed.reason,
            digest: chosen.digest.as_deref(),
        });
    }

    /// Counts a settled request and forgets it.
    pub(super) fn settled(&self, gateway: &Gateway, model: &str, done: &Done) {
        gateway.exchange.leave(&self.received().request);
        let Usage { input, cache_read, output, reasoning, .. } = done.usage;
        let buckets = [
            ("input", Some(input)),
            ("cache_read", cache_read),
            ("cache_write", done.usage.cache_writes()),
            ("output", Some(output)),
            ("reasoning", reasoning),
        ];
        for (bucket, tokens) in buckets {
            let counter = gateway.metrics.tokens_total.with_label_values(&[model, bucket]);
            counter.inc_by(tokens.unwrap_or(0));
        }
        let charged = gateway.metrics.charged_micro_usd_total.with_label_values(&[model]);
        charged.inc_by(u64::try_from(done.charge.0).unwrap_or(0));
    }

    /// Writes a charge by our own estimate. Returns the charge that stands then, ours or another's;
    /// nothing when there is none, or nobody knows. A whole answer is told only with its charge, so
    /// it costs nothing then; what was told before is charged as soon as it can be.
    pub(super) async fn charge(
        &self,
        gateway: &Arc<Gateway>,
        model: &str,
        outcome: Outcome,
    ) -> Option<Done> {
        let held = &self.published.held;
        let authenticated = held.routed.authenticated();
        let usage = self.owed.usage(&authenticated.received.chat, self.published.tokens_max);
        let price = self.published.model().price;
        let charge = price.charge(&usage).min(held.amount);
        let event = EventV1 {
            account: authenticated.key.account.clone(),
            at_ms: clock::unix_ms(),
            amount: charge.negated(),
            fact: Fact::Use(Use {
                request: authenticated.received.request.clone(),
                key: authenticated.key.key.clone(),
                model: model.to_owned(),
                usage,
                source: TokenSource::Estimated,
                price,
                hold: held.amount,
                outcome,
                writer: Writer::Gateway,
                cached: false,
                route: held.routed.route(),
            }),
        };
        let recorded = match outcome {
            Outcome::Done if !self.is_stream => {
                gateway.charge_or_void(&event, &authenticated.key).await
            }
            _ => gateway.write_down(&event).await,
        };
        gateway.exchange.leave(&self.received().request);
        let event = match recorded? {
            Recorded::Before(before) => *before,
            Recorded::Written(_) => event,
        };
        let Fact::Use(Use { usage, source, outcome, .. }) = event.fact else { return None };
        Some(Done { usage, source, charge: event.amount.negated(), outcome })
    }

    /// Settles a request whose client has left or whose answer broke, in the background: a shutdown
    /// waits for it.
    pub(super) fn abandon(mut self, gateway: &Arc<Gateway>, model: &str, client_left: bool) {
        // Nobody has to follow what comes to nothing.
        drop(self.published.held.routed.missed.lead.take());
        // The answer may be read on for its count; the client's next request needn't wait for that.
        self.published.held.routed.missed.masked.admitted.place.give_back();
        // Who waits for a turn leaves the line at once.
        let was_sent = self.published.ticket.take().is_none();
        let (gateway, model) = (Arc::clone(gateway), model.to_owned());
        let tasks = gateway.settlements.clone();
        tasks.spawn("settle", async move {
            if was_sent {
                return settle(&gateway, self, &model, client_left).await;
            }
            self.published.held.void(&gateway, void_reason(client_left));
        });
    }
}

impl Held {
    /// Ends a request that costs nothing, and forgets it.
    pub(super) fn void(&self, gateway: &Arc<Gateway>, reason: VoidReason) {
        let authenticated = self.routed.authenticated();
        gateway.core.void(&authenticated.received.request, &authenticated.key, reason);
    }
}

fn void_reason(client_left: bool) -> VoidReason {
    if client_left { VoidReason::Cancelled } else { VoidReason::Failed }
}

async fn settle(gateway: &Arc<Gateway>, mut live: Live, model: &str, client_left: bool) {
    let reason = void_reason(client_left);
    let request = live.received().request.clone();
    // Of a whole answer nobody gets pieces: who leaves before it is there owes nothing.
    let owes = live.is_told() || live.is_whole || (client_left && live.is_stream);
    let Some(execution) = gateway.exchange.cancel(&request) else {
        if let Some(sequence) = live.published.sequence {
            take_from_queue(gateway, &request, sequence).await;
        }
        return live.published.held.void(gateway, reason);
    };
    if live.owed.is_left_to_us && owes {
        return charge_rest(gateway, &live, model, client_left).await;
    }
    if !owes {
        // At once, and its worker may charge nothing for what nobody got.
        replace_execution(gateway, &request, &execution).await;
        return live.published.held.void(gateway, reason);
    }
    stop_execution(gateway, &request, &execution).await;
    let pool = live.published.model().pool.clone();
    let limit = tokio::time::sleep(WORKER_SETTLE_SECONDS_MAX);
    tokio::pin!(limit);
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    let mut records = tokio::time::interval_at(Instant::now() + RECORD_INTERVAL, RECORD_INTERVAL);
    loop {
        tokio::select! {
            frame = live.published.seat.frames.recv() => {
                let Some(frame) = frame else { break };
                let Ok(frame) = frame.read() else { break };
                if (frame.attempt, frame.delivered) != (execution.attempt, execution.delivered) {
                    continue;
                }
                match frame.body {
                    FrameBody::Alive => {}
                    FrameBody::Delta(delta) => live.owed.produced.count_pieces(&delta.choices),
                    FrameBody::Answer(answer) => live.owed.produced.count_whole(&answer.choices),
                    FrameBody::Complete(Complete { done, .. }) | FrameBody::Done(done) => {
                        return live.settled(gateway, model, &done);
                    }
                    FrameBody::Failed(failed) => match failed.settled {
                        Some(done) => return live.settled(gateway, model, &done),
                        None => break,
                    },
                }
            }
            _ = looks.tick() => {
                if !gateway.fleet.is_alive(&pool, &execution.worker) { break }
            }
            _ = records.tick() => if has_ended(gateway, &live).await { break },
            () = &mut limit => break,
        }
    }
    charge_rest(gateway, &live, model, client_left).await;
}

/// Whether the end of a request is in the ledger: its worker's last word may be lost.
async fn has_ended(gateway: &Gateway, live: &Live) -> bool {
    let key = &live.published.held.routed.authenticated().key;
    let end = subjects::ledger(&key.account, "use", live.received().request.as_str());
    matches!(gateway.bus.recorded(&end).await, Ok(Some(_)))
}

/// The worker can't be asked any more: what came through is charged, by our own estimate.
async fn charge_rest(gateway: &Arc<Gateway>, live: &Live, model: &str, client_left: bool) {
    if !live.owed.produced.is_something() {
        return live.published.held.void(gateway, void_reason(client_left));
    }
    let outcome = if client_left { Outcome::Cancelled } else { Outcome::Partial };
    if let Some(done) = live.charge(gateway, model, outcome).await {
        live.settled(gateway, model, &done);
    }
}
