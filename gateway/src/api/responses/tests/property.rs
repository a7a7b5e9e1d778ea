//! A stream put together again equals the whole answer, however its pieces are cut and gathered.

use super::wire::{events, head, reassembled, written};
use crate::api::golden::{Numbers, USAGE, delta, receipt};
use crate::chat::Event;
use schemas::error::{ErrorCode, Problem};
use schemas::openai::{AnswerChoice, AnswerMessage, ChunkChoice, FinishReason};
use serde_json::{Value, json};

fn done() -> Event {
    Event::Done(receipt(USAGE))
}

/// A text of the answer, perhaps, and its pieces.
fn text(
    numbers: &mut Numbers,
    name: &'static str,
    pieces: &mut Vec<ChunkChoice>,
) -> Option<String> {
    if numbers.below(3) == 0 {
        return None;
    }
    let text = numbers.text();
    let says = |piece: String| {
        let mut said = delta(json!({name: piece}));
        let token = json!({"token": piece, "logprob": -0.5, "bytes": null, "top_logprobs": []});
        said.logprobs = (name == "content").then(|| json!({"content": [token]}));
        said
    };
    pieces.extend(numbers.cut(text).into_iter().map(says));
    Some(text.to_owned())
}

/// A random answer, whole and in pieces.
fn answer(numbers: &mut Numbers) -> (AnswerChoice, Vec<ChunkChoice>) {
    let mut pieces = Vec::new();
    let mut message = AnswerMessage { role: "assistant".into(), ..AnswerMessage::default() };
    message.reasoning_content = text(numbers, "reasoning_content", &mut pieces);
    sign(numbers, &mut message, &mut pieces);
    message.content = text(numbers, "content", &mut pieces);
    if message.content.is_some() && numbers.below(3) == 0 {
        let page = json!({"url": "https://example.com/", "title": "例", "start_index": 0});
        let remarks = json!([{"type": "url_citation", "url_citation": page}]);
        pieces.push(delta(json!({"annotations": remarks})));
        message.rest.insert("annotations".to_owned(), remarks);
    }
    message.refusal = text(numbers, "refusal", &mut pieces);
    let calls = numbers.below(4);
    message.tool_calls = call(numbers, calls, &mut pieces);
    let reasons = [
        FinishReason::Stop,
        FinishReason::ToolCalls,
        FinishReason::Length,
        FinishReason::ContentFilter,
    ];
    let finish_reason = reasons[numbers.below(reasons.len())];
    let told = pieces.iter().filter_map(|piece| piece.logprobs.as_ref()?["content"].as_array());
    let tokens: Vec<Value> = told.flatten().cloned().collect();
    let logprobs = (!tokens.is_empty()).then(|| json!({"content": tokens}));
    pieces.push(ChunkChoice::finish(0, finish_reason));
    (AnswerChoice { index: 0, message, logprobs, finish_reason }, pieces)
}

/// A vendor's signature of what was thought, perhaps: it comes after the thought, in a stream.
fn sign(numbers: &mut Numbers, message: &mut AnswerMessage, pieces: &mut Vec<ChunkChoice>) {
    let Some(thought) = message.reasoning_content.as_deref() else { return };
    if numbers.below(2) == 0 {
        return;
    }
    for (number, piece) in pieces.iter_mut().enumerate() {
        let text = piece.delta.reasoning_content.clone();
        let mut block = json!({"index": 0, "thinking": text});
        if number == 0 {
            block["type"] = "thinking".into();
        }
        piece.delta.rest.insert("thinking_blocks".to_owned(), json!([block]));
    }
    pieces.push(delta(json!({"thinking_blocks": [{"index": 0, "signature": "s"}]})));
    let block = json!({"type": "thinking", "thinking": thought, "signature": "s"});
    message.rest.insert("thinking_blocks".to_owned(), json!([block]));
}

/// Calls whose arguments come mixed: the tail of an earlier one may come after a later one began.
fn call(numbers: &mut Numbers, calls: usize, pieces: &mut Vec<ChunkChoice>) -> Option<Vec<Value>> {
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
    (!whole.is_empty()).then_some(whole)
}

#[test]
fn a_stream_put_together_equals_the_whole_answer() {
    let mut numbers = Numbers(11);
    for _ in 0..400 {
        let (choice, pieces) = answer(&mut numbers);
        let expected = head().whole("m", vec![choice.clone()], &receipt(USAGE)).unwrap();
        let mut gathered = numbers.gather(pieces);
        gathered.push(done());
        let stream = written(gathered);
        assert_eq!(reassembled(&stream).0, expected, "{stream}");
        let at_once = written(vec![Event::Whole(vec![choice]), done()]);
        assert_eq!(reassembled(&at_once).0, expected, "{at_once}");
    }
}

#[test]
fn events_come_in_their_exact_order() {
    let call = json!({"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}});
    let stream = written(vec![
        Event::Waiting,
        Event::Pieces(vec![ChunkChoice::text(0, "日")]),
        Event::Pieces(vec![ChunkChoice::text(0, "本"), delta(json!({"tool_calls": [call]}))]),
        Event::Pieces(vec![ChunkChoice::finish(0, FinishReason::ToolCalls)]),
        done(),
    ]);
    assert!(stream.starts_with(": ping\n\nevent: response.created\ndata: {\"type\""), "{stream}");
    assert!(!stream.contains("[DONE]"));
    let told = events(&stream);
    let names: Vec<&str> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_broken_stream_ends_as_failed() {
    let begun = || Event::Pieces(vec![ChunkChoice::text(0, "a")]);
    let failed = |code| vec![begun(), Event::Failed(Problem::new(code, "駄目", "no"))];
    for (events, code) in [
        (failed(ErrorCode::UpstreamOverloaded), "server_is_overloaded"),
        (failed(ErrorCode::NoWorker), "server_is_overloaded"),
        (failed(ErrorCode::ContextLengthExceeded), "context_length_exceeded"),
        (failed(ErrorCode::InsufficientQuota), "insufficient_quota"),
        (failed(ErrorCode::RateLimitExceeded), "rate_limit_exceeded"),
        (failed(ErrorCode::ContentBlocked), "invalid_prompt"),
        (failed(ErrorCode::UpstreamTimeout), "server_error"),
        (vec![begun(), done()], "server_error"),
        (vec![done()], "server_error"),
    ] {
        let (response, name) = reassembled(&written(events));
        assert_eq!(name, "response.failed");
        assert_eq!(response["status"], "failed");
        assert_eq!(response["error"]["code"], code);
        assert!(response["usage"].is_null());
    }
}

#[test]
fn a_call_without_a_name_at_first_or_without_arguments_is_told_whole() {
    let piece = |call: Value| Event::Pieces(vec![delta(json!({"tool_calls": [call]}))]);
    let stream = written(vec![
        piece(json!({"index": 0, "function": {"arguments": "{\"a\""}})),
        piece(json!({"index": 0, "id": "c", "function": {"name": "f", "arguments": ":1}"}})),
        piece(json!({"index": 1, "function": {"name": "g"}})),
        Event::Pieces(vec![ChunkChoice::finish(0, FinishReason::Stop)]),
        done(),
    ]);
    let (response, _) = reassembled(&stream);
    let call = |number: usize, field: &str| response["output"][number][field].clone();
    assert_eq!(
        [call(0, "call_id"), call(0, "name"), call(0, "arguments")],
        ["c", "f", "{\"a\":1}"]
    );
    assert_eq!(
        [call(1, "call_id"), call(1, "name"), call(1, "arguments")],
        ["call_1_1", "g", "{}"]
    );
}
