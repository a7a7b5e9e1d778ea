//! Keys: made, listed and deleted through the API, and known to every gateway soon after.

use harness::client::question_to;
use harness::{Key, World, wait_until};
use serde_json::{Value, json};

#[tokio::test]
async fn a_key_is_made_listed_used_and_deleted() {
    let world = World::builder().gateways(2).start().await;
    let admin = world.admin();
    let body = json!({"name": "店の鍵", "expires_at": "2099-12-31T23:59:59Z",
        "models": ["fast", "backup"], "max_budget": 1.5});
    let key = world.key_like(body, 1_000_000).await;
    assert!(key.secret.starts_with("sk-fly-") && key.secret.len() > 40);
    let listed = admin.get("/api/keys").await;
    assert!(!listed.text.contains(&key.secret), "a secret is shown once");
    let listed = listed.json();
    let shown = &listed["data"][0];
    assert_eq!(shown["key_id"], key.id.as_str());
    assert_eq!(shown["account"], key.account.as_str());
    assert_eq!(shown["name"], "店の鍵");
    assert_eq!(shown["models"], json!(["fast", "backup"]));
    assert_eq!(shown["max_budget"], 1.5);
    assert_eq!(shown["expires_at"], "2099-12-31T23:59:59Z");
    assert_eq!(shown["last_four"], key.secret[key.secret.len() - 4..]);
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    assert_eq!(first.ask("fast", "x").await.status, 200, "known at once where it was made");
    wait_until("the other gateway knows the key", async || {
        second.ask("fast", "x").await.status == 200
    })
    .await;
    let deleted = admin.delete(&format!("/api/keys/{}", key.id)).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    assert_eq!(deleted.json()["deleted"], true);
    assert_eq!(first.ask("fast", "x").await.error_code(), "invalid_api_key");
    wait_until("the other gateway knows that the key is deleted", async || {
        second.get("/v1/models").await.status == 401
    })
    .await;
    assert_eq!(admin.get("/api/keys").await.json()["data"], json!([]));
    let again = admin.delete(&format!("/api/keys/{}", key.id)).await;
    assert_eq!((again.status, again.error_code().as_str()), (404, "not_found"));
    world.wait_until_applied().await;
    let usage = admin.get(&format!("/api/usage?key_id={}", key.id)).await.json();
    assert!(usage["requests"].as_u64().unwrap() >= 2, "a deleted key's usage can be asked for");
    world.finish().await;
}

#[tokio::test]
async fn an_expired_key_is_refused() {
    let world = World::start().await;
    let soon = infra::clock::rfc3339(infra::clock::unix_ms() + 2_000);
    let key = world.key_like(json!({"name": "short", "expires_at": soon}), 1_000_000).await;
    let client = world.client(&key);
    assert_eq!(client.get("/v1/models").await.status, 200);
    wait_until("the key expires", async || client.get("/v1/models").await.status == 401).await;
    let refused = client.ask("fast", "x").await;
    assert_eq!((refused.status, refused.error_code().as_str()), (401, "invalid_api_key"));
    assert!(refused.text.contains("expired"), "{}", refused.text);
    world.finish().await;
}

#[tokio::test]
async fn two_keys_of_one_account_share_its_credit() {
    let world = World::start().await;
    let first = world.key(1_000_000).await;
    let body = json!({"name": "second", "account": first.account.as_str()});
    let second = world.key_like(body, 0).await;
    assert_eq!(second.account, first.account);
    assert_eq!(world.client(&second).ask("fast", "x").await.status, 200);
    world.wait_until_applied().await;
    assert_eq!(world.balance(&first).await, 999_980);
    let of_second = format!("/api/usage?key_id={}", second.id);
    assert_eq!(world.client(&first).get(&of_second).await.json()["requests"], 1);
    world.finish().await;
}

#[tokio::test]
async fn a_wrong_wish_is_named() {
    let world = World::start().await;
    let admin = world.admin();
    let wrongs: [(Value, &str); 10] = [
        (json!({"name": ""}), "name"),
        (json!({"name": "x".repeat(201)}), "name"),
        (json!({"name": "x", "expires_at": "2001-01-01T00:00:00Z"}), "expires_at"),
        (json!({"name": "x", "expires_at": "soon"}), "expires_at"),
        (json!({"name": "x", "models": ["gpt-17"]}), "models"),
        (json!({"name": "x", "max_budget": -1}), "max_budget"),
        (json!({"name": "x", "max_budget": 0.000_000_1}), "max_budget"),
        (json!({"name": "x", "account": "acct_nobody"}), "account"),
        (json!({"name": "two\nlines"}), "name"),
        (json!({"name": "x", "privacy": {"kinds": {"shoe_size": "mask"}}}), "privacy.kinds"),
    ];
    for (body, parameter) in wrongs {
        let answer = admin.post("/api/keys", &body).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "invalid_request"));
        assert_eq!(answer.json()["error"]["param"], parameter, "{}", answer.text);
    }
    let unknown = admin.post("/api/keys", &json!({"name": "x", "colour": "red"})).await;
    assert_eq!(unknown.status, 400, "{}", unknown.text);
    assert!(unknown.text.contains("colour"), "{}", unknown.text);
    world.finish().await;
}

#[tokio::test]
async fn a_gateway_that_starts_later_knows_all_keys() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    let gone = world.key(0).await;
    world.admin().delete(&format!("/api/keys/{}", gone.id)).await;
    world.stop_gateway(0).await;
    let number = world.add_gateway().await;
    world.wait_until_ready().await;
    let body = question_to("fast", "x");
    assert_eq!(world.client_at(number, &key).chat(&body).await.status, 200);
    assert_eq!(world.client_at(number, &gone).chat(&body).await.status, 401);
    world.finish().await;
}

#[tokio::test]
async fn after_nats_went_back_to_a_backup_every_gateway_knows_the_keys_of_that() {
    let mut world = World::builder().gateways(2).start().await;
    let kept = world.key(0).await;
    let deleted_later = world.key(0).await;
    world.servers().kill_nats().await;
    world.servers().back_nats_up();
    world.servers().start_nats_again().await;
    let opens = async |world: &World, gateway: usize, key: &Key| {
        world.client_at(gateway, key).get("/v1/models").await.status == 200
    };
    wait_until("NATS is back", async || {
        world.client_with(0, None).get("/ready").await.status == 200
    })
    .await;
    let made_later = world.key(0).await;
    let renamed = json!({"name": "changed"});
    for _ in 0..5 {
        let path = format!("/api/keys/{}", kept.id);
        let admin = world.admin();
        let request = admin.request(reqwest::Method::PATCH, &path).json(&renamed);
        assert_eq!(admin.send(request).await.status, 200);
    }
    wait_until("both know it", async || opens(&world, 1, &made_later).await).await;
    world.servers().kill_nats().await;
    world.servers().restore_nats();
    world.servers().start_nats_again().await;
    for gateway in [0, 1] {
        wait_until("the backup counts", async || !opens(&world, gateway, &made_later).await).await;
        assert!(
            opens(&world, gateway, &kept).await && opens(&world, gateway, &deleted_later).await
        );
    }
    wait_until("NATS is back", async || {
        world.client_with(0, None).get("/ready").await.status == 200
    })
    .await;
    let fresh = world.key(0).await;
    let deleted = world.admin().delete(&format!("/api/keys/{}", deleted_later.id)).await;
    assert_eq!(deleted.status, 200);
    for gateway in [0, 1] {
        wait_until("it is deleted", async || !opens(&world, gateway, &deleted_later).await).await;
        wait_until("it is known", async || opens(&world, gateway, &fresh).await).await;
    }
    world.finish().await;
}
