//! What is refused before it is masked, and what isn't: what a kept answer could serve all the
//! same. A small request stays one, whatever files go with it.

use harness::{Answer, Client, Script, World, wait_until};
use infra::config::Config;
use schemas::ids::AccountId;
use schemas::records::{AccountRecordV1, OwnLimits};
use serde_json::{Value, json};
use std::time::Duration;

/// More than 64 KiB.
fn long() -> String {
    "x y ".repeat(20_000)
}

fn kept(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("x-fly-cache")
}

async fn wait_for_kept(world: &World) {
    wait_until("the answer is kept", async || world.kept_answers().await.len() == 1).await;
}

/// It needs nobody: it is worth most then.
#[tokio::test]
async fn a_kept_answer_is_told_while_nobody_serves_its_model() {
    let mut world = World::builder().config(|config| config.cache.enabled = true).start().await;
    let key = world.key(1_000_000).await;
    let long = long();
    world.vendor().next("fast", Script::says(["kept"]));
    assert_eq!(kept(&world.client(&key).ask("fast", &long).await), "miss");
    wait_for_kept(&world).await;
    world.stop_worker(0).await;
    // One that has heard no worker remembers none either.
    let gateway = world.add_gateway().await;
    let client = world.client_at(gateway, &key);
    let again = client.ask("fast", &long).await;
    assert_eq!((kept(&again), again.content().as_str()), ("hit", "kept"));
    let other = client.ask("fast", &["another ", &long].concat()).await;
    assert_eq!((other.status, other.error_code().as_str()), (503, "no_worker"), "{}", other.text);
    world.wait_for_ends(2, 0).await;
    world.finish().await;
}

/// A free one costs nobody anything; who can't get any isn't even masked.
#[tokio::test]
async fn a_long_question_of_who_has_no_credit_gets_a_free_kept_answer_and_nothing_else() {
    let members = ["acct_rich", "acct_poor"].map(|name| AccountId::parse(name).unwrap());
    let (name, shared) = (AccountId::parse("team").unwrap(), members.to_vec());
    let change = move |config: &mut Config| {
        config.cache.enabled = true;
        config.cache.groups = [(name, shared)].into();
    };
    let world = World::builder().config(change).start().await;
    let key_in = async |account: &AccountId, credit: i64| {
        let (name, created_ms, limits) = (account.to_string(), 1, OwnLimits::default());
        let account = account.clone();
        let record = AccountRecordV1 { account, name, created_ms, limits, locale: None };
        world.bus().put_record(&record.account, &record).await.unwrap();
        world.key_like(json!({"name": "member", "account": record.account}), credit).await
    };
    let (rich, poor) = (key_in(&members[0], 1_000_000).await, key_in(&members[1], 0).await);
    let question = ["03-1234-5678 ", &long()].concat();
    world.vendor().next("fast", Script::says(["kept"]));
    assert_eq!(kept(&world.client(&rich).ask("fast", &question).await), "miss");
    wait_for_kept(&world).await;
    let masked = async || world.scrape(0).await.sum("fly_llm_masked_total");
    let before = masked().await;
    assert_eq!(kept(&world.client(&poor).ask("fast", &question).await), "hit");
    assert_eq!(masked().await, before * 2.0);
    let refused = |answer: Answer| {
        assert_eq!((answer.status, answer.error_code().as_str()), (429, "insufficient_quota"));
    };
    let client = world.client(&poor);
    refused(client.ask("fast", &["another ", &question].concat()).await);
    assert_eq!(masked().await, before * 3.0, "it might have been kept");
    let body = json!({"model": "fast", "cache": {"no-store": true},
        "messages": [{"role": "user", "content": question}]});
    refused(client.chat(&body).await);
    assert_eq!(masked().await, before * 3.0, "it can't have been");
    world.wait_for_ends(2, 0).await;
    world.finish().await;
}

/// A request of the minute that came back is there again.
async fn came_back(client: &Client, path: &str, body: Value) {
    let refused = client.post(path, &body).await;
    let told = (refused.status / 100, refused.header("x-ratelimit-remaining-requests"));
    assert_eq!(told, (4, "1"), "{body:.200}: {}", refused.text);
}

#[tokio::test]
async fn files_and_numbers_make_no_small_request_long() {
    let world =
        World::builder().config(|config| config.limits.requests_per_minute = 1).start().await;
    let key = world.key(0).await;
    let client = world.client(&key);
    let picture = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    let file = json!({"type": "file", "file": {"file_id": "file-abc"}});
    let sound = json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}});
    for parts in [json!([picture, picture]), json!([file]), json!([sound])] {
        let body = json!({"model": "fast", "messages": [{"role": "user", "content": parts}]});
        came_back(&client, "/v1/chat/completions", body).await;
    }
    came_back(&client, "/v1/embeddings", json!({"model": "embedder", "input": [1, 2, 3]})).await;
    let body = json!({"model": "fast", "messages": [{"role": "user", "content": long()}]});
    let long = client.chat(&body).await;
    assert_eq!(long.header("x-ratelimit-remaining-requests"), "0", "{}", long.text);
    world.finish().await;
}

/// Without credit: so the limits are asked, then what is left, and then all is given back. Clients
/// leave at any moment of it.
#[tokio::test]
async fn no_place_is_lost_when_a_client_leaves_while_its_limits_are_asked() {
    let world = World::start().await;
    let key = world.key(0).await;
    let (client, long) = (world.client(&key), long());
    // Until some have been answered in time: so those before them left at each moment of it.
    let (mut patience, mut answered) = (Duration::ZERO, 0);
    while answered < 10 {
        patience += Duration::from_micros(250);
        assert!(patience < Duration::from_secs(2), "nobody is answered");
        if let Ok(refused) = tokio::time::timeout(patience, client.ask("fast", &long)).await {
            assert_eq!(refused.error_code(), "insufficient_quota", "{}", refused.text);
            answered += 1;
        }
    }
    // Far less than a lease.
    let back = wait_until("all places are back", async || {
        let texts = world.redis_texts().await;
        !texts.iter().any(|(name, text)| name.contains("parallel") && !text.is_empty())
    });
    assert!(tokio::time::timeout(Duration::from_secs(8), back).await.is_ok(), "places are lost");
    world.finish().await;
}
