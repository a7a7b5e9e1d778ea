//! Credit is bought through Stripe: whatever order, number and manner of webhooks, returns of the
//! buyer and looks of the reconciler, each payment is credited once, and what goes back is taken.

use harness::{Client, Delivery, Key, StripeEvent, World, wait_until};
use schemas::ledger::{EventV1, Fact};
use schemas::subjects;
use serde_json::{Value, json};

pub(crate) async fn selling() -> World {
    World::builder().sells().start().await
}

/// Opens Stripe's page and answers its name.
pub(crate) async fn checkout(client: &Client, body: Value) -> String {
    let opened = client.post("/api/checkout", &body).await;
    assert_eq!(opened.status, 200, "{}", opened.text);
    let url = opened.json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://checkout.example/"), "{url}");
    opened.json()["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn deliver(world: &World, events: &[StripeEvent]) {
    let gateway = world.client_with(0, None);
    for event in events {
        assert_eq!(world.stripe().deliver(&gateway, event, Delivery::Honest).await, 200);
    }
}

fn of(events: &[EventV1], is: fn(&Fact) -> bool) -> Vec<i64> {
    events.iter().filter(|event| is(&event.fact)).map(|event| event.amount.0).collect()
}

pub(crate) fn top_ups(events: &[EventV1]) -> Vec<i64> {
    of(events, |fact| matches!(fact, Fact::TopUp(_)))
}

fn bonuses(events: &[EventV1]) -> Vec<i64> {
    of(events, |fact| matches!(fact, Fact::Bonus { .. }))
}

pub(crate) async fn wait_for_balance(world: &World, key: &Key, micro_usd: i64) {
    let what = format!("the balance is {micro_usd}");
    wait_until(&what, async || world.balance(key).await == micro_usd).await;
}

#[tokio::test]
async fn a_purchase_is_credited_once_whoever_tells_of_it() {
    let world = selling().await;
    let key = world.key(0).await;
    let client = world.client(&key);
    let session = checkout(&client, json!({"plan": "pro", "currency": "jpy"})).await;
    let form = world.stripe().session_form(&session);
    let field = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, v)| v.as_str());
    assert_eq!(field("line_items[0][price_data][unit_amount]"), Some("5000"), "yen are whole");
    assert_eq!(field("line_items[0][price_data][currency]"), Some("jpy"));
    assert_eq!(field("payment_intent_data[metadata][fly_account]"), Some(key.account.as_str()));
    let back = "https://fly.example/checkout/success?session_id={CHECKOUT_SESSION_ID}";
    assert_eq!(field("success_url"), Some(back));
    assert_eq!(world.balance(&key).await, 0, "a page is no payment");

    let mut events = world.stripe().pay(&session);
    events.reverse();
    deliver(&world, &[events.clone(), events].concat()).await;
    let page = client.get(&format!("/checkout/success?session_id={session}")).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("¥5,000"), "{}", page.text);
    assert!(!page.text.contains("sk-fly-"), "only a new account gets a key");
    wait_for_balance(&world, &key, 52_500_000).await;
    let ledger = world.ledger().await;
    assert_eq!((top_ups(&ledger), bonuses(&ledger)), (vec![50_000_000], vec![2_500_000]));
    world.finish().await;
}

#[tokio::test]
async fn an_account_whose_record_is_lost_is_made_anew_by_its_purchase() {
    let world = selling().await;
    let key = world.key(0).await;
    let wanted = json!({"plan": "starter", "currency": "usd"});
    let session = checkout(&world.client(&key), wanted).await;
    // NATS has gone back to a copy that is older than the account.
    let accounts = world.bus().jetstream().get_key_value(subjects::ACCOUNTS_BUCKET).await.unwrap();
    accounts.purge(key.account.as_str()).await.unwrap();
    assert_eq!(world.bus().account(&key.account).await.unwrap(), None);
    deliver(&world, &world.stripe().pay(&session)).await;
    wait_for_balance(&world, &key, 10_000_000).await;
    let made = world.bus().account(&key.account).await.unwrap().unwrap();
    assert_eq!(made.name, key.account.as_str());
    let wish = json!({"name": "again", "account": key.account});
    wait_until("it is given a key", async || {
        world.admin().post("/api/keys", &wish).await.status == 200
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn what_is_not_signed_changes_nothing() {
    let world = selling().await;
    let key = world.key(0).await;
    let session =
        checkout(&world.client(&key), json!({"plan": "starter", "currency": "usd"})).await;
    let events = world.stripe().pay(&session);
    let gateway = world.client_with(0, None);
    for how in [Delivery::Forged, Delivery::Stale, Delivery::Changed] {
        assert_eq!(world.stripe().deliver(&gateway, &events[0], how).await, 400, "{how:?}");
    }
    let unsigned = gateway.post("/webhooks/stripe", &json!({"id": "evt_1"})).await;
    assert_eq!((unsigned.status, unsigned.error_code().as_str()), (400, "invalid_request"));
    assert!(world.ledger().await.is_empty());
    // Signed is signed, also in a form that a strict reader doesn't know.
    deliver(&world, &[events[1].clone().without_mode()]).await;
    wait_for_balance(&world, &key, 10_000_000).await;
    world.finish().await;
}

#[tokio::test]
async fn who_pays_later_is_credited_when_the_money_comes() {
    let world = selling().await;
    let key = world.key(0).await;
    let wanted = json!({"amount": 1234, "currency": "jpy"});
    let (paid, unpaid, left) = (
        checkout(&world.client(&key), wanted.clone()).await,
        checkout(&world.client(&key), wanted.clone()).await,
        checkout(&world.client(&key), wanted).await,
    );
    deliver(&world, &world.stripe().pay_later(&paid)).await;
    deliver(&world, &world.stripe().pay_later(&unpaid)).await;
    deliver(&world, &[world.stripe().expire(&left)]).await;
    assert!(world.ledger().await.is_empty(), "nobody has paid yet");
    deliver(&world, &world.stripe().money_comes(&paid, true)).await;
    deliver(&world, &world.stripe().money_comes(&unpaid, false)).await;
    wait_for_balance(&world, &key, 12_340_000).await;
    assert_eq!(top_ups(&world.ledger().await), [12_340_000]);
    world.finish().await;
}

#[tokio::test]
async fn the_page_after_stripes_tells_how_the_purchase_stands() {
    let world = selling().await;
    let (key, gateway) = (world.key(0).await, world.client_with(0, None));
    let wanted = json!({"amount": 1234, "currency": "jpy"});
    let session = checkout(&world.client(&key), wanted.clone()).await;
    let left = checkout(&world.client(&key), wanted.clone()).await;
    let unpaid = checkout(&world.client(&key), wanted).await;
    let stands = async |session: &str, text: &str| {
        let page = gateway.get(&format!("/checkout/success?session_id={session}")).await;
        assert_eq!(page.status, 200);
        assert!(page.text.contains(text), "{text}: {}", page.text);
    };
    stands(&session, &format!("href=\"https://checkout.example/{session}\"")).await;
    world.stripe().pay_later(&session);
    world.stripe().pay_later(&unpaid);
    stands(&session, "お支払いを確認しています").await;
    world.stripe().money_comes(&session, true);
    stands(&session, "ご購入ありがとうございます").await;
    world.stripe().money_comes(&unpaid, false);
    stands(&unpaid, "お支払いが完了しませんでした").await;
    world.stripe().expire(&left);
    stands(&left, "期限が切れました").await;
    let (_, event) = world.stripe().refund(&session, 234, "succeeded");
    deliver(&world, &[event]).await;
    stands(&session, "返金額: ¥234").await;
    wait_for_balance(&world, &key, 10_000_000).await;
    world.finish().await;
}

#[tokio::test]
async fn a_storm_of_webhooks_credits_each_payment_once() {
    let world = World::builder().sells().gateways(2).billings(2).start().await;
    let key = world.key(0).await;
    let mut events = Vec::new();
    let mut sessions = Vec::new();
    for number in 0..6 {
        let body = json!({"amount": 10 + number, "currency": "usd"});
        let session = checkout(&world.client(&key), body).await;
        events.extend(world.stripe().pay(&session));
        sessions.push(session);
    }
    let gateways = [world.client_with(0, None), world.client_with(1, None)];
    let stripe = world.stripe();
    // Every event four times, in an order of its own, on both gateways; forged ones between them.
    let deliveries = (0..events.len() * 4).map(|number| {
        let event = &events[(number * 7) % events.len()];
        let how = if number % 5 == 0 { Delivery::Forged } else { Delivery::Honest };
        let gateway = &gateways[number % 2];
        async move { (how, stripe.deliver(gateway, event, how).await) }
    });
    let returns =
        sessions.iter().zip(gateways.iter().cycle()).map(|(session, gateway)| async move {
            gateway.get(&format!("/checkout/success?session_id={session}")).await.status
        });
    let (delivered, returned) =
        futures::join!(futures::future::join_all(deliveries), futures::future::join_all(returns));
    for (how, status) in delivered {
        assert_eq!(status, if how == Delivery::Forged { 400 } else { 200 });
    }
    assert!(returned.iter().all(|status| *status == 200));
    let expected: i64 = stripe.paid().iter().map(|cents| *cents as i64 * 10_000).sum();
    wait_for_balance(&world, &key, expected).await;
    assert_eq!(top_ups(&world.ledger().await).len(), sessions.len());
    world.finish().await;
}

/// The list and the receipt of the only purchase tell what of it went back.
async fn assert_refunded(world: &World, key: &Key, amount: &str, told: Option<[&str; 2]>) {
    let client = world.client(key);
    let bought = client.get("/api/purchases").await.json()["data"][0].clone();
    assert_eq!(bought["refunded"], amount);
    let receipt = client.get(bought["receipt"].as_str().unwrap()).await.text;
    match told {
        Some(texts) => assert!(texts.iter().all(|text| receipt.contains(text)), "{receipt}"),
        None => assert!(!receipt.contains("返金額"), "{receipt}"),
    }
}

#[tokio::test]
async fn what_goes_back_takes_its_credit_along() {
    let world = selling().await;
    let key = world.key(0).await;
    let session = checkout(&world.client(&key), json!({"plan": "pro", "currency": "usd"})).await;
    let paid = world.stripe().pay(&session);
    // The refund is heard of before the payment: both are written.
    let (refund, event) = world.stripe().refund(&session, 1_000, "pending");
    deliver(&world, &[event.clone(), event]).await;
    deliver(&world, &paid).await;
    wait_for_balance(&world, &key, 52_500_000 - 10_500_000).await;
    assert_refunded(&world, &key, "$10.00", Some(["返金額", "$40.00"])).await;
    // It fails: its credit is back, once.
    let failed = world.stripe().end_refund(&refund, "failed");
    deliver(&world, &[failed.clone(), failed]).await;
    wait_for_balance(&world, &key, 52_500_000).await;
    assert_refunded(&world, &key, "$0.00", None).await;
    // A dispute takes all, and gives it back when it is won.
    let (inquiry, event) = world.stripe().dispute(&session, "warning_needs_response");
    deliver(&world, &[event]).await;
    deliver(&world, &[world.stripe().end_dispute(&inquiry, "warning_closed")]).await;
    let (dispute, event) = world.stripe().dispute(&session, "needs_response");
    deliver(&world, &[event.clone(), event]).await;
    wait_for_balance(&world, &key, 0).await;
    assert_refunded(&world, &key, "$50.00", Some(["返金額", "$0.00"])).await;
    assert_eq!(world.client(&key).ask("fast", "hello").await.error_code(), "insufficient_quota");
    deliver(&world, &[world.stripe().end_dispute(&dispute, "won")]).await;
    wait_for_balance(&world, &key, 52_500_000).await;
    assert_refunded(&world, &key, "$0.00", None).await;
    world.finish().await;
}

#[tokio::test]
async fn spent_credit_that_goes_back_is_owed() {
    let world = selling().await;
    let key = world.key(0).await;
    let session = checkout(&world.client(&key), json!({"amount": 10, "currency": "usd"})).await;
    deliver(&world, &world.stripe().pay(&session)).await;
    wait_for_balance(&world, &key, 10_000_000).await;
    assert_eq!(world.client(&key).ask("fast", "hello").await.status, 200);
    let (_, event) = world.stripe().refund(&session, 1_000, "succeeded");
    deliver(&world, &[event]).await;
    wait_for_balance(&world, &key, -20).await;
    let refused = world.client(&key).ask("fast", "hello").await;
    assert_eq!(refused.error_code(), "insufficient_quota");
    assert!(refused.text.contains("The account owes $0.00002"), "{}", refused.text);
    world.finish().await;
}

#[tokio::test]
async fn an_event_that_can_t_be_followed_comes_again() {
    let world = selling().await;
    let key = world.key(0).await;
    let session =
        checkout(&world.client(&key), json!({"plan": "starter", "currency": "usd"})).await;
    let events = world.stripe().pay(&session);
    let gateway = world.client_with(0, None);
    world.stripe().fail_next(usize::MAX);
    assert_eq!(world.stripe().deliver(&gateway, &events[0], Delivery::Honest).await, 503);
    let pro = json!({"plan": "pro", "currency": "usd"});
    let refused = world.client(&key).post("/api/checkout", &pro).await;
    assert_eq!(refused.error_code(), "service_unavailable");
    assert!(world.ledger().await.is_empty());
    // One failure is tried again at once.
    world.stripe().fail_next(1);
    deliver(&world, &events[..1]).await;
    wait_for_balance(&world, &key, 10_000_000).await;
    world.finish().await;
}

#[tokio::test]
async fn refunds_and_disputes_of_a_purchase_take_no_more_than_it_brought() {
    let world = selling().await;
    let key = world.key(0).await;
    let session =
        checkout(&world.client(&key), json!({"plan": "starter", "currency": "usd"})).await;
    deliver(&world, &world.stripe().pay(&session)).await;
    wait_for_balance(&world, &key, 10_000_000).await;
    let (refund, event) = world.stripe().refund(&session, 600, "succeeded");
    deliver(&world, &[event]).await;
    wait_for_balance(&world, &key, 4_000_000).await;
    let (dispute, event) = world.stripe().dispute(&session, "needs_response");
    deliver(&world, &[event.clone(), event]).await;
    wait_for_balance(&world, &key, 0).await;
    deliver(&world, &[world.stripe().end_refund(&refund, "failed")]).await;
    world.wait_until_applied().await;
    assert_eq!(world.balance(&key).await, 0, "the dispute is about all of it");
    deliver(&world, &[world.stripe().end_dispute(&dispute, "won")]).await;
    wait_for_balance(&world, &key, 10_000_000).await;
    world.finish().await;
}

#[tokio::test]
async fn what_has_ended_unused_is_not_taken_again() {
    let world = selling().await;
    let key = world.key(0).await;
    let client = world.client(&key);
    let sessions = [
        checkout(&client, json!({"plan": "pro", "currency": "usd"})).await,
        checkout(&client, json!({"amount": 10, "currency": "usd"})).await,
    ];
    for session in &sessions {
        let paid = world.stripe().pay(session);
        // So long ago that its credit has ended.
        world.stripe().age(24 * 400);
        deliver(&world, &paid).await;
    }
    wait_until("all of it has ended", async || {
        let ends = of(&world.ledger().await, |fact| matches!(fact, Fact::Expiry { .. }));
        ends.iter().sum::<i64>() == -62_500_000
    })
    .await;
    let (_, refund) = world.stripe().refund(&sessions[0], 5_000, "succeeded");
    let (_, dispute) = world.stripe().dispute(&sessions[1], "lost");
    deliver(&world, &[refund, dispute]).await;
    world.wait_until_applied().await;
    assert_eq!(world.balance(&key).await, 0);
    world.finish().await;
}

#[tokio::test]
async fn a_purchase_has_a_receipt_and_a_month_its_statement() {
    let world = World::builder()
        .sells()
        .config(|config| {
            config.stripe.seller_name = "<Seller> & Co".into();
            config.stripe.registration_number = Some("T1234567890123".into());
        })
        .start()
        .await;
    let (key, other) = (world.key(0).await, world.key(0).await);
    let client = world.client(&key);
    let session = checkout(&client, json!({"plan": "pro", "currency": "jpy"})).await;
    deliver(&world, &world.stripe().pay(&session)).await;
    wait_for_balance(&world, &key, 52_500_000).await;
    assert_eq!(client.ask("fast", "hello").await.status, 200);
    let bought = client.get("/api/purchases").await.json()["data"][0].clone();
    assert_eq!((&bought["paid"], &bought["plan"]), (&json!("¥5,000"), &json!("pro")));
    let path = bought["receipt"].as_str().unwrap().to_owned();
    let receipt = client.get(&path).await;
    assert_eq!(receipt.status, 200);
    for text in ["領収書", "¥5,000", "¥454", "10%対象", "T1234567890123", "&lt;Seller&gt; &amp; Co"]
    {
        assert!(receipt.text.contains(text), "{text}: {}", receipt.text);
    }
    let month = bought["created_at"].as_str().unwrap();
    let month = infra::clock::parse_rfc3339(month).unwrap() + 9 * 3_600_000;
    let month: String = infra::clock::day_of(month).chars().take(7).collect();
    let statement = client.get(&format!("/api/statements/{month}")).await;
    for text in ["利用明細", "$50.00<", "$2.50<", "fast", "$52.49998<"] {
        assert!(statement.text.contains(text), "{text}: {}", statement.text);
    }
    assert_eq!(client.get("/api/statements/2026-13").await.status, 400);
    // Nobody sees another's.
    assert_eq!(world.client(&other).get(&path).await.status, 404);
    world.finish().await;
}

#[tokio::test]
async fn a_wrong_order_is_told_what_is_sold() {
    let world = selling().await;
    let key = world.key(0).await;
    let (client, stranger) = (world.client(&key), world.client_with(0, None));
    for (wanted, field) in [
        (json!({"plan": "free", "currency": "usd"}), "plan"),
        (json!({"currency": "usd"}), "plan"),
        (json!({"plan": "pro", "amount": 10, "currency": "usd"}), "plan"),
        (json!({"amount": 4.99, "currency": "usd"}), "amount"),
        (json!({"amount": 10.001, "currency": "usd"}), "amount"),
        (json!({"amount": 1000.5, "currency": "jpy"}), "amount"),
        (json!({"amount": 10, "currency": "eur"}), "currency"),
    ] {
        let answer = client.post("/api/checkout", &wanted).await;
        assert_eq!((answer.status, answer.json()["error"]["param"].as_str()), (400, Some(field)));
    }
    let wanted = json!({"plan": "pro", "currency": "usd", "account": "acct_other"});
    assert_eq!(client.post("/api/checkout", &wanted).await.status, 403);
    assert_eq!(world.admin().post("/api/checkout", &wanted).await.status, 400);
    let nobody = stranger.post("/api/checkout", &json!({"plan": "pro", "currency": "usd"})).await;
    assert_eq!(nobody.json()["error"]["param"], "email");
    let plans = stranger.get("/api/plans").await.json();
    assert_eq!(plans["data"][1]["jpy"], "¥5,000");
    assert_eq!(plans["data"][1]["credit_days"], 180);
    assert_eq!(stranger.get("/checkout/success?session_id=cs_test_none").await.status, 404);
    assert_eq!(stranger.get("/checkout/cancel").await.status, 200);
    assert_eq!(
        stranger.get("/assets/style.css").await.header("content-type"),
        "text/css; charset=utf-8"
    );
    world.finish().await;
}

#[tokio::test]
async fn without_a_key_of_stripe_nothing_is_sold() {
    let world = World::start().await;
    let key = world.key(1).await;
    let pro = json!({"plan": "pro", "currency": "usd"});
    let answer = world.client(&key).post("/api/checkout", &pro).await;
    assert_eq!(answer.error_code(), "not_found");
    let webhook = world.client_with(0, None).post("/webhooks/stripe", &json!({})).await;
    assert_eq!(webhook.error_code(), "not_found");
    world.finish().await;
}
