//! Tests of the whole surface, without a server: what goes in, what comes out, what is refused.

use super::answer::{Head, Rendering};
use super::request::{self, CompletionRequest};
use crate::api::golden::{self, Answered, Numbers, Streamed, receipt};
use crate::api::outgoing::Writer;
use crate::api::{error, incoming};
use crate::chat::Event;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::openai::{
    AnswerChoice, AnswerMessage, ChatRequest, ChunkChoice, DeltaMessage, FinishReason,
};
use schemas::usage::Usage;
use serde_json::{Value, json};

const SURFACE: &str = "completions";

fn read(body: &Value) -> Result<(ChatRequest, Option<String>), Problem> {
    request::chat(incoming::json::<CompletionRequest>(body.to_string().as_bytes())?)
}

fn head(echo: Option<&str>) -> Head {
    Head::new(&RequestId::parse("req_1").unwrap(), 7, echo.map(ToOwned::to_owned))
}

fn written(echo: Option<&str>, wants_usage: bool, events: Vec<Event>) -> String {
    let mut rendering = Rendering::new(head(echo), wants_usage);
    let mut out = Vec::new();
    for event in events {
        if rendering.event(event, "m", &mut out).is_some() {
            break;
        }
    }
    String::from_utf8(out).unwrap()
}

fn whole(echo: Option<&str>, choices: Vec<AnswerChoice>, usage: Usage) -> Value {
    serde_json::to_value(head(echo).whole("m", choices, &receipt(usage))).unwrap()
}

/// The answer that a strict client puts together, or the error that ended the stream.
fn reassembled(stream: &str) -> Result<Value, Value> {
    let mut answer = Value::Null;
    let mut choices: Vec<Value> = Vec::new();
    let mut is_over = false;
    for event in stream.split_terminator("\n\n").filter(|event| !event.starts_with(':')) {
        assert!(!is_over, "nothing follows [DONE]");
        let data = event.strip_prefix("data: ").unwrap();
        if data == "[DONE]" {
            is_over = true;
            continue;
        }
        let mut event: Value = serde_json::from_str(data).unwrap();
        if event.get("error").is_some() {
            return Err(event);
        }
        assert!(answer["usage"].is_null(), "nothing follows the usage");
        let told = event["choices"].take();
        for choice in told.as_array().unwrap() {
            let index = choice["index"].as_u64().unwrap() as usize;
            if index >= choices.len() {
                choices.resize(index + 1, json!({"text": "", "finish_reason": null}));
            }
            assert!(choices[index]["finish_reason"].is_null(), "a choice ends once");
            let text = choices[index]["text"].as_str().unwrap().to_owned();
            choices[index] = choice.clone();
            choices[index]["text"] = (text + choice["text"].as_str().unwrap()).into();
        }
        assert_eq!(told.as_array().unwrap().is_empty(), !event["usage"].is_null());
        answer = event;
    }
    assert!(is_over, "a good stream ends with [DONE]");
    answer["choices"] = choices.into();
    Ok(answer)
}

#[test]
fn requests_become_the_canonical_form() {
    golden::compare(SURFACE, ".request.json", ".canonical.json", |text| {
        let (chat, echo) = read(&serde_json::from_str(text).unwrap()).unwrap();
        golden::pretty(&json!({"chat": chat, "echo": echo}))
    });
}

#[test]
fn answers_become_completions() {
    golden::compare(SURFACE, ".answer.json", ".completion.json", |text| {
        let answered: Answered = serde_json::from_str(text).unwrap();
        golden::pretty(&whole(Some("序:"), answered.choices, answered.usage))
    });
}

#[test]
fn pieces_become_events_that_together_are_the_completion() {
    golden::compare(SURFACE, ".pieces.json", ".events.sse", |text| {
        let streamed: Streamed = serde_json::from_str(text).unwrap();
        written(Some("序:"), true, streamed.events())
    });
    for (name, stream) in golden::inputs(SURFACE, ".events.sse") {
        let completion = golden::read(SURFACE, &format!("{name}.completion.json"));
        let completion: Value = serde_json::from_str(&completion).unwrap();
        assert_eq!(reassembled(&stream).unwrap(), completion, "{name}");
    }
}

/// A random answer, whole and in pieces that come mixed.
fn answer(numbers: &mut Numbers) -> (Vec<AnswerChoice>, Vec<ChunkChoice>) {
    let (mut choices, mut waiting) = (Vec::new(), Vec::new());
    for index in 0..=numbers.below(2) as u32 {
        let text = numbers.text();
        let mut pieces = Vec::new();
        let thought = DeltaMessage { reasoning_content: Some("想".into()), ..Default::default() };
        let thought = ChunkChoice { index, delta: thought, logprobs: None, finish_reason: None };
        pieces.push(thought);
        pieces.extend(numbers.cut(text).into_iter().map(|piece| ChunkChoice::text(index, piece)));
        pieces.push(ChunkChoice::finish(index, FinishReason::Length));
        let content = Some(text.to_owned());
        let message = AnswerMessage { content, ..AnswerMessage::default() };
        let finish_reason = FinishReason::Length;
        choices.push(AnswerChoice { index, message, logprobs: None, finish_reason });
        waiting.push(pieces);
    }
    let mut pieces = Vec::new();
    while waiting.iter().any(|pieces| !pieces.is_empty()) {
        let at = numbers.below(waiting.len());
        if !waiting[at].is_empty() {
            pieces.push(waiting[at].remove(0));
        }
    }
    (choices, pieces)
}

#[test]
fn a_stream_put_together_equals_the_whole_answer() {
    let mut numbers = Numbers(3);
    let usage = Usage { input: 7, cache_read: Some(2), output: 5, ..Usage::default() };
    for round in 0..300 {
        let echo = (round % 2 == 0).then_some("こだま🗻");
        let (choices, pieces) = answer(&mut numbers);
        let expected = whole(echo, choices.clone(), usage);
        let mut events = numbers.gather(pieces);
        events.push(Event::Done(receipt(usage)));
        let stream = written(echo, true, events);
        assert_eq!(reassembled(&stream).unwrap(), expected, "{stream}");
        let at_once = vec![Event::Whole(choices), Event::Done(receipt(usage))];
        assert_eq!(reassembled(&written(echo, true, at_once)).unwrap(), expected);
    }
}

#[test]
fn a_broken_stream_ends_with_an_error_and_never_done() {
    let problem = Problem::new(ErrorCode::UpstreamOverloaded, "混雑", "busy");
    let begun = || Event::Pieces(vec![ChunkChoice::text(0, "a")]);
    let done = || Event::Done(receipt(Usage::default()));
    for events in [vec![begun(), Event::Failed(problem)], vec![begun(), done()], vec![done()]] {
        let stream = written(None, true, events);
        let error = reassembled(&stream).unwrap_err();
        assert_eq!(error["error"]["type"], "server_error");
        assert!(!stream.contains("[DONE]"), "{stream}");
    }
}

#[test]
fn usage_is_told_in_a_stream_only_when_asked_for() {
    let events = vec![
        Event::Pieces(vec![ChunkChoice::finish(0, FinishReason::ToolCalls)]),
        Event::Done(receipt(Usage::default())),
    ];
    let expected = "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":7,\
        \"model\":\"m\",\"choices\":[{\"text\":\"\",\"index\":0,\"logprobs\":null,\
        \"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    assert_eq!(written(None, false, events), expected);
}

#[test]
fn each_wrong_field_is_named() {
    let wrongs = [
        ("prompt", json!("")),
        ("prompt", json!([])),
        ("prompt", json!([""])),
        ("prompt", json!(["a", "b"])),
        ("prompt", json!([1, 2])),
        ("prompt", json!([[1, 2]])),
        ("prompt", json!({"text": "a"})),
        ("prompt", Value::Null),
        ("suffix", json!("end")),
        ("best_of", json!(3)),
        ("logprobs", json!(0)),
        ("messages", json!([])),
        ("tools", json!([])),
        ("max_completion_tokens", json!(3)),
        ("echo", json!("yes")),
        ("n", json!(-1)),
    ];
    for (field, value) in wrongs {
        let mut body = json!({"model": "m", "prompt": "x"});
        body[field] = value;
        let problem = read(&body).expect_err(&body.to_string());
        assert_eq!(problem.code, ErrorCode::InvalidRequest, "{body}");
        assert_eq!(problem.parameter.as_deref(), Some(field), "{body} {}", problem.message);
    }
    for body in [json!([1, 2]), json!({"prompt": "x"}), json!({"model": "m"})] {
        assert_eq!(read(&body).unwrap_err().code, ErrorCode::InvalidRequest, "{body}");
    }
}

#[test]
fn the_exact_error_of_a_client() {
    let body = json!({"model": "m", "prompt": "x", "suffix": "y"});
    let expected = json!({"error": {
        "message": "suffix には対応していません。外してください。 \
            / 'suffix' is not supported here: leave it out.",
        "type": "invalid_request_error",
        "param": "suffix",
        "code": "invalid_request",
    }});
    assert_eq!(error::body(&read(&body).unwrap_err()), expected);
}

#[test]
fn what_asks_for_nothing_is_taken() {
    let body = json!({"model": "m", "prompt": ["x"], "suffix": null, "best_of": 2, "n": 2,
        "logprobs": null, "echo": false, "tools": null, "max_tokens": null});
    let (chat, echo) = read(&body).unwrap();
    assert_eq!(echo, None);
    assert_eq!(chat.n, Some(2));
    assert!(chat.rest.is_empty(), "{:?}", chat.rest);
}
