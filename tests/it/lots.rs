//! Bought credit ends: what is left of a lot at its time is taken once, however many billing
//! workers look, and a request that runs is still paid from it.

use harness::client::question_to;
use harness::{Gate, Key, Script, Step, World, wait_until};
use schemas::ledger::{EventV1, Fact, TopUp, TopUpSource};
use schemas::money::{Currency, MicroUsd, Money};
use serde_json::json;

fn event(key: &Key, amount: i64, fact: Fact) -> EventV1 {
    let account = key.account.clone();
    EventV1 { account, at_ms: infra::clock::unix_ms(), amount: MicroUsd(amount), fact }
}

/// A purchase that ends at a moment.
fn bought(key: &Key, payment: &str, amount: i64, expires_ms: u64) -> EventV1 {
    let paid = Money { currency: Currency::Jpy, minor: 1_000 };
    let (payment, source) = (payment.to_owned(), TopUpSource::Checkout);
    let top_up = TopUp { payment, paid, plan: None, source, expires_ms };
    event(key, amount, Fact::TopUp(top_up))
}

async fn expiries(world: &World) -> Vec<i64> {
    let ledger = world.ledger().await.into_iter();
    let ends = ledger.filter(|event| matches!(event.fact, Fact::Expiry { .. }));
    ends.map(|event| event.amount.0).collect()
}

#[tokio::test]
async fn what_is_left_of_a_purchase_ends_once() {
    let world = World::builder().billings(2).start().await;
    let key = world.key(1_000).await;
    let later = infra::clock::unix_ms() + 86_400_000;
    world.bus().record(&bought(&key, "pi_later", 700, later)).await.unwrap();
    world.bus().record(&bought(&key, "pi_over", 500, 1)).await.unwrap();
    let bonus = Fact::Bonus { payment: "pi_over".into(), expires_ms: 1 };
    world.bus().record(&event(&key, 50, bonus)).await.unwrap();
    wait_until("both ends are written", async || expiries(&world).await.len() == 2).await;
    let mut ends = expiries(&world).await;
    ends.sort_unstable();
    assert_eq!(ends, [-500, -50]);
    wait_until("they are applied", async || world.balance(&key).await == 1_700).await;
    let lots = world.client(&key).get("/api/credits/lots").await.json();
    let left = |place: usize| lots["data"][place]["left_micro_usd"].as_i64();
    assert_eq!((left(0), left(1), left(2)), (Some(1_000), Some(700), None));
    assert_eq!(
        (&lots["data"][0]["kind"], &lots["data"][1]["source"]),
        (&json!("grant"), &json!("pi_later"))
    );
    assert_eq!(lots["data"][0]["expires_at"], json!(null));
    // A wiped view is rebuilt, and nothing ends twice.
    world.wipe_redis().await;
    wait_until("the view is back", async || world.balance(&key).await == 1_700).await;
    assert_eq!(expiries(&world).await.len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_running_request_is_still_paid_from_what_ends() {
    let world = World::start().await;
    let key = world.key(10_000).await;
    let gate = Gate::new();
    let steps = [Step::Text("a".into()), Step::Wait(gate.clone())];
    world.vendor().always("fast", Script::steps(steps));
    let mut stream = world.client(&key).stream(&question_to("fast", "hello")).await;
    stream.next_text().await;
    let held = world.held(&key).await;
    assert!(held > 2_000, "{held}");
    // Money goes back, so that what runs needs the lot that ends.
    let back = Fact::Refund {
        refund: "re_1".into(),
        payment: "pi_other".into(),
        money: Money { currency: Currency::Jpy, minor: 1 },
        rest: 0,
    };
    world.bus().record(&event(&key, -9_000, back)).await.unwrap();
    world.bus().record(&bought(&key, "pi_over", 500, infra::clock::unix_ms())).await.unwrap();
    wait_until("both are applied", async || world.balance(&key).await == 1_500).await;
    gate.open();
    stream.rest().await;
    wait_until("the lot has ended", async || expiries(&world).await.len() == 1).await;
    let (charge, end) = (world.uses().await[0].1, expiries(&world).await[0]);
    assert_eq!(end, -(500 - charge), "the charge was paid from the lot that ended");
    wait_until("the grant is left", async || world.balance(&key).await == 1_000).await;
    world.finish().await;
}
