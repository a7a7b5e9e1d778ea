//! What the model may call, and the choice among it: functions, and tools that take free text, each
//! alone or in a group. OpenAI's own tools (a search, a computer) run at OpenAI: they are refused.

use super::namespaces::{NAMESPACE, in_chat};
use crate::problems::wrong;
use schemas::error::Problem;
use serde_json::{Map, Value, json};

/// What types a tool may have, as both languages list them.
#[derive(Clone, Copy)]
struct Kinds {
    japanese: &'static str,
    english: &'static str,
}

/// Those of a tool of its own.
const ALONE: Kinds = Kinds {
    japanese: r#""function"、"custom"、"namespace""#,
    english: r#""function", "custom" or "namespace""#,
};

/// Those of a tool in a group.
const GROUPED: Kinds =
    Kinds { japanese: r#""function"、"custom""#, english: r#""function" or "custom""# };

/// The tools; `None` when there are none.
pub(super) fn tools(tools: Option<Vec<Value>>) -> Result<Option<Vec<Value>>, Problem> {
    let mut all = Vec::new();
    for (number, told) in tools.unwrap_or_default().iter().enumerate() {
        let place = format!("tools[{number}]");
        match told["type"] == NAMESPACE {
            true => group(told, &place, &mut all)?,
            false => all.push(tool(told, &place, ALONE)?),
        }
    }
    Ok(Some(all).filter(|all| !all.is_empty()))
}

/// Adds the tools of a group.
fn group(group: &Value, place: &str, all: &mut Vec<Value>) -> Result<(), Problem> {
    let namespace = name(group, place)?;
    let Some(tools) = group.get("tools").and_then(Value::as_array) else {
        return Err(wrong(&format!("{place}.tools"), "ツールの配列", "an array of tools"));
    };
    for (number, told) in tools.iter().enumerate() {
        let mut tool = tool(told, &format!("{place}.tools[{number}]"), GROUPED)?;
        let of_kind = if tool["type"] == "custom" { "custom" } else { "function" };
        let named = in_chat(namespace, tool[of_kind]["name"].as_str().unwrap_or_default());
        tool[of_kind]["name"] = named.into();
        all.push(tool);
    }
    Ok(())
}

/// What something is called.
fn name<'a>(told: &'a Value, place: &str) -> Result<&'a str, Problem> {
    let name = told.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    name.ok_or_else(|| wrong(&format!("{place}.name"), "ツールの名前", "the tool's name"))
}

fn tool(tool: &Value, place: &str, kinds: Kinds) -> Result<Value, Problem> {
    let kind = tool.get("type").and_then(Value::as_str);
    let Some(kind @ ("function" | "custom")) = kind else {
        let Kinds { japanese, english } = kinds;
        let japanese = format!("{japanese}（ほかの種類のツールには対応していません）");
        let english = format!("{english}; tools of other types are not supported here");
        return Err(wrong(&format!("{place}.type"), &japanese, &english));
    };
    name(tool, place)?;
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

/// What a tool that is told with its group, or without one, is called in a chat.
pub(super) fn in_group(told: &Value, name: &str) -> String {
    let namespace = told.get(NAMESPACE).and_then(Value::as_str).filter(|name| !name.is_empty());
    namespace.map_or_else(|| name.to_owned(), |namespace| in_chat(namespace, name))
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
            let name = in_group(&choice, name);
            Ok(Some(json!({"type": kind, kind: {"name": name}})))
        }
        _ => Err(wrong(
            "tool_choice",
            "auto、none、required、またはツールの名前（{\"type\": \"function\", \"name\": …}）",
            "auto, none, required, or a tool's name ({\"type\": \"function\", \"name\": …})",
        )),
    }
}
