//! The ways in, as their clients use them: a question in each form, and what an answer says.

use crate::crossings::said::Case;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// OpenAI's chat completions.
    Chat,
    /// Anthropic's messages.
    Messages,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's old completions.
    Completions,
}

/// All of them.
pub(super) const WAYS: [Way; 4] = [Way::Chat, Way::Messages, Way::Responses, Way::Completions];

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Said,
    Called,
    Cut,
    Filtered,
}

/// What a client reads of an answer.
#[derive(Debug, PartialEq)]
pub(super) struct View {
    pub(super) text: String,
    /// Functions and their input.
    pub(super) calls: Vec<(String, Value)>,
    pub(super) end: End,
    pub(super) tokens: Tokens,
}

/// What was consumed: input with what came from and went to a cache, output with reasoning.
#[derive(Debug, PartialEq)]
pub(super) struct Tokens {
    pub(super) input: u64,
    pub(super) cached: u64,
    pub(super) written: u64,
    pub(super) output: u64,
    pub(super) reasoning: u64,
}

impl Way {
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
            Self::Responses => "/v1/responses",
            Self::Completions => "/v1/completions",
        }
    }

    /// Whether such an answer can come back on it.
    pub(super) fn can(self, case: Case) -> bool {
        self != Self::Completions || case != Case::Call
    }

    /// A plain question, with a function where there are any.
    pub(super) fn question(self, model: &str, streams: bool) -> Value {
        let messages = json!([{"role": "user", "content": "天気は？"}]);
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let options = streams.then(|| json!({"include_usage": true}));
        match self {
            Self::Chat => json!({"model": model, "messages": messages, "stream": streams,
                "stream_options": options,
                "tools": [{"type": "function",
                    "function": {"name": "look_up", "parameters": schema}}]}),
            Self::Messages => json!({"model": model, "max_tokens": 100, "messages": messages,
                "stream": streams, "tools": [{"name": "look_up", "input_schema": schema}]}),
            Self::Responses => json!({"model": model, "input": "天気は？", "stream": streams,
                "store": false,
                "tools": [{"type": "function", "name": "look_up", "parameters": schema}]}),
            Self::Completions => json!({"model": model, "prompt": "天気は？", "stream": streams,
                "stream_options": options}),
        }
    }

    /// A conversation with a rule, a picture, a call and its result.
    pub(super) fn full_question(self, model: &str, picture: &str) -> Value {
        let mut body = self.question(model, false);
        let url = format!("data:image/png;base64,{picture}");
        let arguments = "{\"city\":\"東京\"}";
        match self {
            Self::Chat => {
                let call = json!({"id": "call_1", "type": "function",
                    "function": {"name": "look_up", "arguments": arguments}});
                body["messages"] = json!([
                    {"role": "system", "content": "規則です"},
                    {"role": "user", "content": [
                        {"type": "text", "text": "何が写っていますか"},
                        {"type": "image_url", "image_url": {"url": url}}]},
                    {"role": "assistant", "content": null, "tool_calls": [call]},
                    {"role": "tool", "tool_call_id": "call_1", "content": "晴れ🌞"},
                ]);
            }
            Self::Messages => {
                body["system"] = "規則です".into();
                let source = json!({"type": "base64", "media_type": "image/png", "data": picture});
                body["messages"] = json!([
                    {"role": "user", "content": [
                        {"type": "text", "text": "何が写っていますか"},
                        {"type": "image", "source": source}]},
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1",
                        "name": "look_up", "input": {"city": "東京"}}]},
                    {"role": "user", "content": [{"type": "tool_result",
                        "tool_use_id": "call_1", "content": "晴れ🌞"}]},
                ]);
            }
            Self::Responses | Self::Completions => {
                body["instructions"] = "規則です".into();
                body["input"] = json!([
                    {"role": "user", "content": [
                        {"type": "input_text", "text": "何が写っていますか"},
                        {"type": "input_image", "image_url": url}]},
                    {"type": "function_call", "call_id": "call_1", "name": "look_up",
                        "arguments": arguments},
                    {"type": "function_call_output", "call_id": "call_1", "output": "晴れ🌞"},
                ]);
            }
        }
        body
    }

    /// What a whole answer says.
    pub(super) fn whole(self, body: &Value) -> View {
        match self {
            Self::Chat => {
                let choice = &body["choices"][0];
                let message = &choice["message"];
                let calls = message["tool_calls"].as_array().into_iter().flatten();
                View {
                    text: text(&message["content"]),
                    calls: calls.map(|call| called(&call["function"])).collect(),
                    end: finish(&choice["finish_reason"]),
                    tokens: tokens(&body["usage"]),
                }
            }
            Self::Messages => message(body),
            Self::Responses => response(body),
            Self::Completions => {
                let choice = &body["choices"][0];
                let end = finish(&choice["finish_reason"]);
                let (text, tokens) = (text(&choice["text"]), tokens(&body["usage"]));
                View { text, calls: Vec::new(), end, tokens }
            }
        }
    }

    /// What a stream says in all.
    pub(super) fn streamed(self, events: &[Value]) -> View {
        match self {
            Self::Chat => chunks(events, |choice| text(&choice["delta"]["content"])),
            Self::Completions => chunks(events, |choice| text(&choice["text"])),
            Self::Messages => message(&put_together(events)),
            Self::Responses => response(&events.last().unwrap()["response"]),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn called(function: &Value) -> (String, Value) {
    (text(&function["name"]), serde_json::from_str(&text(&function["arguments"])).unwrap())
}

fn finish(reason: &Value) -> End {
    match reason.as_str() {
        Some("stop") => End::Said,
        Some("tool_calls") => End::Called,
        Some("length") => End::Cut,
        Some("content_filter") => End::Filtered,
        other => panic!("finish_reason {other:?}"),
    }
}

fn tokens(usage: &Value) -> Tokens {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    Tokens {
        input: count("/prompt_tokens"),
        cached: count("/prompt_tokens_details/cached_tokens"),
        written: count("/prompt_tokens_details/cache_write_tokens"),
        output: count("/completion_tokens"),
        reasoning: count("/completion_tokens_details/reasoning_tokens"),
    }
}

fn chunks(events: &[Value], text: impl Fn(&Value) -> String) -> View {
    let choices = || events.iter().filter_map(|event| event["choices"].get(0));
    let mut calls: BTreeMap<u64, (String, String)> = BTreeMap::new();
    for call in choices().filter_map(|it| it["delta"]["tool_calls"].as_array()).flatten() {
        let known = calls.entry(call["index"].as_u64().unwrap()).or_default();
        known.0.push_str(call["function"]["name"].as_str().unwrap_or_default());
        known.1.push_str(call["function"]["arguments"].as_str().unwrap_or_default());
    }
    let calls = calls.into_values().map(|(name, input)| {
        let input = serde_json::from_str(&input).unwrap();
        (name, input)
    });
    let ends = choices().filter(|choice| !choice["finish_reason"].is_null());
    let ends: Vec<End> = ends.map(|choice| finish(&choice["finish_reason"])).collect();
    assert_eq!(ends.len(), 1, "one end");
    let usage = events.iter().rfind(|event| event["usage"].is_object()).unwrap();
    View {
        text: choices().map(text).collect(),
        calls: calls.collect(),
        end: ends[0],
        tokens: tokens(&usage["usage"]),
    }
}

fn message(body: &Value) -> View {
    let blocks = body["content"].as_array().unwrap();
    let of = |kind: &'static str| blocks.iter().filter(move |block| block["type"] == kind);
    let end = match body["stop_reason"].as_str() {
        Some("end_turn") => End::Said,
        Some("tool_use") => End::Called,
        Some("max_tokens") => End::Cut,
        Some("refusal") => End::Filtered,
        other => panic!("stop_reason {other:?}"),
    };
    let count = |name: &str| body["usage"][name].as_u64().unwrap_or_default();
    let cached = count("cache_read_input_tokens");
    let written = count("cache_creation_input_tokens");
    // This way has no word for reasoning.
    let tokens = Tokens {
        input: count("input_tokens") + cached + written,
        cached,
        written,
        output: count("output_tokens"),
        reasoning: 0,
    };
    View {
        text: of("text").map(|block| text(&block["text"])).collect(),
        calls: of("tool_use").map(|call| (text(&call["name"]), call["input"].clone())).collect(),
        end,
        tokens,
    }
}

/// A message from the events of its stream.
pub(super) fn put_together(events: &[Value]) -> Value {
    let mut body = events[0]["message"].clone();
    let mut inputs: BTreeMap<usize, String> = BTreeMap::new();
    for event in events {
        let at = event["index"].as_u64().map_or(0, |at| usize::try_from(at).unwrap());
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                body["content"].as_array_mut().unwrap().push(event["content_block"].clone());
            }
            "content_block_delta" => match event["delta"]["type"].as_str().unwrap() {
                "text_delta" => {
                    let more = text(&body["content"][at]["text"]) + &text(&event["delta"]["text"]);
                    body["content"][at]["text"] = more.into();
                }
                kind @ ("thinking_delta" | "signature_delta") => {
                    let field = kind.trim_end_matches("_delta");
                    let more = text(&body["content"][at][field]) + &text(&event["delta"][field]);
                    body["content"][at][field] = more.into();
                }
                "input_json_delta" => {
                    inputs.entry(at).or_default().push_str(&text(&event["delta"]["partial_json"]));
                }
                other => panic!("{other}"),
            },
            "message_delta" => {
                body["stop_reason"] = event["delta"]["stop_reason"].clone();
                for (name, count) in event["usage"].as_object().unwrap() {
                    body["usage"][name] = count.clone();
                }
            }
            _ => {}
        }
    }
    for (at, input) in inputs {
        body["content"][at]["input"] = serde_json::from_str(&input).unwrap();
    }
    body
}

fn response(body: &Value) -> View {
    let items = body["output"].as_array().unwrap();
    let of = |kind: &'static str| items.iter().filter(move |item| item["type"] == kind);
    let parts = of("message").filter_map(|item| item["content"].as_array()).flatten();
    let calls: Vec<_> = of("function_call").map(called).collect();
    let end = match (body["status"].as_str(), body["incomplete_details"]["reason"].as_str()) {
        (Some("completed"), _) if calls.is_empty() => End::Said,
        (Some("completed"), _) => End::Called,
        (Some("incomplete"), Some("max_output_tokens")) => End::Cut,
        (Some("incomplete"), Some("content_filter")) => End::Filtered,
        other => panic!("{other:?}"),
    };
    let count = |pointer: &str| {
        let usage = &body["usage"];
        usage.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
    };
    let tokens = Tokens {
        input: count("/input_tokens"),
        cached: count("/input_tokens_details/cached_tokens"),
        written: count("/input_tokens_details/cache_write_tokens"),
        output: count("/output_tokens"),
        reasoning: count("/output_tokens_details/reasoning_tokens"),
    };
    View { text: parts.map(|part| text(&part["text"])).collect(), calls, end, tokens }
}
