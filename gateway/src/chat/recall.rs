//! Has the same been answered a moment ago, for the same account? What is kept is masked, so that
//! an answer serves equal questions with other names in them. When Redis is away the cache is
//! empty.

use super::mask::Masked;
use super::receive::Received;
use super::{Event, Figures, Receipt};
use crate::abilities;
use crate::cache;
use crate::state::Gateway;
use schemas::job::JobKind;
use schemas::money::MicroUsd;
use schemas::openai::{AnswerChoice, AnswerMessage, ChunkChoice, DeltaMessage};
use schemas::usage::Usage;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The field that asks for a spoken answer.
const AUDIO: &str = "audio";

/// What came of the look.
pub(super) enum Recalled {
    /// It has, and this is what was answered.
    Kept(Kept),
    /// It hasn't.
    Missed(Box<Missed>),
}

/// A request that has to be answered.
pub(super) struct Missed {
    pub(super) masked: Masked,
    /// Under what to keep the answer; absent when it must not be kept.
    pub(super) digest: Option<String>,
}

/// An answer as it is kept: masked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptAnswer {
    pub(super) model: String,
    pub(super) choices: Vec<AnswerChoice>,
    pub(super) usage: Usage,
}

/// A kept answer being told again.
pub(super) struct Kept {
    model: String,
    events: VecDeque<Event>,
    figures: Figures,
    dropped: Vec<String>,
    /// Its place among the key's requests, until it has been told.
    _place: super::admit::Place,
}

impl Kept {
    fn new(gateway: &Gateway, answer: KeptAnswer, masked: Masked) -> Self {
        let received = &masked.admitted.authenticated.received;
        let as_stream = received.chat.wants_stream();
        let took_ms = u64::try_from(received.arrived.elapsed().as_millis()).unwrap_or(u64::MAX);
        let figures =
            Figures { overhead_ms: took_ms, first_token_ms: Some(took_ms), ..Figures::default() };
        let model = gateway.config.models.get(&answer.model);
        let dropped = model.map(|model| abilities::dropped(model, &received.chat));
        let dropped = dropped.unwrap_or_default();
        let place = masked.admitted.place;
        let mut events = VecDeque::new();
        if as_stream {
            for choice in answer.choices {
                events.push_back(Event::Pieces(pieces_of(choice)));
            }
        } else {
            events.push_back(Event::Whole(answer.choices));
        }
        events.push_back(Event::Done(Receipt { usage: answer.usage, charge: MicroUsd::ZERO }));
        Self { model: answer.model, events, figures, dropped, _place: place }
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

/// Looks.
pub(super) async fn recall(gateway: &Gateway, masked: Masked) -> Recalled {
    let received = &masked.admitted.authenticated.received;
    let key = &masked.admitted.authenticated.key;
    // What only a model of our own may see isn't masked, so it isn't kept either; vectors and
    // sound are cheaper made again than kept.
    let is_text = received.kind == JobKind::Chat && !received.chat.rest.contains_key(AUDIO);
    let is_kept = is_text && !received.no_store && !masked.local_only;
    if !gateway.config.cache.enabled || !is_kept {
        return missed(masked, None);
    }
    let digest = cache::digest(&key.account, key.models.as_deref(), &received.chat);
    let count = |result| gateway.metrics.cache_total.with_label_values(&[result]).inc();
    match gateway.store.kept_answer(&key.account, &digest).await {
        Ok(Some(kept)) => match serde_json::from_slice::<KeptAnswer>(&kept) {
            Ok(answer) if is_wanted(gateway, &answer, received) => {
                count("hit");
                return Recalled::Kept(Kept::new(gateway, answer, masked));
            }
            Ok(_) => count("miss"),
            Err(error) => tracing::warn!(column = error.column(), "a kept answer can't be read"),
        },
        Ok(None) => count("miss"),
        Err(error) => {
            count("away");
            tracing::warn!(%error, "the cache is away");
            return missed(masked, None);
        }
    }
    missed(masked, Some(digest))
}

/// Whether the model that answered may answer this client, who may insist on a field.
fn is_wanted(gateway: &Gateway, answer: &KeptAnswer, received: &Received) -> bool {
    let model = gateway.config.models.get(&answer.model);
    model.is_some_and(|model| {
        abilities::refusal(model, &received.chat, received.drop_params).is_none()
    })
}

fn missed(masked: Masked, digest: Option<String>) -> Recalled {
    Recalled::Missed(Box::new(Missed { masked, digest }))
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
