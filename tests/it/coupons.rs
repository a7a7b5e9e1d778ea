//! Coupons: a code becomes credit once for each redemption, whoever races, and no more often than
//! its limits say.

use harness::World;
use infra::bus::coupons::CouponLimits;
use infra::config::Coupon;
use schemas::money::MicroUsd;
use serde_json::json;

const PATH: &str = "/api/coupons/redeem";

fn coupon(code: &str, account_max: u32, total_max: u32) -> Coupon {
    let (code, credit_usd) = (code.to_owned(), MicroUsd(500));
    Coupon { code, credit_usd, account_max, total_max, expires_at: None }
}

#[tokio::test]
async fn a_code_becomes_credit_once_for_each_account_whoever_races() {
    let world = World::builder()
        .gateways(2)
        .config(|config| config.coupons = vec![coupon("WELCOME-1", 1, 5)])
        .start()
        .await;
    let mut keys = Vec::new();
    for _ in 0..8 {
        keys.push(world.key(0).await);
    }
    let body = json!({"code": " welcome-1 "});
    for key in &keys {
        for gateway in [0, 1] {
            let client = world.client_at(gateway, key);
            harness::wait_until("the gateway knows the key", async || {
                client.get("/v1/models").await.status == 200
            })
            .await;
        }
    }
    let clients: Vec<_> =
        (0..32).map(|number| world.client_at(number % 2, &keys[number / 4])).collect();
    let answers =
        futures::future::join_all(clients.iter().map(|client| client.post(PATH, &body))).await;
    let told: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert!(told.iter().all(|status| matches!(status, 200 | 409)), "{told:?}");
    let well = told.iter().filter(|status| **status == 200).count();
    assert_eq!(well, 5, "who is told of a credit has it: {told:?}");
    world.wait_until_applied().await;
    let mut credited = 0;
    for key in &keys {
        let balance = world.balance(key).await;
        assert!(matches!(balance, 0 | 500), "{balance}");
        credited += balance;
    }
    assert_eq!(credited, 5 * 500, "five in all");
    assert_eq!(world.ledger().await.len(), 5);
    world.finish().await;
}

#[tokio::test]
async fn each_of_many_calls_at_once_has_a_credit_of_its_own() {
    let world =
        World::builder().config(|config| config.coupons = vec![coupon("OFTEN", 99, 999)]).start();
    let world = world.await;
    for _ in 0..20 {
        let key = world.key(0).await;
        let client = world.client(&key);
        let body = json!({"code": "OFTEN"});
        let calls = (0..6).map(|_| client.post(PATH, &body));
        let told = futures::future::join_all(calls).await;
        let well = told.iter().filter(|answer| answer.status == 200).count();
        world.wait_until_applied().await;
        assert_eq!(world.balance(&key).await, 500 * well as i64);
        assert_eq!(well, 6);
    }
    world.finish().await;
}

#[tokio::test]
async fn a_code_has_limits_and_an_end_and_a_claim_left_behind_is_credited() {
    let world = World::builder()
        .config(|config| {
            let old = Some("2020-01-01T00:00:00Z".to_owned());
            config.coupons = vec![
                coupon("TWICE-EACH", 2, 10),
                Coupon { expires_at: old, ..coupon("OLD-CODE", 1, 10) },
            ];
        })
        .start()
        .await;
    let key = world.key(0).await;
    let client = world.client(&key);
    let redeem = async |code: &str| client.post(PATH, &json!({"code": code})).await;
    let limits = CouponLimits { account_max: 2, total_max: 10 };
    // As if its gateway had died between the claim and the credit.
    world.bus().claim_coupon("TWICE-EACH", &key.account, limits).await.unwrap();
    for _ in 0..2 {
        let redeemed = redeem("Twice-Each").await;
        assert_eq!(redeemed.status, 200, "{}", redeemed.text);
        assert_eq!(redeemed.json()["credit_micro_usd"], 500);
    }
    let third = redeem("TWICE-EACH").await;
    assert_eq!((third.status, third.error_code().as_str()), (409, "conflict"));
    assert_eq!(redeem("OLD-CODE").await.status, 400);
    let wrong = redeem("NO-SUCH-CODE").await;
    assert_eq!((wrong.status, wrong.json()["error"]["param"].as_str()), (404, Some("code")));
    let admin = world.admin();
    let named = json!({"code": "TWICE-EACH", "account": key.account});
    assert_eq!(admin.post(PATH, &named).await.status, 409);
    let in_query = |account: &str| format!("{PATH}?account={account}");
    let code = json!({"code": "TWICE-EACH"});
    assert_eq!(admin.post(&in_query(key.account.as_str()), &code).await.status, 409);
    let unsaid = admin.post(PATH, &code).await;
    assert_eq!((unsaid.status, unsaid.text.contains("?account=")), (400, true));
    assert_eq!(admin.post(&in_query("acct_nobody"), &code).await.status, 400);
    let foreign = world.key(0).await;
    assert_eq!(client.post(&in_query(foreign.account.as_str()), &code).await.status, 400);
    assert_eq!(world.client_with(0, None).post(PATH, &named).await.status, 401);
    world.wait_until_applied().await;
    assert_eq!(world.balance(&key).await, 1_000);
    world.finish().await;
}

#[tokio::test]
async fn guessing_codes_and_reading_ledgers_takes_requests_of_the_minute() {
    let world = World::start().await;
    let key = world.key_like(json!({"name": "few", "requests_per_minute": 4}), 1_000_000).await;
    let client = world.client(&key);
    assert_eq!(client.post(PATH, &json!({"code": "GUESS-ONE"})).await.status, 404);
    assert_eq!(client.get("/api/credits/lots").await.status, 200);
    assert_eq!(client.get("/api/purchases").await.status, 200);
    assert_eq!(client.get("/api/statements/2026-11").await.status, 200);
    for path in ["/api/credits/lots", "/api/purchases", "/api/statements/2026-11"] {
        let refused = client.get(path).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limit_exceeded"));
        assert!(!refused.header("retry-after").is_empty());
    }
    assert_eq!(client.post(PATH, &json!({"code": "GUESS-TWO"})).await.status, 429);
    assert_eq!(client.get("/api/credits").await.status, 200, "a balance is always told");
    world.finish().await;
}
