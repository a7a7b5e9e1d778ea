//! A whole Anthropic message as a choice, and the parts of one that a stream shares with it: finish
//! reasons and usage. Thoughts never become content.

use super::answer_tool::ANSWER_TOOL;
use super::error;
use crate::problem;
use crate::translate::{CALLS_MAX, Whole};
use schemas::anthropic::{
    Block, CACHE_CREATION, ErrorAnswer, Group, HOUR, KnownBlock, MessagesAnswer, MessagesUsage,
    STOP_REASON, STOP_SEQUENCE, StopReason, THINKING_BLOCKS, keep_order,
};
use schemas::error::Problem;
use schemas::openai::{AnswerChoice, AnswerMessage, FinishReason};
use schemas::usage::Usage;
use serde_json::{Map, Value, json};

/// Reads a 2xx body.
pub(super) fn answer(body: &[u8]) -> Result<Whole, Problem> {
    let answer: MessagesAnswer = serde_json::from_slice(body).map_err(|unreadable| {
        if let Ok(answer) = serde_json::from_slice::<ErrorAnswer>(body) {
            return error::inside(answer.error);
        }
        problem::unreadable(unreadable)
    })?;
    let reason = answer.stop_reason.ok_or_else(problem::nonsense)?;
    if answer.content.len() > CALLS_MAX {
        return Err(problem::nonsense());
    }
    let mut message = message(answer.content);
    let finish_reason = finish(reason, message.tool_calls.is_some());
    message.rest.extend(untold(reason, answer.stop_sequence));
    let choice = AnswerChoice { index: 0, message, logprobs: None, finish_reason };
    Ok(Whole { choices: vec![choice], usage: usage(&answer.usage) })
}

fn message(blocks: Vec<Block>) -> AnswerMessage {
    let mut message = AnswerMessage { role: "assistant".into(), ..AnswerMessage::default() };
    let (mut calls, mut thoughts, mut order) = (Vec::new(), Vec::new(), Vec::new());
    let mut answer = None;
    for block in blocks {
        match block {
            Block::Known(KnownBlock::Text { text, .. }) => {
                say(&text, &mut order);
                message.content.get_or_insert_default().push_str(&text);
            }
            Block::Known(KnownBlock::ToolUse { name, input, .. }) if name == ANSWER_TOOL => {
                answer.get_or_insert_with(|| arguments(&input));
            }
            Block::Known(KnownBlock::ToolUse { id, name, input, .. }) => {
                let function = json!({"name": name, "arguments": arguments(&input)});
                order.push(Group::ToolUse);
                calls.push(json!({"id": id, "type": "function", "function": function}));
            }
            Block::Known(KnownBlock::Thinking { thinking, signature }) => {
                if !thinking.is_empty() {
                    message.reasoning_content.get_or_insert_default().push_str(&thinking);
                }
                order.push(Group::Thinking);
                thoughts.push(json!({
                    "type": "thinking", "thinking": thinking, "signature": signature
                }));
            }
            Block::Known(KnownBlock::RedactedThinking { data }) => {
                order.push(Group::Thinking);
                thoughts.push(json!({"type": "redacted_thinking", "data": data}));
            }
            // The vendor's own tools and their results are not the client's to act on.
            Block::Known(KnownBlock::Image { .. } | KnownBlock::ToolResult { .. })
            | Block::Other(_) => {}
        }
    }
    // What was said beside it isn't JSON.
    message.content = answer.or(message.content);
    message.tool_calls = Some(calls).filter(|calls| !calls.is_empty());
    if !thoughts.is_empty() {
        message.rest.insert(THINKING_BLOCKS.into(), Value::Array(thoughts));
    }
    keep_order(&order, &mut message.rest);
    message
}

/// All texts become one, which stands where the first of them stood.
fn say(text: &str, order: &mut Vec<Group>) {
    if !text.is_empty() && !order.contains(&Group::Text) {
        order.push(Group::Text);
    }
}

/// A tool's input as the text that OpenAI's clients parse.
pub(super) fn arguments(input: &Value) -> String {
    if input.is_null() { "{}".into() } else { input.to_string() }
}

/// Why it ended, in OpenAI's words. Without a call that the client sees, the only call was the
/// answer.
pub(super) fn finish(reason: StopReason, has_calls: bool) -> FinishReason {
    match reason {
        StopReason::ToolUse if !has_calls => FinishReason::Stop,
        StopReason::MaxTokens | StopReason::ModelContextWindowExceeded => FinishReason::Length,
        StopReason::ToolUse => FinishReason::ToolCalls,
        StopReason::Refusal => FinishReason::ContentFilter,
        StopReason::EndTurn
        | StopReason::StopSequence
        | StopReason::PauseTurn
        | StopReason::Unknown => FinishReason::Stop,
    }
}

/// What of the end OpenAI's form has no word for, for the surface that does.
pub(super) fn untold(reason: StopReason, sequence: Option<String>) -> Map<String, Value> {
    let mut rest = Map::new();
    let name = match reason {
        StopReason::StopSequence => "stop_sequence",
        StopReason::PauseTurn => "pause_turn",
        StopReason::ModelContextWindowExceeded => "model_context_window_exceeded",
        _ => return rest,
    };
    rest.insert(STOP_REASON.into(), name.into());
    rest.extend(sequence.map(|text| (STOP_SEQUENCE.to_owned(), Value::String(text))));
    rest
}

/// The buckets are disjoint on this side already, but what was written for an hour is a part of
/// what was written; `None` unless both sides were counted.
pub(super) fn usage(usage: &MessagesUsage) -> Option<Usage> {
    let written = usage.cache_creation_input_tokens;
    let hour = usage.rest.get(CACHE_CREATION).and_then(|created| created.get(HOUR)?.as_u64());
    let hour = hour.filter(|tokens| *tokens > 0);
    Some(Usage {
        input: usage.input_tokens?,
        cache_read: usage.cache_read_input_tokens,
        cache_write: written.map(|written| written.saturating_sub(hour.unwrap_or(0))),
        cache_write_hour: hour,
        output: usage.output_tokens?,
        reasoning: None,
    })
}
