//! Functions that the model may call, and the choice among them. OpenAI's own tools (a search, a
//! computer) run at OpenAI: they are refused.

use crate::api::fields::wrong;
use schemas::error::Problem;
use serde_json::{Map, Value, json};

/// The tools; `None` when there are none.
pub(super) fn tools(tools: Option<Vec<Value>>) -> Result<Option<Vec<Value>>, Problem> {
    let tools = tools.unwrap_or_default().into_iter().enumerate();
    let tools = tools.map(|(number, tool)| function(&tool, &format!("tools[{number}]")));
    Ok(Some(tools.collect::<Result<Vec<_>, _>>()?).filter(|tools| !tools.is_empty()))
}

fn function(tool: &Value, place: &str) -> Result<Value, Problem> {
    if tool.get("type").and_then(Value::as_str) != Some("function") {
        let japanese = "\"function\"（ほかの種類のツールには対応していません）";
        let english = "\"function\"; tools of other types are not supported here";
        return Err(wrong(&format!("{place}.type"), japanese, english));
    }
    let name = tool.get("name").and_then(Value::as_str);
    if name.is_none_or(str::is_empty) {
        return Err(wrong(&format!("{place}.name"), "関数の名前", "the function's name"));
    }
    let parameters = tool.get("parameters").filter(|parameters| !parameters.is_null());
    if parameters.is_some_and(|parameters| !parameters.is_object()) {
        let field = format!("{place}.parameters");
        return Err(wrong(&field, "JSON スキーマのオブジェクト", "a JSON schema, an object"));
    }
    let function = picked(tool, &["name", "description", "parameters", "strict"]);
    Ok(json!({"type": "function", "function": function}))
}

/// Fields of these names, unless they are null, in this order.
pub(super) fn picked(from: &Value, names: &[&str]) -> Map<String, Value> {
    let told = names.iter().filter_map(|name| Some((*name, from.get(*name)?)));
    let told = told.filter(|(_, value)| !value.is_null());
    told.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// Which function must be called.
pub(super) fn choice(choice: Option<Value>) -> Result<Option<Value>, Problem> {
    let Some(choice) = choice.filter(|choice| !choice.is_null()) else { return Ok(None) };
    if matches!(choice.as_str(), Some("auto" | "none" | "required")) {
        return Ok(Some(choice));
    }
    let field = |name| choice.get(name).and_then(Value::as_str);
    match (field("type"), field("name")) {
        (Some("function"), Some(name)) => {
            Ok(Some(json!({"type": "function", "function": {"name": name}})))
        }
        _ => Err(wrong(
            "tool_choice",
            "auto、none、required、または関数の名前 ({\"type\": \"function\", \"name\": …})",
            "auto, none, required, or a function's name ({\"type\": \"function\", \"name\": …})",
        )),
    }
}
