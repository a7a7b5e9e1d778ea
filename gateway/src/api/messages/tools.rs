//! Tools and the choice among them. A client's own tool becomes a function; one of Anthropic's own
//! (`web_search_…`, `bash_…`) has no counterpart and goes on as it came.

use crate::problems::wrong;
use schemas::anthropic::{TOOL_FIELDS, ToolChoice, marks};
use schemas::error::Problem;
use serde_json::{Map, Value, json};

/// The tools; `None` when there are none.
pub(super) fn tools(tools: Option<Vec<Value>>) -> Result<Option<Vec<Value>>, Problem> {
    let tools = tools.unwrap_or_default().into_iter().enumerate();
    let tools = tools.map(|(number, tool)| self::tool(tool, &format!("tools[{number}]")));
    Ok(Some(tools.collect::<Result<Vec<_>, _>>()?).filter(|tools| !tools.is_empty()))
}

fn tool(tool: Value, place: &str) -> Result<Value, Problem> {
    let Value::Object(mut tool) = tool else {
        return Err(wrong(place, "オブジェクト", "an object"));
    };
    let kind = tool.get("type").filter(|kind| !kind.is_null());
    if kind.is_some_and(|kind| kind != "custom") {
        return Ok(Value::Object(tool));
    }
    let name = tool.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let Some(name) = name.map(ToOwned::to_owned) else {
        return Err(wrong(&format!("{place}.name"), "ツールの名前", "the tool's name"));
    };
    let Some(schema) = tool.shift_remove("input_schema").filter(Value::is_object) else {
        let field = format!("{place}.input_schema");
        return Err(wrong(&field, "JSON スキーマのオブジェクト", "a JSON schema, an object"));
    };
    let mut function = Map::new();
    function.insert("name".into(), name.into());
    if let Some(description) = tool.shift_remove("description").filter(Value::is_string) {
        function.insert("description".into(), description);
    }
    function.insert("parameters".into(), schema);
    if let Some(strict) = tool.shift_remove("strict").filter(Value::is_boolean) {
        function.insert("strict".into(), strict);
    }
    let mut canonical = Map::new();
    canonical.insert("type".into(), "function".into());
    canonical.insert("function".into(), Value::Object(function));
    canonical.extend(marks(&tool));
    for name in TOOL_FIELDS {
        if let Some(value) = tool.shift_remove(name).filter(|value| !value.is_null()) {
            canonical.insert(name.into(), value);
        }
    }
    Ok(Value::Object(canonical))
}

/// Which tools must be used, and whether at most one call may be made.
pub(super) fn choice(choice: Option<ToolChoice>) -> (Option<Value>, bool) {
    let (choice, one_call) = match choice {
        None => return (None, false),
        Some(ToolChoice::Auto { disable_parallel_tool_use }) => {
            ("auto".into(), disable_parallel_tool_use)
        }
        Some(ToolChoice::Any { disable_parallel_tool_use }) => {
            ("required".into(), disable_parallel_tool_use)
        }
        Some(ToolChoice::Tool { name, disable_parallel_tool_use }) => {
            let named = json!({"type": "function", "function": {"name": name}});
            (named, disable_parallel_tool_use)
        }
        Some(ToolChoice::None) => ("none".into(), None),
    };
    (Some(choice), one_call == Some(true))
}
