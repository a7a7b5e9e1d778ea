//! Names of fields in which tools and answers are to hold numbers: only there a number that was
//! masked comes back without quotes. It must never name a field that may be a text: the model said
//! a string because it was shown one, and who checks it against the schema would refuse a number.

use schemas::openai::ChatRequest;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Deeper schemas are not looked at.
const DEPTH_MAX: usize = 64;

/// Where in the JSON of an answer numbers stand without quotes: nowhere until a request says so.
#[derive(Default)]
pub(super) struct NumberFields {
    /// In every field: no schema says what any is to hold.
    is_any: bool,
    names: BTreeSet<String>,
}

impl NumberFields {
    /// Those of a request: named as a number wherever a schema of it names them. Unknown fields
    /// of it are read as well, as the old `functions`.
    pub(super) fn of(request: &ChatRequest) -> Self {
        let mut fields = Fields::default();
        let tools = request.tools.iter().flatten();
        let rest = || request.rest.values();
        let all = tools.clone().chain(&request.response_format).chain(rest());
        all.for_each(|schema| fields.read(schema, DEPTH_MAX));
        let has_tools = tools.count() > 0 || request.rest.contains_key("functions");
        let format = request.response_format.as_ref().and_then(|format| format.get("type"));
        let asks = format.is_some_and(|name| name == "json_schema");
        let is_any = !(has_tools || asks || fields.is_any_named || fields.is_unclear);
        if fields.is_unclear {
            fields.numbers.clear();
        }
        let names = fields.numbers.difference(&fields.others).cloned().collect();
        Self { is_any, names }
    }

    /// Whether a number stands without quotes in a field.
    pub(super) fn holds(&self, field: Option<&str>) -> bool {
        self.is_any || field.is_some_and(|field| self.names.contains(field))
    }
}

#[derive(Default)]
struct Fields {
    numbers: BTreeSet<String>,
    /// Whatever else they are.
    others: BTreeSet<String>,
    is_any_named: bool,
    /// Whether a schema says something of fields that it doesn't name.
    is_unclear: bool,
}

impl Fields {
    fn read(&mut self, value: &Value, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            self.is_unclear = true;
            return;
        };
        match value {
            Value::Object(map) => {
                self.read_properties(map);
                map.values().for_each(|value| self.read(value, depth));
            }
            Value::Array(values) => values.iter().for_each(|value| self.read(value, depth)),
            _ => {}
        }
    }

    fn read_properties(&mut self, map: &Map<String, Value>) {
        let inner = |name: &str| map.get(name).and_then(Value::as_object);
        for (name, schema) in inner("properties").into_iter().flatten() {
            let names = if is_number(schema) { &mut self.numbers } else { &mut self.others };
            names.insert(name.clone());
            self.is_any_named = true;
        }
        let says = |name: &str| inner(name).is_some_and(|schema| !schema.is_empty());
        self.is_unclear |= UNNAMED.into_iter().any(says);
    }
}

/// What says something of fields that it doesn't name.
const UNNAMED: [&str; 3] = ["additionalProperties", "unevaluatedProperties", "patternProperties"];

/// Whether a schema, or that of the items of its lists, takes numbers and nothing else but null.
/// What is said elsewhere (`$ref`) or not said is none.
fn is_number(schema: &Value) -> bool {
    let is_one = |name: &Value| name == "integer" || name == "number";
    let any_of = ["anyOf", "oneOf"].into_iter().find_map(|name| schema.get(name));
    match (schema.get("type"), any_of.and_then(Value::as_array)) {
        (Some(Value::Array(types)), _) => {
            types.iter().all(|name| is_one(name) || name == "null") && types.iter().any(is_one)
        }
        (Some(name), _) if name == "array" => {
            schema.get("prefixItems").is_none() && schema.get("items").is_some_and(is_number)
        }
        (Some(name), _) => is_one(name),
        (None, Some(schemas)) => {
            let is_null = |schema: &Value| schema.get("type").is_some_and(|name| name == "null");
            schemas.iter().all(|schema| is_number(schema) || is_null(schema))
                && schemas.iter().any(is_number)
        }
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::NumberFields;
    use serde_json::{Value, json};

    fn of(fields: &Value) -> NumberFields {
        let mut request = json!({"model": "m", "messages": []});
        for (name, value) in fields.as_object().unwrap() {
            request[name] = value.clone();
        }
        NumberFields::of(&serde_json::from_value(request).unwrap())
    }

    #[test]
    fn schemas_say_what_is_a_number() {
        let properties = json!({
            "number": {"type": "integer"},
            "maybe": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "null": {"type": ["integer", "null"]},
            "list": {"type": "array", "items": {"type": "integer"}},
            "inner": {"type": "object", "properties": {
                "deep": {"type": "number"}, "twice": {"type": "string"}}},
            "twice": {"type": "integer"},
            "text": {"type": "string"},
            "any": {},
            "both": {"type": ["string", "number"]},
            "either": {"oneOf": [{"type": "string"}, {"type": "number"}]},
            "elsewhere": {"$ref": "#/$defs/P"},
            "pattern": {"pattern": "^[0-9-]+$"},
            "enum": {"enum": ["09012345678"]},
            "texts": {"type": "array", "items": {"type": "string"}},
            "first": {"type": "array", "prefixItems": [{"type": "string"}]},
            "mixed": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object",
                "properties": {"deep": {"type": "number"}}}]}},
        });
        let parameters = json!({"type": "object", "properties": properties});
        let function = json!({"name": "f", "parameters": parameters});
        for request in [
            json!({"tools": [{"type": "function", "function": function}]}),
            json!({"functions": [function]}),
            json!({"response_format": {"type": "json_schema",
                "json_schema": {"name": "f", "schema": parameters}}}),
        ] {
            let fields = of(&request);
            let numbers = ["deep", "list", "maybe", "null", "number"];
            assert!(fields.names.iter().eq(numbers), "{:?}", fields.names);
            assert!(fields.holds(Some("number")));
            assert!(!fields.holds(Some("twice")) && !fields.holds(Some("new")));
            assert!(!fields.holds(None));
        }
    }

    #[test]
    fn a_schema_of_unnamed_fields_makes_none_sure() {
        let number = json!({"n": {"type": "integer"}});
        for (name, schema) in [
            ("additionalProperties", json!({"type": "string"})),
            ("patternProperties", json!({"^t": {"type": "string"}})),
        ] {
            let record = json!({"type": "object", name: schema});
            let parameters = json!({"properties": {"n": number["n"], "record": record}});
            let fields = of(&json!({"tools": [{"function": {"parameters": parameters}}]}));
            assert!(!fields.holds(Some("n")) && !fields.holds(Some("tel")));
        }
        for closed in [json!(false), json!({})] {
            let parameters = json!({"properties": number, "additionalProperties": closed});
            let fields = of(&json!({"tools": [{"function": {"parameters": parameters}}]}));
            assert!(fields.holds(Some("n")));
        }
    }

    #[test]
    fn without_a_schema_any_field_may_be_a_number() {
        assert!(of(&json!({})).holds(None));
        assert!(of(&json!({"response_format": {"type": "json_object"}})).holds(Some("n")));
        assert!(!of(&json!({"tools": [{"function": {"name": "f"}}]})).holds(Some("n")));
        assert!(!of(&json!({"functions": [{"name": "f"}]})).holds(None));
        assert!(!NumberFields::default().holds(Some("n")));
    }
}
