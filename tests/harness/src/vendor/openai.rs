//! Steps as OpenAI writes them. It keeps to the letter of the protocol, so that the product is
//! tested and not its leniency.

use super::script::{Counts, Step};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The whole answer of steps that have no surprise in them.
pub(super) fn whole(model: &str, steps: &[Step], counts: Option<Counts>) -> Value {
    let (text, calls) = super::gathered(steps);
    let calls: Vec<Value> = calls
        .iter()
        .enumerate()
        .map(|(number, (name, arguments))| {
            json!({"id": format!("call_{number}"), "type": "function",
                "function": {"name": name, "arguments": arguments}})
        })
        .collect();
    let is_full = steps.iter().any(|step| matches!(step, Step::Full));
    let reason = match calls.is_empty() {
        true if is_full => "length",
        true => "stop",
        false => "tool_calls",
    };
    let mut message = json!({"role": "assistant", "content": text, "refusal": null});
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    let mut answer = json!({
        "id": "chatcmpl-vendor", "object": "chat.completion", "created": 1, "model": model,
        "choices": [
            {"index": 0, "message": message, "logprobs": null, "finish_reason": reason}],
    });
    if let Some(counts) = counts {
        answer["usage"] = usage(counts);
    }
    answer
}

/// A vector for each text, in the form asked for: how many characters it has, and its place. Four
/// tokens are counted for each text, or as many as there are numbers.
pub(super) fn embeddings(body: &Value) -> Value {
    let inputs = body["input"].as_array().unwrap();
    let length = |input: &Value| match input {
        Value::Array(numbers) => numbers.len(),
        text => text.as_str().unwrap().chars().count(),
    };
    let tokens: usize = inputs.iter().map(|i| i.as_array().map_or(4, Vec::len)).sum();
    let data = inputs.iter().enumerate().map(|(index, input)| {
        let filling = body["dimensions"].as_u64().unwrap_or(2).saturating_sub(2);
        let mut vector = vec![length(input) as f64, index as f64 / 4.0];
        vector.extend((0..filling).map(|place| place as f64 / 8.0));
        let vector = match body["encoding_format"] == "base64" {
            true => base64(&vector).into(),
            false => json!(vector),
        };
        json!({"object": "embedding", "index": index, "embedding": vector})
    });
    json!({"object": "list", "model": body["model"], "data": data.collect::<Vec<_>>(),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
}

fn base64(vector: &[f64]) -> String {
    STANDARD.encode(vector.iter().flat_map(|n| (*n as f32).to_le_bytes()).collect::<Vec<u8>>())
}

/// The events of one step; `calls` counts the tool calls so far.
pub(super) fn step(model: &str, step: &Step, calls: &mut usize) -> Vec<String> {
    match step {
        Step::Text(text) => vec![chunk(model, &json!({"content": text}), None)],
        Step::Call { name, arguments } => {
            let index = *calls;
            *calls += 1;
            let first = json!({"tool_calls": [{"index": index, "id": format!("call_{index}"),
                "type": "function", "function": {"name": name, "arguments": ""}}]});
            let more = arguments.iter().map(|piece| {
                let delta = json!({"tool_calls":
                    [{"index": index, "function": {"arguments": piece}}]});
                chunk(model, &delta, None)
            });
            std::iter::once(chunk(model, &first, None)).chain(more).collect()
        }
        Step::Raw(bytes) => vec![bytes.clone()],
        Step::Wait(_) | Step::Stall | Step::Cut | Step::EndEarly | Step::Full => Vec::new(),
    }
}

/// How a stream begins.
pub(super) fn begin(model: &str) -> String {
    chunk(model, &json!({"role": "assistant", "content": ""}), None)
}

/// How a stream ends.
pub(super) fn end(model: &str, calls: usize, counts: Option<Counts>) -> Vec<String> {
    let reason = if calls == 0 { "stop" } else { "tool_calls" };
    let mut events = vec![chunk(model, &json!({}), Some(reason))];
    if let Some(counts) = counts {
        let last = json!({"id": "chatcmpl-vendor", "object": "chat.completion.chunk",
            "created": 1, "model": model, "choices": [], "usage": usage(counts)});
        events.push(event(&last));
    }
    events.push("data: [DONE]\n\n".to_owned());
    events
}

fn chunk(model: &str, delta: &Value, finish_reason: Option<&str>) -> String {
    event(&json!({"id": "chatcmpl-vendor", "object": "chat.completion.chunk", "created": 1,
        "model": model, "choices": [{"index": 0, "delta": delta, "logprobs": null,
        "finish_reason": finish_reason}]}))
}

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn usage(counts: Counts) -> Value {
    let mut usage = json!({
        "prompt_tokens": counts.input, "completion_tokens": counts.output,
        "total_tokens": counts.input + counts.output,
    });
    if let Some(cached) = counts.cached {
        usage["prompt_tokens_details"] = json!({"cached_tokens": cached});
    }
    usage
}
