//! The request as the canonical form: the top-level fields. What would need something that isn't
//! kept is refused; hints that change no answer are left out.

use super::{input, tools};
use crate::api::fields::{PARALLEL_CALLS, refuse, without_idle_choice};
use crate::problems::wrong;
use schemars::JsonSchema;
use schemas::error::Problem;
use schemas::openai::ChatRequest;
use schemas::openai::request::UserPreferences;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What needs a conversation or a prompt that was kept elsewhere: only responses are.
const KEPT: [&str; 2] = ["conversation", "prompt"];

/// What would need a part that isn't here.
const NOT_OFFERED: [&str; 1] = ["moderation"];

/// Fields of the canonical form that this API doesn't have, or calls otherwise.
const FOREIGN: [&str; 14] = [
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "response_format",
    "functions",
    "modalities",
    "audio",
];

/// What changes no answer here: nothing is cut off, and only the client's own tools are called.
const HINTS: [&str; 3] = ["truncation", "max_tool_calls", "stream_options"];

/// What an answer includes only if it was asked for: how likely its tokens were.
const LOGPROBS: &str = "message.output_text.logprobs";

/// `POST /v1/responses`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::api) struct ResponsesRequest {
    pub(super) model: String,
    /// What is said; nothing when the conversation of `previous_response_id` goes on by itself.
    pub(super) input: Option<Value>,
    pub(super) instructions: Option<String>,
    pub(super) stream: Option<bool>,
    /// Whether it runs on without its client.
    pub(super) background: Option<bool>,
    /// Whether it is kept; yes when nothing is said.
    pub(super) store: Option<bool>,
    pub(super) previous_response_id: Option<String>,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) tools: Option<Vec<Value>>,
    pub(super) tool_choice: Option<Value>,
    pub(super) parallel_tool_calls: Option<bool>,
    pub(super) text: Option<TextOptions>,
    pub(super) reasoning: Option<ReasoningOptions>,
    pub(super) metadata: Option<Map<String, Value>>,
    include: Option<Vec<String>>,
    pub(super) top_logprobs: Option<u32>,
    user_preferences: Option<UserPreferences>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

impl ResponsesRequest {
    /// Whether an answer is to include something that it has only if it was asked for.
    pub(super) fn includes(&self, what: &str) -> bool {
        self.include.iter().flatten().any(|name| name == what)
    }
}

/// How the text should look.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub(super) struct TextOptions {
    pub(super) format: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verbosity: Option<String>,
}

/// How much the model should think. A summary may be asked for; none is made.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub(super) struct ReasoningOptions {
    pub(super) effort: Option<String>,
    pub(super) summary: Option<String>,
}

/// The one translation in, with what was said `before`.
pub(super) fn chat(request: ResponsesRequest, before: &[Value]) -> Result<ChatRequest, Problem> {
    let wants_logprobs = request.includes(LOGPROBS);
    let mut rest = request.rest;
    refuse(&mut rest, &KEPT)?;
    refuse(&mut rest, &NOT_OFFERED)?;
    refuse(&mut rest, &FOREIGN)?;
    let top_logprobs = request.top_logprobs.filter(|alternatives| *alternatives > 0);
    if request.max_output_tokens == Some(0) {
        return Err(wrong("max_output_tokens", "1 以上の整数", "a whole number from 1"));
    }
    for hint in HINTS {
        rest.shift_remove(hint);
    }
    rest.retain(|_, value| !value.is_null());
    let text = request.text.unwrap_or_default();
    let effort = request.reasoning.and_then(|reasoning| reasoning.effort);
    let named = [("verbosity", text.verbosity), ("reasoning_effort", effort)];
    for (name, value) in named {
        if let Some(value) = value {
            rest.insert(name.to_owned(), value.into());
        }
    }
    if let Some(parallel) = request.parallel_tool_calls {
        rest.insert(PARALLEL_CALLS.to_owned(), parallel.into());
    }
    Ok(without_idle_choice(ChatRequest {
        model: request.model,
        messages: input::messages(request.instructions, before, request.input)?,
        // What nobody waits for is asked for in pieces: so a cancellation finds what was produced.
        stream: if request.background == Some(true) { Some(true) } else { request.stream },
        max_completion_tokens: request.max_output_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        logprobs: (wants_logprobs || top_logprobs.is_some()).then_some(true),
        top_logprobs,
        response_format: format(text.format)?,
        tools: tools::tools(request.tools)?,
        tool_choice: tools::choice(request.tool_choice)?,
        user_preferences: request.user_preferences,
        is_translated: true,
        rest,
        ..ChatRequest::default()
    }))
}

/// The format of the text; `None` is plain text.
fn format(format: Option<Value>) -> Result<Option<Value>, Problem> {
    let Some(format) = format.filter(|format| !format.is_null()) else { return Ok(None) };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(json!({"type": "json_object"}))),
        Some("json_schema") => schema(&format).map(Some),
        _ => Err(wrong(
            "text.format.type",
            "text、json_object、json_schema のどれか",
            "text, json_object or json_schema",
        )),
    }
}

fn schema(format: &Value) -> Result<Value, Problem> {
    if !format.get("name").is_some_and(Value::is_string) {
        return Err(wrong("text.format.name", "スキーマの名前", "the schema's name"));
    }
    if !format.get("schema").is_some_and(Value::is_object) {
        let japanese = "JSON スキーマのオブジェクト";
        return Err(wrong("text.format.schema", japanese, "a JSON schema, an object"));
    }
    let schema = tools::picked(format, &["name", "description", "schema", "strict"]);
    Ok(json!({"type": "json_schema", "json_schema": schema}))
}
