//! The job as Anthropic's request: the top-level fields. The API refuses fields that it doesn't
//! know, so only those that it documents are ever sent.

use super::{VERSION, answer_tool, thinking, tools, turns};
use crate::problem;
use crate::translate::{Call, choices_wanted, output_limit};
use crate::upstream::Upstream;
use reqwest::header::{HeaderName, HeaderValue};
use schemas::anthropic::{
    ANTHROPIC_BETA, CACHE_CONTROL, MessagesRequest, Metadata, beta_names, is_carried,
};
use schemas::error::Problem;
use schemas::job::ChatJob;
use schemas::openai::ChatRequest;
use serde_json::{Map, Value, json};

/// The highest temperature of this version; OpenAI's goes to 2.
const TEMPERATURE_MAX: f64 = 1.0;

/// Fields of Anthropic's own that the canonical form carries through.
const CARRIED: [&str; 2] = ["output_config", CACHE_CONTROL];

/// Builds the request.
pub(super) fn request(job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem> {
    let base = upstream.base().ok_or_else(problem::unreachable)?;
    let body = body(job, upstream)?;
    let path = if base.ends_with("/v1") { "/messages" } else { "/v1/messages" };
    let mut call = Call::json(format!("{base}{path}"), &body, job.stream)?;
    let version = HeaderName::from_static("anthropic-version");
    call.headers.insert(version, HeaderValue::from_static(VERSION));
    if let Some(names) = betas(&job.chat) {
        call.headers.insert(HeaderName::from_static("anthropic-beta"), names);
    }
    Ok(call)
}

/// The features that are asked for by name and go out.
fn betas(chat: &ChatRequest) -> Option<HeaderValue> {
    let names = chat.rest.get(ANTHROPIC_BETA)?.as_str()?;
    let names: Vec<&str> = beta_names(names).filter(|name| is_carried(name)).collect();
    let names = Some(names.join(",")).filter(|names| !names.is_empty())?;
    HeaderValue::from_str(&names).ok()
}

fn body(job: &ChatJob, upstream: &Upstream) -> Result<MessagesRequest, Problem> {
    let chat = &job.chat;
    refuse_what_cannot_be_said(job)?;
    let (system, messages) = turns::turns(&chat.messages, &upstream.name)?;
    let mut tools = tools::tools(chat, upstream.takes_schemas)?;
    let mut tool_choice = if tools.is_some() { tools::choice(chat)? } else { None };
    if let Some(tool) = answer_tool::wanted(chat, upstream)? {
        tools.get_or_insert_default().push(tool);
        tool_choice = Some(answer_tool::choice(chat, tool_choice));
    }
    let max_tokens = output_limit(job)?;
    Ok(MessagesRequest {
        model: upstream.name.clone(),
        max_tokens,
        system,
        messages,
        stop_sequences: stop_sequences(chat),
        stream: job.stream.then_some(true),
        temperature: chat.temperature.map(|temperature| temperature.min(TEMPERATURE_MAX)),
        // 1 is no restriction, and newer models refuse it next to a temperature.
        top_p: chat.top_p.filter(|top_p| *top_p < 1.0),
        top_k: chat.rest.get("top_k").and_then(Value::as_u64),
        tools,
        tool_choice,
        thinking: thinking::within(chat, max_tokens)?,
        metadata: user(chat).map(|user_id| Metadata { user_id: Some(user_id) }),
        user_preferences: None,
        rest: carried(chat, upstream.takes_schemas),
    })
}

/// What would silently give another answer than the one asked for.
fn refuse_what_cannot_be_said(job: &ChatJob) -> Result<(), Problem> {
    if choices_wanted(job) > 1 {
        return Err(problem::cannot(
            "n",
            "このモデルは n=1 だけに対応しています。",
            "This model gives one choice: leave n out or set it to 1.",
        ));
    }
    if job.chat.rest.get("functions").and_then(Value::as_array).is_some_and(|f| !f.is_empty()) {
        return Err(problem::cannot(
            "functions",
            "functions は古い形式です。tools を使ってください。",
            "'functions' is the old form: use tools.",
        ));
    }
    Ok(())
}

/// The API refuses blank ones; the gateway has told that they are left out.
fn stop_sequences(chat: &ChatRequest) -> Option<Vec<String>> {
    let texts = chat.stop.as_ref()?.texts();
    let texts: Vec<_> = texts.iter().filter(|text| !text.trim().is_empty()).cloned().collect();
    Some(texts).filter(|texts| !texts.is_empty())
}

/// Whose request it is, by the newer or the older name.
fn user(chat: &ChatRequest) -> Option<String> {
    let named = |name| chat.rest.get(name).and_then(Value::as_str).filter(|user| !user.is_empty());
    named("safety_identifier").or_else(|| named("user")).map(ToOwned::to_owned)
}

/// Anthropic's own fields as they came, and a JSON schema in Anthropic's place for it, where the
/// model knows one.
fn carried(chat: &ChatRequest, takes_schemas: bool) -> Map<String, Value> {
    let mut fields = Map::new();
    for name in CARRIED {
        if let Some(value) = chat.rest.get(name).filter(|value| !value.is_null()) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    let format = chat.response_format.as_ref();
    let schema = format.and_then(|format| format.get("json_schema")?.get("schema"));
    if let Some(schema) = schema.filter(|_| takes_schemas) {
        let config = fields.entry("output_config").or_insert_with(|| json!({}));
        if let Some(config) = config.as_object_mut() {
            let schema = json!({"type": "json_schema", "schema": schema});
            config.entry("format").or_insert(schema);
        }
    }
    fields
}
