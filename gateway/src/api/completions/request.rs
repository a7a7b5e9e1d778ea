//! The request as the canonical form: the prompt is what the human says. What a chat can't do (to
//! fill a gap, to choose the best of several, to tell probabilities of a prompt) is refused.

use crate::api::fields::refuse;
use crate::problems::{not_offered, wrong};
use schemars::JsonSchema;
use schemas::error::Problem;
use schemas::openai::request::UserPreferences;
use schemas::openai::{ChatRequest, Message, Role, Stop, StreamOptions};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Fields of the canonical form that this API doesn't have: they would ask for an answer that a
/// text can't hold, or contradict the field of this API's own name.
const FOREIGN: [&str; 7] = [
    "messages",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "max_completion_tokens",
    "top_logprobs",
];

/// `POST /v1/completions`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::api) struct CompletionRequest {
    model: String,
    prompt: Value,
    suffix: Option<String>,
    echo: Option<bool>,
    best_of: Option<u32>,
    logprobs: Option<u32>,
    max_tokens: Option<u64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    n: Option<u32>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    stop: Option<Stop>,
    seed: Option<i64>,
    presence_penalty: Option<f64>,
    frequency_penalty: Option<f64>,
    logit_bias: Option<Map<String, Value>>,
    response_format: Option<Value>,
    user_preferences: Option<UserPreferences>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// The one translation in; and the text that each choice repeats first, if one was asked for.
pub(super) fn chat(request: CompletionRequest) -> Result<(ChatRequest, Option<String>), Problem> {
    let prompt = prompt(request.prompt)?;
    if request.suffix.is_some_and(|suffix| !suffix.is_empty()) {
        return Err(not_offered("suffix"));
    }
    // As many as are returned is what `n` asks for anyway.
    if request.best_of.is_some_and(|best_of| best_of != request.n.unwrap_or(1)) {
        return Err(wrong(
            "best_of",
            "n と同じ数（または省略）",
            "the same number as n, or nothing",
        ));
    }
    if request.logprobs.is_some() {
        return Err(not_offered("logprobs"));
    }
    let mut rest = request.rest;
    refuse(&mut rest, &FOREIGN)?;
    let echo = (request.echo == Some(true)).then(|| prompt.clone());
    let chat = ChatRequest {
        model: request.model,
        messages: vec![Message::text(Role::User, prompt)],
        stream: request.stream,
        stream_options: request.stream_options,
        // OpenAI's default of 16 tokens isn't imposed: a model that thinks would say nothing.
        max_tokens: request.max_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        n: request.n,
        stop: request.stop,
        seed: request.seed,
        presence_penalty: request.presence_penalty,
        frequency_penalty: request.frequency_penalty,
        logit_bias: request.logit_bias,
        response_format: request.response_format,
        user_preferences: request.user_preferences,
        rest,
        ..ChatRequest::default()
    };
    Ok((chat, echo))
}

/// One text: several prompts would be several requests with a price each, and numbers of tokens
/// belong to one model's tokenizer.
fn prompt(prompt: Value) -> Result<String, Problem> {
    let text = match prompt {
        Value::Array(mut prompts) if prompts.len() == 1 => prompts.pop(),
        Value::Array(prompts) if prompts.len() > 1 && prompts.iter().all(Value::is_string) => {
            let japanese = "1件のプロンプト（複数のときは1件ずつ別のリクエスト）";
            let english = "one prompt; several are one request each";
            return Err(wrong("prompt", japanese, english));
        }
        other => Some(other),
    };
    match text {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        _ => Err(wrong(
            "prompt",
            "空ではない文字列、またはそれを1件含む配列",
            "a text that isn't empty, or an array with one",
        )),
    }
}
