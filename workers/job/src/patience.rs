//! How long an answer goes on whose client has left. What a vendor counts it tells at the end, and
//! some of what it counts nobody else can: thoughts that it keeps for itself, pictures, sounds.
//! Whoever left just before the end would have these for nothing. So an answer that is complete is
//! waited for until its count comes, and one that has begun after such work, or with it, is read on
//! for a while; every other is stopped at once.

use schemas::openai::{ChatRequest, ChunkChoice, Content};
use schemas::usage::Usage;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long the count of a complete answer is waited for.
const COUNT_SECONDS_MAX: Duration = Duration::from_secs(4);

/// How long an answer is read on that can't be counted from what came through.
const READ_ON_SECONDS_MAX: Duration = Duration::from_secs(30);

/// Efforts of thinking that are none.
const NO_EFFORTS: [&str; 2] = ["none", "minimal"];

/// How far an answer is, for who doesn't make it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    has_begun: AtomicBool,
    is_beyond_text: AtomicBool,
    ended_choices: AtomicU64,
}

impl Progress {
    /// Pieces have come; of all so far something may be more than text.
    pub(crate) fn note(&self, choices: &[ChunkChoice], is_beyond_text: bool) {
        self.has_begun.store(true, Ordering::Relaxed);
        self.is_beyond_text.store(is_beyond_text, Ordering::Relaxed);
        let ended = choices.iter().filter(|choice| choice.finish_reason.is_some()).count();
        if ended > 0 {
            self.ended_choices.fetch_add(ended as u64, Ordering::Relaxed);
        }
    }
}

/// The models that were seen to think without telling what: their names in the catalogue.
#[derive(Debug, Default)]
pub(crate) struct Thinkers(Mutex<HashSet<String>>);

impl Thinkers {
    /// A vendor has counted an answer.
    pub(crate) fn learn(&self, model: &str, usage: &Usage) {
        if usage.reasoning.is_some_and(|tokens| tokens > 0) && !self.has(model) {
            self.models().insert(model.to_owned());
        }
    }

    fn has(&self, model: &str) -> bool {
        self.models().contains(model)
    }

    fn models(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long an answer goes on now that its client has left; `None` when it is to stop at once.
pub(crate) fn patience(
    (model, chat): (&str, &ChatRequest),
    progress: &Progress,
    thinkers: &Thinkers,
) -> Option<Duration> {
    if !progress.has_begun.load(Ordering::Relaxed) {
        // Nobody has got anything.
        return None;
    }
    let choices = u64::from(chat.n.unwrap_or(1).max(1));
    if progress.ended_choices.load(Ordering::Relaxed) >= choices {
        return Some(COUNT_SECONDS_MAX);
    }
    let thinks = shall_think(chat).unwrap_or_else(|| thinkers.has(model));
    let is_beyond_text = progress.is_beyond_text.load(Ordering::Relaxed);
    let is_unseen = thinks || is_beyond_text || has_media(chat) || wants_media(chat);
    is_unseen.then_some(READ_ON_SECONDS_MAX)
}

/// What the request says of it, in OpenAI's words or in Anthropic's, whose counts don't tell
/// thoughts apart.
fn shall_think(chat: &ChatRequest) -> Option<bool> {
    let effort = chat.rest.get("reasoning_effort").and_then(|effort| effort.as_str());
    let thinking = chat.rest.get("thinking").and_then(|thinking| thinking["type"].as_str());
    let of_effort = effort.map(|effort| !NO_EFFORTS.contains(&effort));
    of_effort.or(thinking.map(|kind| kind != "disabled"))
}

fn has_media(chat: &ChatRequest) -> bool {
    let contents = chat.messages.iter().filter_map(|message| message.content.as_ref());
    contents.flat_map(Content::parts).any(|part| part.kind != "text")
}

/// Whether the answer is to be more than text: sounds may still come.
fn wants_media(chat: &ChatRequest) -> bool {
    let wanted = chat.rest.get("modalities").and_then(|wanted| wanted.as_array());
    wanted.into_iter().flatten().any(|modality| modality != "text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chat(more: serde_json::Value) -> ChatRequest {
        let mut chat = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        for (name, value) in more.as_object().unwrap() {
            chat[name] = value.clone();
        }
        serde_json::from_value(chat).unwrap()
    }

    fn waits(chat: &ChatRequest, progress: &Progress, thinkers: &Thinkers) -> Option<Duration> {
        patience(("m", chat), progress, thinkers)
    }

    fn after(pieces: serde_json::Value) -> Progress {
        let progress = Progress::default();
        progress.note(&serde_json::from_value::<Vec<ChunkChoice>>(pieces).unwrap(), false);
        progress
    }

    fn text() -> Progress {
        after(json!([{"index": 0, "delta": {"content": "a"}}]))
    }

    #[test]
    fn who_got_nothing_or_plain_text_only_is_not_waited_for() {
        let thinkers = Thinkers::default();
        let high = chat(json!({"reasoning_effort": "high"}));
        assert_eq!(waits(&high, &Progress::default(), &thinkers), None);
        assert_eq!(waits(&chat(json!({})), &text(), &thinkers), None);
        for none in
            [json!({"reasoning_effort": "minimal"}), json!({"thinking": {"type": "disabled"}})]
        {
            assert_eq!(waits(&chat(none), &text(), &thinkers), None);
        }
    }

    #[test]
    fn what_only_the_vendor_counts_is_read_on() {
        let thinkers = Thinkers::default();
        let high = chat(json!({"reasoning_effort": "high"}));
        assert_eq!(waits(&high, &text(), &thinkers), Some(READ_ON_SECONDS_MAX));
        for kind in ["enabled", "adaptive"] {
            let thinking = chat(json!({"thinking": {"type": kind}}));
            assert_eq!(waits(&thinking, &text(), &thinkers), Some(READ_ON_SECONDS_MAX));
        }
        let part = json!({"type": "image_url", "image_url": {"url": "data:,"}});
        let picture = chat(json!({"messages": [{"role": "user", "content": [part]}]}));
        assert_eq!(waits(&picture, &text(), &thinkers), Some(READ_ON_SECONDS_MAX));
        let sounds = chat(json!({"modalities": ["text", "audio"]}));
        assert_eq!(waits(&sounds, &text(), &thinkers), Some(READ_ON_SECONDS_MAX));
        let plain = chat(json!({"modalities": ["text"]}));
        assert_eq!(waits(&plain, &text(), &thinkers), None);
        let drawn = text();
        drawn.note(&[], true);
        assert_eq!(waits(&plain, &drawn, &thinkers), Some(READ_ON_SECONDS_MAX));
        thinkers.learn("m", &Usage { reasoning: Some(0), ..Usage::default() });
        assert_eq!(waits(&plain, &text(), &thinkers), None);
        thinkers.learn("m", &Usage { reasoning: Some(7), ..Usage::default() });
        assert_eq!(waits(&plain, &text(), &thinkers), Some(READ_ON_SECONDS_MAX));
        let none = chat(json!({"reasoning_effort": "none"}));
        assert_eq!(waits(&none, &text(), &thinkers), None, "this time it doesn't think");
    }

    #[test]
    fn the_count_of_all_complete_choices_is_waited_for() {
        let thinkers = Thinkers::default();
        let ended = json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]);
        let one = after(ended.clone());
        assert_eq!(waits(&chat(json!({})), &one, &thinkers), Some(COUNT_SECONDS_MAX));
        let two = chat(json!({"n": 2}));
        assert_eq!(waits(&two, &one, &thinkers), None, "the other one goes on");
        one.note(&serde_json::from_value::<Vec<ChunkChoice>>(ended).unwrap(), false);
        assert_eq!(waits(&two, &one, &thinkers), Some(COUNT_SECONDS_MAX));
    }
}
