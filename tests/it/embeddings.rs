//! Vectors of texts, from end to end: masked, queued, paid for by their input alone.

use harness::{Script, World};
use infra::config::PrivacyMode;
use schemas::usage::TokenSource;
use serde_json::{Value, json};

const PATH: &str = "/v1/embeddings";

#[tokio::test]
async fn texts_become_vectors_in_their_order_and_their_input_is_paid() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let body = json!({"model": "embedder", "input": ["日本の首都", "🙂"]});
    let answer = client.post(PATH, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let expected = json!({"object": "list", "model": "embedder", "data": [
        {"object": "embedding", "index": 0, "embedding": [5.0, 0.0]},
        {"object": "embedding", "index": 1, "embedding": [1.0, 0.25]},
    ], "usage": {"prompt_tokens": 8, "total_tokens": 8}});
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("x-fly-cost-usd"), "0.000008");
    assert_eq!(answer.header("x-fly-model"), "embedder");
    assert_eq!(answer.header("x-fly-provider"), "vllm");
    assert_ne!(answer.header("x-fly-queue-ms"), "");
    let seen = &world.vendor().seen()[0];
    assert_eq!(seen.path, "/v1/embeddings");
    assert_eq!(seen.body["input"], json!(["日本の首都", "🙂"]));
    let one = json!({"model": "embedder", "input": "x", "encoding_format": "base64"});
    let one = client.post(PATH, &one).await.json();
    assert_eq!(one["data"][0]["embedding"], "AACAPwAAAAA=");
    world.wait_for_ends(2, 0).await;
    world.wait_until_applied().await;
    assert_eq!(world.balance(&key).await, 1_000_000 - 8 - 4);
    let uses = world.uses().await;
    assert_eq!((uses[0].0.usage.input, uses[0].0.usage.output), (8, 0));
    assert_eq!(uses[0].0.source, TokenSource::Vendor);
    world.finish().await;
}

#[tokio::test]
async fn many_large_vectors_come_whole() {
    // More than one message of the queue holds.
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let texts: Vec<String> = (0..80).map(|number| "x".repeat(number + 1)).collect();
    let body = json!({"model": "embedder", "input": texts, "dimensions": 3072,
        "encoding_format": "base64"});
    let answer = world.client(&key).post(PATH, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer = answer.json();
    let data = answer["data"].as_array().unwrap();
    assert_eq!(data.len(), 80);
    let mut vectors: Vec<&str> =
        data.iter().map(|entry| entry["embedding"].as_str().unwrap()).collect();
    assert!(vectors.iter().all(|vector| vector.len() == 3072 * 4 / 3 * 4));
    assert!(data.iter().enumerate().all(|(index, entry)| entry["index"] == index));
    vectors.dedup();
    assert_eq!(vectors.len(), 80, "each is another");
    world.finish().await;
}

#[tokio::test]
async fn personal_data_is_masked_before_it_is_embedded() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let mut sent = Vec::new();
    for texts in
        [json!(["連絡先は taro@example.com です", "x"]), json!("連絡先は taro@example.com です")]
    {
        let body = json!({"model": "embedder", "input": texts});
        let answer = client.post(PATH, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("x-fly-masked"), "email=1");
        let input = &world.vendor().seen()[sent.len()].body["input"];
        let input = input.as_str().or_else(|| input[0].as_str()).unwrap().to_owned();
        assert!(input.contains("[EMAIL_") && !input.contains("taro"), "{input}");
        sent.push(input);
    }
    assert_eq!(sent[0], sent[1], "its vector is the same in each request");
    world.finish().await;
}

#[tokio::test]
async fn token_numbers_pass_only_where_nothing_is_masked() {
    let body = json!({"model": "embedder", "input": [[1, 2, 3], [4]]});
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let refused = world.client(&key).post(PATH, &body).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"]["param"], "input");
    assert_eq!(world.vendor().starts(), 0);
    world.finish().await;
    let off = World::builder().config(|config| config.privacy.mode = PrivacyMode::Off);
    let world = off.start().await;
    let key = world.key(1_000_000).await;
    let answer = world.client(&key).post(PATH, &body).await;
    assert_eq!(answer.json()["usage"]["prompt_tokens"], 4, "{}", answer.text);
    assert_eq!(world.vendor().seen()[0].body["input"], body["input"]);
    world.finish().await;
}

#[tokio::test]
async fn what_cannot_be_embedded_is_refused_with_its_field() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let wrong = [
        (json!({"model": "fast", "input": "x"}), 400, "model"),
        (json!({"model": "gpt-17", "input": "x"}), 404, "model"),
        (json!({"model": "auto", "input": "x"}), 404, "model"),
        (json!({"model": "embedder", "input": ""}), 400, "input"),
        (json!({"model": "embedder", "input": []}), 400, "input"),
        (json!({"model": "embedder", "input": "x", "dimensions": 0}), 400, "dimensions"),
    ];
    for (body, status, parameter) in wrong {
        let answer = client.post(PATH, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        assert_eq!(answer.json()["error"]["param"], parameter, "{body}");
    }
    let format = json!({"model": "embedder", "input": "x", "encoding_format": "hex"});
    assert_eq!(client.post(PATH, &format).await.error_code(), "invalid_request");
    let chat = client.ask("embedder", "x").await;
    assert_eq!((chat.status, chat.json()["error"]["param"].as_str()), (400, Some("model")));
    assert_eq!(world.vendor().starts(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_vendor_that_fails_costs_nothing() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let body = json!({"model": "embedder", "input": ["x", "y"]});
    let too_few = json!({"data": [{"index": 0, "embedding": [1.0]}]});
    for script in [Script::refuses(500, "no"), Script::json(&too_few), Script::page(200)] {
        world.vendor().next("embedder", script);
        let answer = client.post(PATH, &body).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (502, "upstream_error"));
    }
    world.wait_for_ends(0, 3).await;
    assert_eq!(world.balance(&key).await, 1_000_000);
    world.finish().await;
}

#[tokio::test]
async fn gemini_answers_chats_and_embeds_in_its_own_protocol() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().next(
        "gem",
        Script::json(&json!({"candidates": [{"index": 0, "finishReason": "STOP",
            "content": {"role": "model", "parts": [{"text": "こんにちは🙂"}]}}],
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5}})),
    );
    let chat = client.ask("gem", "やあ").await;
    assert_eq!((chat.status, chat.content().as_str()), (200, "こんにちは🙂"), "{}", chat.text);
    assert_eq!(chat.header("x-fly-provider"), "gemini");
    assert_eq!(chat.header("x-fly-cost-usd"), "0.00002");
    let vectors = json!({"embeddings": [{"values": [0.5, 1]}, {"values": [0.25, 2]}]});
    world.vendor().next("gem", Script::json(&vectors));
    let body = json!({"model": "gem", "input": ["日本", "x"], "dimensions": 2});
    let answer = client.post(PATH, &body).await.json();
    assert_eq!(answer["data"][1]["embedding"], json!([0.25, 2.0]), "{answer}");
    let seen = world.vendor().seen();
    assert_eq!(seen[0].path, "/v1beta/models/gem:generateContent");
    assert_eq!(seen[1].path, "/v1beta/models/gem:batchEmbedContents");
    let first: &Value = &seen[1].body["requests"][0];
    assert_eq!(first["outputDimensionality"], 2);
    world.wait_for_ends(2, 0).await;
    // Nothing was counted there, so it is estimated here: two characters and one.
    assert_eq!(world.uses().await[1].0.source, TokenSource::Estimated);
    world.finish().await;
}
