//! What `/api` answers is what `/openapi.json` says of it: every field that comes is described, and
//! every field that is required comes.

use harness::{Answer, Client, World};
use serde_json::{Value, json};

/// The schema of an operation's answer.
fn described<'a>(description: &'a Value, method: &str, path: &str) -> &'a Value {
    let answer = &description["paths"][path][method]["responses"]["200"]["content"];
    let schema = &answer["application/json"]["schema"];
    assert!(schema.is_object(), "{method} {path}");
    schema
}

/// Follows a reference.
fn resolved<'a>(description: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => description.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => schema,
    }
}

/// The variant that has the value's own status, or the schema itself.
fn variant<'a>(schema: &'a Value, value: &Value) -> Option<&'a Value> {
    let variants = schema["oneOf"].as_array()?;
    let is_it = |variant: &&Value| variant["properties"]["status"]["const"] == value["status"];
    variants.iter().find(is_it)
}

fn check(description: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = resolved(description, schema);
    if let Some(items) = value.as_array() {
        for (number, item) in items.iter().enumerate() {
            check(description, &schema["items"], item, &format!("{place}[{number}]"));
        }
        return;
    }
    let Some(fields) = value.as_object() else { return };
    let forms = [Some(schema), variant(schema, value)];
    for form in forms.iter().flatten() {
        for name in form["required"].as_array().into_iter().flatten() {
            assert!(fields.contains_key(name.as_str().unwrap()), "{place} lacks {name}");
        }
    }
    for (name, field) in fields {
        let known = forms.iter().flatten().find_map(|form| form["properties"].get(name));
        let known = known.unwrap_or_else(|| panic!("{place}.{name} isn't described"));
        check(description, known, field, &format!("{place}.{name}"));
    }
}

async fn got(client: &Client, path: &str) -> Answer {
    let answer = client.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer
}

#[tokio::test]
async fn answers_are_as_they_are_described() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let (client, admin) = (world.client(&key), world.admin());
    let description = client.get("/openapi.json").await.json();
    let request = client.ask("fast", "hello").await.header("x-request-id").to_owned();
    world.wait_for_ends(1, 0).await;
    world.wait_until_applied().await;
    let account = key.account.as_str();
    let asked = [
        (&admin, "/api/keys", "/api/keys".to_owned()),
        (&admin, "/api/workers", "/api/workers".to_owned()),
        (&admin, "/api/accounts/{account}", format!("/api/accounts/{account}")),
        (&client, "/api/usage", "/api/usage".to_owned()),
        (&client, "/api/requests", "/api/requests".to_owned()),
        (&client, "/api/receipts/{request}", format!("/api/receipts/{request}")),
        (&client, "/api/credits", "/api/credits".to_owned()),
        (&client, "/api/credits/lots", "/api/credits/lots".to_owned()),
        (&client, "/health", "/health".to_owned()),
        (&client, "/ready", "/ready".to_owned()),
    ];
    for (who, path, filled) in asked {
        let answer = got(who, &filled).await.json();
        check(&description, described(&description, "get", path), &answer, path);
        let is_list = answer["data"].is_array();
        assert!(!is_list || answer["data"] != json!([]), "{path} has nothing to check");
    }
    let made = admin.post("/api/keys", &json!({"name": "other"})).await.json();
    assert!(made["key"].is_string(), "{made}");
    check(&description, described(&description, "post", "/api/keys"), &made, "key");
    let path = format!("/api/keys/{}", made["key_id"].as_str().unwrap());
    let deleted = admin.delete(&path).await.json();
    let schema = described(&description, "delete", "/api/keys/{key}");
    check(&description, schema, &deleted, "deleted");
    let forgotten = client.delete("/api/cache").await.json();
    check(&description, described(&description, "delete", "/api/cache"), &forgotten, "cache");
    world.finish().await;
}
