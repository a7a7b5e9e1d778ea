//! Kept responses: read again, gone on from and deleted at another gateway than the one that
//! answered; no word of them in Redis; nothing for another key.

use harness::{Client, Script, World};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) const RESPONSES: &str = "/v1/responses";
const EMAIL: &str = "taro.yamada@example.co.jp";

pub(crate) async fn created(client: &Client, body: Value) -> Value {
    let answer = client.post(RESPONSES, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn send(client: &Client, method: Method, path: &str) -> (u16, Value) {
    let answer = client.send(client.request(method, path)).await;
    (answer.status, answer.json())
}

fn path(response: &Value, rest: &str) -> String {
    format!("{RESPONSES}/{}{rest}", response["id"].as_str().unwrap())
}

/// What the vendor was told last, message by message.
fn told(world: &World) -> Vec<(String, Value)> {
    let body = world.vendor().seen().last().unwrap().body.clone();
    let messages = body["messages"].as_array().unwrap().clone();
    let told = |message: &Value| {
        (message["role"].as_str().unwrap().to_owned(), message["content"].clone())
    };
    messages.iter().map(told).collect()
}

#[tokio::test]
async fn a_conversation_goes_on_at_another_gateway() {
    let world = World::builder().gateways(2).start().await;
    let key = world.key(1_000_000).await;
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    world.vendor().always("fast", Script::says(["東京", "です"]));
    let body = json!({"model": "fast", "instructions": "短く。", "input": "日本の首都は？"});
    let one = created(&first, body).await;
    assert_eq!((&one["store"], &one["previous_response_id"]), (&json!(true), &Value::Null));
    let (status, again) = send(&second, Method::GET, &path(&one, "")).await;
    assert_eq!((status, &again), (200, &one), "another gateway tells the same");
    let asked = json!({"model": "fast", "input": "人口は？", "stream": true,
        "previous_response_id": one["id"]});
    let stream = second.post(RESPONSES, &asked).await;
    let last = stream.text.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let two: Value = serde_json::from_str::<Value>(last).unwrap()["response"].clone();
    assert_eq!(two["previous_response_id"], one["id"]);
    let expected = [
        ("user".to_owned(), json!("日本の首都は？")),
        ("assistant".to_owned(), json!("東京です")),
        ("user".to_owned(), json!("人口は？")),
    ];
    assert_eq!(told(&world), expected, "instructions are not taken along");
    let three = json!({"model": "fast", "previous_response_id": two["id"],
        "input": [{"role": "user", "content": "面積は？"}]});
    let three = created(&first, three).await;
    assert_eq!(told(&world).len(), 5);
    let (_, items) = send(&second, Method::GET, &path(&three, "/input_items?order=asc")).await;
    assert_eq!(items["data"].as_array().unwrap().len(), 1, "only what came with it");
    let part = json!({"type": "input_text", "text": "面積は？"});
    assert_eq!(items["data"][0]["content"], json!([part]));
    assert_eq!(items["first_id"], items["data"][0]["id"]);
    assert_eq!(items["has_more"], false);
    world.finish().await;
}

#[tokio::test]
async fn a_response_is_deleted_and_can_not_be_cancelled() {
    let world = World::builder().gateways(2).start().await;
    let key = world.key(1_000_000).await;
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    world.vendor().always("fast", Script::says(["東京"]));
    let one = created(&first, json!({"model": "fast", "input": "x"})).await;
    let (status, refused) = send(&second, Method::POST, &path(&one, "/cancel")).await;
    assert_eq!((status, &refused["error"]["param"]), (400, &json!("response_id")));
    let (status, deleted) = send(&second, Method::DELETE, &path(&one, "")).await;
    let expected = json!({"id": one["id"], "object": "response", "deleted": true});
    assert_eq!((status, deleted), (200, expected));
    for (method, rest) in [
        (Method::GET, ""),
        (Method::GET, "/input_items"),
        (Method::DELETE, ""),
        (Method::POST, "/cancel"),
    ] {
        let (status, refused) = send(&first, method, &path(&one, rest)).await;
        assert_eq!((status, &refused["error"]["code"]), (404, &json!("not_found")), "{rest}");
    }
    let asked = json!({"model": "fast", "input": "x", "previous_response_id": one["id"]});
    let refused = first.post(RESPONSES, &asked).await;
    assert_eq!(
        (refused.status, refused.error_code().as_str()),
        (400, "previous_response_not_found")
    );
    assert_eq!(refused.json()["error"]["param"], "previous_response_id");
    let asked = json!({"model": "fast", "input": "x", "store": false});
    let unkept = created(&first, asked).await;
    assert_eq!(unkept["store"], false);
    assert_eq!(send(&first, Method::GET, &path(&unkept, "")).await.0, 404);
    assert!(world.redis_texts().await.keys().all(|key| !key.contains("response:")));
    world.finish().await;
}

#[tokio::test]
async fn what_is_kept_is_sealed_and_only_its_own_key_opens_it() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().always("fast", Script::says(["秘密の答え"]));
    let question = format!("秘密の質問 {EMAIL}");
    let one = created(&client, json!({"model": "fast", "input": question})).await;
    let (_, items) = send(&client, Method::GET, &path(&one, "/input_items")).await;
    assert_eq!(items["data"][0]["content"][0]["text"], question, "its owner reads all of it");
    let redis = world.redis_texts().await;
    assert!(redis.keys().any(|key| key.contains("response:")));
    for (name, text) in &redis {
        for word in ["秘密", "taro", EMAIL] {
            assert!(!text.contains(word), "{name} tells {word}");
        }
    }
    let body = json!({"name": "other", "account": key.account});
    let colleague = world.key_like(body, 0).await;
    assert_eq!(colleague.account, key.account, "another key of the same account");
    let stranger = world.key(1_000_000).await;
    for other in [&colleague, &stranger] {
        let other = world.client(other);
        assert_eq!(send(&other, Method::GET, &path(&one, "")).await.0, 404);
        assert_eq!(send(&other, Method::DELETE, &path(&one, "")).await.0, 404);
        let asked = json!({"model": "fast", "input": "x", "previous_response_id": one["id"]});
        assert_eq!(other.post(RESPONSES, &asked).await.status, 400);
    }
    assert_eq!(send(&client, Method::GET, &path(&one, "")).await.0, 200, "it is still there");
    world.finish().await;
}

#[tokio::test]
async fn the_oldest_give_way_and_the_largest_are_not_kept() {
    let world = World::builder()
        .config(|config| {
            config.responses.entry_bytes_max = 10_000;
            config.responses.account_bytes_max = 17_000;
        })
        .start()
        .await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().always("fast", Script::says(["x"]));
    let text = |size: usize| json!({"model": "fast", "input": "あ".repeat(size / 3)});
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(created(&client, text(4_000)).await);
    }
    let mut found = Vec::new();
    for response in &kept {
        found.push(send(&client, Method::GET, &path(response, "")).await.0);
    }
    assert_eq!(found, [404, 200, 200], "sealed, two of them fit into the account");
    let large = created(&client, text(11_000)).await;
    assert_eq!(large["store"], false, "it is told before the answer");
    assert_eq!(send(&client, Method::GET, &path(&large, "")).await.0, 404);
    world.finish().await;
}
