//! An answer's blocks while they grow. On the wire one block is open at a time and a closed one
//! never grows again; the canonical pieces may come mixed. So the first unfinished block is told as
//! it grows, and what belongs to later ones waits behind it. It changes no text.

use super::response::{call_id, thoughts};
use schemas::anthropic::{Block, BlockDelta, Event, KnownBlock, THINKING_BLOCKS};
use schemas::ids::RequestId;
use schemas::openai::DeltaMessage;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, VecDeque};

/// The blocks of one answer.
pub(super) struct Blocks {
    request: RequestId,
    /// Those that aren't closed; the first may be open on the wire.
    queue: VecDeque<Growing>,
    /// The place of the first in the answer.
    index: u32,
    closed: BTreeSet<Kind>,
    called: bool,
}

/// Which block grows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Text,
    Refusal,
    /// By its number among the thoughts, if it has one.
    Thinking(Option<u64>),
    /// With its data.
    Redacted(String),
    /// By its number among the calls.
    Call(u64),
}

struct Growing {
    kind: Kind,
    is_open: bool,
    /// What is still to be told.
    unsaid: String,
    signature: String,
    id: String,
    name: String,
    json: JsonEnd,
}

impl Growing {
    fn new(kind: Kind) -> Self {
        let (unsaid, signature) = (String::new(), String::new());
        let (id, name, json) = (String::new(), String::new(), JsonEnd::default());
        Self { kind, is_open: false, unsaid, signature, id, name, json }
    }

    /// Whether nothing can be added once another block has begun.
    fn is_complete(&self) -> bool {
        !matches!(self.kind, Kind::Call(_)) || self.json.is_complete()
    }

    fn may_open(&self) -> bool {
        !matches!(self.kind, Kind::Call(_)) || !self.name.is_empty()
    }

    /// The block as it begins, empty.
    fn head(&mut self, request: &RequestId) -> Block {
        Block::Known(match &mut self.kind {
            Kind::Text | Kind::Refusal => {
                KnownBlock::Text { text: String::new(), rest: Map::new() }
            }
            Kind::Thinking(_) => {
                KnownBlock::Thinking { thinking: String::new(), signature: String::new() }
            }
            Kind::Redacted(data) => KnownBlock::RedactedThinking { data: std::mem::take(data) },
            Kind::Call(index) => {
                let id = std::mem::take(&mut self.id);
                let id = if id.is_empty() { call_id(request, *index) } else { id };
                let name = std::mem::take(&mut self.name);
                KnownBlock::ToolUse { id, name, input: json!({}), rest: Map::new() }
            }
        })
    }

    fn delta(&mut self) -> Option<BlockDelta> {
        if self.unsaid.is_empty() {
            return None;
        }
        let unsaid = std::mem::take(&mut self.unsaid);
        Some(match self.kind {
            Kind::Text | Kind::Refusal => BlockDelta::TextDelta { text: unsaid },
            Kind::Thinking(_) | Kind::Redacted(_) => BlockDelta::ThinkingDelta { thinking: unsaid },
            Kind::Call(_) => BlockDelta::InputJsonDelta { partial_json: unsaid },
        })
    }
}

impl Blocks {
    /// The blocks of an answer that begins.
    pub(super) fn new(request: &RequestId) -> Self {
        let (queue, closed) = (VecDeque::new(), BTreeSet::new());
        Self { request: request.clone(), queue, index: 0, closed, called: false }
    }

    /// Whether a tool was called.
    pub(super) fn called(&self) -> bool {
        self.called
    }

    /// Adds a piece of the answer.
    pub(super) fn add(&mut self, delta: &DeltaMessage) {
        self.add_thoughts(delta);
        if let Some(text) = &delta.content {
            self.grow(Kind::Text, text);
        }
        if let Some(text) = &delta.refusal {
            self.grow(Kind::Refusal, text);
        }
        for (at, call) in (0..).zip(delta.tool_calls.iter().flatten()) {
            self.add_call(call["index"].as_u64().unwrap_or(at), call);
        }
    }

    fn add_thoughts(&mut self, delta: &DeltaMessage) {
        let kept = delta.rest.get(THINKING_BLOCKS).and_then(Value::as_array);
        let kept = kept.map(Vec::as_slice).unwrap_or_default();
        if kept.len() > 1 {
            // All at once: a kept answer that is told again.
            for block in thoughts(&delta.rest, delta.reasoning_content.as_deref()) {
                self.add_whole_thought(block);
            }
            return;
        }
        for thought in kept {
            self.add_thought(thought);
        }
        let Some(text) = delta.reasoning_content.as_deref().filter(|text| !text.is_empty()) else {
            return;
        };
        let is_thinking = |block: &Growing| matches!(block.kind, Kind::Thinking(_));
        match self.queue.iter().rposition(is_thinking).and_then(|at| self.queue.get_mut(at)) {
            Some(block) => block.unsaid.push_str(text),
            None => self.grow(Kind::Thinking(None), text),
        }
    }

    /// What is kept of a thought beside its text: that it began, its signature, or its data.
    fn add_thought(&mut self, kept: &Value) {
        let text = |name| kept.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("type") == "redacted_thinking" {
            return self.queue.push_back(Growing::new(Kind::Redacted(text("data").to_owned())));
        }
        let kind = Kind::Thinking(Some(kept["index"].as_u64().unwrap_or(0)));
        // Its text may have come before its number.
        if let Some(last) = self.queue.back_mut().filter(|last| last.kind == Kind::Thinking(None)) {
            last.kind = kind.clone();
        }
        if let Some(block) = self.of_kind(kind) {
            block.signature.push_str(text("signature"));
        }
    }

    fn add_whole_thought(&mut self, block: KnownBlock) {
        let growing = match block {
            KnownBlock::Thinking { thinking, signature } => {
                let unsaid = thinking;
                Growing { unsaid, signature, ..Growing::new(Kind::Thinking(None)) }
            }
            KnownBlock::RedactedThinking { data } => Growing::new(Kind::Redacted(data)),
            _ => return,
        };
        self.queue.push_back(growing);
    }

    fn add_call(&mut self, index: u64, call: &Value) {
        self.called = true;
        let text = |name| call.pointer(name).and_then(Value::as_str).unwrap_or_default();
        let arguments = text("/function/arguments");
        let Some(block) = self.of_kind(Kind::Call(index)) else {
            if !arguments.trim().is_empty() {
                tracing::warn!(index, "arguments came after their call's end");
            }
            return;
        };
        block.id.push_str(text("/id"));
        block.name.push_str(text("/function/name"));
        block.json.read(arguments);
        block.unsaid.push_str(arguments);
    }

    /// The block of a kind that has a number, new if need be; `None` when it is closed.
    fn of_kind(&mut self, kind: Kind) -> Option<&mut Growing> {
        if self.closed.contains(&kind) {
            return None;
        }
        match self.queue.iter().position(|block| block.kind == kind) {
            Some(at) => self.queue.get_mut(at),
            None => {
                self.queue.push_back(Growing::new(kind));
                self.queue.back_mut()
            }
        }
    }

    /// Adds to the last block if it is of that kind, else begins one.
    fn grow(&mut self, kind: Kind, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.queue.back_mut().filter(|last| last.kind == kind) {
            Some(last) => last.unsaid.push_str(text),
            None => {
                let unsaid = text.to_owned();
                self.queue.push_back(Growing { unsaid, ..Growing::new(kind) });
            }
        }
    }

    /// Tells what can be told now; everything, once the answer has ended.
    pub(super) fn tell(&mut self, has_ended: bool, events: &mut Vec<Event>) {
        loop {
            let is_followed = self.queue.len() > 1;
            let Some(block) = self.queue.front_mut() else { return };
            let index = self.index;
            if !block.is_open {
                if !block.may_open() && !has_ended {
                    return;
                }
                block.is_open = true;
                let content_block = block.head(&self.request);
                events.push(Event::ContentBlockStart { index, content_block });
            }
            if let Some(delta) = block.delta() {
                events.push(Event::ContentBlockDelta { index, delta });
            }
            let has_closed = has_ended || (is_followed && block.is_complete());
            if !has_closed {
                return;
            }
            if !block.signature.is_empty() {
                let signature = std::mem::take(&mut block.signature);
                let delta = BlockDelta::SignatureDelta { signature };
                events.push(Event::ContentBlockDelta { index, delta });
            }
            events.push(Event::ContentBlockStop { index });
            self.index += 1;
            if let Some(block) = self.queue.pop_front()
                && matches!(block.kind, Kind::Call(_) | Kind::Thinking(Some(_)))
            {
                self.closed.insert(block.kind);
            }
        }
    }
}

/// Finds the end of a JSON object or array in its pieces.
#[derive(Default)]
struct JsonEnd {
    depth: usize,
    has_begun: bool,
    in_text: bool,
    is_escaped: bool,
}

impl JsonEnd {
    fn read(&mut self, piece: &str) {
        for byte in piece.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_text => self.is_escaped = true,
                b'"' => self.in_text = !self.in_text,
                _ if self.in_text => {}
                b'{' | b'[' => {
                    self.depth += 1;
                    self.has_begun = true;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.has_begun && self.depth == 0 && !self.in_text
    }
}

#[cfg(test)]
mod tests {
    use super::JsonEnd;

    #[test]
    fn the_end_of_an_object_is_found_in_any_pieces() {
        let text = r#"{"a": "}\"]", "b": [{"c": "\\"}], "日": "本🙂"}"#;
        for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let mut end = JsonEnd::default();
            end.read(&text[..cut]);
            assert!(!end.is_complete(), "{}", &text[..cut]);
            end.read(&text[cut..]);
            assert!(end.is_complete());
        }
        assert!(!JsonEnd::default().is_complete());
    }
}
