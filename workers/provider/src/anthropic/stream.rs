//! A streamed Anthropic message as pieces of choice 0. Pings and unknown events are nothing; a
//! stream without its `message_delta` is never taken for an answer.

use super::answer::{arguments, finish, untold, usage};
use super::answer_tool::ANSWER_TOOL;
use super::error;
use crate::problem;
use crate::sse;
use crate::translate::{CALLS_MAX, Reading, StreamReader};
use schemas::anthropic::{
    Block, BlockDelta, CACHE_CREATION, Event, KnownBlock, MessageEnd, MessagesUsage,
    THINKING_BLOCKS,
};
use schemas::error::Problem;
use schemas::openai::{ChunkChoice, DeltaMessage};
use schemas::usage::Usage;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The state of one stream.
#[derive(Default)]
pub(super) struct Stream {
    /// The blocks that have begun and not ended, by their place.
    open: BTreeMap<u32, OpenBlock>,
    calls: usize,
    thoughts: usize,
    usage: MessagesUsage,
    /// What was said before the answer, where a tool may bring it; told only if none does.
    held: Option<String>,
    /// A tool has brought the answer.
    is_answered: bool,
    has_begun: bool,
    has_ended: bool,
    is_over: bool,
}

/// What has been said of a block.
enum OpenBlock {
    Text,
    ToolUse {
        /// Counts tools only.
        index: usize,
        /// The input that came with the block's start, until a delta brings it.
        input: Option<Value>,
    },
    /// The answer itself.
    Answer {
        /// The input that came with the block's start, until a delta brings it.
        input: Option<Value>,
    },
    Thinking {
        /// Counts thoughts only.
        index: usize,
        /// Its type was said.
        is_named: bool,
    },
    /// Not for the client.
    Other,
}

impl StreamReader for Stream {
    fn read(&mut self, event: &sse::Event, choices: &mut Vec<ChunkChoice>) -> Result<(), Problem> {
        let data = event.data.trim();
        if data.is_empty() || self.is_over {
            return Ok(());
        }
        let event: Event = serde_json::from_str(data).map_err(problem::unreadable)?;
        match event {
            Event::MessageStart { message } => self.count(message.usage),
            Event::ContentBlockStart { index, content_block } => {
                let piece = self.begin(index, content_block)?;
                self.say(piece, choices);
            }
            Event::ContentBlockDelta { index, delta } => {
                let piece = self.grow(index, delta);
                self.say(piece, choices);
            }
            Event::ContentBlockStop { index } => {
                let piece = self.end_block(index);
                self.say(piece, choices);
            }
            Event::MessageDelta { delta, usage } => {
                self.count(usage.unwrap_or_default());
                self.end(&delta, choices);
            }
            Event::MessageStop if self.has_ended => self.is_over = true,
            Event::MessageStop => return Err(problem::cut(self.has_begun)),
            Event::Error { error } => return Err(error::inside(error)),
            Event::Ping | Event::Unknown => {}
        }
        Ok(())
    }

    fn reading(&self) -> Reading {
        match (self.is_over, self.has_ended) {
            (true, _) => Reading::Over,
            (false, true) => Reading::Complete,
            (false, false) => Reading::Open,
        }
    }

    fn usage(&self) -> Option<Usage> {
        usage(&self.usage)
    }
}

impl Stream {
    /// A stream whose answer may be the input of a tool.
    pub(super) fn by_tool() -> Self {
        Self { held: Some(String::new()), ..Self::default() }
    }

    /// Later counts are of the whole so far; what they leave out stays as it was.
    fn count(&mut self, usage: MessagesUsage) {
        let known = &mut self.usage;
        known.input_tokens = usage.input_tokens.or(known.input_tokens);
        known.output_tokens = usage.output_tokens.or(known.output_tokens);
        known.cache_read_input_tokens =
            usage.cache_read_input_tokens.or(known.cache_read_input_tokens);
        known.cache_creation_input_tokens =
            usage.cache_creation_input_tokens.or(known.cache_creation_input_tokens);
        known.rest.extend(usage.rest.into_iter().filter(|(name, _)| name == CACHE_CREATION));
    }

    fn begin(&mut self, place: u32, block: Block) -> Result<Option<DeltaMessage>, Problem> {
        if place as usize >= CALLS_MAX {
            return Err(problem::nonsense());
        }
        let (open, piece) = match block {
            Block::Known(KnownBlock::Text { text, .. }) => (OpenBlock::Text, self.text(text)),
            Block::Known(KnownBlock::ToolUse { name, input, .. }) if name == ANSWER_TOOL => {
                match std::mem::replace(&mut self.is_answered, true) {
                    false => (OpenBlock::Answer { input: Some(input) }, None),
                    true => (OpenBlock::Other, None),
                }
            }
            Block::Known(KnownBlock::ToolUse { id, name, input, .. }) => {
                let index = self.calls;
                self.calls += 1;
                let function = json!({"name": name, "arguments": ""});
                let call =
                    json!({"index": index, "id": id, "type": "function", "function": function});
                (OpenBlock::ToolUse { index, input: Some(input) }, Some(tool_call(call)))
            }
            Block::Known(KnownBlock::Thinking { thinking, signature }) => {
                let mut block = OpenBlock::Thinking { index: self.next_thought(), is_named: false };
                let piece = thought(&mut block, thinking, signature);
                (block, piece)
            }
            Block::Known(KnownBlock::RedactedThinking { data }) => {
                let index = self.next_thought();
                let kept = json!({"index": index, "type": "redacted_thinking", "data": data});
                (OpenBlock::Other, Some(kept_thought(kept)))
            }
            Block::Known(KnownBlock::Image { .. } | KnownBlock::ToolResult { .. })
            | Block::Other(_) => (OpenBlock::Other, None),
        };
        self.open.insert(place, open);
        Ok(piece)
    }

    fn next_thought(&mut self) -> usize {
        self.thoughts += 1;
        self.thoughts - 1
    }

    fn grow(&mut self, place: u32, delta: BlockDelta) -> Option<DeltaMessage> {
        match (self.open.get_mut(&place)?, delta) {
            (OpenBlock::Text, BlockDelta::TextDelta { text }) => self.text(text),
            (OpenBlock::ToolUse { index, input }, BlockDelta::InputJsonDelta { partial_json })
                if !partial_json.is_empty() =>
            {
                *input = None;
                let function = json!({"arguments": partial_json});
                Some(tool_call(json!({"index": *index, "function": function})))
            }
            (OpenBlock::Answer { input }, BlockDelta::InputJsonDelta { partial_json })
                if !partial_json.is_empty() =>
            {
                *input = None;
                content(partial_json)
            }
            (block @ OpenBlock::Thinking { .. }, BlockDelta::ThinkingDelta { thinking }) => {
                thought(block, thinking, String::new())
            }
            (block @ OpenBlock::Thinking { .. }, BlockDelta::SignatureDelta { signature }) => {
                thought(block, String::new(), signature)
            }
            _ => None,
        }
    }

    /// Text, unless the answer is JSON that a tool has brought or may still bring.
    fn text(&mut self, text: String) -> Option<DeltaMessage> {
        match &mut self.held {
            _ if self.is_answered => None,
            Some(held) => {
                held.push_str(&text);
                None
            }
            None => content(text),
        }
    }

    /// A call without any delta has its input from the start, mostly `{}`: its arguments must be
    /// JSON all the same.
    fn end_block(&mut self, place: u32) -> Option<DeltaMessage> {
        match self.open.remove(&place)? {
            OpenBlock::ToolUse { index, input: Some(input) } => {
                let function = json!({"arguments": arguments(&input)});
                Some(tool_call(json!({"index": index, "function": function})))
            }
            OpenBlock::Answer { input: Some(input) } => content(arguments(&input)),
            _ => None,
        }
    }

    fn end(&mut self, end: &MessageEnd, choices: &mut Vec<ChunkChoice>) {
        let Some(reason) = end.stop_reason.filter(|_| !self.has_ended) else { return };
        let held = self.held.take().filter(|_| !self.is_answered);
        self.say(held.and_then(content), choices);
        let mut last = ChunkChoice::finish(0, finish(reason, self.calls > 0));
        last.delta.role = self.role();
        last.delta.rest = untold(reason, end.stop_sequence.clone());
        self.has_ended = true;
        choices.push(last);
    }

    fn say(&mut self, piece: Option<DeltaMessage>, choices: &mut Vec<ChunkChoice>) {
        if let Some(mut delta) = piece.filter(|_| !self.has_ended) {
            delta.role = self.role();
            choices.push(ChunkChoice { index: 0, delta, logprobs: None, finish_reason: None });
        }
    }

    /// The role, the first time.
    fn role(&mut self) -> Option<String> {
        (!std::mem::replace(&mut self.has_begun, true)).then(|| "assistant".into())
    }
}

fn content(text: String) -> Option<DeltaMessage> {
    (!text.is_empty()).then(|| DeltaMessage { content: Some(text), ..DeltaMessage::default() })
}

fn tool_call(call: Value) -> DeltaMessage {
    DeltaMessage { tool_calls: Some(vec![call]), ..DeltaMessage::default() }
}

/// A piece of a thought, readable in `reasoning_content`, and kept with its signature beside it.
fn thought(block: &mut OpenBlock, thinking: String, signature: String) -> Option<DeltaMessage> {
    let OpenBlock::Thinking { index, is_named } = block else { return None };
    if thinking.is_empty() && signature.is_empty() {
        return None;
    }
    let mut kept = Map::new();
    kept.insert("index".into(), (*index).into());
    let is_first = !std::mem::replace(is_named, true);
    if is_first {
        kept.insert("type".into(), "thinking".into());
    }
    if is_first || !thinking.is_empty() {
        kept.insert("thinking".into(), thinking.clone().into());
    }
    if is_first || !signature.is_empty() {
        kept.insert("signature".into(), signature.into());
    }
    let mut delta = kept_thought(Value::Object(kept));
    delta.reasoning_content = Some(thinking).filter(|text| !text.is_empty());
    Some(delta)
}

fn kept_thought(kept: Value) -> DeltaMessage {
    let mut delta = DeltaMessage::default();
    delta.rest.insert(THINKING_BLOCKS.into(), Value::Array(vec![kept]));
    delta
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stream of these blocks says in all.
    fn said(mut stream: Stream, blocks: &[Value]) -> String {
        let mut events = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            let mut start = json!({"type": "content_block_start", "index": index});
            start["content_block"] = block.clone();
            events.extend([start, json!({"type": "content_block_stop", "index": index})]);
        }
        events.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}));
        let mut choices = Vec::new();
        for event in events {
            let event = sse::Event { name: String::new(), data: event.to_string() };
            stream.read(&event, &mut choices).unwrap();
        }
        choices.iter().filter_map(|choice| choice.delta.content.as_deref()).collect()
    }

    #[test]
    fn an_answer_by_tool_is_all_that_is_said() {
        let text = |text: &str| json!({"type": "text", "text": text});
        let call =
            |name: &str| json!({"type": "tool_use", "id": "c", "name": name, "input": {"a": 1}});
        let answer = call(ANSWER_TOOL);
        for (blocks, expected) in [
            (vec![text("Let me"), answer.clone(), text("Done")], r#"{"a":1}"#),
            (vec![answer.clone(), answer], r#"{"a":1}"#),
            (vec![text("Let "), text("me"), call("f")], "Let me"),
            (vec![text("Sorry")], "Sorry"),
        ] {
            assert_eq!(said(Stream::by_tool(), &blocks), expected);
        }
        assert_eq!(said(Stream::default(), &[text("a"), call("f")]), "a");
    }
}
