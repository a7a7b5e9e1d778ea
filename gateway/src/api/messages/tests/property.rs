//! A stream put together again equals the whole answer, however its pieces are cut and gathered.

use super::wire::{events, reassembled, request_id, written};
use crate::api::golden::{Numbers, USAGE, delta, receipt};
use crate::api::messages::response;
use crate::chat::Event;
use schemas::error::{ErrorCode, Problem};
use schemas::openai::{AnswerChoice, AnswerMessage, ChunkChoice, FinishReason};
use serde_json::{Map, Value, json};

/// A random answer, whole and in pieces.
fn answer(numbers: &mut Numbers) -> (AnswerChoice, Vec<ChunkChoice>) {
    let mut message = AnswerMessage { role: "assistant".into(), ..AnswerMessage::default() };
    let mut pieces = Vec::new();
    if numbers.below(2) == 0 {
        think(numbers, &mut message, &mut pieces);
    }
    if numbers.below(3) > 0 {
        let text = numbers.text();
        message.content = Some(text.into());
        pieces.extend(numbers.cut(text).into_iter().map(|text| delta(json!({"content": text}))));
    }
    let calls = numbers.below(4);
    call(numbers, calls, &mut message, &mut pieces);
    let finish_reason = if calls > 0 { FinishReason::ToolCalls } else { FinishReason::Stop };
    pieces.push(ChunkChoice::finish(0, finish_reason));
    (AnswerChoice { index: 0, message, logprobs: None, finish_reason }, pieces)
}

fn think(numbers: &mut Numbers, message: &mut AnswerMessage, pieces: &mut Vec<ChunkChoice>) {
    let (mut kept, mut all) = (Vec::new(), String::new());
    for index in 0..=numbers.below(2) {
        let text = numbers.text();
        all.push_str(text);
        kept.push(json!({"type": "thinking", "thinking": text, "signature": format!("s{index}")}));
        for piece in numbers.cut(text) {
            let part = json!({"index": index, "type": "thinking", "thinking": piece});
            pieces.push(delta(json!({"reasoning_content": piece, "thinking_blocks": [part]})));
        }
        let part = json!({"index": index, "signature": format!("s{index}")});
        pieces.push(delta(json!({"thinking_blocks": [part]})));
    }
    message.reasoning_content = Some(all);
    message.rest.insert("thinking_blocks".into(), kept.into());
}

/// Calls whose arguments come mixed: the tail of an earlier one may come after a later one began.
fn call(
    numbers: &mut Numbers,
    calls: usize,
    message: &mut AnswerMessage,
    pieces: &mut Vec<ChunkChoice>,
) {
    let mut whole = Vec::new();
    let mut waiting: Vec<Vec<Value>> = Vec::new();
    for index in 0..calls {
        let arguments = json!({"text": numbers.text(), "n": [index]}).to_string();
        let (id, name) = (format!("call_{index}"), format!("tool_{index}"));
        whole.push(json!({"id": id, "type": "function",
            "function": {"name": name, "arguments": arguments}}));
        let mut parts = vec![json!({"index": index, "id": id, "type": "function",
            "function": {"name": name, "arguments": ""}})];
        for piece in numbers.cut(&arguments) {
            parts.push(json!({"index": index, "function": {"arguments": piece}}));
        }
        waiting.push(parts);
    }
    // Each call begins after the one before it has begun, and then they go on in any order.
    let mut begun = 0;
    while waiting.iter().any(|parts| !parts.is_empty()) {
        let at = numbers.below((begun + 1).min(calls));
        if !waiting[at].is_empty() {
            pieces.push(delta(json!({"tool_calls": [waiting[at].remove(0)]})));
            begun = begun.max(at + 1);
        }
    }
    message.tool_calls = (!whole.is_empty()).then_some(whole);
}

fn done() -> Event {
    Event::Done(receipt(USAGE))
}

#[test]
fn a_stream_put_together_equals_the_whole_answer() {
    let mut numbers = Numbers(1);
    for _ in 0..400 {
        let (choice, pieces) = answer(&mut numbers);
        let choices = vec![choice.clone()];
        let whole = response::answer(&request_id(), "m", choices, &receipt(USAGE)).unwrap();
        let whole = serde_json::to_value(whole).unwrap();
        let mut gathered = numbers.gather(pieces);
        gathered.push(done());
        let stream = written(gathered);
        assert_eq!(reassembled(&stream).unwrap(), whole, "{stream}");
        let at_once = written(vec![Event::Whole(vec![choice]), done()]);
        assert_eq!(reassembled(&at_once).unwrap(), whole, "{at_once}");
    }
}

#[test]
fn text_is_told_as_it_comes_and_pings_come_before_it() {
    let mut rest = vec![Event::Pieces(vec![ChunkChoice::text(0, "日")])];
    rest.insert(0, Event::Waiting);
    rest.push(Event::Pieces(vec![ChunkChoice::text(0, "本")]));
    rest.push(Event::Waiting);
    let names: Vec<String> = events(&written(rest))
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "ping",
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "ping",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_broken_stream_ends_with_an_error_and_no_stop() {
    let problem = Problem::new(ErrorCode::UpstreamOverloaded, "混雑", "busy");
    let begun = || Event::Pieces(vec![ChunkChoice::text(0, "a")]);
    for events in [vec![begun(), Event::Failed(problem)], vec![begun(), done()], vec![done()]] {
        let stream = written(events);
        let error = reassembled(&stream).unwrap_err();
        assert_eq!(error["request_id"], "req_1");
        assert!(!stream.contains("message_stop") && !stream.contains("message_delta"), "{stream}");
    }
}

#[test]
fn a_tail_that_was_held_back_is_never_lost() {
    let call = |index: u64, arguments: &str| {
        delta(json!({"tool_calls": [{"index": index, "id": format!("c{index}"), "type": "function",
            "function": {"name": "f", "arguments": arguments}}]}))
    };
    let more = json!({"tool_calls": [{"index": 0, "function": {"arguments": "_1]\"}"}}]});
    let mut last = delta(more);
    last.finish_reason = Some(FinishReason::ToolCalls);
    let stream = written(vec![
        Event::Pieces(vec![call(0, "{\"a\":\"[EMAIL"), call(1, "{\"b\":2}")]),
        Event::Pieces(vec![last]),
        done(),
    ]);
    let message = reassembled(&stream).unwrap();
    assert_eq!(message["content"][0]["input"], json!({"a": "[EMAIL_1]"}));
    assert_eq!(message["content"][1]["input"], json!({"b": 2}));
}

#[test]
fn the_end_is_told_as_far_as_it_is_known() {
    let reason = |finish, rest: Value, called| {
        let rest: Map<String, Value> = serde_json::from_value(rest).unwrap();
        serde_json::to_value(response::stop(finish, &rest, called)).unwrap()
    };
    assert_eq!(reason(FinishReason::Stop, json!({}), false), json!(["end_turn", null]));
    assert_eq!(reason(FinishReason::Stop, json!({}), true), json!(["tool_use", null]));
    assert_eq!(reason(FinishReason::Length, json!({}), true), json!(["max_tokens", null]));
    assert_eq!(reason(FinishReason::ContentFilter, json!({}), false), json!(["refusal", null]));
    let carried = json!({"stop_reason": "stop_sequence", "stop_sequence": "終"});
    assert_eq!(reason(FinishReason::Stop, carried, false), json!(["stop_sequence", "終"]));
    let carried = json!({"stop_reason": "pause_turn"});
    assert_eq!(reason(FinishReason::Stop, carried, false), json!(["pause_turn", null]));
    let unknown = json!({"stop_reason": "brand_new"});
    assert_eq!(reason(FinishReason::Stop, unknown, false), json!(["end_turn", null]));
}

#[test]
fn kept_thoughts_are_told_again_block_by_block() {
    let thoughts = json!([
        {"type": "thinking", "thinking": "一", "signature": "s1"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "thinking", "thinking": "二", "signature": "s2"}
    ]);
    let kept = delta(json!({
        "reasoning_content": "一二", "content": "答", "thinking_blocks": thoughts
    }));
    let end = ChunkChoice::finish(0, FinishReason::Stop);
    let message = reassembled(&written(vec![Event::Pieces(vec![kept, end]), done()])).unwrap();
    let content = message["content"].as_array().unwrap();
    assert_eq!(content[..3], *thoughts.as_array().unwrap());
    assert_eq!(content[3], json!({"type": "text", "text": "答"}));
}

#[test]
fn a_thought_is_shown_with_its_personal_data_restored() {
    let rest: Map<String, Value> = serde_json::from_value(json!({"thinking_blocks": [
        {"type": "thinking", "thinking": "[PERSON_1]さん", "signature": "s"}
    ]}))
    .unwrap();
    let restored = serde_json::to_value(response::thoughts(&rest, Some("太郎さん"))).unwrap();
    let expected = json!([{"type": "thinking", "thinking": "太郎さん", "signature": "s"}]);
    assert_eq!(restored, expected);
}
