//! An answer as Anthropic's events: `message_start`, blocks one after the other, `message_delta`,
//! `message_stop`. Before the answer begins there are only pings, because another model may still
//! take over; a stream that went wrong ends with `error` and without `message_stop`.

use super::blocks::Blocks;
use super::{error, response};
use crate::api::outgoing::{self, Ending, WithTold, Writer, without_end};
use crate::api::stream::queued;
use crate::chat::{Event, Receipt};
use schemas::anthropic::{
    Event as Told, MessageEnd, MessagesAnswer, MessagesUsage, Role, STOP_REASON, STOP_SEQUENCE,
    StopReason,
};
use schemas::error::Problem;
use schemas::ids::RequestId;
use schemas::openai::{AnswerChoice, ChunkChoice, DeltaMessage, FinishReason};
use serde::Serialize;
use serde_json::{Map, Value};

/// What `message_start` says of the output: the first token is there.
const FIRST_OUTPUT_TOKENS: u64 = 1;

/// How one stream is written.
pub(super) struct Rendering {
    request: RequestId,
    input_estimate: u64,
    has_begun: bool,
    blocks: Blocks,
    /// What the vendor told of the end beyond its reason.
    told: Map<String, Value>,
    end: Option<(StopReason, Option<String>)>,
    /// What our headers would say now, for `message_delta`.
    beside: outgoing::Told,
}

impl Rendering {
    /// A stream that begins now. How many tokens the input has is counted at the end; until then
    /// there is an estimate.
    pub(super) fn new(request: &RequestId, input_estimate: u64) -> Self {
        Self {
            request: request.clone(),
            input_estimate,
            has_begun: false,
            blocks: Blocks::new(request),
            told: Map::new(),
            end: None,
            beside: outgoing::Told::new(),
        }
    }

    fn pieces(&mut self, pieces: Vec<ChunkChoice>, model: &str, out: &mut Vec<u8>) {
        self.begin(model, out);
        // This surface asks for one choice.
        for piece in pieces.into_iter().filter(|piece| piece.index == 0) {
            if self.end.is_some() {
                break;
            }
            self.blocks.add(&piece.delta);
            for name in [STOP_SEQUENCE, STOP_REASON] {
                if let Some(value) = piece.delta.rest.get(name) {
                    self.told.insert(name.to_owned(), value.clone());
                }
            }
            if let Some(reason) = piece.finish_reason {
                self.end = Some(response::stop(reason, &self.told, self.blocks.called()));
            }
        }
        let mut events = Vec::new();
        self.blocks.tell(self.end.is_some(), &mut events);
        for event in &events {
            tell(event, out);
        }
    }

    fn begin(&mut self, model: &str, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let usage = MessagesUsage {
            input_tokens: Some(self.input_estimate),
            output_tokens: Some(FIRST_OUTPUT_TOKENS),
            ..MessagesUsage::default()
        };
        let message = MessagesAnswer {
            id: response::message_id(&self.request),
            kind: "message".into(),
            role: Role::Assistant,
            model: model.to_owned(),
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage,
            rest: Map::new(),
        };
        tell(&Told::MessageStart { message }, out);
    }

    fn done(&mut self, receipt: &Receipt, out: &mut Vec<u8>) -> Ending {
        let Some((stop_reason, stop_sequence)) = self.end.take() else {
            return self.failed(&without_end(), out);
        };
        let delta = MessageEnd { stop_reason: Some(stop_reason), stop_sequence, rest: Map::new() };
        let usage = Some(response::usage(&receipt.usage));
        let event = Told::MessageDelta { delta, usage };
        let x_fly = outgoing::fields(std::mem::take(&mut self.beside));
        write(event.name(), &WithTold { event: &event, x_fly }, out);
        tell(&Told::MessageStop, out);
        Ending(None)
    }

    fn failed(&self, problem: &Problem, out: &mut Vec<u8>) -> Ending {
        write("error", &error::body(problem, &self.request), out);
        Ending(Some(problem.code))
    }
}

impl Writer for Rendering {
    fn told(&mut self, told: outgoing::Told) {
        self.beside = told;
    }

    fn event(&mut self, event: Event, model: &str, out: &mut Vec<u8>) -> Option<Ending> {
        match event {
            Event::Waiting => tell(&Told::Ping, out),
            Event::Queued(standing) => {
                queued(&standing, out);
                tell(&Told::Ping, out);
            }
            Event::Pieces(pieces) => self.pieces(pieces, model, out),
            Event::Whole(choices) => {
                for choice in choices {
                    self.pieces(pieces_of(choice), model, out);
                }
            }
            Event::Done(receipt) => return Some(self.done(&receipt, out)),
            Event::Failed(problem) => return Some(self.failed(&problem, out)),
        }
        None
    }
}

fn pieces_of(choice: AnswerChoice) -> Vec<ChunkChoice> {
    let (index, message) = (choice.index, choice.message);
    let delta = DeltaMessage {
        role: None,
        content: message.content,
        refusal: message.refusal,
        reasoning_content: message.reasoning_content,
        tool_calls: message.tool_calls,
        rest: message.rest,
    };
    let finish_reason: Option<FinishReason> = None;
    let said = ChunkChoice { index, delta, logprobs: None, finish_reason };
    vec![said, ChunkChoice::finish(index, choice.finish_reason)]
}

fn tell(event: &Told, out: &mut Vec<u8>) {
    write(event.name(), event, out);
}

/// The name stands on its own line as well: clients drop an event without it.
fn write(name: &str, value: &impl Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    match serde_json::to_writer(&mut *out, value) {
        Ok(()) => out.extend_from_slice(b"\n\n"),
        Err(error) => {
            out.truncate(start);
            tracing::error!(%error, "an event can't be written");
        }
    }
}
