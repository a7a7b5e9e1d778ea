//! Requests and tokens a minute, requests at once: refused with a time to come back, and a
//! refused request takes nothing.

use harness::client::{Answer, Client};
use harness::{Gate, Script, World, wait_until};
use serde_json::{Value, json};

#[tokio::test]
async fn requests_a_minute_are_limited_for_each_key() {
    let world =
        World::builder().config(|config| config.limits.requests_per_minute = 3).start().await;
    let (key, other) = (world.key(1_000_000).await, world.key(1_000_000).await);
    let client = world.client(&key);
    for left in [2, 1, 0] {
        let answer = client.ask("fast", "x").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), left.to_string());
    }
    let refused = client.ask("fast", "x").await;
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limit_exceeded"));
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    let wait_ms: u64 = refused.header("retry-after-ms").parse().unwrap();
    assert!((1..=20_000).contains(&wait_ms), "one of three a minute comes in 20 s: {wait_ms}");
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert_eq!(seconds, wait_ms.div_ceil(1_000));
    assert_eq!(refused.header("x-should-retry"), "", "a retry helps");
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), "0");
    assert_eq!(world.client(&other).ask("fast", "x").await.status, 200, "another key is free");
    assert_eq!(world.vendor().starts(), 4);
    world.finish().await;
}

#[tokio::test]
async fn the_limit_is_one_over_all_gateways() {
    let world = World::builder()
        .gateways(2)
        .config(|config| config.limits.requests_per_minute = 10)
        .start()
        .await;
    let key = world.key(1_000_000).await;
    let clients = [world.client_at(0, &key), world.client_at(1, &key)];
    wait_until("both gateways know the key", async || {
        clients[1].get("/v1/models").await.status == 200
    })
    .await;
    let asked = (0..30).map(|number| clients[number % 2].ask("fast", "x"));
    let answers = futures::future::join_all(asked).await;
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    // One comes back every six seconds.
    assert!((10..=14).contains(&passed), "{passed}");
    assert_eq!(world.vendor().starts(), passed);
    world.finish().await;
}

#[tokio::test]
async fn tokens_a_minute_are_limited() {
    let world =
        World::builder().config(|config| config.limits.tokens_per_minute = 1_000).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let body = serde_json::json!({"model": "fast", "max_tokens": 600,
        "messages": [{"role": "user", "content": "x"}]});
    let first = client.chat(&body).await;
    assert_eq!(first.status, 200);
    let left: u64 = first.header("x-ratelimit-remaining-tokens").parse().unwrap();
    assert!(left <= 400, "{left}");
    assert!(first.header("x-ratelimit-reset-tokens").ends_with("ms"));
    let refused = client.chat(&body).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limit_exceeded"));
    // A prompt counts in whichever field it stands.
    let prompt = "what is the capital of France? ".repeat(200);
    let schema = serde_json::json!({"name": "x", "schema": {"type": "object"},
        "description": prompt});
    let hidden = serde_json::json!({"model": "fast", "max_tokens": 1,
        "messages": [{"role": "user", "content": "x"}],
        "response_format": {"type": "json_schema", "json_schema": schema}});
    let refused = client.chat(&hidden).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limit_exceeded"));
    assert_eq!(world.vendor().starts(), 1);
    world.finish().await;
}

#[tokio::test]
async fn requests_at_once_are_limited_and_a_place_comes_back() {
    let world = World::builder().config(|config| config.limits.parallel = 2).start().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().always("fast", Script::says(["x"]).after(&gate));
    let client = world.client(&key);
    let two = futures::future::join(client.ask("fast", "x"), client.ask("fast", "x"));
    let third = async {
        world.vendor().wait_for_starts(2).await;
        let refused = client.ask("fast", "x").await;
        assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limit_exceeded"));
        assert!(!refused.header("retry-after").is_empty());
        gate.open();
    };
    let ((one, other), ()) = futures::join!(two, third);
    assert_eq!((one.status, other.status), (200, 200));
    wait_until("a place is free again", async || client.ask("fast", "x").await.status == 200).await;
    world.finish().await;
}

#[tokio::test]
async fn an_answers_length_is_limited() {
    let world =
        World::builder().config(|config| config.limits.max_tokens_per_request = 50).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for asked in [None, Some(10), Some(400)] {
        let mut body = harness::client::question_to("fast", "x");
        if let Some(tokens) = asked {
            body["max_tokens"] = tokens.into();
        }
        assert_eq!(client.chat(&body).await.status, 200);
        let sent = world.vendor().seen().pop().unwrap().body["max_tokens"].as_u64();
        assert_eq!(sent, Some(asked.unwrap_or(50).min(50)));
    }
    world.finish().await;
}

async fn patch(client: &Client, path: &str, change: &Value) -> Answer {
    client.send(client.request(reqwest::Method::PATCH, path).json(change)).await
}

#[tokio::test]
async fn a_key_has_limits_of_its_own_that_can_be_changed() {
    let world =
        World::builder().config(|config| config.limits.requests_per_minute = 100).start().await;
    let (admin, path) = (world.admin(), "/api/keys");
    let own = json!({"name": "own", "requests_per_minute": 2, "tokens_per_minute": 50_000,
        "parallel": 1});
    let key = world.key_like(own, 1_000_000).await;
    let shown = &admin.get(path).await.json()["data"][0];
    assert_eq!((&shown["requests_per_minute"], &shown["parallel"]), (&json!(2), &json!(1)));
    let client = world.client(&key);
    let gate = Gate::new();
    world.vendor().always("fast", Script::says(["x"]).after(&gate));
    let second = async {
        world.vendor().wait_for_starts(1).await;
        let refused = client.ask("fast", "x").await;
        assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limit_exceeded"));
        assert!(refused.text.contains("at once"), "{}", refused.text);
        gate.open();
    };
    let (first, ()) = futures::join!(client.ask("fast", "x"), second);
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(first.header("x-ratelimit-limit-requests"), "2");
    assert_eq!(first.header("x-ratelimit-limit-tokens"), "50000");
    let one = format!("{path}/{}", key.id);
    let change = json!({"requests_per_minute": null, "parallel": 9});
    let changed = patch(&admin, &one, &change).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(changed.json()["requests_per_minute"], Value::Null);
    assert_eq!(changed.json()["tokens_per_minute"], 50_000, "what is absent stays");
    let usual = client.ask("fast", "x").await;
    assert_eq!(usual.header("x-ratelimit-limit-requests"), "100");
    for field in ["requests_per_minute", "tokens_per_minute", "parallel"] {
        let wrong = patch(&admin, &one, &json!({(field): 0})).await;
        let parameter = wrong.json()["error"]["param"].clone();
        assert_eq!((wrong.status, parameter), (400, field.into()), "{}", wrong.text);
    }
    world.finish().await;
}

#[tokio::test]
async fn a_request_that_credit_refuses_burns_nothing_of_the_minute() {
    let world =
        World::builder().config(|config| config.limits.requests_per_minute = 2).start().await;
    let key = world.key(0).await;
    let client = world.client(&key);
    for _ in 0..6 {
        let refused = client.ask("fast", "x").await;
        assert_eq!((refused.status, refused.error_code().as_str()), (429, "insufficient_quota"));
        assert_eq!(refused.header("x-ratelimit-remaining-requests"), "2");
        let left = refused.header("x-ratelimit-remaining-tokens");
        assert_eq!(left, refused.header("x-ratelimit-limit-tokens"));
        assert_eq!(refused.header("x-ratelimit-reset-requests"), "0ms");
    }
    world.grant(&key.account, 1_000_000, "later").await;
    world.wait_until_applied().await;
    for left in ["1", "0"] {
        let answer = client.ask("fast", "x").await;
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining-requests")), (200, left));
    }
    assert_eq!(client.ask("fast", "x").await.error_code(), "rate_limit_exceeded");
    world.finish().await;
}

/// To be read and masked is dear: who has nothing to pay with could have it done without end.
#[tokio::test]
async fn a_long_request_counts_also_when_it_is_refused() {
    // One is there again after a whole minute.
    let world =
        World::builder().config(|config| config.limits.requests_per_minute = 1).start().await;
    let long = ["03-1234-5678 ", &"x y ".repeat(20_000)].concat();
    for (model, problem) in [("fast", "insufficient_quota"), ("nobody", "model_not_found")] {
        let key = world.key(0).await;
        let client = world.client(&key);
        let refused = client.ask(model, &long).await;
        assert_eq!(refused.error_code(), problem, "{}", refused.text);
        assert_eq!(refused.header("x-ratelimit-remaining-requests"), "0");
        let tokens = refused.header("x-ratelimit-remaining-tokens");
        assert_eq!(tokens, refused.header("x-ratelimit-limit-tokens"));
        assert_eq!(client.ask(model, &long).await.error_code(), "rate_limit_exceeded");
    }
    let seen = world.scrape(0).await;
    assert_eq!(seen.sum("fly_llm_masked_total"), 0.0, "nothing was looked through");
    world.finish().await;
}

/// After a first request the limits of a key with room are asked together with its credit.
#[tokio::test]
async fn who_is_refused_together_with_the_credit_leaves_nothing() {
    let world = World::builder().config(|config| config.limits.parallel = 1).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    assert_eq!(client.ask("fast", "first").await.status, 200);
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["x"]).after(&gate));
    let refused = async {
        world.vendor().wait_for_starts(2).await;
        let refused = client.ask("fast", "third").await;
        gate.open();
        refused
    };
    let (second, refused) = tokio::join!(client.ask("fast", "second"), refused);
    assert_eq!((second.status, refused.status), (200, 429), "{}", refused.text);
    assert_ne!(refused.header("x-ratelimit-remaining-requests"), "");
    wait_until("the place is free", async || client.ask("fast", "fourth").await.status == 200)
        .await;
    let blocked = client.ask("no-such-model", "fifth").await;
    assert_eq!(blocked.status, 404);
    assert_ne!(blocked.header("x-ratelimit-remaining-requests"), "");
    world.wait_for_ends(3, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn an_accounts_keys_have_a_limit_together_unless_the_account_has_its_own() {
    let change = |config: &mut infra::config::Config| {
        config.limits.account.requests_per_minute = Some(3);
    };
    let world = World::builder().config(change).start().await;
    let first = world.key(1_000_000).await;
    let of_account = json!({"name": "second", "account": first.account});
    let second = world.admin().post("/api/keys", &of_account).await.json();
    let second = world.client_with(0, second["key"].as_str());
    let first_client = world.client(&first);
    for client in [&first_client, &second, &first_client] {
        assert_eq!(client.ask("fast", "x").await.status, 200);
    }
    let refused = second.ask("fast", "x").await;
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limit_exceeded"));
    assert!(refused.text.contains("This account's limit"), "{}", refused.text);
    let path = format!("/api/accounts/{}", first.account);
    let own = patch(&world.admin(), &path, &json!({"requests_per_minute": 1_000})).await;
    assert_eq!(own.status, 200, "{}", own.text);
    wait_until("its own wins", async || second.ask("fast", "x").await.status == 200).await;
    world.finish().await;
}
