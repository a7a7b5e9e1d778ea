//! What the model may call, and the choice among it: functions, and tools that take free text.
//! OpenAI's own tools (a search, a computer) run at OpenAI: they are refused.

use crate::problems::wrong;
use schemas::error::Problem;
use serde_json::{Map, Value, json};

/// The tools; `None` when there are none.
pub(super) fn tools(tools: Option<Vec<Value>>) -> Result<Option<Vec<Value>>, Problem> {
    let tools = tools.unwrap_or_default().into_iter().enumerate();
    let tools = tools.map(|(number, tool)| self::tool(&tool, &format!("tools[{number}]")));
    Ok(Some(tools.collect::<Result<Vec<_>, _>>()?).filter(|tools| !tools.is_empty()))
}

fn tool(tool: &Value, place: &str) -> Result<Value, Problem> {
    let kind = tool.get("type").and_then(Value::as_str);
    let Some(kind @ ("function" | "custom")) = kind else {
        let japanese = "\"function\" か \"custom\"（ほかの種類のツールには対応していません）";
        let english = "\"function\" or \"custom\"; tools of other types are not supported here";
        return Err(wrong(&format!("{place}.type"), japanese, english));
    };
    let name = tool.get("name").and_then(Value::as_str);
    if name.is_none_or(str::is_empty) {
        return Err(wrong(&format!("{place}.name"), "ツールの名前", "the tool's name"));
    }
    if kind == "custom" {
        return Ok(json!({"type": "custom", "custom": custom(tool)}));
    }
    let parameters = tool.get("parameters").filter(|parameters| !parameters.is_null());
    if parameters.is_some_and(|parameters| !parameters.is_object()) {
        let field = format!("{place}.parameters");
        return Err(wrong(&field, "JSON スキーマのオブジェクト", "a JSON schema, an object"));
    }
    let function = picked(tool, &["name", "description", "parameters", "strict"]);
    Ok(json!({"type": "function", "function": function}))
}

/// A tool that takes free text. A chat has the fields of its grammar one step further down.
fn custom(tool: &Value) -> Map<String, Value> {
    let mut custom = picked(tool, &["name", "description", "format"]);
    if let Some(format) = custom.get_mut("format").filter(|format| format["type"] == "grammar") {
        *format = json!({"type": "grammar", "grammar": picked(format, &["syntax", "definition"])});
    }
    custom
}

/// Fields of these names, unless they are null, in this order.
pub(super) fn picked(from: &Value, names: &[&str]) -> Map<String, Value> {
    let told = names.iter().filter_map(|name| Some((*name, from.get(*name)?)));
    let told = told.filter(|(_, value)| !value.is_null());
    told.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// Which tool must be called.
pub(super) fn choice(choice: Option<Value>) -> Result<Option<Value>, Problem> {
    let Some(choice) = choice.filter(|choice| !choice.is_null()) else { return Ok(None) };
    if matches!(choice.as_str(), Some("auto" | "none" | "required")) {
        return Ok(Some(choice));
    }
    let field = |name| choice.get(name).and_then(Value::as_str);
    match (field("type"), field("name")) {
        (Some(kind @ ("function" | "custom")), Some(name)) => {
            Ok(Some(json!({"type": kind, kind: {"name": name}})))
        }
        _ => Err(wrong(
            "tool_choice",
            "auto、none、required、またはツールの名前 ({\"type\": \"function\", \"name\": …})",
            "auto, none, required, or a tool's name ({\"type\": \"function\", \"name\": …})",
        )),
    }
}
