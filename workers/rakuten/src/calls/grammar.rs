//! Calls as a grammar: a model that has to call can write nothing but calls whose arguments are
//! valid against the function's schema.
//!
//! Must never put a client's text into a grammar but as a literal or inside its own schema.

use super::{CALLS_MAX, Calls, Choice, Function, format::CallFormat};
use crate::engine::{FORM_BYTES_MAX, FORM_DEPTH_MAX, check_schema, put_style};
use serde_json::{Value, json};

/// A text that is no call: it doesn't begin like one.
const FREE_TEXT: &str = "FREE: /([^<]|<[^t])(.|\\n)*/";

/// The grammar of an answer, where it has to have one. `answer` is the schema of an answer that
/// calls nothing.
pub(super) fn of(calls: &Calls, answer: Option<&Value>) -> Option<String> {
    let begun = match calls.choice {
        Choice::Required => calls.format.forced_opening(),
        // A model that was trained on calls is left alone, unless its answers must have a form.
        Choice::Auto if answer.is_none() && calls.format != CallFormat::Instructed => return None,
        Choice::Auto => "",
    };
    let mut rules = vec![list(calls, begun)];
    rules.push(match (calls.choice, answer) {
        (Choice::Required, _) => "start: calls".to_owned(),
        (Choice::Auto, None) => format!("start: calls | FREE\n{FREE_TEXT}"),
        (Choice::Auto, Some(schema)) => {
            format!("start: calls | answer\nanswer: %json {}", styled(schema.clone()))
        }
    });
    for (at, function) in calls.functions.iter().enumerate() {
        let head = literal(&calls.format.head(&function.name));
        rules.push(format!("call_{at}: {head} arguments_{at} \"}}\""));
        rules.push(format!("arguments_{at}: %json {}", styled(function.parameters.clone())));
    }
    let any: Vec<String> = (0..calls.functions.len()).map(|at| format!("call_{at}")).collect();
    rules.push(format!("call: {}", any.join(" | ")));
    Some(rules.join("\n"))
}

/// One call, or as many as may be, the first without what was written for the model already.
fn list(calls: &Calls, begun: &str) -> String {
    let more = if calls.parallel { CALLS_MAX - 1 } else { 0 };
    let (opening, closing, between) = match calls.format {
        CallFormat::Hermes | CallFormat::Instructed => {
            ("<tool_call>\n", "\n</tool_call>", "\n</tool_call>\n<tool_call>\n")
        }
        CallFormat::Llama => ("", "", "; "),
        CallFormat::Mistral => ("[TOOL_CALLS][", "]", ", "),
    };
    let opening = opening.strip_prefix(begun).unwrap_or(opening);
    let part = |text: &str| if text.is_empty() { String::new() } else { literal(text) };
    let following = match more {
        0 => String::new(),
        _ => format!("({} call){{0,{more}}}", literal(between)),
    };
    format!("calls: {} call {following} {}", part(opening), part(closing))
}

/// A text as Lark writes it.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

fn styled(mut schema: Value) -> Value {
    put_style(&mut schema);
    schema
}

/// The parameters of a function as a schema that a small model can't ramble in: where nothing is
/// said of further properties there are none, which every reader of the schema accepts.
pub(super) fn parameters(of: Option<&Value>) -> Result<Value, String> {
    let mut schema = match of {
        None | Some(Value::Null) => json!({}),
        Some(value) => value.clone(),
    };
    if deep(&schema, FORM_DEPTH_MAX) || schema.to_string().len() > FORM_BYTES_MAX {
        return Err("have a schema that is too large or too deep".into());
    }
    check_schema(&schema)
        .map_err(|reason| format!("have a schema that can't be followed: {reason}"))?;
    let Some(fields) = schema.as_object_mut() else {
        return Err("must be a JSON schema, an object".into());
    };
    let kind = fields.entry("type").or_insert_with(|| "object".into());
    let is_object = |kind: &Value| kind == "object";
    if !is_object(kind) && !kind.as_array().is_some_and(|kinds| kinds.iter().any(is_object)) {
        return Err("have parameters that are no object".into());
    }
    *kind = "object".into();
    let composed = ["allOf", "anyOf", "oneOf", "$ref", "patternProperties", "if", "not"];
    if !composed.iter().any(|key| fields.contains_key(*key)) {
        fields.entry("properties").or_insert_with(|| json!({}));
        fields.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    Ok(schema)
}

fn deep(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if left == 0 => true,
        Value::Array(list) => list.iter().any(|value| deep(value, left - 1)),
        Value::Object(map) => map.values().any(|value| deep(value, left - 1)),
        _ => false,
    }
}

impl Function {
    /// A function of the request.
    pub(super) fn read(tool: &Value) -> Result<Self, String> {
        let told = &tool["function"];
        let name = told["name"].as_str().filter(|name| !name.is_empty());
        let name = name.ok_or("must each have a function with a name")?;
        if name.len() > super::NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err("have a name that is too long or no name".into());
        }
        let parameters = parameters(told.get("parameters"))?;
        Ok(Self { name: name.to_owned(), parameters })
    }
}
