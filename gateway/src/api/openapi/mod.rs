//! `GET /openapi.json`: the API in OpenAPI 3.1, made from the types that read requests and write
//! answers. That it has every route and no other is held by a test.

/// Every operation on one page.
mod operations;

use self::operations::{Operation, Who, operations};
use super::error::Errors;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemas::anthropic::ErrorAnswer;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

static TEXT: LazyLock<String> = LazyLock::new(|| description().to_string());

/// The description, for anybody.
pub(super) async fn show() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

/// The description.
pub(crate) fn description() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for operation in operations() {
        let path = operation.path.replace("{*", "{");
        let described = described(&operation, &mut generator);
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[operation.method] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Fly-LLM",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    })
}

fn described(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let in_path = operation.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?.trim_start_matches('*');
        Some(json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
    });
    let in_query = operation.query.iter().map(|name| {
        json!({"name": name, "in": "query", "required": false, "schema": {"type": "string"}})
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let mut content = Map::new();
    let answer = operation.answer.map_or(json!({}), |answer| json!(answer(generator)));
    content.insert(operation.kind.to_owned(), json!({"schema": answer}));
    if operation.streams {
        content.insert("text/event-stream".to_owned(), json!({"schema": {"type": "string"}}));
    }
    let error = match operation.path.starts_with("/v1/messages") {
        true => generator.subschema_for::<ErrorAnswer>(),
        false => generator.subschema_for::<Errors>(),
    };
    let error = json!({"description": "An error.",
        "content": {"application/json": {"schema": error}}});
    let security = match operation.who {
        Who::Nobody => json!([]),
        Who::Key | Who::Operator | Who::Either => json!([{"bearer": []}, {"x-api-key": []}]),
    };
    let mut described = json!({
        "summary": operation.summary,
        "description": operation.who.says(),
        "security": security,
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "content": content}, "default": error},
    });
    if let Some(body) = operation.body {
        let body = json!({"application/json": {"schema": body(generator)}});
        described["requestBody"] = json!({"required": true, "content": body});
    }
    described
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                let here = fields.get("$ref").and_then(Value::as_str);
                found.extend(here.map(str::to_owned));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_fields_are_those_of_the_types() {
        let description = description();
        let mut found = Vec::new();
        references(&description, &mut found);
        assert!(found.len() > 20, "{}", found.len());
        for reference in found {
            let place = reference.strip_prefix('#').unwrap();
            assert!(description.pointer(place).is_some(), "{reference}");
        }
        let chat = &description["components"]["schemas"]["ChatRequest"];
        assert_eq!(chat["required"], json!(["model", "messages"]));
        assert!(chat["properties"]["max_completion_tokens"].is_object());
        let error = &description["components"]["schemas"]["ErrorObject"];
        assert_eq!(error["required"], json!(["message", "type", "param", "code"]));
        let kinds = ["param", "code"].map(|field| error["properties"][field]["type"].clone());
        assert_eq!(kinds, [json!(["string", "null"]), json!("string")]);
    }

    #[test]
    fn what_the_api_of_our_own_gives_is_always_a_named_type() {
        let is_json = |operation: &Operation| operation.kind == "application/json";
        let own: Vec<Operation> =
            operations().into_iter().filter(|one| one.path.starts_with("/api/")).collect();
        assert!(own.len() > 15, "{}", own.len());
        // What a router weighs is its own to say, and what one opinion became is told once.
        let told_elsewhere = ["/api/route", "/api/feedback"];
        let is_typed = |operation: &&Operation| {
            is_json(operation)
                && (operation.method == "get" || !told_elsewhere.contains(&operation.path))
        };
        for operation in own.iter().filter(is_typed) {
            assert!(operation.answer.is_some(), "{} {}", operation.method, operation.path);
        }
        let receipt = &description()["components"]["schemas"]["Receipt"];
        assert!(receipt["properties"]["charge_micro_usd"].is_object(), "{receipt}");
    }
}
