//! One answer in the protocols of OpenAI, Anthropic and Gemini, whole and as a stream, written from
//! their published descriptions.

use crate::crossings::seen::{End, Tokens, View};
use harness::Script;
use serde_json::{Value, json};

/// What a vendor answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// Words.
    Text,
    /// A call of a function.
    Call,
    /// Words that the limit has cut.
    Cut,
    /// Nothing, by the vendor's rules.
    Filtered,
}

/// The words, in the pieces of a stream.
const PIECES: [&str; 3] = ["東京は", "晴れ🌞", "です"];

/// The function's input, in the pieces of a stream.
const ARGUMENTS: [&str; 2] = ["{\"city\":", "\"東京\"}"];

/// A reply: to what, and whether as a stream.
pub(super) type Reply = fn(Case, bool) -> Script;

/// OpenAI's, Anthropic's, Gemini's.
pub(super) const PROTOCOLS: [Reply; 3] = [openai, anthropic, gemini];

impl Case {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Text, Self::Call, Self::Cut, Self::Filtered];

    /// What every client must read, whose vendor speaks this protocol.
    pub(super) fn view(self, protocol: usize) -> View {
        let text = match self {
            Self::Text | Self::Cut => PIECES.concat(),
            Self::Call | Self::Filtered => String::new(),
        };
        let call = || ("look_up".to_owned(), json!({"city": "東京"}));
        let end = match self {
            Self::Text => End::Said,
            Self::Call => End::Called,
            Self::Cut => End::Cut,
            Self::Filtered => End::Filtered,
        };
        let calls = (self == Self::Call).then(call).into_iter().collect();
        // OpenAI writes no caches, Anthropic counts no reasoning, Gemini's is beside its output.
        let (input, written, output, reasoning) =
            [(12, 0, 7, 3), (14, 2, 7, 0), (12, 0, 10, 3)][protocol];
        let tokens = Tokens { input, cached: 4, written, output, reasoning };
        View { text, calls, end, tokens }
    }
}

fn whole(body: &Value) -> Script {
    Script::json(body)
}

fn stream(events: &[(&str, Value)]) -> Script {
    let event = |(name, data): &(&str, Value)| match name.is_empty() {
        true => format!("data: {data}\n\n"),
        false => format!("event: {name}\ndata: {data}\n\n"),
    };
    let body: String = events.iter().map(event).collect();
    let headers = vec![("content-type", "text/event-stream".to_owned())];
    Script::Status { status: 200, headers, body }
}

fn openai(case: Case, streams: bool) -> Script {
    let reason = match case {
        Case::Text => "stop",
        Case::Call => "tool_calls",
        Case::Cut => "length",
        Case::Filtered => "content_filter",
    };
    let usage = json!({"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3}});
    let call = |arguments: &str| {
        json!({"id": "call_1", "type": "function",
            "function": {"name": "look_up", "arguments": arguments}})
    };
    if !streams {
        let mut message = json!({"role": "assistant", "content": null});
        match case {
            Case::Text | Case::Cut => message["content"] = PIECES.concat().into(),
            Case::Call => message["tool_calls"] = json!([call(&ARGUMENTS.concat())]),
            Case::Filtered => {}
        }
        let choice = json!({"index": 0, "message": message, "finish_reason": reason});
        return whole(&json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [choice], "usage": usage}));
    }
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1,
            "model": "m", "choices": choices, "usage": usage});
        ("", chunk)
    };
    let says = |delta: Value, reason: Value| {
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": reason}]), Value::Null)
    };
    let mut events = vec![says(json!({"role": "assistant", "content": ""}), Value::Null)];
    match case {
        Case::Text | Case::Cut => {
            events.extend(PIECES.map(|piece| says(json!({"content": piece}), Value::Null)));
        }
        Case::Call => {
            let mut head = call("");
            head["index"] = 0.into();
            events.push(says(json!({"tool_calls": [head]}), Value::Null));
            events.extend(ARGUMENTS.map(|piece| {
                let more = json!({"index": 0, "function": {"arguments": piece}});
                says(json!({"tool_calls": [more]}), Value::Null)
            }));
        }
        Case::Filtered => {}
    }
    events.push(says(json!({}), reason.into()));
    events.push(chunk(json!([]), usage));
    let Script::Status { status, headers, mut body } = stream(&events) else { unreachable!() };
    body.push_str("data: [DONE]\n\n");
    Script::Status { status, headers, body }
}

fn anthropic(case: Case, streams: bool) -> Script {
    let reason = match case {
        Case::Text => "end_turn",
        Case::Call => "tool_use",
        Case::Cut => "max_tokens",
        Case::Filtered => "refusal",
    };
    let usage = json!({"input_tokens": 8, "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 2, "output_tokens": 7});
    let text = |text: &str| json!({"type": "text", "text": text});
    let mut called = json!({"type": "tool_use", "id": "toolu_1", "name": "look_up"});
    let mut call = |input: Value| {
        called["input"] = input;
        called.clone()
    };
    let message = |content: Value, reason: Value| {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": content, "stop_reason": reason, "stop_sequence": null, "usage": usage})
    };
    if !streams {
        let content = match case {
            Case::Text | Case::Cut => json!([text(&PIECES.concat())]),
            Case::Call => json!([call(json!({"city": "東京"}))]),
            Case::Filtered => json!([]),
        };
        return whole(&message(content, reason.into()));
    }
    let event = |name: &'static str, mut data: Value| {
        data["type"] = name.into();
        (name, data)
    };
    let begin = json!({"message": message(json!([]), Value::Null)});
    let mut events = vec![event("message_start", begin)];
    let block = match case {
        Case::Text | Case::Cut => Some((text(""), "text_delta", "text", PIECES.to_vec())),
        Case::Call => {
            Some((call(json!({})), "input_json_delta", "partial_json", ARGUMENTS.to_vec()))
        }
        Case::Filtered => None,
    };
    if let Some((block, kind, field, pieces)) = block {
        let start = json!({"index": 0, "content_block": block});
        events.push(event("content_block_start", start));
        for piece in pieces {
            let delta = json!({"type": kind, field: piece});
            events.push(event("content_block_delta", json!({"index": 0, "delta": delta})));
        }
        events.push(event("content_block_stop", json!({"index": 0})));
    }
    let end = json!({"delta": {"stop_reason": reason, "stop_sequence": null}, "usage": usage});
    events.push(event("message_delta", end));
    events.push(event("message_stop", json!({})));
    stream(&events)
}

fn gemini(case: Case, streams: bool) -> Script {
    let reason = match case {
        Case::Text | Case::Call => "STOP",
        Case::Cut => "MAX_TOKENS",
        Case::Filtered => "SAFETY",
    };
    let usage = json!({"promptTokenCount": 12, "cachedContentTokenCount": 4,
        "candidatesTokenCount": 7, "thoughtsTokenCount": 3, "totalTokenCount": 22});
    let parts: Vec<Value> = match case {
        Case::Text | Case::Cut => PIECES.map(|piece| json!({"text": piece})).to_vec(),
        Case::Call => {
            vec![json!({"functionCall": {"name": "look_up", "args": {"city": "東京"}}})]
        }
        Case::Filtered => Vec::new(),
    };
    let candidate = |parts: &[Value], reason: Option<&str>| {
        let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": parts}});
        if let Some(reason) = reason {
            candidate["finishReason"] = reason.into();
        }
        json!({"candidates": [candidate], "modelVersion": "m", "usageMetadata": usage})
    };
    if !streams {
        return whole(&candidate(&parts, Some(reason)));
    }
    let pieces = parts.iter().map(|part| ("", candidate(std::slice::from_ref(part), None)));
    let mut events: Vec<(&str, Value)> = pieces.collect();
    events.push(("", candidate(&[], Some(reason))));
    stream(&events)
}

/// An answer of Anthropic's with thoughts, one of them sealed.
pub(super) fn thought() -> Script {
    whole(&json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [
            {"type": "thinking", "thinking": "考えます", "signature": "c2lnbmF0dXJl"},
            {"type": "redacted_thinking", "data": "b3BhcXVl"},
            {"type": "text", "text": "答え"},
        ],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 5, "output_tokens": 3}}))
}

/// The same as a stream.
pub(super) fn thought_in_pieces() -> Script {
    let event = |name: &'static str, mut data: Value| {
        data["type"] = name.into();
        (name, data)
    };
    let usage = json!({"input_tokens": 5, "output_tokens": 3});
    let begin = json!({"message": {"id": "msg_1", "type": "message", "role": "assistant",
        "model": "m", "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage}});
    let mut events = vec![event("message_start", begin)];
    let thinking = json!({"type": "thinking", "thinking": "", "signature": ""});
    let sealed = json!({"type": "redacted_thinking", "data": "b3BhcXVl"});
    let blocks = [
        (
            thinking,
            vec![
                json!({"type": "thinking_delta", "thinking": "考え"}),
                json!({"type": "thinking_delta", "thinking": "ます"}),
                json!({"type": "signature_delta", "signature": "c2lnbmF0dXJl"}),
            ],
        ),
        (sealed, Vec::new()),
        (json!({"type": "text", "text": ""}), vec![json!({"type": "text_delta", "text": "答え"})]),
    ];
    for (index, (block, deltas)) in blocks.into_iter().enumerate() {
        let start = json!({"index": index, "content_block": block});
        events.push(event("content_block_start", start));
        for delta in deltas {
            events.push(event("content_block_delta", json!({"index": index, "delta": delta})));
        }
        events.push(event("content_block_stop", json!({"index": index})));
    }
    let end = json!({"delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": usage});
    events.push(event("message_delta", end));
    events.push(event("message_stop", json!({})));
    stream(&events)
}

/// How many calls and results of calls a request has, where its protocol has them.
pub(super) fn calls_and_results(protocol: usize, body: &Value) -> (usize, usize) {
    let (turns, parts) = match protocol {
        0 => ("messages", "tool_calls"),
        1 => ("messages", "content"),
        _ => ("contents", "parts"),
    };
    let turns = body[turns].as_array().unwrap();
    let all = turns.iter().filter_map(|turn| turn[parts].as_array()).flatten();
    let (mut calls, mut results) = (0, 0);
    for part in all {
        calls += usize::from(match protocol {
            0 => part["type"] == "function",
            1 => part["type"] == "tool_use",
            _ => part["functionCall"].is_object(),
        });
        results += usize::from(match protocol {
            0 => false,
            1 => part["type"] == "tool_result",
            _ => part["functionResponse"].is_object(),
        });
    }
    if protocol == 0 {
        results = turns.iter().filter(|turn| turn["role"] == "tool").count();
    }
    (calls, results)
}
