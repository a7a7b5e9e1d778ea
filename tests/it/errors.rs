//! What a client hears when its request is refused: the right status, OpenAI's error object with
//! all four keys, the field at fault, whether a retry helps, and always a request id.

use harness::client::question_to;
use harness::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

/// A refusal has a status, a code, a parameter or none, and the name of its request.
fn assert_refused(answer: &Answer, status: u16, code: &str, parameter: Option<&str>) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.error_code(), code);
    assert_eq!(answer.json()["error"]["param"], json!(parameter), "{}", answer.text);
    assert!(answer.header("x-request-id").starts_with("req_"));
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_missing_or_wrong_key_is_401_everywhere() {
    let world = World::start().await;
    let paths = [
        (Method::POST, CHAT),
        (Method::GET, "/v1/models"),
        (Method::GET, "/v1/models/fast"),
        (Method::GET, "/api/keys"),
        (Method::POST, "/api/keys"),
        (Method::DELETE, "/api/keys/key_x"),
        (Method::GET, "/api/usage?account=acct_x"),
        (Method::GET, "/api/credits"),
    ];
    for secret in [None, Some("sk-fly-wrong"), Some("")] {
        let client = world.client_with(0, secret);
        for (method, path) in paths.clone() {
            let request = client.request(method.clone(), path).json(&question_to("fast", "x"));
            let answer = client.send(request).await;
            assert_eq!(answer.error_code(), "invalid_api_key", "{method} {path} {}", answer.text);
            assert_refused(&answer, 401, "invalid_api_key", None);
            assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
            assert!(!answer.text.contains("sk-fly-wrong"), "a secret is not repeated");
        }
    }
    assert_eq!(world.vendor().starts(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_key_is_taken_from_both_headers() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client_with(0, None);
    let body = question_to("fast", "hi");
    let plain = client.request(Method::POST, CHAT).header("x-api-key", &key.secret).json(&body);
    assert_eq!(client.send(plain).await.status, 200);
    let bearer = format!("bearer {}", key.secret);
    let lower = client.request(Method::POST, CHAT).header("authorization", bearer).json(&body);
    assert_eq!(client.send(lower).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn a_customer_is_no_operator() {
    let world = World::start().await;
    let key = world.key(0).await;
    let client = world.client(&key);
    assert_refused(&client.get("/api/keys").await, 403, "permission_denied", None);
    let made = client.post("/api/keys", &json!({"name": "mine"})).await;
    assert_refused(&made, 403, "permission_denied", None);
    let deleted = client.delete(&format!("/api/keys/{}", key.id)).await;
    assert_refused(&deleted, 403, "permission_denied", None);
    let foreign = client.get("/api/credits?account=acct_other").await;
    assert_refused(&foreign, 403, "permission_denied", None);
    for path in ["/api/credits?account=nope", "/api/credits/lots?account=acct_other"] {
        let nobody = world.admin().get(path).await;
        assert_refused(&nobody, 404, "not_found", Some("account"));
    }
    world.finish().await;
}

#[tokio::test]
async fn unknown_paths_methods_and_models_are_told_apart() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    assert_refused(&client.get("/v1/nothing").await, 404, "not_found", None);
    assert_refused(&client.get(CHAT).await, 405, "method_not_allowed", None);
    assert_refused(&client.ask("gpt-17", "x").await, 404, "model_not_found", Some("model"));
    // Configured, but its vendor's key is not set: nobody serves it.
    assert_refused(&client.ask("keyless", "x").await, 404, "model_not_found", Some("model"));
    let only_backup = json!({"name": "limited", "models": ["backup"]});
    let limited = world.key_like(only_backup, 1_000_000).await;
    let client = world.client(&limited);
    assert_refused(&client.ask("fast", "x").await, 403, "permission_denied", Some("model"));
    assert_eq!(client.ask("backup", "x").await.status, 200);
    let auto = client.ask("auto", "x").await;
    assert_eq!(auto.header("x-fly-model"), "backup", "auto stays within the key's models");
    world.finish().await;
}

#[tokio::test]
async fn a_wrong_field_is_400_and_named() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let wrongs: [(&str, Value, &str); 11] = [
        ("messages", json!([]), "messages"),
        ("messages", json!([{"role": "robot", "content": "x"}]), "messages[0].role"),
        ("messages", json!("hello"), "messages"),
        ("model", json!(7), "model"),
        ("model", json!(""), "model"),
        ("temperature", json!(2.5), "temperature"),
        ("top_p", json!("high"), "top_p"),
        ("n", json!(0), "n"),
        ("max_tokens", json!(-1), "max_tokens"),
        ("stop", json!(["a", "b", "c", "d", "e"]), "stop"),
        ("stream_options", json!({"include_usage": true}), "stream_options"),
    ];
    for (field, value, parameter) in wrongs {
        let mut body = question_to("fast", "x");
        body[field] = value;
        let answer = client.chat(&body).await;
        assert_refused(&answer, 400, "invalid_request", Some(parameter));
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
    assert_eq!(world.vendor().starts(), 0);
    world.finish().await;
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let world =
        World::builder().config(|config| config.gateway.body_bytes_max = 10_000).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let send = async |kind: &str, body: String| {
        let request = client.request(Method::POST, CHAT).header("content-type", kind).body(body);
        client.send(request).await
    };
    let good = question_to("fast", "x").to_string();
    for bad in ["", "{", "[1,2]", "nonsense", "{\"model\":\"fast\"}", "null"] {
        let answer = send("application/json", bad.to_owned()).await;
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (400, "invalid_request"),
            "{bad}"
        );
    }
    let form = send("application/x-www-form-urlencoded", good.clone()).await;
    assert_refused(&form, 415, "unsupported_media_type", None);
    assert_eq!(send("application/json; charset=utf-8", good.clone()).await.status, 200);
    let large = question_to("fast", &"x".repeat(10_000)).to_string();
    assert_refused(&send("application/json", large).await, 413, "payload_too_large", None);
    world.finish().await;
}

#[tokio::test]
async fn a_url_that_cannot_be_read_is_refused_like_all_else() {
    let world = World::start().await;
    let key = world.key(0).await;
    let client = world.client(&key);
    for path in [
        "/v1/models/%ff",
        "/v1/responses/%ff",
        "/v1/responses/%ff/input_items",
        "/api/receipts/%ff",
        "/api/statements/%ff",
        "/api/usage?key_id=a&key_id=b",
        "/api/usage.csv?account=a&account=b",
        "/v1/responses/resp_1?stream=a&stream=b",
    ] {
        let answer = client.get(path).await;
        assert_refused(&answer, 400, "invalid_request", None);
    }
    let key = world.admin().delete("/api/keys/%ff").await;
    assert_refused(&key, 400, "invalid_request", None);
    world.finish().await;
}

#[tokio::test]
async fn without_credit_nothing_starts_and_a_retry_is_not_asked_for() {
    let world = World::start().await;
    let key = world.key(10).await;
    let client = world.client(&key);
    for _ in 0..2 {
        let answer = client.ask("fast", "x").await;
        assert_refused(&answer, 429, "insufficient_quota", None);
        assert_eq!(answer.json()["error"]["type"], "insufficient_quota");
        assert_eq!(answer.header("x-should-retry"), "false");
        assert_eq!(answer.header("retry-after"), "");
    }
    let mut stream = question_to("fast", "x");
    stream["stream"] = true.into();
    assert_refused(&client.chat(&stream).await, 429, "insufficient_quota", None);
    assert_eq!(world.vendor().starts(), 0);
    assert_eq!(world.held(&key).await, 0);
    world.finish().await;
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let mut ids = Vec::new();
    for path in ["/health", "/ready", "/v1/models", "/nothing", "/api/credits"] {
        ids.push(client.get(path).await.header("x-request-id").to_owned());
    }
    ids.push(client.ask("fast", "x").await.header("x-request-id").to_owned());
    let mut stream = client.ask_stream("fast", "x").await;
    stream.rest().await;
    ids.push(stream.header("x-request-id").to_owned());
    assert!(ids.iter().all(|id| id.starts_with("req_")), "{ids:?}");
    let different: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len());
    world.finish().await;
}
