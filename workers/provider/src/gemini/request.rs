//! The job as Gemini's request: the address and the top-level fields. The API refuses fields that
//! it doesn't know, so only those that it documents are ever sent.

use super::{config, tools, turns};
use crate::problem;
use crate::translate::Call;
use crate::upstream::Upstream;
use schemas::error::Problem;
use schemas::job::ChatJob;
use schemas::openai::ChatRequest;
use serde_json::{Map, Value, json};

/// Where clients of Google's own OpenAI surface put what only Gemini knows.
const GOOGLE: &str = "google";

/// Of these, what stands at the top of the request: their name, Gemini's name.
const CARRIED: [(&str, &str); 2] =
    [("safety_settings", "safetySettings"), ("cached_content", "cachedContent")];

/// Builds the request.
pub(super) fn request(job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem> {
    let url = if job.stream {
        format!("{}?alt=sse", address(upstream, "streamGenerateContent")?)
    } else {
        address(upstream, "generateContent")?
    };
    Call::json(url, &body(job, upstream)?, job.stream)
}

/// Where a model's operation is.
pub(super) fn address(upstream: &Upstream, operation: &str) -> Result<String, Problem> {
    let base = upstream.base().ok_or_else(problem::unreachable)?;
    Ok(format!("{base}/models/{}:{operation}", bare(&upstream.name)))
}

/// The model's name without what the address says already.
pub(super) fn bare(name: &str) -> &str {
    name.strip_prefix("models/").unwrap_or(name)
}

fn body(job: &ChatJob, upstream: &Upstream) -> Result<Map<String, Value>, Problem> {
    let chat = &job.chat;
    if chat.rest.get("functions").and_then(Value::as_array).is_some_and(|f| !f.is_empty()) {
        return Err(problem::cannot(
            "functions",
            "functions は古い形式です。tools を使ってください。",
            "'functions' is the old form: use tools.",
        ));
    }
    let model = bare(&upstream.name);
    let (system, contents) = turns::turns(&chat.messages, model)?;
    let mut body = Map::new();
    if !system.is_empty() {
        body.insert("systemInstruction".into(), json!({"parts": system}));
    }
    body.insert("contents".into(), contents.into());
    if let Some(declared) = tools::declarations(chat)? {
        body.insert("tools".into(), json!([{"functionDeclarations": declared}]));
        if let Some(choice) = tools::choice(chat)? {
            body.insert("toolConfig".into(), json!({"functionCallingConfig": choice}));
        }
    }
    body.insert("generationConfig".into(), config::config(job, model)?.into());
    body.extend(carried(chat));
    Ok(body)
}

fn carried(chat: &ChatRequest) -> impl Iterator<Item = (String, Value)> {
    CARRIED.into_iter().filter_map(|(written, name)| {
        let value = chat.rest.get(GOOGLE)?.get(written).filter(|value| !value.is_null())?;
        Some((name.to_owned(), value.clone()))
    })
}

/// What a client said of thinking in Gemini's own words.
pub(super) fn thinking(chat: &ChatRequest) -> Option<&Map<String, Value>> {
    chat.rest.get(GOOGLE)?.get("thinking_config")?.as_object()
}
