//! Auto-recharge: a saved card is charged when credit is low, once for each charge that begins,
//! however many billing workers there are, whatever is lost on the way and whoever dies; and not
//! any more once a card is declined, a month is full or it is ended.

use crate::payments::wait_for_balance;
use harness::{Answer, Client, Delivery, Key, StripeEvent, Visitor, World, wait_until};
use infra::clock;
use schemas::ledger::{Fact, TopUpSource};
use schemas::money::{Currency, MicroUsd, Money};
use schemas::recharge::{RechargeAttempt, RechargeRecordV1, SavedCard};
use schemas::records::AccountRecordV1;
use serde_json::{Value, json};

/// The test's card is charged $10 when less than $10 are left, and $30 a month.
fn wish() -> Value {
    json!({"below": 10, "amount": 10, "currency": "usd", "month_max": 30})
}

async fn put(client: &Client, wish: &Value) -> Answer {
    client.send(client.request(reqwest::Method::PUT, "/api/recharge").json(wish)).await
}

async fn deliver(world: &World, gateway: usize, events: &[StripeEvent]) {
    let gateway = world.client_with(gateway, None);
    for event in events {
        assert_eq!(world.stripe().deliver(&gateway, event, Delivery::Honest).await, 200);
    }
}

/// An account that bought $10 and left its card.
async fn with_card(world: &World) -> Key {
    let key = world.key(0).await;
    let body = json!({"plan": "starter", "currency": "usd", "save_card": true});
    let opened = world.client(&key).post("/api/checkout", &body).await;
    assert_eq!(opened.status, 200, "{}", opened.text);
    let events = world.stripe().pay(opened.json()["id"].as_str().unwrap());
    deliver(world, 0, &events).await;
    wait_for_balance(world, &key, 10_000_000).await;
    key
}

async fn wait_for_status(client: &Client, status: &str) -> Value {
    wait_until(&format!("auto-recharge is {status}"), async || {
        client.get("/api/recharge").await.json()["status"] == status
    })
    .await;
    client.get("/api/recharge").await.json()
}

/// What the card was charged for, by the ledger.
async fn recharges(world: &World) -> Vec<i64> {
    let is_recharge = |fact: &Fact| match fact {
        Fact::TopUp(bought) => bought.source == TopUpSource::Recharge,
        _ => false,
    };
    let ledger = world.ledger().await;
    ledger.iter().filter(|event| is_recharge(&event.fact)).map(|event| event.amount.0).collect()
}

/// Makes the balance fall below what is wished.
async fn spend(world: &World, key: &Key) {
    assert_eq!(world.client(key).ask("fast", "hello").await.status, 200);
}

/// An account whose charge has begun, as if whoever began it were dead.
async fn begun(world: &World, age_ms: u64) -> Key {
    let key = world.key(0).await;
    let record = |record: RechargeRecordV1| {
        let card = SavedCard { customer: "cus_1".into(), payment_method: "pm".into(), saved_ms: 1 };
        let attempt = RechargeAttempt {
            sequence: 1,
            begun_ms: clock::unix_ms() - age_ms,
            plan: None,
            price: Money { currency: Currency::Usd, minor: 1_000 },
            credit: MicroUsd(10_000_000),
            bonus: MicroUsd::ZERO,
            card,
        };
        Some(RechargeRecordV1 { begun: 1, running: Some(attempt), ..record })
    };
    world.bus().change_recharge(&key.account, record).await.unwrap().unwrap();
    key
}

/// What the payment of that charge says of itself.
fn facts(key: &Key) -> Value {
    json!({
        "fly_purpose": "credit", "fly_account": key.account, "fly_recharge": "1",
        "fly_credit_micro_usd": "10000000", "fly_bonus_micro_usd": "0",
    })
}

#[tokio::test]
async fn low_credit_is_charged_once_by_many_billing_workers() {
    let world = World::builder().sells().own_users().gateways(2).billings(3).start().await;
    let key = with_card(&world).await;
    let client = world.client(&key);
    assert_eq!(client.get("/api/recharge").await.json()["status"], "off");
    let wished = put(&client, &wish()).await;
    assert_eq!(wished.status, 200, "{}", wished.text);
    let told = wait_for_status(&client, "on").await;
    assert_eq!((&told["has_card"], &told["wish"]["month_max"]), (&json!(true), &json!("$30.00")));
    assert_eq!(world.stripe().paid(), [1_000], "the balance isn't low yet");

    spend(&world, &key).await;
    wait_for_balance(&world, &key, 20_000_000 - 20).await;
    let events = world.stripe().charges();
    assert_eq!(events.len(), 1, "one payment");
    for gateway in [0, 1, 0] {
        deliver(&world, gateway, &events).await;
    }
    assert_eq!(wait_for_status(&client, "on").await["wish"]["charged_this_month"], "$10.00");
    assert_eq!(world.stripe().paid(), [1_000, 1_000]);
    assert_eq!(recharges(&world).await, [10_000_000]);
    world.finish().await;
}

/// The smallest amount was less when it was wished.
#[tokio::test]
async fn a_wish_of_before_stands_although_its_amount_is_sold_to_nobody_else() {
    let world = World::builder().sells().start().await;
    let key = with_card(&world).await;
    let client = world.client(&key);
    let small = json!({"below": 5, "amount": 5, "currency": "usd", "month_max": 30});
    assert_eq!(put(&client, &small).await.status, 400, "a new one is a new purchase");
    put(&client, &wish()).await;
    let of_before = |mut record: RechargeRecordV1| {
        record.wish.as_mut()?.price.minor = 500;
        Some(record)
    };
    world.bus().change_recharge(&key.account, of_before).await.unwrap().unwrap();
    spend(&world, &key).await;
    wait_for_balance(&world, &key, 15_000_000 - 20).await;
    assert_eq!(client.get("/api/recharge").await.json()["status"], "on");
    assert_eq!(recharges(&world).await, [5_000_000]);
    world.finish().await;
}

#[tokio::test]
async fn a_declined_card_stops_it_until_it_is_wished_again() {
    let world = World::builder().sells().billings(2).start().await;
    let key = with_card(&world).await;
    let client = world.client(&key);
    world.stripe().decline_cards(Some("insufficient_funds"));
    put(&client, &wish()).await;
    spend(&world, &key).await;
    let told = wait_for_status(&client, "stopped").await;
    assert_eq!(told["stopped_reason"], "insufficient_funds");
    assert_eq!(told["wish"]["charged_this_month"], "$0.00", "nothing was charged");
    let failed = world.stripe().charges();
    assert_eq!(failed.len(), 1, "it is tried once");
    deliver(&world, 0, &[failed.clone(), failed].concat()).await;
    assert!(client.get("/account/credit").await.status < 500);

    world.stripe().decline_cards(None);
    assert_eq!(put(&client, &wish()).await.json()["status"], "on");
    wait_for_balance(&world, &key, 20_000_000 - 20).await;
    assert_eq!(recharges(&world).await, [10_000_000]);
    world.finish().await;
}

#[tokio::test]
async fn money_that_goes_back_charges_no_card() {
    for is_refund in [true, false] {
        let world = World::builder().sells().billings(2).start().await;
        let key = world.key(0).await;
        let client = world.client(&key);
        let body = json!({"plan": "starter", "currency": "usd", "save_card": true});
        let opened = client.post("/api/checkout", &body).await;
        let session = opened.json()["id"].as_str().unwrap().to_owned();
        deliver(&world, 0, &world.stripe().pay(&session)).await;
        wait_for_balance(&world, &key, 10_000_000).await;
        put(&client, &wish()).await;
        wait_for_status(&client, "on").await;
        let (_, event) = match is_refund {
            true => world.stripe().refund(&session, 1_000, "succeeded"),
            false => world.stripe().dispute(&session, "needs_response"),
        };
        deliver(&world, 0, std::slice::from_ref(&event)).await;
        let told = client.get("/api/recharge").await.json();
        assert_eq!(
            (&told["status"], &told["stopped_reason"]),
            (&json!("stopped"), &json!("returned"))
        );
        wait_for_balance(&world, &key, 0).await;
        // Whoever switches it on again is charged, and the same event again stops nothing.
        assert_eq!(put(&client, &wish()).await.json()["status"], "on");
        wait_for_balance(&world, &key, 10_000_000).await;
        deliver(&world, 0, &[event]).await;
        assert_eq!(client.get("/api/recharge").await.json()["status"], "on");
        assert_eq!(recharges(&world).await, [10_000_000]);
        world.finish().await;
    }
}

#[tokio::test]
async fn who_uses_nothing_is_not_charged_and_what_isn_t_sold_says_so() {
    let world = World::builder().sells().start().await;
    let key = world.key(0).await;
    let client = world.client(&key);
    let body = json!({"plan": "starter", "currency": "usd", "save_card": true});
    let opened = client.post("/api/checkout", &body).await;
    let session = opened.json()["id"].as_str().unwrap().to_owned();
    let paid = world.stripe().pay(&session);
    put(&client, &wish()).await;
    // So long ago that it has ended.
    world.stripe().age(24 * 400);
    deliver(&world, 0, &paid).await;
    let told = wait_for_status(&client, "stopped").await;
    assert_eq!(told["stopped_reason"], "expired");
    assert_eq!(world.stripe().paid(), [1_000]);
    // Who wishes it again is charged, though nothing has happened since.
    put(&client, &wish()).await;
    wait_for_balance(&world, &key, 10_000_000).await;
    wait_for_status(&client, "on").await;
    let not_sold = |mut record: RechargeRecordV1| {
        let wish = record.wish.as_mut()?;
        wish.price = Money { currency: Currency::Usd, minor: 1 };
        record.stopped = None;
        Some(record)
    };
    world.bus().change_recharge(&key.account, not_sold).await.unwrap().unwrap();
    spend(&world, &key).await;
    let told = wait_for_status(&client, "stopped").await;
    assert_eq!(told["stopped_reason"], "not_sold");
    // Nobody may use the account, so that nobody could switch it off.
    let freeze = |mut record: AccountRecordV1| {
        record.limits.expires_ms = Some(1);
        Some(record)
    };
    world.bus().change_record(&key.account, freeze).await.unwrap().unwrap();
    let wished = |mut record: RechargeRecordV1| {
        let wish = record.wish.as_mut()?;
        wish.price = Money { currency: Currency::Usd, minor: 1_000 };
        record.stopped = None;
        Some(record)
    };
    world.bus().change_recharge(&key.account, wished).await.unwrap().unwrap();
    let other = with_card(&world).await;
    put(&world.client(&other), &wish()).await;
    spend(&world, &other).await;
    wait_for_balance(&world, &other, 20_000_000 - 20).await;
    assert_eq!(recharges(&world).await, [10_000_000, 10_000_000], "the second is the other's");
    world.finish().await;
}

#[tokio::test]
async fn a_month_has_its_most_and_an_end_forgets_the_card() {
    let world = World::builder().sells().start().await;
    let key = with_card(&world).await;
    let client = world.client(&key);
    let mut tight = wish();
    tight["month_max"] = json!(10);
    put(&client, &tight).await;
    spend(&world, &key).await;
    wait_for_balance(&world, &key, 20_000_000 - 20).await;
    wait_for_status(&client, "month_full").await;
    put(&client, &wish()).await;
    wait_for_status(&client, "on").await;
    let ended = client.delete("/api/recharge").await.json();
    assert_eq!((&ended["status"], &ended["has_card"]), (&json!("off"), &json!(false)));
    // A late webhook of the purchase that had left the card doesn't bring it back.
    assert_eq!(put(&client, &wish()).await.json()["status"], "no_card");
    assert_eq!(recharges(&world).await, [10_000_000]);
    world.finish().await;
}

#[tokio::test]
async fn a_charge_whose_answer_is_lost_is_found_and_not_made_again() {
    let world = World::builder().sells().billings(2).start().await;
    let key = with_card(&world).await;
    put(&world.client(&key), &wish()).await;
    wait_for_status(&world.client(&key), "on").await;
    world.stripe().lose_next(3);
    spend(&world, &key).await;
    wait_for_balance(&world, &key, 20_000_000 - 20).await;
    assert_eq!(world.stripe().charges().len(), 1);
    assert_eq!(recharges(&world).await, [10_000_000]);
    world.finish().await;
}

#[tokio::test]
async fn who_begins_a_charge_and_dies_leaves_it_to_webhooks_and_the_reconciler() {
    let mut world = World::builder().sells().gateways(2).billings(0).start().await;
    let told = begun(&world, 0).await;
    let untold = begun(&world, 0).await;
    let failed = begun(&world, 0).await;
    let events = world.stripe().charged(1_000, facts(&told), true);
    for gateway in [1, 0, 1] {
        deliver(&world, gateway, &events).await;
    }
    world.stripe().charged(1_000, facts(&untold), true);
    deliver(&world, 0, &world.stripe().charged(1_000, facts(&failed), false)).await;
    world.add_billing();
    world.wait_until_live().await;
    for key in [&told, &untold] {
        wait_for_balance(&world, key, 10_000_000).await;
        wait_until("the charge is over", async || {
            world.bus().recharge(&key.account).await.unwrap().running.is_none()
        })
        .await;
    }
    assert_eq!(world.bus().recharge(&failed.account).await.unwrap().running, None);
    assert_eq!(recharges(&world).await, [10_000_000, 10_000_000]);
    world.finish().await;
}

#[tokio::test]
async fn a_charge_of_which_stripe_never_heard_is_not_asked_for_after_its_key_is_forgotten() {
    let world = World::builder().sells().start().await;
    let key = begun(&world, 21 * 3_600_000).await;
    wait_until("the charge is over", async || {
        world.bus().recharge(&key.account).await.unwrap().running.is_none()
    })
    .await;
    assert_eq!(world.stripe().paid(), [0_u64; 0]);
    assert_eq!(world.bus().recharge(&key.account).await.unwrap().begun, 1);
    world.finish().await;
}

#[tokio::test]
async fn a_wrong_wish_is_told_what_may_be_wished() {
    let world = World::builder().sells().start().await;
    let key = world.key(0).await;
    let client = world.client(&key);
    for (field, value) in [
        ("below", json!(0)),
        ("below", json!(11)),
        ("amount", json!(1)),
        ("amount", json!(10.001)),
        ("month_max", json!(9)),
        ("currency", json!("eur")),
    ] {
        let mut wrong = wish();
        wrong[field] = value;
        let answer = put(&client, &wrong).await;
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!(field)));
    }
    let limited = json!({"name": "l", "account": key.account, "max_budget": 1});
    let limited = world.key_like(limited, 0).await;
    assert_eq!(put(&world.client(&limited), &wish()).await.status, 403);
    assert_eq!(world.client(&limited).delete("/api/recharge").await.status, 403);
    let other = world.key(0).await;
    let path = format!("/api/recharge?account={}", other.account);
    assert_eq!(client.get(&path).await.status, 403);
    assert_eq!(put(&client, &wish()).await.json()["status"], "no_card");
    let mut all = wish();
    all["account"] = json!(key.account);
    assert_eq!(put(&world.admin(), &all).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn the_page_wishes_and_ends_it() {
    let world = World::builder().sells().start().await;
    let key = with_card(&world).await;
    let mut visitor = Visitor::new(world.client_with(0, None).base(), "ja");
    visitor.get("/account/sign-in").await;
    visitor.post("/account/sign-in", &[("key", &key.secret)]).await;
    let page = visitor.get("/account/credit").await;
    assert!(page.text.contains("自動チャージはオフです"), "{}", page.text);
    let fields = [("below", "5"), ("amount", "5000"), ("currency", "jpy"), ("month_max", "20000")];
    let sent = visitor.post("/account/recharge", &fields).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let page = visitor.get("/account/credit").await;
    let shown =
        ["オンです。", "value=\"5000\"", "value=\"20000\"", "value=\"5.00\"", "カードを削除"];
    for text in shown {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let wrong = [("below", "5"), ("amount", "5000"), ("currency", "jpy"), ("month_max", "4999")];
    let refused = visitor.post("/account/recharge", &wrong).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("月の上限"), "{}", refused.text);
    visitor.get("/account/credit").await;
    assert_eq!(visitor.post("/account/recharge/end", &[]).await.status, 303);
    assert_eq!(world.client(&key).get("/api/recharge").await.json()["has_card"], false);
    // Without a card there is none to be forgotten.
    visitor.get("/account/credit").await;
    assert_eq!(visitor.post("/account/recharge", &fields).await.status, 303);
    let page = visitor.get("/account/credit").await;
    let ends = page.text.contains("オフにする") && !page.text.contains("カードを削除");
    assert!(ends, "{}", page.text);
    world.finish().await;
}
