//! An answer as typed events, numbered from 0: `response.created` first, the items' events,
//! `response.completed`, `response.incomplete` or `response.failed` last, and no `[DONE]`. Before
//! the answer begins there are only comments, because another model may still take over.

use super::items::{Items, Told};
use super::response::{Head, State, cut};
use crate::api::outgoing::{self, Ending, Writer, without_end};
use crate::api::stream::{PING, data, pieces_of, queued};
use crate::chat::{Event, Receipt};
use schemas::error::Problem;
use schemas::openai::{ChunkChoice, FinishReason};
use serde_json::{Map, Value, json};

/// How one stream is written.
pub(super) struct Rendering {
    head: Head,
    items: Items,
    /// The next event's number.
    sequence: u64,
    end: Option<FinishReason>,
    /// What our headers would say now, for the last event.
    beside: outgoing::Told,
    /// The response at its end, once it was told.
    over: Option<Value>,
    has_begun: bool,
    /// What tells the end, if that is to be told later.
    held_back: Vec<u8>,
}

impl Rendering {
    /// A stream that begins now.
    pub(super) fn new(head: Head) -> Self {
        let items = head.items();
        Self {
            head,
            items,
            sequence: 0,
            end: None,
            beside: outgoing::Told::new(),
            over: None,
            has_begun: false,
            held_back: Vec::new(),
        }
    }

    /// Tells that the response waits to be made, and gives it.
    pub(super) fn queued(&mut self, model: &str, out: &mut Vec<u8>) -> Value {
        let response = self.head.response(model, &State::Queued, Vec::new());
        self.tell(("response.created", json!({"response": response})), out);
        self.tell(("response.queued", json!({"response": response})), out);
        response
    }

    /// The response while it grows, once something was said.
    pub(super) fn begun(&self, model: &str) -> Option<Value> {
        let response = || self.head.response(model, &State::InProgress, self.items.output());
        self.has_begun.then(response)
    }

    /// Keeps what tells the end, for [`over`](Self::over).
    pub(super) fn hold_back(&mut self, end: Vec<u8>) {
        self.held_back = end;
    }

    /// The response at its end, and what tells it. Without an end it was cancelled.
    pub(super) fn over(&mut self, model: &str, out: &mut Vec<u8>) -> Value {
        if let Some(response) = self.over.take() {
            out.append(&mut self.held_back);
            return response;
        }
        let mut events = Vec::new();
        self.items.end(true, &mut events);
        for event in events {
            self.tell(event, out);
        }
        let response = self.head.response(model, &State::Cancelled, self.items.output());
        self.tell(("response.incomplete", json!({"response": response})), out);
        response
    }

    /// A response of which nothing is left but why.
    pub(super) fn lost(&mut self, problem: &Problem, model: &str, out: &mut Vec<u8>) -> Value {
        let response = self.head.response(model, &State::Failed(problem), Vec::new());
        self.tell(("response.failed", json!({"response": response})), out);
        response
    }

    fn begin(&mut self, model: &str, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let response = self.head.response(model, &State::InProgress, Vec::new());
        if self.sequence == 0 {
            self.tell(("response.created", json!({"response": response})), out);
        }
        self.tell(("response.in_progress", json!({"response": response})), out);
    }

    fn pieces(&mut self, pieces: Vec<ChunkChoice>, model: &str, out: &mut Vec<u8>) {
        self.begin(model, out);
        let mut events = Vec::new();
        // This surface asks for one choice.
        for piece in pieces.into_iter().filter(|piece| piece.index == 0) {
            if self.end.is_some() {
                break;
            }
            self.items.add(&piece, &mut events);
            if let Some(reason) = piece.finish_reason {
                self.end = Some(reason);
                self.items.end(cut(reason).is_some(), &mut events);
            }
        }
        for event in events {
            self.tell(event, out);
        }
    }

    fn done(&mut self, receipt: &Receipt, model: &str, out: &mut Vec<u8>) -> Ending {
        let Some(reason) = self.end else {
            return self.failed(&without_end(), model, out);
        };
        let name = match cut(reason) {
            Some(_) => "response.incomplete",
            None => "response.completed",
        };
        let state = State::Ended(reason, receipt);
        let response = self.head.response(model, &state, self.items.output());
        let mut event = json!({"response": response});
        self.over = Some(response);
        let x_fly = outgoing::fields(std::mem::take(&mut self.beside));
        if !x_fly.is_empty() {
            event["x_fly"] = Value::Object(x_fly);
        }
        self.tell((name, event), out);
        Ending(None)
    }

    fn failed(&mut self, problem: &Problem, model: &str, out: &mut Vec<u8>) -> Ending {
        self.begin(model, out);
        let state = State::Failed(problem);
        let response = self.head.response(model, &state, self.items.output());
        self.tell(("response.failed", json!({"response": response})), out);
        self.over = Some(response);
        Ending(Some(problem.code))
    }

    /// The name stands on its own line as well: some clients read only that.
    fn tell(&mut self, (name, told): Told, out: &mut Vec<u8>) {
        let mut event = Map::from_iter([
            ("type".to_owned(), Value::from(name)),
            ("sequence_number".to_owned(), Value::from(self.sequence)),
        ]);
        if let Value::Object(told) = told {
            event.extend(told);
        }
        self.sequence += 1;
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
        data(out, &event);
    }
}

impl Writer for Rendering {
    /// It is kept before its end is read: whoever goes on from it finds it.
    async fn ended(&mut self) {
        if let Some(response) = self.over.take_if(|response| response["status"] != "failed") {
            self.head.keep(response).await;
        }
    }

    fn told(&mut self, told: outgoing::Told) {
        self.beside = told;
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
            Event::Failed(problem) => return Some(self.failed(&problem, model, out)),
        }
        None
    }
}
