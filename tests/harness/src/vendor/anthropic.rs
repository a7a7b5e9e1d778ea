//! Steps as Anthropic's Messages API writes them. It keeps to the letter of the protocol, so that
//! the product is tested and not its leniency.

use super::script::{Counts, Step};
use serde_json::{Value, json};

/// The whole answer of steps that have no surprise in them.
pub(super) fn whole(model: &str, steps: &[Step], counts: Option<Counts>) -> Value {
    let (text, calls) = super::gathered(steps);
    let mut content = vec![json!({"type": "text", "text": text})];
    for (number, (name, arguments)) in calls.iter().enumerate() {
        let input: Value = serde_json::from_str(arguments).unwrap();
        content.push(json!({"type": "tool_use", "id": format!("toolu_{number}"), "name": name,
            "input": input}));
    }
    json!({
        "id": "msg_vendor", "type": "message", "role": "assistant", "model": model,
        "content": content, "stop_reason": reason(calls.len()), "stop_sequence": null,
        "usage": usage(counts, counts.map(|counts| counts.output)),
    })
}

/// The events of one step; `blocks` counts the blocks so far.
pub(super) fn step(step: &Step, blocks: &mut usize) -> Vec<String> {
    match step {
        Step::Text(text) => vec![
            block(blocks, &json!({"type": "text", "text": ""})),
            delta(*blocks, &json!({"type": "text_delta", "text": text})),
            end_block(blocks),
        ],
        Step::Call { name, arguments } => {
            let start = json!({"type": "tool_use", "id": format!("toolu_{blocks}"), "name": name,
                "input": {}});
            let mut events = vec![block(blocks, &start)];
            events.extend(arguments.iter().map(|piece| {
                delta(*blocks, &json!({"type": "input_json_delta", "partial_json": piece}))
            }));
            events.push(end_block(blocks));
            events
        }
        Step::Raw(bytes) => vec![bytes.clone()],
        Step::Wait(_) | Step::Stall | Step::Cut | Step::EndEarly | Step::Full => Vec::new(),
    }
}

/// How a stream begins.
pub(super) fn begin(model: &str, counts: Option<Counts>) -> String {
    event(
        "message_start",
        &json!({"type": "message_start", "message": {
            "id": "msg_vendor", "type": "message", "role": "assistant", "model": model,
            "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": usage(counts, counts.map(|_| 1)),
        }}),
    )
}

/// How a stream ends.
pub(super) fn end(calls: usize, counts: Option<Counts>) -> Vec<String> {
    let output = counts.map_or(0, |counts| counts.output);
    let last = json!({"type": "message_delta",
        "delta": {"stop_reason": reason(calls), "stop_sequence": null},
        "usage": {"output_tokens": output}});
    vec![event("message_delta", &last), event("message_stop", &json!({"type": "message_stop"}))]
}

fn block(blocks: &usize, content: &Value) -> String {
    event(
        "content_block_start",
        &json!({"type": "content_block_start", "index": blocks,
        "content_block": content}),
    )
}

fn delta(index: usize, delta: &Value) -> String {
    event(
        "content_block_delta",
        &json!({"type": "content_block_delta", "index": index,
        "delta": delta}),
    )
}

fn end_block(blocks: &mut usize) -> String {
    let index = *blocks;
    *blocks += 1;
    event("content_block_stop", &json!({"type": "content_block_stop", "index": index}))
}

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn reason(calls: usize) -> &'static str {
    if calls == 0 { "end_turn" } else { "tool_use" }
}

fn usage(counts: Option<Counts>, output: Option<u64>) -> Value {
    let Some(counts) = counts else { return json!({}) };
    let cached = counts.cached.unwrap_or(0);
    json!({"input_tokens": counts.input - cached, "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": 0, "output_tokens": output})
}
