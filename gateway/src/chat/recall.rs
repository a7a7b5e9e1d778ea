//! Has the same been answered a moment ago, for the same tenant? What is kept is masked, so that
//! an answer serves equal questions with other names in them. When Redis is away or slow the cache
//! is empty.

use super::lead::Lead;
use super::mask::Masked;
use super::receive::Received;
use super::similar;
use super::{Event, Figures, Receipt};
use crate::abilities;
use crate::cache::{self, AnswerKey, Question, SimilarKey, Wishes};
use crate::entrance::EntranceTurn;
use crate::state::Gateway;
use infra::clock;
use infra::config::Model;
use infra::store::StoreError;
use infra::store::answers::Look;
use schemas::error::Problem;
use schemas::job::JobKind;
use schemas::money::MicroUsd;
use schemas::openai::{AnswerChoice, AnswerMessage, ChunkChoice, DeltaMessage};
use schemas::usage::{TokenSource, Usage};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Between the first two looks while an equal question is asked; each pause is twice the last.
const FOLLOW_PAUSE_MIN: Duration = Duration::from_millis(20);

/// The longest pause between two looks: many may follow.
const FOLLOW_PAUSE_MAX: Duration = Duration::from_millis(320);

/// Leaders that a question follows; when all of them came to nothing it is asked by itself.
const LEADERS_MAX: usize = 2;

/// The field that asks for a spoken answer.
const AUDIO: &str = "audio";

/// What came of the look.
pub(super) enum Recalled {
    /// It has, and this is what was answered.
    Kept(Box<Kept>),
    /// It hasn't.
    Missed(Box<Missed>),
}

/// A request that has to be answered.
pub(super) struct Missed {
    pub(super) masked: Masked,
    /// Equal questions wait for this one's answer.
    pub(super) lead: Option<Lead>,
    /// How to keep the answer; absent when it must not be kept.
    pub(super) keep: Option<Keep>,
    /// Nobody has looked for a kept answer yet: whoever holds looks in the same round trip.
    pub(super) is_unseen: bool,
}

/// A request of which somebody else has seen that there is an answer, or that one is asked for.
pub(super) struct Seen {
    masked: Masked,
    keep: Option<Keep>,
    look: Look,
}

impl Missed {
    /// With what was seen it has to be recalled after all.
    pub(super) fn seen(self, look: Look) -> Seen {
        Seen { masked: self.masked, keep: self.keep, look }
    }
}

impl Seen {
    /// Goes on from what was seen, as [`recall`] does.
    ///
    /// # Errors
    /// When a kept answer costs more than the credit covers.
    pub(super) async fn recall(
        self,
        gateway: &Arc<Gateway>,
        turn: &EntranceTurn,
    ) -> Result<Recalled, Problem> {
        let Self { masked, keep, look } = self;
        match keep {
            Some(keep) => Box::pin(look_up(gateway, masked, keep, Some(look), turn)).await,
            None => Ok(missed(masked, None)),
        }
    }
}

/// How to keep an answer.
pub(super) struct Keep {
    pub(super) key: AnswerKey,
    pub(super) ttl_seconds: u64,
    /// Where other wordings find it, if they may.
    pub(super) similar: Option<SimilarKey>,
}

/// An answer as it is kept: masked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptAnswer {
    pub(super) model: String,
    /// What made that model's answers then.
    pub(super) maker: String,
    pub(super) choices: Vec<AnswerChoice>,
    pub(super) usage: Usage,
    pub(super) source: TokenSource,
    /// When it was kept: milliseconds since 1970.
    pub(super) kept_ms: u64,
}

/// A kept answer being told again.
pub(super) struct Kept {
    model: String,
    events: VecDeque<Event>,
    figures: Figures,
    dropped: Vec<String>,
    similarity: Option<f64>,
    /// Its place among the key's requests, until it has been told.
    _place: super::admit::ParallelPlace,
}

impl Kept {
    fn new(model: &Model, answer: KeptAnswer, masked: Masked, charge: MicroUsd) -> Self {
        let received = &masked.admitted.authenticated.received;
        let as_stream = received.chat.wants_stream();
        let took_ms = u64::try_from(received.arrived.elapsed().as_millis()).unwrap_or(u64::MAX);
        let figures = Figures {
            queue_position: None,
            hold: charge,
            cut_to: None,
            queue_ms: None,
            first_token_ms: Some(took_ms),
            overhead_ms: took_ms,
        };
        let dropped = abilities::dropped(model, &received.chat);
        let place = masked.admitted.place;
        let mut events = VecDeque::new();
        if as_stream {
            for choice in answer.choices {
                events.push_back(Event::Pieces(pieces_of(choice)));
            }
        } else {
            events.push_back(Event::Whole(answer.choices));
        }
        events.push_back(Event::Done(Receipt { usage: answer.usage, charge }));
        let similarity = None;
        Self { model: answer.model, events, figures, dropped, similarity, _place: place }
    }

    /// The same, found by another wording of its question.
    fn with_similarity(self, similarity: f64) -> Self {
        Self { similarity: Some(similarity), ..self }
    }

    pub(super) fn similarity(&self) -> Option<f64> {
        self.similarity
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn figures(&self) -> Figures {
        self.figures
    }

    pub(super) fn dropped(&self) -> &[String] {
        &self.dropped
    }

    pub(super) fn next(&mut self) -> Event {
        let end = Receipt { usage: Usage::default(), charge: MicroUsd::ZERO };
        self.events.pop_front().unwrap_or(Event::Done(end))
    }
}

/// Looks, and waits while an equal question is being asked: its `turn` is over then. A kept answer
/// is charged for before it is told. Where it is sure that credit is asked for next, the look and
/// the limits are left to that; else the limits have been asked when this returns.
///
/// # Errors
/// When a limit refuses, or a kept answer costs more than the credit covers.
pub(super) async fn recall(
    gateway: &Arc<Gateway>,
    masked: Masked,
    turn: &EntranceTurn,
) -> Result<Recalled, Problem> {
    let keep = keep_of(gateway, &masked);
    let no_cache = masked.admitted.authenticated.received.wishes.no_cache;
    // Other wordings of a question are looked for here.
    let looks_later = no_cache || keep.as_ref().is_none_or(|keep| keep.similar.is_none());
    if looks_later && masked.is_surely_routed(gateway) {
        let (lead, is_unseen) = (None, keep.is_some() && !no_cache);
        return Ok(Recalled::Missed(Box::new(Missed { masked, lead, keep, is_unseen })));
    }
    masked.admitted.passage.pass(gateway).await?;
    let keep = match keep {
        Some(keep) if !no_cache => keep,
        keep => return Ok(missed(masked, keep)),
    };
    // Boxed: a future is as large as its largest branch, and this one is rare. Without the box
    // every request would carry its state.
    Box::pin(look_up(gateway, masked, keep, None, turn)).await
}

/// Looks, from what somebody else has seen on.
async fn look_up(
    gateway: &Arc<Gateway>,
    masked: Masked,
    keep: Keep,
    seen: Option<Look>,
    turn: &EntranceTurn,
) -> Result<Recalled, Problem> {
    let received = &masked.admitted.authenticated.received;
    let count = |result| gateway.metrics.cache_total.with_label_values(&[result]).inc();
    let kept = match find(gateway, &keep.key, received, seen, turn).await {
        Ok(Found::Kept(kept)) => usable(gateway, &kept, received),
        Ok(Found::Lead(lead)) => {
            if let Some((answer, model, similarity)) = reworded(gateway, &keep, received).await {
                // Who follows looks for itself: its own words may be nearer to others.
                drop(lead);
                count("similar");
                let charge = gateway.charge_kept(&masked.admitted, &answer, &model).await?;
                let kept = Kept::new(&model, answer, masked, charge);
                return Ok(Recalled::Kept(Box::new(kept.with_similarity(similarity))));
            }
            count("miss");
            let (lead, keep, is_unseen) = (Some(lead), Some(keep), false);
            return Ok(Recalled::Missed(Box::new(Missed { masked, lead, keep, is_unseen })));
        }
        Ok(Found::Nothing) => None,
        Err(error) => {
            count("away");
            tracing::warn!(%error, "the cache is away");
            return Ok(missed(masked, None));
        }
    };
    let Some((answer, model)) = kept else {
        count("miss");
        return Ok(missed(masked, Some(keep)));
    };
    count("hit");
    let charge = gateway.charge_kept(&masked.admitted, &answer, &model).await?;
    Ok(Recalled::Kept(Box::new(Kept::new(&model, answer, masked, charge))))
}

/// What is there for a question.
enum Found {
    Kept(Vec<u8>),
    /// Nothing: this request asks now, and equal ones follow it.
    Lead(Lead),
    /// Nothing, and nobody to follow.
    Nothing,
}

/// Looks until there is an answer, or until it is this request's turn to ask.
async fn find(
    gateway: &Arc<Gateway>,
    key: &AnswerKey,
    received: &Received,
    mut seen: Option<Look>,
    turn: &EntranceTurn,
) -> Result<Found, StoreError> {
    let looking = Lead::looking(gateway, key, &received.request);
    let mut followed: Vec<String> = Vec::new();
    let mut pause = FOLLOW_PAUSE_MIN;
    loop {
        let look = match seen.take() {
            Some(look) => look,
            None => {
                let lead = Lead::asked(&gateway.core, key, &received.request);
                // Without an answer in time it may lead all the same: dropped, it doesn't.
                let look = gateway.store.look_for_answer(key.tenant(), looking).await?;
                if look == Look::Lead {
                    return Ok(Found::Lead(lead.keep()));
                }
                lead.end();
                look
            }
        };
        match look {
            Look::Kept(kept) => return Ok(Found::Kept(kept)),
            Look::Lead => {
                let lead = Lead::asked(&gateway.core, key, &received.request);
                return Ok(Found::Lead(lead.keep()));
            }
            Look::Follow(leader) => {
                if followed.last() != Some(&leader) {
                    followed.push(leader);
                }
                if followed.len() > LEADERS_MAX || clock::steady_ms() >= received.deadline_ms {
                    return Ok(Found::Nothing);
                }
            }
        }
        turn.follow();
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(FOLLOW_PAUSE_MAX);
    }
}

/// The kept answer to another wording, if one may serve.
async fn reworded(
    gateway: &Gateway,
    keep: &Keep,
    received: &Received,
) -> Option<(KeptAnswer, Arc<Model>, f64)> {
    let found = similar::look(gateway, keep.similar.as_ref()?, received).await?;
    let (answer, model) = usable(gateway, &found.answer, received)?;
    Some((answer, model, found.similarity))
}

/// How the answer is to be kept; nothing when it must not be. What only a model of our own may see
/// isn't masked, so it isn't kept either; vectors and sound are cheaper made again than kept.
fn keep_of(gateway: &Gateway, masked: &Masked) -> Option<Keep> {
    let authenticated = &masked.admitted.authenticated;
    let (received, key) = (&authenticated.received, &authenticated.key);
    let Wishes { ttl_seconds, namespace, .. } = &received.wishes;
    if masked.local_only || !is_kept(gateway, received) {
        return None;
    }
    let cache = &gateway.config.cache;
    let (namespace, allowed) = (namespace.as_deref(), key.limits.models.as_deref());
    let question = Question { namespace, allowed, chat: &received.chat };
    let tenant = cache::tenant(cache, &key.account);
    let takes_similar = cache::takes_similar(cache, key, &received.wishes, &received.chat);
    let similar = takes_similar.then(|| SimilarKey::new(tenant.clone(), &question)).flatten();
    let key = AnswerKey::new(tenant, &question);
    Some(Keep { key, ttl_seconds: ttl_seconds.unwrap_or(cache.ttl_seconds), similar })
}

/// Whether an answer is kept, as far as that is known before the request is masked.
fn is_kept(gateway: &Gateway, received: &Received) -> bool {
    let is_text = received.kind == JobKind::Chat && !received.chat.rest.contains_key(AUDIO);
    gateway.config.cache.enabled && is_text && !received.wishes.no_store
}

impl Received {
    /// Whether it may be told a kept answer, as far as that is known before it is masked.
    pub(super) fn may_be_told(&self, gateway: &Gateway) -> bool {
        is_kept(gateway, self) && !self.wishes.no_cache
    }
}

/// A kept answer and its model, if that model is still what it was, the answer is young enough, and
/// the model may answer this client, who may insist on a field.
fn usable(gateway: &Gateway, kept: &[u8], received: &Received) -> Option<(KeptAnswer, Arc<Model>)> {
    let answer: KeptAnswer = match serde_json::from_slice(kept) {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(column = error.column(), "a kept answer can't be read");
            return None;
        }
    };
    let age_ms = clock::unix_ms().saturating_sub(answer.kept_ms);
    let age_ms_max = received.wishes.age_seconds_max.map(|seconds| seconds.saturating_mul(1_000));
    let is_young = age_ms_max.is_none_or(|most| age_ms < most);
    let model = gateway.config.models.get(&answer.model)?;
    let is_usable = is_young
        && gateway.makers.get(&model.name) == Some(&answer.maker)
        && abilities::refusal(model, &received.chat, received.drop_params).is_none();
    is_usable.then(|| (answer, Arc::clone(model)))
}

fn missed(masked: Masked, keep: Option<Keep>) -> Recalled {
    Recalled::Missed(Box::new(Missed { masked, lead: None, keep, is_unseen: false }))
}

/// A whole choice as two pieces: what was said, and the end.
fn pieces_of(choice: AnswerChoice) -> Vec<ChunkChoice> {
    let AnswerMessage { content, refusal, reasoning_content, tool_calls, rest, .. } =
        choice.message;
    let calls = tool_calls.map(|calls| {
        let numbered = calls.into_iter().enumerate().map(|(index, mut call)| {
            call["index"] = index.into();
            call
        });
        numbered.collect()
    });
    let delta =
        DeltaMessage { role: None, content, refusal, reasoning_content, tool_calls: calls, rest };
    let index = choice.index;
    let said = ChunkChoice { index, delta, logprobs: choice.logprobs, finish_reason: None };
    vec![said, ChunkChoice::finish(index, choice.finish_reason)]
}
