//! What Stripe knows and no webhook told: billing looks for it, and the operator can look further
//! back.

use crate::payments::{checkout, deliver, selling, top_ups, wait_for_balance};
use crate::program::Place;
use harness::World;
use serde_json::json;

#[tokio::test]
async fn billing_finds_what_no_webhook_told() {
    let mut world = selling().await;
    let key = world.key(0).await;
    let session = checkout(&world.client(&key), json!({"plan": "pro", "currency": "jpy"})).await;
    let open = checkout(&world.client(&key), json!({"plan": "pro", "currency": "jpy"})).await;
    world.stripe().pay(&session);
    world.stripe().refund(&session, 2_500, "succeeded");
    // A billing worker looks when it starts.
    world.add_billing();
    wait_for_balance(&world, &key, 26_250_000).await;
    assert_eq!(top_ups(&world.ledger().await), [50_000_000]);
    world.stripe().expire(&open);
    world.finish().await;
}

/// After a backup was restored that is older than what billing looks at.
#[tokio::test]
async fn the_operator_finds_what_is_older_than_billing_looks() {
    let mut world = selling().await;
    let key = world.key(0).await;
    let starter = json!({"plan": "starter", "currency": "usd"});
    world.stripe().pay(&checkout(&world.client(&key), starter).await);
    world.stripe().age(24 * 5);
    let (vendor, config) = (World::vendor_alone().await, World::config_text(world.vendor()));
    let stripe = &world.config().stripe;
    let secret = stripe.secret_key.as_ref().unwrap().reveal().to_owned();
    let config = format!("{config}stripe: {{api_base: '{}'}}\n", stripe.api_base);
    let mut place = Place::with(vendor, &config);
    place.set("NATS_URL", &world.servers().nats_url());
    place.set("REDIS_URL", world.servers().redis_url());
    let look = ["ledger", "reconcile", "--config", "own.yaml", "--json", "--hours"];
    let nobody = place.run(&[&look[..], &["96"]].concat()).await;
    assert_eq!(nobody.code, Some(64), "{nobody:?}");
    assert!(nobody.err.contains("STRIPE_SECRET_KEY"), "{nobody:?}");
    place.set("STRIPE_SECRET_KEY", &secret);
    for (hours, credited) in [("96", 0), ("144", 1), ("144", 0)] {
        let told = place.run(&[&look[..], &[hours]].concat()).await;
        assert_eq!(told.code, Some(0), "{told:?}");
        assert_eq!(told.json()["credited"], credited, "{hours}: {told:?}");
    }
    wait_for_balance(&world, &key, 10_000_000).await;
    world.finish().await;
}

#[tokio::test]
async fn billing_finds_what_changed_long_after_it_was_made() {
    let mut world = selling().await;
    let key = world.key(0).await;
    let client = world.client(&key);
    let starter = json!({"plan": "starter", "currency": "usd"});
    let disputed = checkout(&client, starter.clone()).await;
    deliver(&world, &world.stripe().pay(&disputed)).await;
    let (dispute, event) = world.stripe().dispute(&disputed, "needs_response");
    deliver(&world, &[event]).await;
    wait_for_balance(&world, &key, 0).await;
    let refunded = checkout(&client, starter.clone()).await;
    deliver(&world, &world.stripe().pay(&refunded)).await;
    let (refund, event) = world.stripe().refund(&refunded, 1_000, "pending");
    deliver(&world, &[event]).await;
    let later = checkout(&client, starter).await;
    deliver(&world, &world.stripe().pay_later(&later)).await;
    world.stripe().age(24 * 20);
    // No webhook tells of any of these.
    world.stripe().end_dispute(&dispute, "won");
    world.stripe().end_refund(&refund, "failed");
    world.stripe().money_comes(&later, true);
    world.add_billing();
    wait_for_balance(&world, &key, 30_000_000).await;
    world.finish().await;
}
