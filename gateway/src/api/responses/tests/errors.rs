//! What is refused, with the exact error; and what is taken although it asks for nothing.

use crate::api::incoming;
use crate::api::responses::canonical;
use schemas::error::{ErrorCode, Problem};
use schemas::openai::ChatRequest;
use serde_json::{Map, Value, json};

fn read(body: &Value) -> Result<(ChatRequest, Map<String, Value>), Problem> {
    canonical(incoming::json(body.to_string().as_bytes())?, &[])
}

fn with(field: &str, value: Value) -> Value {
    let mut body = json!({"model": "m", "input": "x"});
    body[field] = value;
    body
}

fn refused(place: &str, body: &Value) {
    let problem = read(body).expect_err(&body.to_string());
    assert_eq!(problem.code, ErrorCode::InvalidRequest, "{body}");
    assert_eq!(problem.parameter.as_deref(), Some(place), "{body} {}", problem.message);
}

#[test]
fn each_wrong_field_is_named() {
    let wrongs = [
        ("input", json!("")),
        ("input", json!([])),
        ("input", json!(5)),
        ("previous_response_id", json!(1)),
        ("store", json!("yes")),
        ("conversation", json!("conv_1")),
        ("prompt", json!({"id": "p"})),
        ("background", json!("yes")),
        ("top_logprobs", json!(-1)),
        ("max_output_tokens", json!(0)),
        ("max_output_tokens", json!(-1)),
        ("messages", json!([])),
        ("max_tokens", json!(3)),
        ("modalities", json!(["text", "audio"])),
        ("response_format", json!({"type": "text"})),
        ("tool_choice", json!("any")),
        ("tool_choice", json!({"type": "web_search"})),
        ("text.format.type", json!({"type": "xml"})),
        ("text.format.name", json!({"type": "json_schema", "schema": {}})),
        ("text.format.schema", json!({"type": "json_schema", "name": "n"})),
        ("tools[0].type", json!([{"type": "web_search"}])),
        ("tools[0].name", json!([{"type": "function"}])),
        ("tools[0].name", json!([{"type": "namespace", "tools": []}])),
        ("tools[0].tools", json!([{"type": "namespace", "name": "n"}])),
        (
            "tools[0].tools[0].type",
            json!([{"type": "namespace", "name": "n", "tools": [{"type": "namespace"}]}]),
        ),
        ("tools[0].name", json!([{"type": "custom", "format": {"type": "text"}}])),
        ("tools[0].parameters", json!([{"type": "function", "name": "f", "parameters": 1}])),
    ];
    for (place, value) in wrongs {
        let field = place.split(['.', '[']).next().unwrap();
        let value = if field == "text" { json!({"format": value}) } else { value };
        refused(place, &with(field, value));
    }
    for body in [json!([1, 2]), json!({"input": "x"}), json!({"model": "m"})] {
        assert_eq!(read(&body).unwrap_err().code, ErrorCode::InvalidRequest, "{body}");
    }
}

/// Namespaces don't hold each other, so what is refused in one isn't told of as allowed there.
#[test]
fn a_group_in_a_group_is_no_way_out() {
    let group = json!([{"type": "namespace", "name": "n", "tools": [{"type": "namespace"}]}]);
    let inside = read(&with("tools", group)).unwrap_err().message;
    assert!(inside.contains("function") && !inside.contains("namespace"), "{inside}");
    let alone = read(&with("tools", json!([{"type": "web_search"}]))).unwrap_err().message;
    assert!(alone.contains("namespace"), "{alone}");
}

#[test]
fn each_wrong_item_is_named() {
    let wrongs = [
        ("input[0].role", json!("x")),
        ("input[0].role", json!({"role": "tool", "content": "x"})),
        ("input[0].id", json!({"type": "item_reference", "id": 1})),
        ("input[0].input", json!({"type": "custom_tool_call", "call_id": "c", "name": "f"})),
        ("input[0].type", json!({"type": "web_search_call"})),
        ("input[0].content", json!({"role": "user"})),
        ("input[0].content[0].type", json!({"role": "user", "content": [{"type": "video"}]})),
        ("input[0].content[0].text", json!({"role": "user", "content": [{"type": "input_text"}]})),
        (
            "input[0].content[0].image_url",
            json!({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}),
        ),
        (
            "input[0].content[0].file_data",
            json!({"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}),
        ),
        ("input[0].call_id", json!({"type": "function_call", "name": "f", "arguments": ""})),
        ("input[0].name", json!({"type": "function_call", "call_id": "c", "arguments": ""})),
        ("input[0].arguments", json!({"type": "function_call", "call_id": "c", "name": "f"})),
        ("input[0].call_id", json!({"type": "function_call_output", "output": "x"})),
        ("input[0].output", json!({"type": "function_call_output", "call_id": "c"})),
    ];
    for (place, value) in wrongs {
        refused(place, &with("input", json!([value])));
    }
}

#[test]
fn a_conversation_goes_on_without_input_and_only_then() {
    let body = json!({"model": "m", "previous_response_id": "resp_1"});
    let read = |before| canonical(serde_json::from_value(body.clone()).unwrap(), before);
    let before = [json!({"role": "user", "content": "x"})];
    assert_eq!(read(&before).unwrap().0.messages.len(), 1);
    assert_eq!(read(&[]).unwrap_err().parameter.as_deref(), Some("input"));
}

#[test]
fn what_asks_for_nothing_is_taken() {
    let body = json!({"model": "m", "input": "x", "previous_response_id": null, "store": true,
        "background": false, "include": ["reasoning.encrypted_content"], "top_logprobs": 0,
        "truncation": "auto", "tools": [], "tool_choice": null, "text": {"format": null},
        "reasoning": {"effort": null, "summary": "auto"}, "metadata": null, "user": null});
    let (chat, asked) = read(&body).unwrap();
    assert!(chat.rest.is_empty(), "{:?}", chat.rest);
    assert_eq!((chat.tools, chat.tool_choice, chat.response_format), (None, None, None));
    assert_eq!(asked["store"], false);
    assert_eq!(asked["truncation"], "disabled");
    assert_eq!(asked["text"], json!({"format": {"type": "text"}}));
}
