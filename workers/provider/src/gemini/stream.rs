//! A streamed answer, event by event. Each event is an answer of its own with what was added; the
//! stream has no last word but the finish reasons, and one without them is never taken for an end.

use super::answer::{Candidate, Counts, Response, Said, finish, logprobs};
use crate::problem;
use crate::sse::Event;
use crate::translate::{CALLS_MAX, Reading, StreamReader};
use schemas::error::Problem;
use schemas::openai::{CHOICES_MAX, ChunkChoice, DeltaMessage};
use schemas::usage::Usage;
use serde_json::Value;

/// The state of one stream.
pub(super) struct Stream {
    /// How many choices were asked for.
    wanted: usize,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    /// The vendor's name of the answer.
    id: String,
}

/// What has been said of one choice.
#[derive(Default)]
struct Choice {
    has_begun: bool,
    has_ended: bool,
    calls: usize,
}

impl Stream {
    pub(super) fn new(choices: u32) -> Self {
        Self { wanted: choices as usize, choices: Vec::new(), usage: None, id: String::new() }
    }

    fn has_ended(&self) -> bool {
        let ended = self.choices.iter().filter(|choice| choice.has_ended).count();
        ended == self.choices.len() && ended >= self.wanted
    }
}

impl StreamReader for Stream {
    fn read(&mut self, event: &Event, choices: &mut Vec<ChunkChoice>) -> Result<(), Problem> {
        let data = event.data.trim();
        if data.is_empty() {
            return Ok(());
        }
        let response: Response = serde_json::from_str(data).map_err(problem::unreadable)?;
        response.check()?;
        if let Some(usage) = response.usage_metadata.and_then(Counts::buckets) {
            self.usage = Some(usage);
        }
        if self.id.is_empty() {
            self.id = response.response_id.unwrap_or_default();
        }
        for candidate in response.candidates {
            let index = candidate.index as usize;
            if index >= CHOICES_MAX as usize {
                return Err(problem::nonsense());
            }
            if self.choices.len() <= index {
                self.choices.resize_with(index + 1, Choice::default);
            }
            let choice = self.choices.get_mut(index).ok_or_else(problem::nonsense)?;
            choice.take(candidate, &self.id, choices)?;
        }
        Ok(())
    }

    fn reading(&self) -> Reading {
        match (self.has_ended(), self.usage) {
            (false, _) => Reading::Open,
            (true, None) => Reading::Complete,
            (true, Some(_)) => Reading::Over,
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

impl Choice {
    fn take(
        &mut self,
        candidate: Candidate,
        id: &str,
        choices: &mut Vec<ChunkChoice>,
    ) -> Result<(), Problem> {
        if self.has_ended {
            return Ok(());
        }
        let index = candidate.index;
        let mut logprobs = candidate.logprobs_result.as_ref().map(logprobs);
        for part in candidate.content.map(|content| content.parts).unwrap_or_default() {
            let mut delta = match part.said(id, index, self.calls) {
                Said::Text(text) => DeltaMessage { content: Some(text), ..DeltaMessage::default() },
                Said::Thought(text) => {
                    DeltaMessage { reasoning_content: Some(text), ..DeltaMessage::default() }
                }
                Said::Call(call) => self.call(call)?,
                Said::Nothing => continue,
            };
            delta.role = self.role();
            let logprobs = logprobs.take();
            choices.push(ChunkChoice { index, delta, logprobs, finish_reason: None });
        }
        if let Some(reason) = candidate.finish_reason {
            let mut last = ChunkChoice::finish(index, finish(&reason, self.calls > 0)?);
            last.delta.role = self.role();
            last.logprobs = logprobs;
            self.has_ended = true;
            choices.push(last);
        }
        Ok(())
    }

    fn call(&mut self, mut call: Value) -> Result<DeltaMessage, Problem> {
        if self.calls >= CALLS_MAX {
            return Err(problem::nonsense());
        }
        if let Some(call) = call.as_object_mut() {
            call.shift_insert(0, "index".into(), self.calls.into());
        }
        self.calls += 1;
        Ok(DeltaMessage { tool_calls: Some(vec![call]), ..DeltaMessage::default() })
    }

    /// The role, the first time.
    fn role(&mut self) -> Option<String> {
        (!std::mem::replace(&mut self.has_begun, true)).then(|| "assistant".into())
    }
}
