//! A stream's events as OpenAI writes them: one JSON an event, the role once, exactly one finish
//! for each choice, the usage chunk with empty choices, `[DONE]` last. A stream that went wrong
//! ends with an `error` event and without `[DONE]`.

use super::error;
use super::outgoing::{Ending, Told, WithTold, Writer, fields, without_end};
use crate::chat::{Event, LinePosition, Receipt};
use schemas::error::Problem;
use schemas::ids::RequestId;
use schemas::openai::{AnswerChoice, Chunk, ChunkChoice, DeltaMessage, UsageReport};
use serde::Serialize;
use std::collections::BTreeMap;

/// A comment: a sign of life that no client reads.
pub(super) const PING: &[u8] = b": ping\n\n";

/// The same with where the request stands: what a person who waits wants to know.
pub(super) fn queued(standing: &LinePosition, out: &mut Vec<u8>) {
    let mut comment = format!(": ping\n: x-fly-queue-position: {}\n", standing.position);
    if let Some(expected) = standing.expected {
        let seconds = expected.as_secs() + 1;
        comment.push_str(&format!(": x-fly-queue-eta: {seconds}\n"));
    }
    comment.push('\n');
    out.extend_from_slice(comment.as_bytes());
}

/// The end of a good stream.
pub(super) const DONE: &[u8] = b"data: [DONE]\n\n";

/// OpenAI's name of an answer.
pub(super) fn completion_id(request: &RequestId) -> String {
    let bare = request.as_str().trim_start_matches("req_");
    format!("chatcmpl-{bare}")
}

/// How one stream is written.
pub(super) struct Rendering {
    id: String,
    created: u64,
    wants_usage: bool,
    /// Choices that have begun; true once they have ended.
    choices: BTreeMap<u32, bool>,
    /// What our headers would say now, for the usage chunk.
    told: Told,
}

impl Rendering {
    /// A stream that begins now (`created`: seconds since 1970).
    pub(super) fn new(id: String, created: u64, wants_usage: bool) -> Self {
        Self { id, created, wants_usage, choices: BTreeMap::new(), told: Told::new() }
    }

    /// Each piece is an event of its own, because clients look at the first choice of a chunk only;
    /// texts that came together are told together.
    fn pieces(&mut self, pieces: Vec<ChunkChoice>, model: &str, out: &mut Vec<u8>) {
        let mut gathered: Option<ChunkChoice> = None;
        for mut piece in pieces {
            let first = !self.choices.contains_key(&piece.index);
            let ended = self.choices.entry(piece.index).or_insert(false);
            if *ended {
                continue;
            }
            *ended = piece.finish_reason.is_some();
            // A repeated role is glued to "assistantassistant" by some clients.
            piece.delta.role = first.then(|| "assistant".to_owned());
            match &mut gathered {
                Some(before) if takes(before, &piece) => join(before, piece),
                _ => {
                    if let Some(before) = gathered.replace(piece) {
                        self.chunk(vec![before], None, model, out);
                    }
                }
            }
        }
        if let Some(last) = gathered {
            self.chunk(vec![last], None, model, out);
        }
    }

    fn done(&mut self, receipt: &Receipt, model: &str, out: &mut Vec<u8>) -> Ending {
        if self.choices.is_empty() || self.choices.values().any(|ended| !ended) {
            return failed(&without_end(), out);
        }
        if self.wants_usage {
            let event = self.chunk_of(Vec::new(), Some(receipt.usage.into()), model);
            data(out, &WithTold { event, x_fly: fields(std::mem::take(&mut self.told)) });
        }
        out.extend_from_slice(DONE);
        Ending(None)
    }

    fn chunk(
        &self,
        choices: Vec<ChunkChoice>,
        usage: Option<UsageReport>,
        model: &str,
        out: &mut Vec<u8>,
    ) {
        data(out, &self.chunk_of(choices, usage, model));
    }

    fn chunk_of(
        &self,
        choices: Vec<ChunkChoice>,
        usage: Option<UsageReport>,
        model: &str,
    ) -> Chunk {
        Chunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".to_owned(),
            created: self.created,
            model: model.to_owned(),
            choices,
            usage: self.wants_usage.then_some(usage),
        }
    }
}

impl Writer for Rendering {
    fn told(&mut self, told: Told) {
        self.told = told;
    }

    fn event(&mut self, event: Event, model: &str, out: &mut Vec<u8>) -> Option<Ending> {
        match event {
            Event::Waiting => {
                out.extend_from_slice(PING);
                None
            }
            Event::Queued(standing) => {
                queued(&standing, out);
                None
            }
            Event::Pieces(pieces) => {
                self.pieces(pieces, model, out);
                None
            }
            Event::Whole(choices) => {
                for choice in choices {
                    self.pieces(pieces_of(choice), model, out);
                }
                None
            }
            Event::Done(receipt) => Some(self.done(&receipt, model, out)),
            Event::Failed(problem) => Some(failed(&problem, out)),
        }
    }
}

/// Whether a piece is plain text that goes on where another piece of the same choice stopped.
fn takes(before: &ChunkChoice, piece: &ChunkChoice) -> bool {
    let DeltaMessage { role, content, refusal, reasoning_content, tool_calls, rest } = &piece.delta;
    let is_text = role.is_none()
        && content.is_some()
        && refusal.is_none()
        && reasoning_content.is_none()
        && tool_calls.is_none()
        && rest.is_empty();
    let is_plain = |piece: &ChunkChoice| piece.finish_reason.is_none() && piece.logprobs.is_none();
    is_text
        && before.index == piece.index
        && before.delta.content.is_some()
        && is_plain(before)
        && is_plain(piece)
}

fn join(before: &mut ChunkChoice, piece: ChunkChoice) {
    if let (Some(text), Some(more)) = (&mut before.delta.content, piece.delta.content) {
        text.push_str(&more);
    }
}

/// The end of a stream that went wrong.
pub(super) fn failed(problem: &Problem, out: &mut Vec<u8>) -> Ending {
    data(out, &error::body(problem));
    Ending(Some(problem.code))
}

/// One event.
pub(super) fn data(out: &mut Vec<u8>, value: &impl Serialize) {
    let start = out.len();
    out.extend_from_slice(b"data: ");
    match serde_json::to_writer(&mut *out, value) {
        Ok(()) => out.extend_from_slice(b"\n\n"),
        Err(error) => {
            out.truncate(start);
            tracing::error!(%error, "an event can't be written");
        }
    }
}

/// A whole choice as the pieces that it is told in.
pub(super) fn pieces_of(choice: AnswerChoice) -> Vec<ChunkChoice> {
    let message = choice.message;
    let delta = DeltaMessage {
        role: None,
        content: message.content,
        refusal: message.refusal,
        reasoning_content: message.reasoning_content,
        tool_calls: message.tool_calls,
        rest: message.rest,
    };
    let (index, logprobs) = (choice.index, choice.logprobs);
    let said = ChunkChoice { index, delta, logprobs, finish_reason: None };
    vec![said, ChunkChoice::finish(index, choice.finish_reason)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::money::MicroUsd;
    use schemas::openai::FinishReason;
    use schemas::usage::Usage;

    fn written(wants_usage: bool, events: Vec<Event>) -> String {
        let request = RequestId::parse("req_1").unwrap();
        let mut rendering = Rendering::new(completion_id(&request), 7, wants_usage);
        let mut out = Vec::new();
        for event in events {
            rendering.event(event, "m", &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    fn done() -> Event {
        let usage = Usage { input: 3, output: 2, ..Usage::default() };
        Event::Done(Receipt { usage, charge: MicroUsd(1) })
    }

    #[test]
    fn a_stream_has_one_role_one_finish_a_usage_chunk_and_done_last() {
        let text = written(
            true,
            vec![
                Event::Waiting,
                Event::Pieces(vec![ChunkChoice::text(0, "日")]),
                Event::Pieces(vec![ChunkChoice::text(0, "本")]),
                Event::Pieces(vec![ChunkChoice::finish(0, FinishReason::Stop)]),
                done(),
            ],
        );
        assert!(text.starts_with(": ping\n\ndata: {\"id\":\"chatcmpl-1\""), "{text}");
        assert_eq!(text.matches("\"role\":\"assistant\"").count(), 1);
        assert_eq!(text.matches("\"finish_reason\":\"stop\"").count(), 1);
        assert_eq!(text.matches("\"usage\":null").count(), 3);
        assert!(text.contains("\"choices\":[],\"usage\":{\"prompt_tokens\":3"));
        assert!(text.ends_with("data: [DONE]\n\n"));
    }

    #[test]
    fn pieces_that_came_together_are_one_choice_a_chunk() {
        let pieces = vec![
            ChunkChoice::text(0, "a"),
            ChunkChoice::text(0, "b"),
            ChunkChoice::text(1, "c"),
            ChunkChoice::finish(0, FinishReason::Stop),
            ChunkChoice::finish(1, FinishReason::Stop),
        ];
        let text = written(false, vec![Event::Pieces(pieces), done()]);
        assert!(text.contains("\"content\":\"ab\""), "{text}");
        assert_eq!(text.matches("data: {").count(), 4);
        assert_eq!(text.matches("\"index\":").count(), 4);
    }

    #[test]
    fn an_answer_without_an_end_is_an_error_and_never_done() {
        let text = written(false, vec![Event::Pieces(vec![ChunkChoice::text(0, "a")]), done()]);
        assert!(text.contains("\"error\":{"), "{text}");
        assert!(!text.contains("[DONE]") && !text.contains("usage"));
    }
}
