//! A streamed OpenAI answer, event by event. Roles, ids and finish reasons come out once, tool
//! calls with their index, whatever the server repeats or leaves out. An end that nobody announced
//! is never taken for one.

use super::answer::{VendorUsage, finish, lenient, tidy, write_arguments_as_text};
use super::error;
use crate::problem;
use crate::sse::Event;
use crate::translate::{CALLS_MAX, Reading, StreamReader};
use schemas::error::Problem;
use schemas::openai::{CHOICES_MAX, ChunkChoice, DeltaMessage};
use schemas::usage::Usage;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What ends a stream.
const DONE: &str = "[DONE]";

#[derive(Deserialize)]
struct VendorChunk {
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    choices: Option<Vec<VendorChoice>>,
    #[serde(default)]
    usage: Option<VendorUsage>,
}

#[derive(Deserialize)]
struct VendorChoice {
    #[serde(default)]
    index: u32,
    #[serde(default)]
    delta: Option<DeltaMessage>,
    #[serde(default)]
    logprobs: Option<Value>,
    #[serde(default)]
    finish_reason: Option<String>,
}

/// The state of one stream.
pub(super) struct Stream {
    /// How many choices were asked for.
    wanted: usize,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    is_over: bool,
}

/// What has been said of one choice.
#[derive(Default)]
struct Choice {
    has_begun: bool,
    has_ended: bool,
    calls: Vec<ToolCall>,
}

/// What has been said of one tool call.
#[derive(Default)]
struct ToolCall {
    id: Option<String>,
    is_named: bool,
}

impl Stream {
    pub(super) fn new(choices: u32) -> Self {
        Self { wanted: choices as usize, choices: Vec::new(), usage: None, is_over: false }
    }

    /// `[DONE]` after a choice without its finish reason is a break as well. A server that gives
    /// fewer choices than asked for has still ended.
    fn done(&mut self) -> Result<(), Problem> {
        if self.choices.is_empty() || !self.choices.iter().all(|choice| choice.has_ended) {
            return Err(problem::cut(self.choices.iter().any(|choice| choice.has_begun)));
        }
        self.is_over = true;
        Ok(())
    }

    fn choice(&mut self, index: u32) -> Result<&mut Choice, Problem> {
        if index >= CHOICES_MAX {
            return Err(problem::nonsense());
        }
        let index = index as usize;
        if self.choices.len() <= index {
            self.choices.resize_with(index + 1, Choice::default);
        }
        self.choices.get_mut(index).ok_or_else(problem::nonsense)
    }
}

impl StreamReader for Stream {
    fn read(&mut self, event: &Event, choices: &mut Vec<ChunkChoice>) -> Result<(), Problem> {
        let data = event.data.trim();
        if data.is_empty() || self.is_over {
            return Ok(());
        }
        if data.starts_with(DONE) {
            return self.done();
        }
        let chunk: VendorChunk = lenient(data.as_bytes())?;
        if let Some(error) = chunk.error {
            return Err(error::inside(&error));
        }
        if let Some(usage) = chunk.usage.and_then(VendorUsage::buckets) {
            self.usage = Some(usage);
        }
        for piece in chunk.choices.unwrap_or_default() {
            let index = piece.index;
            choices.extend(self.choice(index)?.take(index, piece)?);
        }
        Ok(())
    }

    fn reading(&self) -> Reading {
        let ended = self.choices.iter().filter(|choice| choice.has_ended).count();
        match () {
            () if self.is_over => Reading::Over,
            () if ended == self.choices.len() && ended >= self.wanted => Reading::Complete,
            () => Reading::Open,
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

impl Choice {
    /// One vendor's delta as a piece of ours, or nothing when it adds nothing. The role waits for
    /// the first piece that says something, so that a vendor which fails right after its role can
    /// still be replaced by another.
    fn take(&mut self, index: u32, piece: VendorChoice) -> Result<Option<ChunkChoice>, Problem> {
        if self.has_ended {
            return Ok(None);
        }
        let mut delta = piece.delta.unwrap_or_default();
        delta.role = None;
        delta.content = delta.content.filter(|text| !text.is_empty());
        delta.refusal = delta.refusal.filter(|text| !text.is_empty());
        tidy(&mut delta.rest, &mut delta.reasoning_content);
        delta.reasoning_content = delta.reasoning_content.filter(|text| !text.is_empty());
        delta.tool_calls = self.tool_calls(delta.tool_calls.take())?;
        let finish_reason = piece.finish_reason.as_deref().map(finish).transpose()?;
        let adds_nothing = delta == DeltaMessage::default();
        if adds_nothing && piece.logprobs.is_none() && finish_reason.is_none() {
            return Ok(None);
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            delta.role = Some("assistant".into());
        }
        self.has_ended = finish_reason.is_some();
        Ok(Some(ChunkChoice { index, delta, logprobs: piece.logprobs, finish_reason }))
    }

    fn tool_calls(&mut self, calls: Option<Vec<Value>>) -> Result<Option<Vec<Value>>, Problem> {
        let mut pieces = Vec::new();
        for call in calls.unwrap_or_default() {
            let Value::Object(call) = call else { return Err(problem::nonsense()) };
            pieces.push(Value::Object(self.tool_call(call)?));
        }
        Ok(Some(pieces).filter(|pieces| !pieces.is_empty()))
    }

    /// One piece of a tool call with its index, and with its id, type and name only the first time.
    fn tool_call(&mut self, mut call: Map<String, Value>) -> Result<Map<String, Value>, Problem> {
        write_arguments_as_text(&mut call);
        call.retain(|_, value| !value.is_null());
        let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.map(ToOwned::to_owned);
        let index = match call.get("index").and_then(Value::as_u64) {
            Some(index) => usize::try_from(index).map_err(|_| problem::nonsense())?,
            None => self.place_of(id.as_deref()),
        };
        if index >= CALLS_MAX {
            return Err(problem::nonsense());
        }
        if self.calls.len() <= index {
            self.calls.resize_with(index + 1, ToolCall::default);
        }
        let known = self.calls.get_mut(index).ok_or_else(problem::nonsense)?;
        if known.id.is_some() || id.is_none() {
            call.shift_remove("id");
        }
        if known.id.is_some() {
            call.shift_remove("type");
        }
        known.id = known.id.take().or(id);
        if let Some(function) = call.get_mut("function").and_then(Value::as_object_mut) {
            known.name_once(function);
        }
        call.shift_remove("index");
        call.shift_insert(0, "index".into(), index.into());
        Ok(call)
    }

    /// The index of a call that came without one: a new id is a new call, none goes on with the
    /// last.
    fn place_of(&self, id: Option<&str>) -> usize {
        let known = |id: &str| self.calls.iter().position(|call| call.id.as_deref() == Some(id));
        match id {
            Some(id) => known(id).unwrap_or(self.calls.len()),
            None => self.calls.len().saturating_sub(1),
        }
    }
}

impl ToolCall {
    fn name_once(&mut self, function: &mut Map<String, Value>) {
        function.retain(|_, value| !value.is_null());
        let has_name = function.get("name").and_then(Value::as_str).is_some_and(|n| !n.is_empty());
        if self.is_named || !has_name {
            function.shift_remove("name");
        }
        self.is_named |= has_name;
    }
}
