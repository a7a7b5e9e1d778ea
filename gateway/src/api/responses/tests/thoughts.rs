//! Thoughts that were told come back to whoever can use them: signed, in the order in which they
//! came, and as text. Also what else must come back beside calls.

use super::wire::{head, reassembled, written};
use crate::api::golden::receipt;
use crate::api::responses::canonical;
use crate::chat::Event;
use schemas::openai::{AnswerChoice, ChunkChoice, FinishReason, Message};
use schemas::usage::Usage;
use serde_json::{Value, json};

/// A whole answer of this message as items.
pub(super) fn items(message: &Value) -> Vec<Value> {
    let choice = json!({"index": 0, "message": message, "finish_reason": "tool_calls"});
    let choice: AnswerChoice = serde_json::from_value(choice).unwrap();
    let response = head().whole("m", vec![choice], &receipt(Usage::default())).unwrap();
    response["output"].as_array().unwrap().clone()
}

/// The messages of a conversation of these items.
pub(super) fn messages(items: &[Value]) -> Vec<Message> {
    let body = json!({"model": "m", "input": items});
    canonical(serde_json::from_value(body).unwrap(), &[]).unwrap().0.messages
}

pub(super) fn said(message: &Message) -> Value {
    serde_json::to_value(message).unwrap()
}

fn thinking(text: &str, signature: &str) -> Value {
    json!({"type": "thinking", "thinking": text, "signature": signature})
}

fn call(id: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}})
}

#[test]
fn a_message_comes_back_as_it_went() {
    let redacted = json!({"type": "redacted_thinking", "data": "d"});
    let usual = json!({"role": "assistant", "content": "調べます", "tool_calls": [call("c1")],
        "reasoning_content": "想", "thinking_blocks": [thinking("想", "s1")]});
    let several = json!({"role": "assistant", "content": "調べます", "tool_calls": [call("c1")],
        "reasoning_content": "想", "thinking_blocks": [thinking("想", "s1"), redacted]});
    let interleaved = json!({"role": "assistant", "content": "調べます",
        "tool_calls": [call("c1"), call("c2")], "reasoning_content": "想念",
        "thinking_blocks": [thinking("想", "s1"), thinking("念", "s2")],
        "block_order": ["thinking", "text", "tool_use", "thinking", "tool_use"]});
    let mut of_gemini = call("c1");
    of_gemini["extra_content"] = json!({"google": {"thought_signature": "g"}});
    let of_gemini = json!({"role": "assistant", "tool_calls": [of_gemini]});
    let unsigned = json!({"role": "assistant", "content": "x", "reasoning_content": "想"});
    for message in [usual, several, interleaved, of_gemini, unsigned] {
        let back = messages(&items(&message));
        assert_eq!(back.iter().map(said).collect::<Vec<_>>(), [message]);
    }
}

#[test]
fn a_stream_tells_the_same_thoughts() {
    let piece = |delta: Value| {
        let piece = json!({"index": 0, "delta": delta});
        serde_json::from_value::<ChunkChoice>(piece).unwrap()
    };
    let thinks = |index: u64, text: &str, signature: &str| {
        let mut block = thinking(text, signature);
        block["index"] = index.into();
        piece(json!({"reasoning_content": text, "thinking_blocks": [block]}))
    };
    let kept = |block: Value| piece(json!({"thinking_blocks": [block]}));
    let pieces = vec![
        thinks(0, "想", ""),
        thinks(0, "う", ""),
        kept(json!({"index": 0, "signature": "s1"})),
        kept(json!({"index": 1, "type": "redacted_thinking", "data": "d"})),
        piece(json!({"content": "調べ"})),
        thinks(2, "念", ""),
        kept(json!({"index": 2, "signature": "s2"})),
        piece(json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function",
            "function": {"name": "f", "arguments": "{}"}}]})),
        ChunkChoice::finish(0, FinishReason::ToolCalls),
    ];
    let done = Event::Done(receipt(Usage::default()));
    let (response, _) = reassembled(&written(vec![Event::Pieces(pieces), done]));
    let expected = json!({"role": "assistant", "content": "調べ", "tool_calls": [call("c1")],
        "reasoning_content": "想う念",
        "thinking_blocks": [thinking("想う", "s1"), {"type": "redacted_thinking", "data": "d"},
            thinking("念", "s2")],
        "block_order": ["thinking", "thinking", "text", "thinking", "tool_use"]});
    let back = messages(response["output"].as_array().unwrap());
    assert_eq!(back.iter().map(said).collect::<Vec<_>>(), [expected]);
}

#[test]
fn a_thought_that_led_to_nothing_is_left_out() {
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": [],
        "content": [{"type": "reasoning_text", "text": "想"}]});
    let user = json!({"role": "user", "content": "x"});
    let answer = json!({"role": "assistant", "content": "y"});
    let output = json!({"type": "function_call_output", "call_id": "c", "output": "z"});
    for after in [vec![], vec![user.clone(), answer.clone()], vec![output, answer]] {
        let mut conversation = vec![user.clone(), thought.clone()];
        conversation.extend(after);
        for message in messages(&conversation) {
            assert!(message.rest.is_empty(), "{message:?}");
        }
    }
}
