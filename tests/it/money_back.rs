//! Refunds and disputes of one payment at once, one after the other, beside charges, and in another
//! currency: together they take what the purchase brought, once.

use crate::payments::{checkout, deliver, selling, wait_for_balance};
use harness::{Delivery, Key, World, wait_until};
use schemas::ledger::{EventV1, Fact};
use schemas::money::MicroUsd;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two events of each writer of a busy account.
const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// Buys ¥2,000 of credit with its bonus, and answers the session.
async fn bought(world: &World, key: &Key) -> String {
    let wanted = json!({"amount": 2_000, "currency": "jpy"});
    let session = checkout(&world.client(key), wanted).await;
    deliver(world, &world.stripe().pay(&session)).await;
    session
}

#[tokio::test]
async fn a_refund_and_a_dispute_at_one_moment_take_the_credit_once() {
    let world = World::builder().sells().gateways(2).start().await;
    let key = world.key(1_000_000).await;
    let gateways = [world.client_with(0, None), world.client_with(1, None)];
    let mut events = Vec::new();
    for _ in 0..6 {
        let session = bought(&world, &key).await;
        let stripe = world.stripe();
        events.push(stripe.refund(&session, 2_000, "succeeded").1);
        events.push(stripe.dispute(&session, "needs_response").1);
        events.push(stripe.refund(&session, 700, "pending").1);
    }
    let told = events.iter().flat_map(|event| gateways.iter().map(move |gateway| (gateway, event)));
    let told =
        told.map(|(gateway, event)| world.stripe().deliver(gateway, event, Delivery::Honest));
    let client = world.client(&key);
    let asked = async {
        for _ in 0..5 {
            client.ask("fast", "hello").await;
        }
    };
    let (statuses, ()) = futures::join!(futures::future::join_all(told), asked);
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let charged: i64 = world.uses().await.iter().map(|(_, charge)| charge).sum();
    wait_for_balance(&world, &key, 1_000_000 - charged).await;
    world.finish().await;
}

#[tokio::test]
async fn what_a_refund_gives_back_an_open_dispute_takes() {
    let world = selling().await;
    let key = world.key(0).await;
    let session = bought(&world, &key).await;
    wait_for_balance(&world, &key, 20_000_000).await;
    let (refund, told) = world.stripe().refund(&session, 2_000, "pending");
    deliver(&world, &[told]).await;
    let (dispute, told) = world.stripe().dispute(&session, "needs_response");
    deliver(&world, &[told]).await;
    wait_for_balance(&world, &key, 0).await;
    deliver(&world, &[world.stripe().end_refund(&refund, "failed")]).await;
    deliver(&world, &[world.stripe().end_dispute(&dispute, "lost")]).await;
    world.wait_until_applied().await;
    assert_eq!(world.balance(&key).await, 0, "the bank has the money");

    // And the other way round: what a won dispute gives back a refund takes.
    let session = bought(&world, &key).await;
    wait_for_balance(&world, &key, 20_000_000).await;
    let (dispute, told) = world.stripe().dispute(&session, "needs_response");
    deliver(&world, &[told]).await;
    let (_, told) = world.stripe().refund(&session, 500, "succeeded");
    deliver(&world, std::slice::from_ref(&told)).await;
    wait_for_balance(&world, &key, 0).await;
    let won = world.stripe().end_dispute(&dispute, "won");
    deliver(&world, &[won.clone(), told, won]).await;
    wait_for_balance(&world, &key, 15_000_000).await;
    let bought = world.client(&key).get("/api/purchases").await.json();
    assert_eq!(
        (&bought["data"][0]["refunded"], &bought["data"][1]["refunded"]),
        (&json!("¥500"), &json!("¥2,000"))
    );
    world.finish().await;
}

#[tokio::test]
async fn an_account_that_is_busy_all_the_time_gives_back_too() {
    let world = selling().await;
    let key = world.key(0).await;
    let session = bought(&world, &key).await;
    let over = AtomicBool::new(false);
    let busy = (0..3).map(|writer| {
        let (world, key, over) = (&world, &key, &over);
        async move {
            let (mut written, mut moments) = (0, tokio::time::interval(BUSY_PAUSE));
            while !over.load(Ordering::Relaxed) {
                written += 1;
                let unique = format!("busy-{writer}-{written}");
                let fact = Fact::Grant { unique, note: String::new() };
                let (account, at_ms) = (key.account.clone(), infra::clock::unix_ms());
                let event = EventV1 { account, at_ms, amount: MicroUsd(1), fact };
                world.bus().record(&event).await.unwrap();
                moments.tick().await;
            }
            written
        }
    });
    let (_, told) = world.stripe().refund(&session, 2_000, "succeeded");
    let refunded = async {
        let gateway = world.client_with(0, None);
        // Stripe tries again where a machine is too slow to find a moment.
        wait_until("the refund is taken", async || {
            world.stripe().deliver(&gateway, &told, Delivery::Honest).await == 200
        })
        .await;
        over.store(true, Ordering::Relaxed);
    };
    let (written, ()) = futures::join!(futures::future::join_all(busy), refunded);
    wait_for_balance(&world, &key, written.iter().sum()).await;
    world.finish().await;
}

#[tokio::test]
async fn a_dispute_in_another_currency_takes_the_whole_purchase() {
    let world = selling().await;
    let key = world.key(0).await;
    for (minor, currency) in [(1_333, "usd"), (1_200, "eur")] {
        let session = bought(&world, &key).await;
        wait_for_balance(&world, &key, 20_000_000).await;
        deliver(&world, &[world.stripe().dispute_in(&session, minor, currency).1]).await;
        wait_for_balance(&world, &key, 0).await;
        let told = world.client(&key).get("/api/purchases").await.json();
        assert_eq!(told["data"][0]["refunded"], "¥2,000", "{currency}");
    }
    world.finish().await;
}
