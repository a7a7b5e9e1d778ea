//! Turns of a chat with functions, as a template can print them: templates that know no tools get
//! instructions and texts instead.
//!
//! Must leave every text a text: what comes out of here is disarmed like everything of a client.

use super::format::CallFormat;
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How long Mistral's templates want the name of a call, letters and digits.
const MISTRAL_ID_CHARACTERS: usize = 9;

/// What a model is told that was never trained on calls.
const INSTRUCTIONS: &str = "You may call functions. Each line is one of them, as JSON:";
const HOW: &str = "To call one, write only this, once for each call:\n<tool_call>\n{\"name\": \
                   \"the function\", \"arguments\": {}}\n</tool_call>\nIts result comes in \
                   <tool_response>. If none is needed, answer in words.";

/// The messages as the template of this format can print them.
pub(super) fn fitting(messages: Vec<Value>, tools: Option<&Value>, of: CallFormat) -> Vec<Value> {
    match of {
        CallFormat::Instructed => instructed(messages, tools),
        CallFormat::Mistral => messages.into_iter().map(short_ids).collect(),
        CallFormat::Hermes | CallFormat::Llama => messages,
    }
}

fn instructed(messages: Vec<Value>, tools: Option<&Value>) -> Vec<Value> {
    let mut fitting: Vec<Value> = Vec::with_capacity(messages.len() + 1);
    let mut after_result = false;
    for message in messages {
        let is_result = matches!(message["role"].as_str(), Some("tool" | "function"));
        if is_result {
            let text = format!("<tool_response>\n{}\n</tool_response>", text(&message["content"]));
            match fitting.last_mut().filter(|_| after_result) {
                // Templates want turns to alternate.
                Some(last) => last["content"] = format!("{}\n{text}", text_of(last)).into(),
                None => fitting.push(json!({"role": "user", "content": text})),
            }
        } else {
            fitting.push(called(message));
        }
        after_result = is_result;
    }
    if let Some(tools) = tools.and_then(Value::as_array) {
        instruct(&mut fitting, tools);
    }
    fitting
}

fn instruct(messages: &mut Vec<Value>, tools: &[Value]) {
    let listed: Vec<String> = tools.iter().map(|tool| tool["function"].to_string()).collect();
    let told = format!("{INSTRUCTIONS}\n<tools>\n{}\n</tools>\n{HOW}", listed.join("\n"));
    match messages.first_mut().filter(|message| message["role"] == "system") {
        Some(system) => {
            system["content"] = format!("{}\n\n{told}", text(&system["content"])).into();
        }
        None => messages.insert(0, json!({"role": "system", "content": told})),
    }
}

/// A turn that called functions as the text that the model wrote.
fn called(mut message: Value) -> Value {
    let calls = message.as_object_mut().and_then(|fields| fields.remove("tool_calls"));
    let Some(Value::Array(calls)) = calls else { return message };
    let mut lines: Vec<String> = vec![text(&message["content"])];
    lines.retain(|line| !line.is_empty());
    for call in calls {
        let told = &call["function"]["arguments"];
        let parsed = told.as_str().and_then(|text| serde_json::from_str(text).ok());
        let arguments: Value = parsed.unwrap_or_else(|| told.clone());
        let call = CallFormat::Instructed.head(call["function"]["name"].as_str().unwrap_or(""));
        lines.push(format!("<tool_call>\n{call}{arguments}}}\n</tool_call>"));
    }
    message["content"] = lines.join("\n").into();
    message
}

fn text_of(message: &Value) -> &str {
    message["content"].as_str().unwrap_or_default()
}

/// The text of a message's content, its parts in lines.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// Names of calls in the length that the template insists on; equal names stay equal.
fn short_ids(mut message: Value) -> Value {
    for call in message["tool_calls"].as_array_mut().into_iter().flatten() {
        if let Some(id) = call["id"].as_str().map(short) {
            call["id"] = id.into();
        }
    }
    if let Some(id) = message["tool_call_id"].as_str().map(short) {
        message["tool_call_id"] = id.into();
    }
    message
}

fn short(id: &str) -> String {
    let fits = |character: char| character.is_ascii_alphanumeric();
    if id.len() == MISTRAL_ID_CHARACTERS && id.chars().all(fits) {
        return id.to_owned();
    }
    let mut sum = DefaultHasher::new();
    id.hash(&mut sum);
    let digits = format!("{:016x}", sum.finish());
    digits.chars().take(MISTRAL_ID_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat() -> Vec<Value> {
        let call = |id: &str, arguments: &str| {
            json!({"id": id, "type": "function",
                "function": {"name": "weather", "arguments": arguments}})
        };
        vec![
            json!({"role": "user", "content": "東京と大阪の天気は?"}),
            json!({"role": "assistant", "content": null, "tool_calls": [
                call("call_a", "{\"city\":\"東京\"}"), call("call_b", "{\"city\":\"大阪\"}")]}),
            json!({"role": "tool", "tool_call_id": "call_a", "content": "晴れ"}),
            json!({"role": "tool", "tool_call_id": "call_b",
                "content": [{"type": "text", "text": "雨"}]}),
        ]
    }

    #[test]
    fn a_template_without_tools_gets_texts() {
        let tools = json!([{"type": "function", "function": {"name": "weather"}}]);
        let turns = fitting(chat(), Some(&tools), CallFormat::Instructed);
        let roles: Vec<&str> = turns.iter().map(|turn| turn["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "user"]);
        assert!(text_of(&turns[0]).contains("\n{\"name\":\"weather\"}\n"), "{}", turns[0]);
        assert_eq!(
            text_of(&turns[2]),
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\":\"東京\"}}\n\
             </tool_call>\n<tool_call>\n{\"name\": \"weather\", \"arguments\": \
             {\"city\":\"大阪\"}}\n</tool_call>"
        );
        assert_eq!(
            text_of(&turns[3]),
            "<tool_response>\n晴れ\n</tool_response>\n<tool_response>\n雨\n</tool_response>"
        );
        assert!(turns.iter().all(|turn| turn.get("tool_calls").is_none()));
        // What we add stays below what the gateway holds credit for.
        assert!(INSTRUCTIONS.len() + HOW.len() < 450);
    }

    #[test]
    fn the_instructions_follow_a_system_message_of_the_client() {
        let tools = json!([{"type": "function", "function": {"name": "weather"}}]);
        let mut messages = chat();
        messages.insert(0, json!({"role": "system", "content": "短く。"}));
        let turns = fitting(messages, Some(&tools), CallFormat::Instructed);
        assert!(text_of(&turns[0]).starts_with("短く。\n\nYou may call"), "{}", turns[0]);
        assert_eq!(turns.len(), 4);
    }

    #[test]
    fn mistral_gets_short_ids_that_belong_together() {
        let turns = fitting(chat(), None, CallFormat::Mistral);
        let id = turns[1]["tool_calls"][0]["id"].as_str().unwrap();
        assert_eq!((id.len(), id), (9, turns[2]["tool_call_id"].as_str().unwrap()));
        assert_ne!(turns[2]["tool_call_id"], turns[3]["tool_call_id"]);
        assert_eq!(fitting(chat(), None, CallFormat::Hermes), chat());
    }
}
