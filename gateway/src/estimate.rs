//! About how many tokens a prompt has, for limits of tokens a minute and for what is owed when no
//! vendor has counted. Whatever a vendor is given counts, in whichever field it stands: what is not
//! seen here would be free for who leaves before the count. It is no bound: a hold needs one, and
//! finds it in `credits`.

use schemas::anthropic::{CACHE_CONTROL, THINKING_BLOCKS};
use schemas::openai::{ChatRequest, Content, Message, Part, Stop, TOKENS};
use schemas::usage::token_estimate;
use serde_json::{Map, Value};

/// What a picture counts of which only low detail is wanted
/// (platform.openai.com/docs/guides/images).
const IMAGE_TOKENS_LOW: u64 = 85;

/// What a picture of 1024 by 1024 pixels counts in high detail: four tiles of 170 and 85 more.
const IMAGE_TOKENS: u64 = 765;

/// Where a message may tell the same thoughts: the longest counts.
const THOUGHTS: [&str; 3] = ["reasoning_content", THINKING_BLOCKS, "reasoning_details"];

/// What names a kind or a place and is no text for the model.
const NO_TEXTS: [&str; 4] = ["type", "url", "file_id", CACHE_CONTROL];

/// What holds sounds, documents and sealed thoughts as base64; elsewhere the same word holds text.
const SEALED: [&str; 4] = ["data", "file_data", "signature", "encrypted_content"];

/// How a text begins that is written as an address, in base64.
const TEXT_ADDRESS: &str = "data:text/";

/// Characters of base64 for one token of the text in it: three bytes in four, and four in a token.
const BASE64_OF_TOKEN: u64 = 5;

/// The prompt's tokens as they probably are: all texts, calls, tools and schemas, and for each
/// picture or other medium what a small one counts.
pub(crate) fn prompt_tokens_estimate(chat: &ChatRequest) -> u64 {
    // All fields are named, so that a new one is thought of. Numbers and switches are no prompt.
    let ChatRequest {
        model: _,
        messages,
        stream: _,
        stream_options: _,
        max_tokens: _,
        max_completion_tokens: _,
        temperature: _,
        top_p: _,
        n: _,
        stop,
        seed: _,
        presence_penalty: _,
        frequency_penalty: _,
        logit_bias: _,
        logprobs: _,
        top_logprobs: _,
        response_format,
        tools,
        tool_choice,
        user_preferences: _,
        is_translated: _,
        rest,
    } = chat;
    let messages: u64 = messages.iter().map(of_message).sum();
    let stops = stop.iter().flat_map(Stop::texts);
    let stops: u64 = stops.map(|text| token_estimate(text)).sum();
    let described = tools.iter().flatten().chain(response_format).chain(tool_choice);
    let described: u64 = described.map(as_json).sum();
    let further: u64 = rest.values().map(as_json).sum();
    messages + stops + described + further
}

fn of_message(message: &Message) -> u64 {
    let Message { role: _, content, name, tool_calls, tool_call_id, rest } = message;
    let said = match content {
        Some(Content::Text(text)) => token_estimate(text),
        Some(Content::Parts(parts)) => parts.iter().map(of_part).sum(),
        None => 0,
    };
    let names = name.iter().chain(tool_call_id);
    let names: u64 = names.map(|text| token_estimate(text)).sum();
    let calls: u64 = tool_calls.iter().flatten().map(as_json).sum();
    said + names + calls + of_rest(rest)
}

/// What a part counts. What is no text counts something, at least: a picture as OpenAI's vision
/// guide has it, by the detail that is asked for; of sounds and documents nothing is known but that
/// they aren't less.
fn of_part(part: &Part) -> u64 {
    let Part { kind, text, rest } = part;
    if let Some(numbers) = rest.get(TOKENS).and_then(Value::as_array) {
        return numbers.len() as u64;
    }
    let is_low = rest.get("image_url").is_some_and(|image| image["detail"] == "low");
    let medium = match kind.as_str() {
        "text" => 0,
        "image_url" if is_low => IMAGE_TOKENS_LOW,
        _ => IMAGE_TOKENS,
    };
    medium + text.as_deref().map_or(0, token_estimate) + of_rest(rest)
}

/// What is beside the known fields of a message or a part.
fn of_rest(rest: &Map<String, Value>) -> u64 {
    let (mut thoughts, mut further) = (0, 0);
    for (name, value) in rest {
        let tokens = said(name, value);
        match THOUGHTS.contains(&name.as_str()) {
            true => thoughts = tokens.max(thoughts),
            false => further += tokens,
        }
    }
    thoughts + further
}

/// The texts of a value, however deep they lie.
fn said(name: &str, value: &Value) -> u64 {
    match value {
        Value::String(text) if text.starts_with(TEXT_ADDRESS) => {
            text.len() as u64 / BASE64_OF_TOKEN
        }
        _ if NO_TEXTS.contains(&name) => 0,
        Value::String(text) if SEALED.contains(&name) && is_base64(text) => 0,
        Value::String(text) => token_estimate(text),
        Value::Array(values) => values.iter().map(|value| said(name, value)).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| said(name, value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn is_base64(text: &str) -> bool {
    let encoded = text.strip_prefix("data:").and_then(|rest| rest.split_once(','));
    let encoded = encoded.map_or(text, |(_, encoded)| encoded);
    encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte))
}

/// What a model is shown as JSON, names and all.
fn as_json(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => token_estimate(text),
        value => token_estimate(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn estimate(change: &Value) -> u64 {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        prompt_tokens_estimate(&serde_json::from_value(body).unwrap())
    }

    fn message(more: Value) -> Value {
        let mut message = json!({"role": "assistant", "content": ""});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"messages": [message]})
    }

    fn part(part: Value) -> Value {
        message(json!({"content": [part]}))
    }

    #[test]
    fn no_field_hides_from_the_estimate() {
        assert_eq!(estimate(&json!({"temperature": 0.5, "max_tokens": 9, "seed": 7})), 2);
        let long = "what is the capital of France? ".repeat(400);
        for field in [
            json!({"stop": [long]}),
            json!({"response_format": {"json_schema": {"description": long}}}),
            json!({"tools": [{"type": "function", "function": {"description": long}}]}),
            json!({"tool_choice": {"type": "function", "function": {"name": long}}}),
            json!({"functions": [{"name": "f", "description": long}]}),
            json!({"prediction": {"type": "content", "content": long}}),
            json!({"chat_template_kwargs": {long.as_str(): true}}),
            json!({"unknown": long}),
            message(json!({"content": long})),
            message(json!({"name": long})),
            message(json!({"tool_call_id": long})),
            message(json!({"tool_calls": [{"function": {"name": "f", "arguments": long}}]})),
            message(json!({"function_call": {"name": "f", "arguments": long}})),
            message(json!({"reasoning_content": long})),
            message(json!({"reasoning_content": "x", "thinking_blocks": [{"thinking": long}]})),
            message(json!({"refusal": long})),
            part(json!({"type": "text", "text": long})),
            part(json!({"type": "text", "text": "x", "title": long})),
            part(json!({"type": "file", "file": {"filename": long}})),
            part(json!({"type": "document", "source": {"type": "text", "data": long}})),
            part(json!({"type": "image_url", "image_url": {"url": "data:,"}, "context": long})),
        ] {
            let tokens = estimate(&field);
            assert!(tokens >= long.len() as u64 / 8, "{tokens} in {:.60}", field.to_string());
            assert!(tokens <= long.len() as u64 / 2, "{tokens} in {:.60}", field.to_string());
        }
    }

    #[test]
    fn what_is_no_text_counts_as_little_as_a_medium_may() {
        let sealed = "QUJD".repeat(3_000);
        let address = |kind: &str| format!("data:{kind};base64,{sealed}");
        let image = |detail: &str| json!({"url": address("image/png"), "detail": detail});
        for (part, tokens) in [
            (json!({"type": "image_url", "image_url": image("low")}), IMAGE_TOKENS_LOW + 1),
            (json!({"type": "image_url", "image_url": image("high")}), IMAGE_TOKENS + 1),
            (json!({"type": "input_audio", "input_audio": {"data": sealed}}), IMAGE_TOKENS),
            (json!({"type": "file", "file": {"file_data": address("application/pdf")}}), 765),
            (json!({"type": "file", "file": {"file_data": address("text/plain")}}), 3_169),
        ] {
            assert_eq!(
                estimate(&super::tests::part(part.clone())),
                tokens,
                "{:.60}",
                part.to_string()
            );
        }
        let thought = json!([{"type": "thinking", "thinking": "four", "signature": sealed}]);
        let told = message(json!({"reasoning_content": "four", "thinking_blocks": thought}));
        assert_eq!(estimate(&told), 1);
    }
}
