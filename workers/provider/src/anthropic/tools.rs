//! Tools, the choice among them, their calls and results. A call's arguments are a text on one side
//! and an object on the other; what isn't an object is refused, never guessed.

use super::turns::result_content;
use crate::problem;
use schemas::anthropic::{Block, KnownBlock, TOOL_FIELDS, ToolChoice, marks};
use schemas::error::Problem;
use schemas::openai::{ChatRequest, Message};
use serde_json::{Map, Value, json};

/// The tools; `None` when there are none. Only a model that knows schemas can be held to a tool's.
pub(super) fn tools(
    chat: &ChatRequest,
    takes_schemas: bool,
) -> Result<Option<Vec<Value>>, Problem> {
    let tools = chat.tools.iter().flatten().enumerate();
    let tools =
        tools.map(|(number, tool)| self::tool(tool, takes_schemas, &format!("tools[{number}]")));
    Ok(Some(tools.collect::<Result<Vec<_>, _>>()?).filter(|tools| !tools.is_empty()))
}

/// The name of a function among the tools.
pub(super) fn tool_named(tool: &Value) -> Option<&str> {
    tool.get("function")?.get("name")?.as_str()
}

fn tool(tool: &Value, takes_schemas: bool, place: &str) -> Result<Value, Problem> {
    let kind = tool.get("type").and_then(Value::as_str).unwrap_or_default();
    let Some(function) = tool.get("function").filter(|_| kind == "function") else {
        if kind.is_empty() || kind == "function" || kind == "custom" {
            return Err(problem::cannot(
                place,
                "tools には type: function のツールを入れてください。",
                "A tool must be of type function.",
            ));
        }
        // One of Anthropic's own tools, which its own surface put here.
        return Ok(tool.clone());
    };
    let Some(name) = function.get("name").and_then(Value::as_str) else {
        return Err(problem::cannot(
            format!("{place}.function.name"),
            "ツールの名前が必要です。",
            "A tool needs a name.",
        ));
    };
    let mut translated = Map::new();
    translated.insert("name".into(), name.into());
    if let Some(description) = function.get("description").filter(|text| text.is_string()) {
        translated.insert("description".into(), description.clone());
    }
    let parameters = function.get("parameters").filter(|schema| schema.is_object()).cloned();
    let mut schema = parameters.unwrap_or_else(|| json!({}));
    if let Some(schema) = schema.as_object_mut() {
        schema.entry("type").or_insert_with(|| "object".into());
    }
    translated.insert("input_schema".into(), schema);
    if takes_schemas && function.get("strict") == Some(&Value::Bool(true)) {
        translated.insert("strict".into(), true.into());
    }
    for name in TOOL_FIELDS {
        if let Some(value) = tool.get(name).filter(|value| !value.is_null()) {
            translated.insert(name.into(), value.clone());
        }
    }
    translated.extend(tool.as_object().map(marks).unwrap_or_default());
    Ok(Value::Object(translated))
}

/// Which tools must be used, and whether several at once.
pub(super) fn choice(chat: &ChatRequest) -> Result<Option<ToolChoice>, Problem> {
    let parallel = chat.rest.get("parallel_tool_calls").and_then(Value::as_bool);
    let disable_parallel_tool_use = (parallel == Some(false)).then_some(true);
    let choice = chat.tool_choice.as_ref().filter(|choice| !choice.is_null());
    let named = choice.and_then(|choice| choice.get("function")?.get("name")?.as_str());
    match (choice.and_then(Value::as_str), named) {
        (Some("none"), _) => Ok(Some(ToolChoice::None)),
        (Some("required"), _) => Ok(Some(ToolChoice::Any { disable_parallel_tool_use })),
        (Some("auto"), _) => Ok(Some(ToolChoice::Auto { disable_parallel_tool_use })),
        (None, Some(name)) => {
            Ok(Some(ToolChoice::Tool { name: name.to_owned(), disable_parallel_tool_use }))
        }
        (None, None) if choice.is_none() => {
            Ok(disable_parallel_tool_use.map(|_| ToolChoice::Auto { disable_parallel_tool_use }))
        }
        _ => Err(problem::cannot(
            "tool_choice",
            "tool_choice は auto・none・required か function の名前にしてください。",
            "'tool_choice' must be auto, none, required, or name a function.",
        )),
    }
}

/// A call that the assistant made.
pub(super) fn call(call: &Value, place: &str) -> Result<Block, Problem> {
    let function = call.get("function");
    let field = |name| function.and_then(|function| function.get(name)).and_then(Value::as_str);
    let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
    let (Some(id), Some(name)) = (id, field("name")) else {
        return Err(problem::cannot(
            place,
            "tool_calls には id と function.name が必要です。",
            "A tool call needs its id and function.name.",
        ));
    };
    let arguments = field("arguments").unwrap_or_default();
    let input = if arguments.trim().is_empty() {
        Some(json!({}))
    } else {
        serde_json::from_str(arguments).ok().filter(Value::is_object)
    };
    let Some(input) = input else {
        return Err(problem::cannot(
            format!("{place}.function.arguments"),
            "arguments は JSON オブジェクトの文字列にしてください。",
            "'arguments' must be the text of a JSON object.",
        ));
    };
    let rest = call.as_object().map(marks).unwrap_or_default();
    Ok(Block::Known(KnownBlock::ToolUse { id: plain_id(id), name: name.to_owned(), input, rest }))
}

/// What a tool gave back.
pub(super) fn result(message: &Message, place: &str) -> Result<Block, Problem> {
    let Some(id) = message.tool_call_id.as_deref().filter(|id| !id.is_empty()) else {
        return Err(problem::cannot(
            format!("{place}.tool_call_id"),
            "role: tool のメッセージには tool_call_id が必要です。",
            "A message of role tool needs its tool_call_id.",
        ));
    };
    Ok(Block::Known(KnownBlock::ToolResult {
        tool_use_id: plain_id(id),
        content: result_content(message.content.as_ref(), place)?,
        is_error: message.rest.get("is_error").and_then(Value::as_bool),
        rest: marks(&message.rest),
    }))
}

/// The API takes letters, digits, `_` and `-` in an id; other vendors' ids have more. The same id
/// becomes the same here in the call and in its result.
fn plain_id(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    id.chars().map(plain).collect()
}
