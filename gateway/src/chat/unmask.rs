//! Placeholders → personal data, on the way out: in text, in reasoning and in tool arguments, also
//! when a placeholder is cut by the border of two pieces. Only the tail that may still become a
//! placeholder is held back. What is restored goes to the client and nowhere else.

use super::Event;
use crate::pii::{Restorer, Vault};
use schemas::anthropic::THINKING_BLOCKS;
use schemas::openai::{AnswerChoice, ChunkChoice};
use serde_json::Value;
use std::collections::BTreeMap;

/// Texts that grow at once in one answer; what would be beyond is passed on as it came.
const TEXTS_MAX: usize = 4_096;

/// Which text of an answer grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Content,
    Refusal,
    Reasoning,
    Call(u64),
}

/// Restores one answer.
pub(super) struct Unmask {
    /// Absent when nothing was masked.
    vault: Option<Vault>,
    summary: String,
    growing: BTreeMap<(u32, Place), Box<Restorer>>,
}

impl Unmask {
    /// Restores what the vault holds.
    pub(super) fn new(vault: Vault) -> Self {
        let counts = vault.counts().into_iter();
        let counts: Vec<String> =
            counts.map(|(kind, count)| format!("{}={count}", kind.as_str())).collect();
        let vault = (!vault.is_empty()).then_some(vault);
        Self { vault, summary: counts.join(","), growing: BTreeMap::new() }
    }

    /// How many pieces of which kinds are to be restored: never the values.
    pub(super) fn summary(&self) -> &str {
        &self.summary
    }

    /// Restores an event.
    pub(super) fn event(&mut self, event: Event) -> Event {
        if self.vault.is_none() {
            return event;
        }
        match event {
            Event::Pieces(pieces) => {
                Event::Pieces(pieces.into_iter().map(|piece| self.piece(piece)).collect())
            }
            Event::Whole(choices) => {
                Event::Whole(choices.into_iter().map(|choice| self.whole(choice)).collect())
            }
            Event::Waiting | Event::Queued(_) | Event::Done(_) | Event::Failed(_) => event,
        }
    }

    fn piece(&mut self, mut piece: ChunkChoice) -> ChunkChoice {
        let (index, ends) = (piece.index, piece.finish_reason.is_some());
        let delta = &mut piece.delta;
        let says_more = delta.content.is_some() || delta.refusal.is_some();
        let calls_more = delta.tool_calls.is_some();
        for (place, text) in [
            (Place::Content, &mut delta.content),
            (Place::Refusal, &mut delta.refusal),
            (Place::Reasoning, &mut delta.reasoning_content),
        ] {
            let restored = text.take().map(|text| self.push(index, place, &text));
            // What something else follows has ended: its tail must not come after that.
            let is_followed = calls_more || (says_more && place == Place::Reasoning);
            let is_over = ends || is_followed;
            *text = join(restored, is_over.then(|| self.finish(index, place)).flatten());
        }
        for call in delta.tool_calls.iter_mut().flatten() {
            let place = Place::Call(call["index"].as_u64().unwrap_or(0));
            if let Some(Value::String(arguments)) = call.pointer_mut("/function/arguments") {
                *arguments = self.push(index, place, arguments);
            }
        }
        if ends {
            self.finish_calls(index, &mut piece);
        }
        piece
    }

    /// What was held back of the calls' arguments comes with the choice's end.
    fn finish_calls(&mut self, index: u32, piece: &mut ChunkChoice) {
        let of_choice = |(choice, place): &(u32, Place)| match place {
            Place::Call(call) if *choice == index => Some(*call),
            _ => None,
        };
        let calls: Vec<u64> = self.growing.keys().filter_map(of_choice).collect();
        for call in calls {
            let Some(rest) = self.finish(index, Place::Call(call)) else { continue };
            let more = serde_json::json!({"index": call, "function": {"arguments": rest}});
            piece.delta.tool_calls.get_or_insert_default().push(more);
        }
    }

    fn whole(&mut self, mut choice: AnswerChoice) -> AnswerChoice {
        let index = choice.index;
        let message = &mut choice.message;
        for (place, text) in [
            (Place::Content, &mut message.content),
            (Place::Refusal, &mut message.refusal),
            (Place::Reasoning, &mut message.reasoning_content),
        ] {
            let restored = text.take().map(|text| self.push(index, place, &text));
            *text = join(restored, self.finish(index, place));
        }
        let kept = message.rest.get_mut(THINKING_BLOCKS).and_then(Value::as_array_mut);
        for block in kept.into_iter().flatten() {
            if let (Some(Value::String(text)), Some(vault)) =
                (block.get_mut("thinking"), &self.vault)
            {
                *text = vault.restore(text);
            }
        }
        for (at, call) in message.tool_calls.iter_mut().flatten().enumerate() {
            let place = Place::Call(at as u64);
            if let Some(Value::String(arguments)) = call.pointer_mut("/function/arguments") {
                let restored = self.push(index, place, arguments);
                *arguments = restored + &self.finish(index, place).unwrap_or_default();
            }
        }
        choice
    }

    fn push(&mut self, index: u32, place: Place, text: &str) -> String {
        let Some(vault) = &self.vault else { return text.to_owned() };
        if self.growing.len() >= TEXTS_MAX && !self.growing.contains_key(&(index, place)) {
            return text.to_owned();
        }
        let restorer = self.growing.entry((index, place)).or_insert_with(|| match place {
            Place::Call(_) => Box::new(vault.json_restorer()),
            Place::Content | Place::Refusal | Place::Reasoning => Box::new(vault.restorer()),
        });
        restorer.push(text)
    }

    fn finish(&mut self, index: u32, place: Place) -> Option<String> {
        let mut restorer = self.growing.remove(&(index, place))?;
        Some(restorer.finish()).filter(|rest| !rest.is_empty())
    }
}

fn join(text: Option<String>, rest: Option<String>) -> Option<String> {
    match (text, rest) {
        (Some(text), Some(rest)) => Some(text + &rest),
        (text, rest) => text.or(rest),
    }
}
