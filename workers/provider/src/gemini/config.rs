//! How the answer is to be made: `generationConfig`. Gemini has its own name for each of OpenAI's
//! fields; a field that nobody gave is not sent.

use super::request::thinking;
use crate::translate::{choices_wanted, output_limit};
use schemas::error::Problem;
use schemas::job::ChatJob;
use schemas::openai::ChatRequest;
use serde_json::{Map, Value, json};

/// How much an effort may think, in tokens, on models that are told so. Google's own OpenAI surface
/// maps efforts so.
const BUDGETS: [(&str, u64); 5] =
    [("none", 0), ("minimal", 1_024), ("low", 1_024), ("medium", 8_192), ("high", 24_576)];

/// Builds it.
pub(super) fn config(job: &ChatJob, model: &str) -> Result<Map<String, Value>, Problem> {
    let chat = &job.chat;
    let mut config = Map::new();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(name.to_owned(), value);
        }
    };
    add("maxOutputTokens", Some(output_limit(job)?.into()));
    let choices = choices_wanted(job);
    add("candidateCount", (choices > 1).then(|| choices.into()));
    add("temperature", chat.temperature.map(Value::from));
    add("topP", chat.top_p.map(Value::from));
    add("topK", chat.rest.get("top_k").filter(|top_k| top_k.is_u64()).cloned());
    add("seed", chat.seed.map(Value::from));
    add("presencePenalty", chat.presence_penalty.map(Value::from));
    add("frequencyPenalty", chat.frequency_penalty.map(Value::from));
    let stops = chat.stop.as_ref().map(|stop| stop.texts()).filter(|texts| !texts.is_empty());
    add("stopSequences", stops.map(|texts| json!(texts)));
    add("responseLogprobs", chat.logprobs.filter(|wanted| *wanted).map(Value::from));
    add("logprobs", chat.top_logprobs.filter(|count| *count > 0).map(Value::from));
    let (kind, schema) = format(chat);
    add("responseMimeType", kind.map(Value::from));
    add("responseJsonSchema", schema);
    add("responseModalities", modalities(chat));
    add("thinkingConfig", thought(chat, model));
    Ok(config)
}

/// JSON in general, or held to a schema.
fn format(chat: &ChatRequest) -> (Option<&'static str>, Option<Value>) {
    let Some(format) = &chat.response_format else { return (None, None) };
    match format.get("type").and_then(Value::as_str) {
        Some("json_object") => (Some("application/json"), None),
        Some("json_schema") => {
            (Some("application/json"), format.pointer("/json_schema/schema").cloned())
        }
        _ => (None, None),
    }
}

/// `["text", "audio"]` in capitals; text alone is what comes anyway.
fn modalities(chat: &ChatRequest) -> Option<Value> {
    let names = chat.rest.get("modalities")?.as_array()?.iter().filter_map(Value::as_str);
    let names: Vec<String> = names.map(str::to_uppercase).collect();
    (names.len() > 1 || names.first().is_some_and(|name| name != "TEXT")).then(|| json!(names))
}

/// How much to think, and whether to tell it: in Gemini's words, Anthropic's, or OpenAI's.
fn thought(chat: &ChatRequest, model: &str) -> Option<Value> {
    if let Some(own) = thinking(chat) {
        let named = |(name, value): (&String, &Value)| match name.as_str() {
            "include_thoughts" => ("includeThoughts".to_owned(), value.clone()),
            "thinking_budget" => ("thinkingBudget".to_owned(), value.clone()),
            "thinking_level" => ("thinkingLevel".to_owned(), value.clone()),
            _ => (name.clone(), value.clone()),
        };
        return Some(Value::Object(own.iter().map(named).collect()));
    }
    let asked = chat.rest.get("thinking");
    match asked.and_then(|asked| asked.get("type")).and_then(Value::as_str) {
        Some("enabled") => {
            let mut config = json!({"includeThoughts": true});
            if let Some(budget) = asked.and_then(|asked| asked.get("budget_tokens")) {
                config["thinkingBudget"] = budget.clone();
            }
            return Some(config);
        }
        Some("adaptive") => return Some(json!({"includeThoughts": true})),
        _ => {}
    }
    let effort = chat.rest.get("reasoning_effort")?.as_str()?;
    if !is_told_a_budget(model) {
        return (effort != "none").then(|| json!({"thinkingLevel": effort}));
    }
    let (_, budget) = BUDGETS.into_iter().find(|(name, _)| *name == effort)?;
    Some(json!({"thinkingBudget": budget}))
}

/// Up to generation 2.5 a number of tokens says how much to think, and then a level.
fn is_told_a_budget(model: &str) -> bool {
    model.starts_with("gemini-1") || model.starts_with("gemini-2")
}
