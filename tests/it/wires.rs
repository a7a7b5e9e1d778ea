//! A network that swallows what is sent while connections stay as they are. Nobody is told that
//! anything is wrong; it is noticed all the same, when it is whole again everything goes on within
//! seconds, and what was refused meanwhile is not done later.

use futures::future::join_all;
use harness::{Wire, World, wait_until};
use infra::bus::Bus;
use infra::bus::ledger::Recorded;
use infra::clock;
use schemas::ids::AccountId;
use schemas::ledger::{EventV1, Fact};
use schemas::money::MicroUsd;
use schemas::records::KeyRecordV1;
use schemas::subjects;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn a_silent_redis_is_given_up_and_what_was_refused_is_not_done_later() {
    let world = World::builder().wired().start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    assert_eq!(client.ask("fast", "hello").await.status, 200);
    let before = world.wires().redis.connections();
    world.wires().redis.swallow();
    let refused = client.ask("fast", "hello").await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    wait_until("a silent connection is given up", async || {
        world.wires().redis.connections() > before
    })
    .await;
    world.wires().redis.pass();
    wait_until("Redis is back", async || client.ask("fast", "again").await.status == 200).await;
    world.wait_until_applied().await;
    wait_until("nothing is held", async || world.held(&key).await == 0).await;
    world.finish().await;
}

#[tokio::test]
async fn a_silent_nats_is_told_and_left_also_when_only_what_we_say_is_lost() {
    let world = World::builder().wired().start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for swallow in [Wire::swallow, Wire::swallow_what_is_told] {
        let before = world.wires().nats.connections();
        swallow(&world.wires().nats);
        wait_until("a silent NATS is missed", async || {
            let ready = client.get("/ready").await;
            ready.status == 503 && ready.json()["nats"] == false
        })
        .await;
        assert_eq!(world.scrape(0).await.value("fly_llm_nats_connected"), 0.0);
        wait_until("another connection is tried", async || {
            world.wires().nats.connections() > before
        })
        .await;
        world.wires().nats.pass();
        wait_until("NATS is back", async || client.get("/ready").await.status == 200).await;
        wait_until("it answers", async || client.ask("fast", "hello").await.status == 200).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn a_gateway_is_ready_again_only_when_it_knows_of_a_key_that_was_deleted_meanwhile() {
    let world = World::builder().wired().start().await;
    let (key, deleted) = (world.key(1_000_000).await, world.key(1_000_000).await);
    assert_eq!(world.client(&deleted).ask("fast", "hello").await.status, 200);
    let before = world.wires().nats.connections();
    world.wires().nats.cut();
    wait_until("the connection is lost", async || world.wires().nats.connections() > before).await;
    forget_watches(world.bus()).await;
    let delete = |record: KeyRecordV1| Some(KeyRecordV1 { revoked_ms: Some(1), ..record });
    world.bus().change_record(&deleted.id, delete).await.unwrap().unwrap();
    world.wires().nats.pass();
    let client = world.client(&key);
    wait_until("the gateway is ready", async || client.get("/ready").await.status == 200).await;
    assert_eq!(world.client(&deleted).ask("fast", "hello").await.status, 401);
    wait_until("it answers", async || client.ask("fast", "hello").await.status == 200).await;
    world.finish().await;
}

/// What NATS does when it has heard nothing of a watch for half a minute.
async fn forget_watches(bus: &Bus) {
    use futures::TryStreamExt;
    let stream = bus.jetstream().get_stream(format!("KV_{}", subjects::KEYS_BUCKET)).await.unwrap();
    let watches: Vec<String> = stream.consumer_names().try_collect().await.unwrap();
    assert!(!watches.is_empty());
    for watch in watches {
        stream.delete_consumer(&watch).await.unwrap();
    }
}

fn grant(number: usize) -> EventV1 {
    let (unique, note) = (format!("n{number}"), "test".to_owned());
    EventV1 {
        account: AccountId::fresh(),
        at_ms: clock::unix_ms(),
        amount: MicroUsd(5),
        fact: Fact::Grant { unique, note },
    }
}

#[tokio::test]
async fn events_of_a_lost_connection_are_written_over_the_next_and_close_nothing() {
    let mut world = World::start().await;
    let address = world.servers().nats_address();
    let wire = Wire::to(address).await;
    let bus = Bus::connect(&wire.over(&world.servers().nats_url(), address), "test").await.unwrap();
    bus.record(&grant(0)).await.unwrap();
    wire.swallow();
    let out = || bus.client().statistics().out_messages.load(Ordering::Relaxed);
    let sent = out();
    let events: Vec<EventV1> = (1..=4).map(grant).collect();
    let written = join_all(events.iter().map(|event| bus.record(event)));
    let mended = async {
        wait_until("all are under way", async || out() >= sent + 4).await;
        wire.cut();
        wait_until("another connection is tried", async || wire.connections() > 1).await;
        wire.pass();
    };
    let (written, ()) = futures::join!(written, mended);
    for written in written {
        assert!(matches!(written, Ok(Recorded::Written(_))), "{written:?}");
    }
    assert!(!bus.ledger().is_failing());
    world.finish().await;
}

#[tokio::test]
async fn a_server_of_several_whose_ledger_takes_nothing_is_left() {
    let mut world = World::start().await;
    let address = world.servers().nats_address();
    let wire = Wire::to(address).await;
    wire.swallow();
    let (_empty, empty_url) = world.servers().start_empty_nats().await;
    let urls = format!("{empty_url},{}", wire.over(&world.servers().nats_url(), address));
    let bus = Bus::connect(&urls, "test").await.unwrap();
    wire.pass();
    let event = grant(0);
    assert!(bus.record(&event).await.is_err(), "it has no ledger");
    wait_until("another server takes it", async || bus.record(&event).await.is_ok()).await;
    world.finish().await;
}
