//! Names of fields in which tools and answers are to hold texts: there a number that was masked
//! comes back between quotes. It must never name a field that may be a number as well.

use schemas::openai::ChatRequest;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Deeper schemas are not looked at.
const DEPTH_MAX: usize = 64;

/// All of a request. A name of both is none.
pub(super) fn of(request: &ChatRequest) -> BTreeSet<String> {
    let mut fields = Fields::default();
    let tools = request.tools.iter().flatten();
    tools.chain(&request.response_format).for_each(|schema| fields.read(schema, DEPTH_MAX));
    fields.texts.difference(&fields.numbers).cloned().collect()
}

#[derive(Default)]
struct Fields {
    texts: BTreeSet<String>,
    numbers: BTreeSet<String>,
}

impl Fields {
    fn read(&mut self, value: &Value, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        match value {
            Value::Object(map) => {
                self.read_properties(map, depth);
                map.values().for_each(|value| self.read(value, depth));
            }
            Value::Array(values) => values.iter().for_each(|value| self.read(value, depth)),
            _ => {}
        }
    }

    fn read_properties(&mut self, map: &Map<String, Value>, depth: usize) {
        let properties = map.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            if takes(schema, &["string"], depth) {
                self.texts.insert(name.clone());
            }
            if takes(schema, &["integer", "number"], depth) {
                self.numbers.insert(name.clone());
            }
        }
    }
}

/// Whether a schema, or that of its items, takes one of these types.
fn takes(schema: &Value, types: &[&str], depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let is_one = |name: &Value| name.as_str().is_some_and(|name| types.contains(&name));
    let inner = |name: &str| schema.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut others = ["anyOf", "oneOf", "allOf"].into_iter().flat_map(inner);
    schema.get("type").is_some_and(is_one)
        || inner("type").any(is_one)
        || schema.get("items").is_some_and(|items| takes(items, types, depth))
        || others.any(|other| takes(other, types, depth))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn schemas_say_what_is_a_text() {
        let properties = json!({
            "text": {"type": "string"}, "number": {"type": "integer"}, "any": {},
            "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "both": {"type": ["string", "number"]},
            "list": {"type": "array", "items": {"type": "string"}},
            "inner": {"type": "object", "properties": {"deep": {"type": "string"}}},
        });
        let function = json!({"name": "f", "parameters": {"properties": properties}});
        let tools = json!([{"type": "function", "function": function}]);
        let request = json!({"model": "m", "messages": [], "tools": tools});
        let fields = super::of(&serde_json::from_value(request).unwrap());
        assert_eq!(Vec::from_iter(fields), ["deep", "list", "maybe", "text"]);
    }
}
