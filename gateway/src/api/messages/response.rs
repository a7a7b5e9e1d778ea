//! A whole answer as Anthropic writes it, and what a stream shares with it: the stop reason, the
//! usage, the thoughts. Usage buckets stay disjoint; what nobody counted is null and never zero.

use crate::chat::Receipt;
use schemas::anthropic::{
    Block, CACHE_CREATION, FIVE_MINUTES, HOUR, KnownBlock, MessagesAnswer, MessagesUsage, Role,
    STOP_REASON, STOP_SEQUENCE, StopReason, THINKING_BLOCKS, in_order,
};
use schemas::ids::RequestId;
use schemas::openai::{AnswerChoice, AnswerMessage, FinishReason};
use schemas::usage::Usage;
use serde_json::{Map, Value, json};

/// Where arguments that aren't a JSON object are put: the client's own check of the input refuses
/// it, instead of a tool that runs with nothing.
const UNREADABLE_ARGUMENTS: &str = "unreadable_arguments";

/// Anthropic's name of an answer.
pub(super) fn message_id(request: &RequestId) -> String {
    format!("msg_{}", bare(request))
}

/// A call's name, where the model gave none.
pub(super) fn call_id(request: &RequestId, index: u64) -> String {
    format!("toolu_{}_{index}", bare(request))
}

fn bare(request: &RequestId) -> &str {
    request.as_str().trim_start_matches("req_")
}

/// The answer's first choice; this surface never asks for more.
pub(super) fn answer(
    request: &RequestId,
    model: &str,
    choices: Vec<AnswerChoice>,
    receipt: &Receipt,
) -> Option<MessagesAnswer> {
    let choice = choices.into_iter().next()?;
    let called = choice.message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
    let (stop_reason, stop_sequence) = stop(choice.finish_reason, &choice.message.rest, called);
    Some(MessagesAnswer {
        id: message_id(request),
        kind: "message".into(),
        role: Role::Assistant,
        model: model.to_owned(),
        content: content(choice.message, request),
        stop_reason: Some(stop_reason),
        stop_sequence,
        usage: usage(&receipt.usage),
        rest: Map::new(),
    })
}

fn content(message: AnswerMessage, request: &RequestId) -> Vec<Block> {
    let thoughts = thoughts(&message.rest, message.reasoning_content.as_deref());
    let thoughts = thoughts.into_iter().map(Block::Known).map(Some).collect();
    let (mut said, mut calls) = (Vec::new(), Vec::new());
    for text in [message.content, message.refusal].into_iter().flatten() {
        if !text.is_empty() {
            said.push(Some(Block::text(text)));
        }
    }
    for (index, call) in (0..).zip(message.tool_calls.unwrap_or_default()) {
        let field = |name| call.pointer(name).and_then(Value::as_str).unwrap_or_default();
        let id = match field("/id") {
            "" => call_id(request, index),
            id => id.to_owned(),
        };
        let name = field("/function/name").to_owned();
        let input = input(field("/function/arguments"));
        let call = KnownBlock::ToolUse { id, name, input, rest: Map::new() };
        calls.push(Some(Block::Known(call)));
    }
    in_order(&message.rest, thoughts, said, calls)
}

/// A call's arguments as the object that they spell.
fn input(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return json!({});
    }
    match serde_json::from_str(arguments) {
        Ok(input @ Value::Object(_)) => input,
        _ => json!({UNREADABLE_ARGUMENTS: arguments}),
    }
}

/// The thoughts of a whole message. Their structure and signatures are those of the kept blocks;
/// the readable text is the truth of what was thought, because personal data is restored in it.
pub(super) fn thoughts(rest: &Map<String, Value>, reasoning: Option<&str>) -> Vec<KnownBlock> {
    let kept = rest.get(THINKING_BLOCKS).and_then(Value::as_array);
    let mut blocks: Vec<KnownBlock> = kept.into_iter().flatten().map(thought).collect();
    let Some(reasoning) = reasoning.filter(|text| !text.is_empty()) else { return blocks };
    let mut texts: Vec<&mut String> = blocks
        .iter_mut()
        .filter_map(|block| match block {
            KnownBlock::Thinking { thinking, .. } => Some(thinking),
            _ => None,
        })
        .collect();
    match texts.as_mut_slice() {
        [] => {
            let (thinking, signature) = (reasoning.to_owned(), String::new());
            blocks.insert(0, KnownBlock::Thinking { thinking, signature });
        }
        [only] => reasoning.clone_into(only),
        // Which part of the text belongs to which block isn't told: the blocks have their own.
        _ => {}
    }
    blocks
}

fn thought(kept: &Value) -> KnownBlock {
    let text = |name| kept.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match kept.get("type").and_then(Value::as_str) {
        Some("redacted_thinking") => KnownBlock::RedactedThinking { data: text("data") },
        _ => KnownBlock::Thinking { thinking: text("thinking"), signature: text("signature") },
    }
}

/// Why it ended, in Anthropic's words. Which text ended it is told only where the vendor told it:
/// without that it is the end of a turn.
pub(super) fn stop(
    finish: FinishReason,
    rest: &Map<String, Value>,
    called: bool,
) -> (StopReason, Option<String>) {
    let sequence = rest.get(STOP_SEQUENCE).and_then(Value::as_str);
    let told = rest.get(STOP_REASON).and_then(|reason| serde_json::from_value(reason.clone()).ok());
    let told = told.filter(|reason| *reason != StopReason::Unknown);
    match (finish, told, sequence) {
        // Some servers say that they stopped, where they want tools to be called.
        (FinishReason::Stop, _, _) if called => (StopReason::ToolUse, None),
        (FinishReason::Stop, _, Some(text)) => (StopReason::StopSequence, Some(text.to_owned())),
        (_, Some(told), _) => (told, None),
        (FinishReason::Stop, None, None) => (StopReason::EndTurn, None),
        (FinishReason::Length, None, _) => (StopReason::MaxTokens, None),
        (FinishReason::ToolCalls | FinishReason::FunctionCall, None, _) => {
            (StopReason::ToolUse, None)
        }
        (FinishReason::ContentFilter, None, _) => (StopReason::Refusal, None),
    }
}

/// What was consumed. Thoughts are part of the output, and told apart where they were counted.
pub(super) fn usage(usage: &Usage) -> MessagesUsage {
    let mut rest = Map::new();
    if let Some(thinking_tokens) = usage.reasoning {
        rest.insert("output_tokens_details".into(), json!({"thinking_tokens": thinking_tokens}));
    }
    if let Some(hour) = usage.cache_write_hour {
        let short = usage.cache_write.unwrap_or(0);
        rest.insert(CACHE_CREATION.into(), json!({FIVE_MINUTES: short, HOUR: hour}));
    }
    MessagesUsage {
        input_tokens: Some(usage.input),
        cache_creation_input_tokens: usage.cache_writes(),
        cache_read_input_tokens: usage.cache_read,
        output_tokens: Some(usage.completion_tokens()),
        rest,
    }
}
