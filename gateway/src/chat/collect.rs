//! The pieces of a stream put together into whole choices: for clients that don't stream, and for
//! the cache. It changes no text.

use schemas::anthropic::THINKING_BLOCKS;
use schemas::openai::{AnswerChoice, AnswerMessage, ChunkChoice, DeltaMessage, FinishReason};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Tool calls of one choice; more are dropped.
const CALLS_MAX: usize = 1_024;

/// Choices under construction.
#[derive(Debug, Default)]
pub struct Collector {
    /// Boxed: a map's first node has room for eleven, and nearly every answer has one.
    choices: BTreeMap<u32, Box<Choice>>,
}

#[derive(Debug, Default)]
struct Choice {
    message: AnswerMessage,
    calls: BTreeMap<u64, Value>,
    /// Thinking blocks under construction.
    thoughts: BTreeMap<u64, Value>,
    logprobs: Option<Value>,
    finish_reason: Option<FinishReason>,
}

impl Collector {
    /// Adds pieces in their order.
    pub fn add(&mut self, pieces: &[ChunkChoice]) {
        for piece in pieces {
            let choice = self.choices.entry(piece.index).or_default();
            choice.add(&piece.delta);
            if let Some(logprobs) = &piece.logprobs {
                choice.add_logprobs(logprobs);
            }
            choice.finish_reason = piece.finish_reason.or(choice.finish_reason);
        }
    }

    /// Takes whole choices as they are.
    pub fn add_whole(&mut self, choices: Vec<AnswerChoice>) {
        for AnswerChoice { index, mut message, logprobs, finish_reason } in choices {
            let calls = message.tool_calls.take().unwrap_or_default();
            let choice = Choice {
                message,
                calls: calls.into_iter().enumerate().map(|(at, call)| (at as u64, call)).collect(),
                thoughts: BTreeMap::new(),
                logprobs,
                finish_reason: Some(finish_reason),
            };
            self.choices.insert(index, Box::new(choice));
        }
    }

    /// All choices, or `None` when one of them has no end (or there is none at all).
    pub fn whole(self) -> Option<Vec<AnswerChoice>> {
        let choices: Option<Vec<_>> =
            self.choices.into_iter().map(|(index, choice)| choice.whole(index)).collect();
        choices.filter(|choices| !choices.is_empty())
    }
}

impl Choice {
    fn add(&mut self, delta: &DeltaMessage) {
        append(&mut self.message.content, delta.content.as_deref());
        append(&mut self.message.refusal, delta.refusal.as_deref());
        append(&mut self.message.reasoning_content, delta.reasoning_content.as_deref());
        for call in delta.tool_calls.as_deref().unwrap_or_default() {
            self.add_call(call);
        }
        for (name, value) in &delta.rest {
            match value {
                Value::Array(pieces) if name == THINKING_BLOCKS => {
                    pieces.iter().for_each(|piece| self.add_thought(piece));
                }
                _ => add_rest(&mut self.message.rest, name, value),
            }
        }
    }

    fn add_call(&mut self, piece: &Value) {
        let index = piece["index"].as_u64().unwrap_or(0);
        if self.calls.len() >= CALLS_MAX && !self.calls.contains_key(&index) {
            return;
        }
        let call = self.calls.entry(index).or_insert_with(|| Value::Object(Map::new()));
        merge(call, piece);
    }

    /// A thinking block grows like a call; it must come out whole, or its signature is worth
    /// nothing.
    fn add_thought(&mut self, piece: &Value) {
        let index = piece["index"].as_u64().unwrap_or(self.thoughts.len() as u64);
        if self.thoughts.len() >= CALLS_MAX && !self.thoughts.contains_key(&index) {
            return;
        }
        let thought = self.thoughts.entry(index).or_insert_with(|| Value::Object(Map::new()));
        let (Value::Object(thought), Value::Object(piece)) = (thought, piece) else { return };
        for (name, value) in piece {
            match (thought.get_mut(name), value) {
                _ if name == "index" => {}
                (Some(Value::String(known)), Value::String(more)) if name != "type" => {
                    known.push_str(more);
                }
                (Some(_), _) => {}
                (None, _) => {
                    thought.insert(name.clone(), value.clone());
                }
            }
        }
    }

    fn add_logprobs(&mut self, piece: &Value) {
        let Some(Value::Object(known)) = &mut self.logprobs else {
            self.logprobs = Some(piece.clone());
            return;
        };
        for (name, more) in piece.as_object().into_iter().flatten() {
            match (known.get_mut(name), more) {
                (Some(Value::Array(list)), Value::Array(more)) => list.extend(more.iter().cloned()),
                (Some(value @ Value::Null), more) => *value = more.clone(),
                (None, more) => {
                    known.insert(name.clone(), more.clone());
                }
                _ => {}
            }
        }
    }

    fn whole(self, index: u32) -> Option<AnswerChoice> {
        let finish_reason = self.finish_reason?;
        let calls: Vec<Value> = self.calls.into_values().collect();
        let mut message = self.message;
        message.role = "assistant".to_owned();
        if !self.thoughts.is_empty() {
            let thoughts = self.thoughts.into_values().collect();
            message.rest.insert(THINKING_BLOCKS.to_owned(), Value::Array(thoughts));
        }
        message.tool_calls = (!calls.is_empty()).then_some(calls);
        Some(AnswerChoice { index, message, logprobs: self.logprobs, finish_reason })
    }
}

fn append(text: &mut Option<String>, more: Option<&str>) {
    if let Some(more) = more {
        text.get_or_insert_default().push_str(more);
    }
}

/// What is passed on: lists get longer, objects grow like calls, and all else is told anew.
fn add_rest(rest: &mut Map<String, Value>, name: &str, more: &Value) {
    match (rest.get_mut(name), more) {
        (Some(Value::Array(known)), Value::Array(more)) => {
            let room = CALLS_MAX.saturating_sub(known.len());
            known.extend(more.iter().take(room).cloned());
        }
        (Some(known @ Value::Object(_)), Value::Object(_)) => merge(known, more),
        _ => {
            rest.insert(name.to_owned(), more.clone());
        }
    }
}

/// The texts of calls and of sound that come in pieces.
const GROWING: [&str; 4] = ["arguments", "input", "transcript", "data"];

/// A call's texts grow, its `index` vanishes, everything else is told once.
fn merge(call: &mut Value, piece: &Value) {
    let (Value::Object(call), Value::Object(piece)) = (call, piece) else { return };
    for (name, value) in piece {
        match (call.get_mut(name), value) {
            _ if name == "index" => {}
            (Some(Value::String(known)), Value::String(more))
                if GROWING.contains(&name.as_str()) =>
            {
                known.push_str(more);
            }
            (Some(known @ Value::Object(_)), Value::Object(_)) => merge(known, value),
            (Some(_), _) => {}
            (None, _) => {
                call.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_passed_on_grows_too() {
        let mut collector = Collector::default();
        for (part, end) in [("a", None), ("b", None), ("c", Some("stop"))] {
            let delta = json!({
                "function_call": {"name": "f", "arguments": part},
                "audio": {"id": "x", "transcript": part, "data": part},
                "annotations": [part],
                "tool_calls": [{"index": 0, "type": "custom", "custom": {"input": part}}],
            });
            collector.add(&pieces(json!([{"index": 0, "delta": delta, "finish_reason": end}])));
        }
        let message = collector.whole().unwrap().remove(0).message;
        assert_eq!(message.rest["function_call"], json!({"name": "f", "arguments": "abc"}));
        let sound = json!({"id": "x", "transcript": "abc", "data": "abc"});
        assert_eq!(message.rest["audio"], sound);
        assert_eq!(message.rest["annotations"], json!(["a", "b", "c"]));
        assert_eq!(message.tool_calls.unwrap()[0]["custom"]["input"], "abc");
    }

    fn pieces(value: Value) -> Vec<ChunkChoice> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn text_and_calls_grow_into_whole_choices() {
        let mut collector = Collector::default();
        collector
            .add(&pieces(json!([{"index": 0, "delta": {"role": "assistant", "content": "日"}}])));
        collector.add(&pieces(json!([{"index": 0, "delta": {"content": "本", "tool_calls": [
            {"index": 0, "id": "c1", "type": "function",
                "function": {"name": "f", "arguments": "{\"a\""}}]}}])));
        collector.add(&pieces(json!([{"index": 0, "delta": {"tool_calls": [
            {"index": 0, "function": {"arguments": ":1}"}}]}, "finish_reason": "tool_calls"}])));
        let whole = collector.whole().unwrap();
        assert_eq!(whole[0].message.content.as_deref(), Some("日本"));
        assert_eq!(
            whole[0].message.tool_calls,
            Some(vec![json!({"id": "c1", "type": "function",
                "function": {"name": "f", "arguments": "{\"a\":1}"}})])
        );
        assert_eq!(whole[0].finish_reason, FinishReason::ToolCalls);
    }

    #[test]
    fn thinking_blocks_grow_whole() {
        let mut collector = Collector::default();
        let kept =
            |blocks: Value| pieces(json!([{"index": 0, "delta": {"thinking_blocks": blocks}}]));
        collector.add(&kept(
            json!([{"index": 0, "type": "thinking", "thinking": "六", "signature": ""}]),
        ));
        collector.add(&kept(json!([{"index": 0, "thinking": "×七"}])));
        collector.add(&kept(json!([{"index": 0, "signature": "s"}])));
        collector.add(&kept(json!([{"index": 1, "type": "redacted_thinking", "data": "d"}])));
        collector.add(&[ChunkChoice::finish(0, FinishReason::Stop)]);
        let expected = json!([{"type": "thinking", "thinking": "六×七", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"}]);
        assert_eq!(collector.whole().unwrap()[0].message.rest["thinking_blocks"], expected);
    }

    #[test]
    fn a_choice_without_an_end_is_not_whole() {
        let mut collector = Collector::default();
        collector.add(&[ChunkChoice::text(0, "a")]);
        assert!(collector.whole().is_none());
        assert!(Collector::default().whole().is_none());
    }
}
