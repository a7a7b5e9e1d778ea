//! The request as the canonical form: the top-level fields. What only Anthropic's models understand
//! travels in `rest` under Anthropic's own name; what asks for nothing is left out.

use super::{tools, turns};
use crate::abilities::NOBODYS;
use crate::api::fields::{PARALLEL_CALLS, refuse_canonical, without_idle_choice};
use schemas::anthropic::MessagesRequest;
use schemas::error::Problem;
use schemas::openai::{ChatRequest, Stop};
use serde_json::{Map, Value, json};

/// What was checked elsewhere to ask for nothing, and a tier that costs what the price list says:
/// no other is asked for.
const ASKS_NOTHING: [&str; 4] = ["container", "mcp_servers", "inference_geo", "service_tier"];

/// What a request for the usual speed says.
const USUAL_SPEED: &str = "standard";

/// The name that OpenAI's form wants of a schema and Anthropic's doesn't have.
const SCHEMA_NAME: &str = "answer";

/// Translates.
pub(super) fn chat(request: MessagesRequest) -> Result<ChatRequest, Problem> {
    let mut rest = request.rest;
    refuse_canonical(&mut rest)?;
    for field in ASKS_NOTHING {
        rest.shift_remove(field);
    }
    // What says something is told as left out when a model is chosen.
    rest.retain(|name, value| !NOBODYS.contains(&name.as_str()) || says_something(value));
    let response_format = format(&mut rest);
    let (tool_choice, one_call) = tools::choice(request.tool_choice);
    if one_call {
        rest.insert(PARALLEL_CALLS.into(), false.into());
    }
    if let Some(top_k) = request.top_k {
        rest.insert("top_k".into(), top_k.into());
    }
    if let Some(thinking) = request.thinking.filter(|thinking| !thinking.is_null()) {
        rest.insert("thinking".into(), thinking);
    }
    if let Some(user) = request.metadata.and_then(|metadata| metadata.user_id) {
        rest.insert("user".into(), user.into());
    }
    Ok(without_idle_choice(ChatRequest {
        model: request.model,
        messages: turns::messages(request.system, request.messages),
        stream: request.stream,
        max_tokens: Some(request.max_tokens),
        temperature: request.temperature,
        top_p: request.top_p,
        stop: request.stop_sequences.filter(|texts| !texts.is_empty()).map(Stop::Many),
        response_format,
        tools: tools::tools(request.tools)?,
        tool_choice,
        user_preferences: request.user_preferences,
        is_translated: true,
        rest,
        ..ChatRequest::default()
    }))
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => items.iter().any(says_something),
        Value::Object(fields) => fields.values().any(says_something),
        value => value != USUAL_SPEED,
    }
}

/// The schema of the answer out of `output_config`, or out of the older `output_format`; what else
/// is in `output_config` stays there.
fn format(rest: &mut Map<String, Value>) -> Option<Value> {
    let older = rest.shift_remove("output_format");
    let config = rest.get_mut("output_config").and_then(Value::as_object_mut);
    let newer = config.and_then(|config| config.shift_remove("format"));
    let is_empty = |value: &Value| value.as_object().is_none_or(Map::is_empty);
    if rest.get("output_config").is_some_and(is_empty) {
        rest.shift_remove("output_config");
    }
    let format = newer.filter(|format| !format.is_null()).or(older)?;
    let schema = format.get("schema").cloned()?;
    Some(json!({"type": "json_schema", "json_schema": {"name": SCHEMA_NAME, "schema": schema}}))
}
