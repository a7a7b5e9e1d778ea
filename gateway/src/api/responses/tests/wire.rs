//! Reads a stream as a strict client would: every rule of the event order is an assertion.

use crate::api::outgoing::Writer;
use crate::api::responses::canonical;
use crate::api::responses::response::Head;
use crate::api::responses::stream::Rendering;
use crate::chat::Event;
use schemas::ids::RequestId;
use serde_json::{Value, json};

pub(super) fn head() -> Head {
    head_of(&json!({"model": "m", "input": "x"}))
}

/// What an answer to this body begins with.
pub(super) fn head_of(body: &Value) -> Head {
    let (_, asked) = canonical(serde_json::from_value(body.clone()).unwrap(), &[]).unwrap();
    Head::new(&RequestId::parse("req_1").unwrap(), 7, asked)
}

/// What a stream of these events looks like.
pub(super) fn written(events: Vec<Event>) -> String {
    written_to(head(), events)
}

/// The same of an answer that begins so.
pub(super) fn written_to(head: Head, events: Vec<Event>) -> String {
    let mut rendering = Rendering::new(head);
    let mut out = Vec::new();
    for event in events {
        if rendering.event(event, "m", &mut out).is_some() {
            break;
        }
    }
    String::from_utf8(out).unwrap()
}

/// The events of a stream: named on their own lines, and numbered without a gap.
pub(super) fn events(stream: &str) -> Vec<Value> {
    let mut events = Vec::new();
    for event in stream.split_terminator("\n\n").filter(|event| !event.starts_with(':')) {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        assert_eq!(data["sequence_number"], events.len());
        events.push(data);
    }
    events
}

/// The response that a client puts together out of the deltas, and the name of its last event.
pub(super) fn reassembled(stream: &str) -> (Value, String) {
    let events = events(stream);
    let [created, in_progress, middle @ .., last] = events.as_slice() else {
        panic!("too short: {stream}");
    };
    assert_eq!(created["type"], "response.created");
    assert_eq!(in_progress["type"], "response.in_progress");
    assert_eq!(created["response"], in_progress["response"]);
    assert_eq!(created["response"]["output"], json!([]));
    let mut output: Vec<Value> = Vec::new();
    for event in middle {
        grow(event, &mut output);
    }
    let response = last["response"].clone();
    let name = last["type"].as_str().unwrap().to_owned();
    if name != "response.failed" {
        assert_eq!(response["output"], json!(output), "what grew is what is told at the end");
        assert!(output.iter().all(|item| item["status"] != "in_progress"));
    }
    (response, name)
}

fn append(text: &mut Value, more: &Value) {
    *text = (text.as_str().unwrap().to_owned() + more.as_str().unwrap()).into();
}

fn grow(event: &Value, output: &mut Vec<Value>) {
    let at = event["output_index"].as_u64().unwrap() as usize;
    let kind = event["type"].as_str().unwrap();
    if kind == "response.output_item.added" {
        assert_eq!(at, output.len(), "items are told of in their order");
        assert_eq!(event["item"]["status"], "in_progress");
        return output.push(event["item"].clone());
    }
    let item = &mut output[at];
    assert_eq!(item["status"], "in_progress", "an item that is over never grows");
    if kind == "response.output_item.done" {
        for (name, value) in item.as_object().unwrap() {
            assert!(name == "status" || event["item"][name] == *value, "{name}");
        }
        *item = event["item"].clone();
        return;
    }
    assert_eq!(event["item_id"], item["id"]);
    match kind {
        "response.function_call_arguments.delta" => {
            append(&mut item["arguments"], &event["delta"]);
        }
        "response.custom_tool_call_input.delta" => append(&mut item["input"], &event["delta"]),
        "response.custom_tool_call_input.done" => assert_eq!(event["input"], item["input"]),
        "response.function_call_arguments.done" => {
            assert_eq!(event["arguments"], item["arguments"]);
            assert_eq!(event["name"], item["name"]);
        }
        "response.content_part.added" => {
            let content = item["content"].as_array_mut().unwrap();
            assert_eq!(event["content_index"], content.len());
            content.push(event["part"].clone());
        }
        _ => grow_part(kind, event, item),
    }
}

fn grow_part(kind: &str, event: &Value, item: &mut Value) {
    let at = event["content_index"].as_u64().unwrap() as usize;
    let part = &mut item["content"][at];
    let field = if part["type"] == "refusal" { "refusal" } else { "text" };
    let owner = match part["type"].as_str().unwrap() {
        "output_text" => "response.output_text",
        "refusal" => "response.refusal",
        "reasoning_text" => "response.reasoning_text",
        other => panic!("{other} is no part of this API"),
    };
    match kind {
        "response.content_part.done" => assert_eq!(event["part"], *part),
        "response.output_text.annotation.added" => {
            let known = part["annotations"].as_array_mut().unwrap();
            assert_eq!(event["annotation_index"], known.len());
            known.push(event["annotation"].clone());
        }
        _ if kind == format!("{owner}.delta") => {
            append(&mut part[field], &event["delta"]);
            if let Some(told) = part.get_mut("logprobs").and_then(Value::as_array_mut) {
                told.extend(event["logprobs"].as_array().unwrap().iter().cloned());
            }
        }
        _ if kind == format!("{owner}.done") => {
            assert_eq!(event[field], part[field]);
            // A token without a text of its own is told with the whole.
            if let Some(told) = part.get("logprobs").and_then(Value::as_array) {
                assert!(event["logprobs"].as_array().unwrap().len() >= told.len());
                part["logprobs"] = event["logprobs"].clone();
            }
        }
        other => panic!("{other} is no event of this part"),
    }
}
