//! Tools there, and their calls back: those that take free text, and those in groups.

use super::thoughts::{items, messages, said};
use super::wire::{head_of, reassembled, written_to};
use crate::api::golden::receipt;
use crate::api::responses::canonical;
use crate::chat::Event;
use schemas::openai::ChunkChoice;
use schemas::usage::Usage;
use serde_json::json;

#[test]
fn tools_of_free_text_go_there_and_back() {
    let grammar = json!({"type": "grammar", "syntax": "lark", "definition": "start: \"a\""});
    let body = json!({"model": "m", "input": "x", "tool_choice": {"type": "custom", "name": "p"},
        "tools": [{"type": "custom", "name": "p", "description": "d", "format": grammar},
            {"type": "custom", "name": "q"}]});
    let (chat, _) = canonical(serde_json::from_value(body).unwrap(), &[]).unwrap();
    let grammar = json!({"type": "grammar",
        "grammar": {"syntax": "lark", "definition": "start: \"a\""}});
    let tools = json!([
        {"type": "custom", "custom": {"name": "p", "description": "d", "format": grammar}},
        {"type": "custom", "custom": {"name": "q"}}]);
    assert_eq!(json!(chat.tools), tools);
    assert_eq!(chat.tool_choice.unwrap(), json!({"type": "custom", "custom": {"name": "p"}}));
    let call = json!({"id": "c", "type": "custom", "custom": {"name": "p", "input": "日本 {"}});
    let message = json!({"role": "assistant", "tool_calls": [call]});
    let mut told = items(&message);
    let expected = json!({"id": "ctc_1_0", "type": "custom_tool_call", "status": "completed",
        "call_id": "c", "name": "p", "input": "日本 {"});
    assert_eq!(told, [expected]);
    told.push(json!({"type": "custom_tool_call_output", "call_id": "c", "output": "ok"}));
    let back = messages(&told);
    assert_eq!(said(&back[0]), message);
    assert_eq!(said(&back[1]), json!({"role": "tool", "content": "ok", "tool_call_id": "c"}));
}

#[test]
fn tools_in_groups_are_called_by_both_names() {
    let group = json!({"type": "namespace", "name": "mcp__docs__", "description": "d", "tools": [
        {"type": "function", "name": "search", "parameters": {"type": "object"}},
        {"type": "custom", "name": "write"}]});
    let told = json!({"type": "function_call", "call_id": "c0", "namespace": "mcp__docs__",
        "name": "search", "arguments": "{}"});
    let body = json!({"model": "m", "input": [{"role": "user", "content": "x"}, told.clone(),
            {"type": "function_call_output", "call_id": "c0", "output": "ok"}],
        "tools": [{"type": "function", "name": "search"}, group],
        "tool_choice": {"type": "function", "namespace": "mcp__docs__", "name": "search"}});
    let (chat, asked) = canonical(serde_json::from_value(body.clone()).unwrap(), &[]).unwrap();
    assert_eq!(asked["tools"], body["tools"], "they are told back as they came");
    let in_chat = "mcp__docs__search";
    assert_eq!(
        json!(chat.tools),
        json!([{"type": "function", "function": {"name": "search"}},
            {"type": "function", "function": {"name": in_chat, "parameters": {"type": "object"}}},
            {"type": "custom", "custom": {"name": "mcp__docs__write"}}])
    );
    assert_eq!(chat.tool_choice.unwrap()["function"]["name"], in_chat);
    let before = said(&chat.messages[1]);
    assert_eq!(before["tool_calls"][0]["function"]["name"], in_chat);

    let call = |index: u64, name: &str| {
        json!({"index": index, "id": format!("c{index}"), "type": "function",
            "function": {"name": name, "arguments": "{}"}})
    };
    let delta = json!({"tool_calls": [call(0, in_chat), call(1, "search")]});
    let piece = json!({"index": 0, "delta": delta, "finish_reason": "tool_calls"});
    let piece: ChunkChoice = serde_json::from_value(piece).unwrap();
    let events = vec![Event::Pieces(vec![piece]), Event::Done(receipt(Usage::default()))];
    let (response, _) = reassembled(&written_to(head_of(&body), events));
    let mut grouped = told;
    (grouped["id"], grouped["status"]) = (json!("fc_1_0"), json!("completed"));
    let alone = json!({"id": "fc_1_1", "type": "function_call", "status": "completed",
        "call_id": "c1", "name": "search", "arguments": "{}"});
    assert_eq!(response["output"], json!([grouped, alone]));
}
