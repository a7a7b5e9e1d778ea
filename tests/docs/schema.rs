//! docs/config.schema.json: what editors check and complete config.yaml with. It is made from the
//! tables of docs/config.md, which other checks hold equal to the code. With UPDATE_DOCS=1 it is
//! written anew, otherwise compared.

use crate::config::{DOCUMENT, rows};
use crate::generated::is_updating;
use crate::markdown::Row;
use crate::tree::Tree;
use serde_json::{Map, Value, json};

const SCHEMA: &str = "docs/config.schema.json";
const FILE: &str = "config.yaml";

/// Ends the meaning of a key that some models don't need.
const NOT_FOR_ALL: &str = "; not for embeddings";

/// What tells editors where the schema is.
const LINE: &str = "# yaml-language-server: $schema=docs/config.schema.json";

pub(crate) fn schema_is_that_of_the_document(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    if !tree.text(FILE).lines().any(|line| line == LINE) {
        found.push(format!("{FILE}: write {LINE}"));
    }
    let schema = match schema(tree) {
        Ok(schema) => schema,
        Err(error) => return vec![error],
    };
    let Ok(text) = serde_json::to_string_pretty(&schema) else { return found };
    let text = format!("{text}\n");
    if is_updating() {
        if tree.text(SCHEMA) != text {
            found.extend(tree.rewrite(SCHEMA, &text));
        }
    } else if tree.text(SCHEMA) != text {
        found.push(format!("{SCHEMA}: UPDATE_DOCS=1 writes it from {DOCUMENT}"));
    }
    found
}

fn schema(tree: &Tree) -> Result<Value, String> {
    let mut root = object();
    root["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    root["title"] = "Fly-LLM's config.yaml".into();
    root["required"] = json!(["models"]);
    for row in rows(tree) {
        let key = row.plain(0);
        let told = described(&row).map_err(|what| format!("{DOCUMENT}: {key}: {what}"))?;
        // The schema doesn't tell models apart: what only some must have is left to the check.
        let is_required = row.plain(2) == "required" && !row.plain(4).ends_with(NOT_FOR_ALL);
        put(&mut root, &key, told, is_required)
            .ok_or_else(|| format!("{DOCUMENT}: {key} stands below nothing"))?;
    }
    Ok(root)
}

fn object() -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": {}})
}

/// Puts what is told of `a.b[].c` where it belongs.
fn put(root: &mut Value, key: &str, told: Value, is_required: bool) -> Option<()> {
    let mut place = root;
    let parts: Vec<&str> = key.split('.').collect();
    let (last, above) = parts.split_last()?;
    for part in above {
        let (name, is_list) = match part.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (*part, false),
        };
        let properties = place.get_mut("properties")?.as_object_mut()?;
        let below = properties.entry(name).or_insert_with(|| match is_list {
            true => json!({"type": "array", "items": object()}),
            false => object(),
        });
        place = match is_list {
            true => below.as_object_mut()?.entry("items").or_insert_with(object),
            false => below,
        };
        let fields = place.as_object_mut()?;
        fields.entry("properties").or_insert_with(|| json!({}));
        fields.entry("additionalProperties").or_insert(false.into());
    }
    place.get_mut("properties")?.as_object_mut()?.insert((*last).to_owned(), told);
    if is_required {
        let required = place.as_object_mut()?.entry("required").or_insert_with(|| json!([]));
        required.as_array_mut()?.push((*last).into());
    }
    Some(())
}

/// What a row tells of its key.
fn described(row: &Row) -> Result<Value, String> {
    let (kind, default, range) = (row.plain(1), row.plain(2), row.plain(3));
    let words: Vec<String> = row.spans(3);
    let mut told = match kind.as_str() {
        "whole number" | "seconds" | "milliseconds" | "bytes" | "tokens" | "yen" | "days"
        | "percent" => json!({"type": "integer"}),
        "decimal" | "USD" => json!({"type": ["number", "string"]}),
        "number" => json!({"type": "number"}),
        "true or false" => json!({"type": "boolean"}),
        "word" if words.is_empty() => json!({"type": "string"}),
        "word" if range.starts_with("only for") => json!({"type": "string"}),
        "word" => json!({"enum": words}),
        "text" | "URL" | "path" | "HOST:PORT" | "model" | "offset" | "moment" => {
            json!({"type": "string"})
        }
        "list of texts" | "list of models" => list(json!({"type": "string"})),
        "list of words" => list(json!({"enum": words})),
        "list of sections" => json!({"type": "array", "items": object()}),
        "section" => object(),
        "map of lists" => map(list(json!({"type": "string"}))),
        "map of sections" => map(json!({"type": "object"})),
        "kind to word" => map(json!({"enum": words})),
        other => return Err(format!("the schema doesn't know the type '{other}'")),
    };
    if default == "none" {
        allow_nothing(&mut told);
    }
    if told["type"] == "integer" || told["type"] == json!(["integer", "null"]) {
        let numbers: Vec<u64> = range.split([' ', ',']).filter_map(|it| it.parse().ok()).collect();
        match (range.starts_with("from "), numbers.as_slice()) {
            (true, [low]) => told["minimum"] = (*low).into(),
            (false, [low, high]) if range.contains(" to ") => {
                told["minimum"] = (*low).into();
                told["maximum"] = (*high).into();
            }
            (false, [_, _, ..]) => told["enum"] = json!(numbers),
            _ => {}
        }
    }
    told["description"] = row.plain(4).into();
    let is_plain = !matches!(default.as_str(), "required" | "none" | "–" | "empty");
    if let (true, Ok(value)) = (is_plain, serde_json::from_str::<Value>(&default)) {
        told["default"] = value;
    }
    Ok(told)
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn map(values: Value) -> Value {
    json!({"type": "object", "additionalProperties": values})
}

/// `null` says the same as nothing.
fn allow_nothing(told: &mut Value) {
    let kinds = match told.get("type") {
        Some(Value::String(kind)) => json!([kind, "null"]),
        Some(Value::Array(kinds)) => {
            Value::Array(kinds.iter().cloned().chain([json!("null")]).collect())
        }
        _ => return,
    };
    told["type"] = kinds;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn the_schema_takes_the_default_file() {
        let tree = Tree::read();
        let schema = schema(&tree).unwrap();
        let file: Value = serde_saphyr::from_str(&tree.text(FILE)).unwrap();
        assert_eq!(refused(&schema, &file), None);
    }

    #[test]
    fn the_schema_refuses_what_the_program_refuses() {
        let schema = schema(&Tree::read()).unwrap();
        for wrong in [
            json!({}),
            json!({"models": [{}]}),
            json!({"models": [], "limitz": {}}),
            json!({"models": [], "limits": {"parallel": 0}}),
            json!({"models": [], "queue": {"replicas": 2}}),
            json!({"models": [], "privacy": {"mode": "maybe"}}),
            json!({"models": [], "cache": {"enabled": "yes"}}),
        ] {
            assert!(refused(&schema, &wrong).is_some(), "{wrong}");
        }
    }

    /// The words of JSON schema that ours uses, and no others.
    fn refused(schema: &Value, value: &Value) -> Option<String> {
        let no = || Some(format!("{value} is not {schema}"));
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let is = |name: &Value| name == kind || (name == "number" && kind == "integer");
        let is_kind = match &schema["type"] {
            Value::Null => true,
            Value::Array(names) => names.iter().any(is),
            name => is(name),
        };
        let listed = schema["enum"].as_array();
        // The word `off` is read as `false` where nothing says that it is a word.
        let off = (*value == json!(false)).then(|| json!("off"));
        let has = |values: &Vec<Value>| {
            values.contains(value) || off.as_ref().is_some_and(|off| values.contains(off))
        };
        let is_listed = listed.is_none_or(has);
        let number = value.as_u64();
        let is_low = number.zip(schema["minimum"].as_u64()).is_some_and(|(it, low)| it < low);
        let is_high = number.zip(schema["maximum"].as_u64()).is_some_and(|(it, high)| it > high);
        if !is_kind || !is_listed || is_low || is_high {
            return no();
        }
        if let Some(items) = schema.get("items") {
            return value.as_array()?.iter().find_map(|value| refused(items, value));
        }
        let fields: &Map<String, Value> = value.as_object()?;
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        if required.iter().any(|name| !fields.contains_key(name.as_str().unwrap())) {
            return no();
        }
        fields.iter().find_map(|(name, value)| {
            match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (Some(schema), _) => refused(schema, value),
                (None, Value::Bool(false)) => Some(format!("{name} is unknown")),
                (None, Value::Object(_)) => refused(&schema["additionalProperties"], value),
                _ => None,
            }
        })
    }

    #[test]
    fn a_schema_that_differs_is_found() {
        // A planted mistake must never be written.
        let planted = |path: &str, from: &str, to: &str| match is_updating() {
            true => 1,
            false => found(schema_is_that_of_the_document, path, from, to).len(),
        };
        assert_eq!(planted(SCHEMA, "\"minimum\": 1", "\"minimum\": 2"), 1);
        assert_eq!(planted(DOCUMENT, "| a request's whole life |", "| a whole life |"), 1);
        assert_eq!(planted(FILE, LINE, "# nothing"), 1);
    }
}
