//! Tools, the choice among them, their calls and results. A call's signature travels where Google's
//! own OpenAI surface puts it; without it newer models refuse their own calls.

use super::parts;
use crate::problem;
use schemas::error::Problem;
use schemas::openai::{ChatRequest, Message};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Where a call keeps its signature, from the call.
const SIGNATURE: &str = "/extra_content/google/thought_signature";

/// Google's word for a call whose signature was lost on the way, or that another model made.
const LOST_SIGNATURE: &str = "skip_thought_signature_validator";

/// The functions; `None` when there are none.
pub(super) fn declarations(chat: &ChatRequest) -> Result<Option<Vec<Value>>, Problem> {
    let tools = chat.tools.iter().flatten().enumerate();
    let declared = tools.map(|(number, tool)| declaration(tool, &format!("tools[{number}]")));
    Ok(Some(declared.collect::<Result<Vec<_>, _>>()?).filter(|declared| !declared.is_empty()))
}

fn declaration(tool: &Value, place: &str) -> Result<Value, Problem> {
    let is_function = tool.get("type").and_then(Value::as_str) == Some("function");
    let function = tool.get("function").filter(|_| is_function);
    let name = function.and_then(|function| function.get("name")).and_then(Value::as_str);
    let (Some(function), Some(name)) = (function, name) else {
        return Err(problem::cannot(
            place,
            "tools には名前のある type: function のツールを入れてください。",
            "A tool must be of type function and have a name.",
        ));
    };
    let mut declared = Map::new();
    declared.insert("name".into(), name.into());
    if let Some(description) = function.get("description").filter(|text| text.is_string()) {
        declared.insert("description".into(), description.clone());
    }
    if let Some(schema) = function.get("parameters").filter(|schema| schema.is_object()) {
        declared.insert("parametersJsonSchema".into(), schema.clone());
    }
    Ok(Value::Object(declared))
}

/// Which functions must be called.
pub(super) fn choice(chat: &ChatRequest) -> Result<Option<Value>, Problem> {
    let Some(choice) = chat.tool_choice.as_ref().filter(|choice| !choice.is_null()) else {
        return Ok(None);
    };
    let named = choice.pointer("/function/name").and_then(Value::as_str);
    match (choice.as_str(), named) {
        (Some("auto"), _) => Ok(Some(json!({"mode": "AUTO"}))),
        (Some("none"), _) => Ok(Some(json!({"mode": "NONE"}))),
        (Some("required"), _) => Ok(Some(json!({"mode": "ANY"}))),
        (None, Some(name)) => Ok(Some(json!({"mode": "ANY", "allowedFunctionNames": [name]}))),
        _ => Err(problem::cannot(
            "tool_choice",
            "tool_choice は auto・none・required か function の名前にしてください。",
            "'tool_choice' must be auto, none, required, or name a function.",
        )),
    }
}

/// A call that the assistant made, with its id and its function's name. The first call of a turn
/// carries the signature of all.
pub(super) fn call(
    call: &Value,
    is_first: bool,
    model: &str,
    place: &str,
) -> Result<(Value, String, String), Problem> {
    let field = |name| call.pointer(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(id), Some(name)) = (field("/id"), field("/function/name")) else {
        return Err(problem::cannot(
            place,
            "tool_calls には id と function.name が必要です。",
            "A tool call needs its id and function.name.",
        ));
    };
    let arguments = match field("/function/arguments").map(str::trim) {
        None | Some("") => Some(json!({})),
        Some(text) => serde_json::from_str(text).ok().filter(Value::is_object),
    };
    let Some(arguments) = arguments else {
        return Err(problem::cannot(
            format!("{place}.function.arguments"),
            "arguments は JSON オブジェクトの文字列にしてください。",
            "'arguments' must be the text of a JSON object.",
        ));
    };
    let mut part = json!({"functionCall": {"name": name, "args": arguments}});
    let kept = field(SIGNATURE);
    let lost = (is_first && wants_signatures(model)).then_some(LOST_SIGNATURE);
    if let Some(signature) = kept.or(lost) {
        part["thoughtSignature"] = signature.into();
    }
    Ok((part, id.to_owned(), name.to_owned()))
}

/// From generation 3 on a call without a signature is refused.
fn wants_signatures(model: &str) -> bool {
    model.starts_with("gemini-") && !["gemini-1", "gemini-2"].iter().any(|g| model.starts_with(g))
}

/// What was called, by the id that results name.
pub(super) struct Called {
    /// The function.
    pub(super) name: String,
    /// Its place among the calls of its message.
    pub(super) number: usize,
}

/// What a tool gave back, with the place of its call: an object, because the API takes nothing
/// else; then what isn't text.
pub(super) fn result(
    message: &Message,
    called: &HashMap<String, Called>,
    place: &str,
) -> Result<(usize, Vec<Value>), Problem> {
    let id = message.tool_call_id.as_deref().unwrap_or_default();
    let Some(Called { name, number }) = called.get(id) else {
        return Err(problem::cannot(
            format!("{place}.tool_call_id"),
            "tool_call_id が前の tool_calls のどれとも一致しません。",
            "'tool_call_id' names no call of an earlier message.",
        ));
    };
    let content = message.content.as_ref();
    let text: String = content.map(|content| content.texts().collect()).unwrap_or_default();
    let said = serde_json::from_str::<Value>(&text).ok().filter(Value::is_object);
    let is_error = message.rest.get("is_error").and_then(Value::as_bool) == Some(true);
    let field = if is_error { "error" } else { "result" };
    let response = said.unwrap_or_else(|| json!({field: text}));
    let mut parts = vec![json!({"functionResponse": {"name": name, "response": response}})];
    if let Some(content) = content {
        let others = parts::parts(content, place)?.into_iter();
        parts.extend(others.filter(|part| part.get("text").is_none()));
    }
    Ok((*number, parts))
}
