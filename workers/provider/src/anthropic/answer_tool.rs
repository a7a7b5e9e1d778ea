//! An answer that is JSON, from a model that can't be held to a schema directly: the input of a
//! tool that must be called is held to it, and is told as text. The tool is ours: no client ever
//! sees a call of it. It never hides a call of the client's own tools.

use super::tools::tool_named;
use crate::problem;
use crate::upstream::Upstream;
use schemas::anthropic::ToolChoice;
use schemas::error::Problem;
use schemas::openai::ChatRequest;
use serde_json::{Map, Value, json};

/// The tool's name.
pub(super) const ANSWER_TOOL: &str = "fly_llm_answer";

/// What the model is told of it.
const PURPOSE: &str =
    "Gives the final answer. The input of this tool is the whole answer, as JSON.";

/// The tool, if the answer is to come through it.
pub(super) fn wanted(chat: &ChatRequest, upstream: &Upstream) -> Result<Option<Value>, Problem> {
    let Some((schema, description)) = asked(chat, upstream) else { return Ok(None) };
    if calls_a_tool(chat) {
        return Ok(None);
    }
    if thinks(chat) {
        return Err(problem::cannot(
            "response_format",
            "このモデルは thinking と一緒には JSON の形を守れません。どちらかを外してください。",
            "This model can't be held to JSON while it thinks: leave out one of the two.",
        ));
    }
    if chat.tools.iter().flatten().any(|tool| tool_named(tool) == Some(ANSWER_TOOL)) {
        return Err(problem::cannot(
            "tools",
            "ツールの名前 fly_llm_answer は予約されています。",
            "The tool name fly_llm_answer is reserved.",
        ));
    }
    let mut schema = match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    let kind = schema.entry("type").or_insert_with(|| "object".into());
    if kind != "object" {
        return Err(problem::cannot(
            "response_format.json_schema.schema.type",
            "スキーマの最上位は object にしてください。",
            "The schema's root must be an object.",
        ));
    }
    let description =
        description.map_or_else(|| PURPOSE.to_owned(), |text| format!("{PURPOSE} {text}"));
    Ok(Some(json!({"name": ANSWER_TOOL, "description": description, "input_schema": schema})))
}

/// The choice that makes the model answer through the tool: it must call it, or one of the
/// client's own where it may.
pub(super) fn choice(chat: &ChatRequest, asked: Option<ToolChoice>) -> ToolChoice {
    let has_tools = chat.tools.as_ref().is_some_and(|tools| !tools.is_empty());
    match asked {
        Some(ToolChoice::Auto { disable_parallel_tool_use }) if has_tools => {
            ToolChoice::Any { disable_parallel_tool_use }
        }
        None if has_tools => ToolChoice::Any { disable_parallel_tool_use: None },
        _ => {
            let name = ANSWER_TOOL.to_owned();
            ToolChoice::Tool { name, disable_parallel_tool_use: Some(true) }
        }
    }
}

/// The schema that has no field of its own at this model, and what it is for.
fn asked(chat: &ChatRequest, upstream: &Upstream) -> Option<(Value, Option<String>)> {
    let format = chat.response_format.as_ref()?;
    match format.get("type").and_then(Value::as_str)? {
        "json_object" => Some((json!({"type": "object", "additionalProperties": true}), None)),
        "json_schema" if !upstream.takes_schemas => {
            let named = format.get("json_schema")?;
            let description = named.get("description").and_then(Value::as_str);
            Some((named.get("schema")?.clone(), description.map(str::to_owned)))
        }
        _ => None,
    }
}

/// Whether the client wants a call of its own tools and no answer.
fn calls_a_tool(chat: &ChatRequest) -> bool {
    let has_tools = chat.tools.as_ref().is_some_and(|tools| !tools.is_empty());
    let choice = chat.tool_choice.as_ref();
    has_tools && choice.is_some_and(|choice| choice.is_object() || choice == "required")
}

fn thinks(chat: &ChatRequest) -> bool {
    let kind = chat.rest.get("thinking").and_then(|thinking| thinking.get("type"));
    kind.and_then(Value::as_str).is_some_and(|kind| kind != "disabled")
}
