//! Forms of the pages: what is wrong is told beside what was typed, in the reader's language, and
//! what is sent twice is done once.

use crate::pages::{shown_secret, signed_in, strict, visitor};
use harness::{Answer, World};
use infra::config::Coupon;
use schemas::money::MicroUsd;
use serde_json::json;

#[tokio::test]
async fn a_form_that_is_sent_twice_does_its_work_once() {
    let coupon = Coupon {
        code: "TWICE".into(),
        credit_usd: MicroUsd(1_000_000),
        account_max: 2,
        total_max: 9,
        expires_at: None,
    };
    let world = World::builder().config(move |config| config.coupons = vec![coupon]).start().await;
    let key = world.key(0).await;
    let mut owner = signed_in(&world, &key, "en").await;
    let unique = |page: &Answer| {
        let found = page.text.split_once("name=\"unique\" value=\"").expect("a name").1;
        found.split('"').next().unwrap().to_owned()
    };
    let first = unique(&owner.get("/account/keys").await);
    let wrong = [("name", "batch"), ("budget", "-1"), ("unique", &first)];
    assert_eq!(owner.post("/account/keys", &wrong).await.status, 400);
    let right = [("name", "batch"), ("unique", &first)];
    let made = owner.post("/account/keys", &right).await;
    assert_eq!(made.status, 200, "nothing came of it the first time: {}", made.text);
    let again = owner.post("/account/keys", &right).await;
    assert!(again.status == 409 && !again.text.contains("id=\"secret\""), "{}", again.text);
    let listed = world.admin().get("/api/keys").await.json()["data"].clone();
    let batches = listed.as_array().unwrap().iter().filter(|key| key["name"] == "batch");
    let batches: Vec<_> = batches.collect();
    assert_eq!(batches.len(), 1, "{listed}");

    let path = format!("/account/keys/{}/rotate", batches[0]["key_id"].as_str().unwrap());
    let second = unique(&owner.get(&path).await);
    let rotated = owner.post(&path, &[("unique", &second)]).await;
    let secret = shown_secret(&rotated);
    assert_eq!(owner.post(&path, &[("unique", &second)]).await.status, 409);
    assert_eq!(world.client_with(0, Some(&secret)).get("/api/credits").await.status, 200);

    let third = unique(&owner.get("/account/credit").await);
    for told in ["redeemed", "before"] {
        let sent = owner.post("/account/coupon", &[("code", "twice"), ("unique", &third)]).await;
        assert_eq!(sent.header("location"), format!("/account/credit?told={told}"));
    }
    assert!(owner.get("/account/credit?told=before").await.text.contains("sent before"));
    world.wait_until_applied().await;
    assert_eq!(world.balance(&key).await, 1_000_000);
    world.finish().await;
}

#[tokio::test]
async fn a_wrong_field_is_told_in_one_language_beside_what_was_typed() {
    let coupons = |config: &mut infra::config::Config| {
        config.coupons = vec![Coupon {
            code: "ANY".into(),
            credit_usd: MicroUsd(1),
            account_max: 1,
            total_max: 1,
            expires_at: None,
        }];
    };
    let world = World::builder().sells().config(coupons).start().await;
    let key = world.key(0).await;
    let (mut owner, mut stranger) = (signed_in(&world, &key, "ja").await, visitor(&world, "ja"));
    owner.get("/account/credit").await;
    let recharge = [("below", "5"), ("amount", "2000"), ("month_max", "10"), ("currency", "jpy")];
    let unread = [("below", "x"), ("amount", "2000"), ("month_max", "10"), ("currency", "jpy")];
    let email = [("plan", "pro"), ("currency", "usd"), ("email", "nobody")];
    let sent = [
        (owner.post("/account/keys", &[("name", "batch"), ("budget", "-1")]).await, "batch"),
        (owner.post("/account/keys", &[("name", "batch"), ("budget", "much")]).await, "batch"),
        (owner.post("/account/coupon", &[("code", "no-such")]).await, "no-such"),
        (owner.post("/account/recharge", &recharge).await, "2000"),
        (owner.post("/account/recharge", &unread).await, "2000"),
        (owner.post("/account/credit", &[("plan", "none"), ("currency", "usd")]).await, "usd"),
        (stranger.post("/buy", &email).await, "nobody"),
    ];
    for (page, typed) in &sent {
        assert!((400..500).contains(&page.status), "{typed}: {}", page.text);
        strict(page);
        assert!(page.text.contains(&format!("value=\"{typed}\"")), "{typed}: {}", page.text);
        let told = page.text.split_once("role=\"alert\"").expect("it is told").1;
        let told = told.split_once("</p>").unwrap().0;
        assert!(told.contains('。') && !told.contains(" / "), "one language: {told}");
    }
    assert!(sent[6].0.text.contains("value=\"pro\" checked"), "{}", sent[6].0.text);
    world.stripe().fail_next(9);
    let away = owner.post("/account/credit", &[("plan", "pro"), ("currency", "jpy")]).await;
    assert!(away.status == 503 && away.text.contains("value=\"pro\" checked"), "{}", away.text);
    world.finish().await;
}

#[tokio::test]
async fn a_customer_gives_keys_no_more_than_the_operator_does_and_makes_a_bounded_number() {
    let change = |config: &mut infra::config::Config| {
        config.limits.requests_per_minute = 60;
        config.limits.account.keys_max = 3;
    };
    let world = World::builder().config(change).start().await;
    let key = world.key(1_000_000).await;
    let mut owner = signed_in(&world, &key, "ja").await;
    owner.get("/account/keys").await;
    let asked = async |owner: &mut harness::Visitor, number: &str| {
        let fields = [("name", "batch"), ("requests_per_minute", number)];
        owner.post("/account/keys", &fields).await
    };
    let refused = asked(&mut owner, "61").await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.text.contains("1〜60の整数"), "{}", refused.text);
    assert_eq!(asked(&mut owner, "60").await.status, 200);
    let path = format!("/api/accounts/{}", key.account);
    let own = json!({"requests_per_minute": 90});
    let admin = world.admin();
    let raised = admin.send(admin.request(reqwest::Method::PATCH, &path).json(&own)).await;
    assert_eq!(raised.status, 200, "{}", raised.text);
    assert_eq!(asked(&mut owner, "90").await.status, 200, "as much as the account has");
    let full = asked(&mut owner, "1").await;
    assert_eq!(full.status, 400, "{}", full.text);
    assert!(full.text.contains("キーは3個までです"), "{}", full.text);
    let by_operator = json!({"name": "fourth", "account": key.account});
    assert_eq!(admin.post("/api/keys", &by_operator).await.status, 200);
    world.finish().await;
}
