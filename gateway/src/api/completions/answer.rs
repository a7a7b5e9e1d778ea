//! An answer as texts, whole or as events. Of what a model tells a text holds what it says and its
//! refusal; thoughts have no place in it.

use crate::api::outgoing::{Ending, Told, WithTold, Writer, fields, without_end};
use crate::api::stream::{DONE, PING, data, failed, pieces_of, queued};
use crate::chat::{Event, Receipt};
use schemars::JsonSchema;
use schemas::ids::RequestId;
use schemas::openai::{AnswerChoice, ChunkChoice, FinishReason, UsageReport};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// `text_completion`: an answer, or one event of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::api) struct Completion {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: Vec<CompletionChoice>,
    /// In events null, or what was consumed, in the last one; absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageReport>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CompletionChoice {
    text: String,
    index: u32,
    /// Never told: nobody could ask for them.
    logprobs: Option<Value>,
    finish_reason: Option<FinishReason>,
}

/// What all answers and events of one request share.
pub(super) struct Head {
    id: String,
    created: u64,
    /// What each choice repeats first.
    echo: Option<String>,
}

impl Head {
    /// A request's answer that begins now (`created`: seconds since 1970).
    pub(super) fn new(request: &RequestId, created: u64, echo: Option<String>) -> Self {
        let bare = request.as_str().trim_start_matches("req_");
        Self { id: format!("cmpl-{bare}"), created, echo }
    }

    fn completion(
        &self,
        model: &str,
        choices: Vec<CompletionChoice>,
        usage: Option<Option<UsageReport>>,
    ) -> Completion {
        let (id, created, model) = (self.id.clone(), self.created, model.to_owned());
        Completion { id, object: "text_completion", created, model, choices, usage }
    }

    /// The whole answer.
    pub(super) fn whole(
        &self,
        model: &str,
        choices: Vec<AnswerChoice>,
        receipt: &Receipt,
    ) -> Completion {
        let choices = choices.into_iter().map(|choice| {
            let texts = [self.echo.clone(), choice.message.content, choice.message.refusal];
            CompletionChoice {
                text: texts.into_iter().flatten().collect(),
                index: choice.index,
                logprobs: None,
                finish_reason: Some(finish(choice.finish_reason)),
            }
        });
        self.completion(model, choices.collect(), Some(Some(receipt.usage.into())))
    }
}

/// The reasons that this API knows.
fn finish(reason: FinishReason) -> FinishReason {
    match reason {
        FinishReason::ToolCalls | FinishReason::FunctionCall => FinishReason::Stop,
        known => known,
    }
}

/// How one stream is written.
pub(super) struct Rendering {
    head: Head,
    wants_usage: bool,
    /// Choices that have begun; true once they have ended.
    choices: BTreeMap<u32, bool>,
    /// What our headers would say now, for the usage chunk.
    told: Told,
}

impl Rendering {
    /// A stream that begins now.
    pub(super) fn new(head: Head, wants_usage: bool) -> Self {
        Self { head, wants_usage, choices: BTreeMap::new(), told: Told::new() }
    }

    fn pieces(&mut self, pieces: Vec<ChunkChoice>, model: &str, out: &mut Vec<u8>) {
        for piece in pieces {
            let index = piece.index;
            let is_first = !self.choices.contains_key(&index);
            let ended = self.choices.entry(index).or_insert(false);
            if *ended {
                continue;
            }
            let finish_reason = piece.finish_reason.map(finish);
            *ended = finish_reason.is_some();
            let echo = self.head.echo.clone().filter(|_| is_first);
            let texts = [echo, piece.delta.content, piece.delta.refusal];
            let text: String = texts.into_iter().flatten().collect();
            if !text.is_empty() || finish_reason.is_some() {
                let choice = CompletionChoice { text, index, logprobs: None, finish_reason };
                self.tell(choice, model, out);
            }
        }
    }

    fn done(&mut self, receipt: &Receipt, model: &str, out: &mut Vec<u8>) -> Ending {
        if self.choices.is_empty() || self.choices.values().any(|ended| !ended) {
            return failed(&without_end(), out);
        }
        if self.wants_usage {
            let usage = Some(Some(receipt.usage.into()));
            let event = self.head.completion(model, Vec::new(), usage);
            data(out, &WithTold { event, x_fly: fields(std::mem::take(&mut self.told)) });
        }
        out.extend_from_slice(DONE);
        Ending(None)
    }

    fn tell(&self, choice: CompletionChoice, model: &str, out: &mut Vec<u8>) {
        let usage = self.wants_usage.then_some(None);
        data(out, &self.head.completion(model, vec![choice], usage));
    }
}

impl Writer for Rendering {
    fn told(&mut self, told: Told) {
        self.told = told;
    }

    fn event(&mut self, event: Event, model: &str, out: &mut Vec<u8>) -> Option<Ending> {
        match event {
            Event::Waiting => out.extend_from_slice(PING),
            Event::Queued(standing) => queued(&standing, out),
            Event::Pieces(pieces) => self.pieces(pieces, model, out),
            Event::Whole(choices) => {
                for choice in choices {
                    self.pieces(pieces_of(choice), model, out);
                }
            }
            Event::Done(receipt) => return Some(self.done(&receipt, model, out)),
            Event::Failed(problem) => return Some(failed(&problem, out)),
        }
        None
    }
}
