//! Reads a stream as a strict client would: every rule of the event order is an assertion.

use crate::api::messages::stream::Rendering;
use crate::api::outgoing::Writer;
use crate::chat::Event;
use schemas::ids::RequestId;
use serde_json::{Value, json};

pub(super) fn request_id() -> RequestId {
    RequestId::parse("req_1").unwrap()
}

/// What a stream of these events looks like.
pub(super) fn written(events: Vec<Event>) -> String {
    let mut rendering = Rendering::new(&request_id(), 9);
    let mut out = Vec::new();
    for event in events {
        if rendering.event(event, "m", &mut out).is_some() {
            break;
        }
    }
    String::from_utf8(out).unwrap()
}

/// The events of a stream; their names must stand on their own lines.
pub(super) fn events(stream: &str) -> Vec<Value> {
    let mut events = Vec::new();
    for event in stream.split_terminator("\n\n") {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        events.push(data);
    }
    events
}

/// The message that a client puts together, or the error that ended the stream.
pub(super) fn reassembled(stream: &str) -> Result<Value, Value> {
    let mut message = Value::Null;
    let (mut open, mut inputs, mut is_over) = (None, String::new(), false);
    for event in events(stream) {
        assert!(!is_over, "nothing follows message_stop");
        match event["type"].as_str().unwrap() {
            "ping" => {}
            "message_start" => {
                assert!(message.is_null(), "message_start comes once");
                message = event["message"].clone();
                assert_eq!(message["content"], json!([]));
            }
            "content_block_start" => {
                assert_eq!(open, None, "blocks are never nested");
                let content = message["content"].as_array_mut().unwrap();
                assert_eq!(event["index"], content.len());
                content.push(event["content_block"].clone());
                (open, inputs) = (event["index"].as_u64(), String::new());
            }
            "content_block_delta" => {
                assert_eq!(event["index"].as_u64(), open);
                let block = &mut message["content"][open.unwrap() as usize];
                grow(block, &event["delta"], &mut inputs);
            }
            "content_block_stop" => {
                assert_eq!(event["index"].as_u64(), open);
                let block = &mut message["content"][open.take().unwrap() as usize];
                if !inputs.is_empty() {
                    block["input"] = serde_json::from_str(&inputs).unwrap();
                }
                inputs.clear();
            }
            "message_delta" => {
                assert_eq!(open, None);
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                message["stop_sequence"] = event["delta"]["stop_sequence"].clone();
                message["usage"] = event["usage"].clone();
            }
            "message_stop" => {
                assert!(!message["stop_reason"].is_null());
                is_over = true;
            }
            "error" => return Err(event),
            other => panic!("{other} is no event of this API"),
        }
    }
    assert!(is_over, "a good stream ends with message_stop");
    Ok(message)
}

fn grow(block: &mut Value, delta: &Value, inputs: &mut String) {
    let (kind, field) = match delta["type"].as_str().unwrap() {
        "text_delta" => ("text", "text"),
        "thinking_delta" => ("thinking", "thinking"),
        "signature_delta" => ("thinking", "signature"),
        "input_json_delta" => {
            assert_eq!(block["type"], "tool_use");
            return inputs.push_str(delta["partial_json"].as_str().unwrap());
        }
        other => panic!("{other} is no delta of this API"),
    };
    assert_eq!(block["type"], kind);
    let text = block[field].as_str().unwrap().to_owned() + delta[field].as_str().unwrap();
    block[field] = text.into();
}
