//! SIGSTOP of each role and each server: what a machine that swaps, a paused container or a broken
//! disk looks like. Connections stay open and nothing is said. Others go on, and what is halted
//! does no harm when it wakes up.

use crate::apart::Apart;
use crate::program::send;
use crate::two_parts::{WHOLE, assert_whole_or_an_error, begin, wait_for_workers};
use harness::vendor::End;
use harness::{Gate, Script, World, wait_until};
use rustix::process::Signal;
use schemas::ledger::{Outcome, Writer};
use std::cell::Cell;

#[tokio::test]
async fn a_worker_halted_in_a_stream_ends_it_with_an_error_and_one_charge() {
    let mut world = World::builder().workers(0).start().await;
    let worker = Apart::start(&mut world, &["worker", "provider"]);
    let key = world.key(1_000_000).await;
    wait_for_workers(&world, 1).await;
    let (mut stream, gate) = begin(&world, &world.client(&key)).await;
    worker.halt();
    stream.rest().await;
    assert_eq!(stream.error_code().as_deref(), Some("stream_interrupted"));
    assert!(!stream.is_done());
    world.wait_for_ends(1, 0).await;
    let (event, charge) = world.uses().await.remove(0);
    assert_eq!((event.outcome, event.writer), (Outcome::Partial, Writer::Gateway));
    assert_eq!(charge, 2 + 10 * 2);
    gate.open();
    worker.go_on();
    wait_for_workers(&world, 1).await;
    assert_eq!(world.client(&key).ask("fast", "again").await.content(), "again");
    world.wait_for_ends(2, 0).await;
    worker.end().await;
    world.finish().await;
}

#[tokio::test]
async fn a_worker_halted_before_its_first_piece_is_replaced_and_charges_nothing_later() {
    let mut world = World::builder().workers(0).start().await;
    let worker = Apart::start(&mut world, &["worker", "provider"]);
    let key = world.key(1_000_000).await;
    wait_for_workers(&world, 1).await;
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["too late"]).after(&gate));
    let client = world.client(&key);
    let asked = client.ask("fast", "hello");
    let halted = async {
        world.vendor().wait_for_starts(1).await;
        worker.halt();
        world.add_worker();
    };
    let (answer, ()) = futures::join!(asked, halted);
    assert_eq!(answer.content(), "hello", "{}", answer.text);
    world.wait_for_ends(1, 0).await;
    gate.open();
    worker.go_on();
    wait_for_workers(&world, 2).await;
    // It ends when all that it had begun is over.
    worker.end().await;
    world.wait_for_ends(1, 0).await;
    assert_eq!(world.vendor().starts(), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_halted_gateways_stream_goes_on_with_it_and_others_serve_meanwhile() {
    let mut world = World::start().await;
    let gateway = Apart::start(&mut world, &["gateway"]);
    let key = world.key(1_000_000).await;
    let client = gateway.client(&key);
    wait_until("the gateway serves", async || {
        let asked = client.request(reqwest::Method::GET, "/ready").send().await;
        asked.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    let (mut stream, gate) = begin(&world, &client).await;
    gateway.halt();
    gate.open();
    wait_until("the worker has it all", async || world.vendor().ended(End::Sent) == 1).await;
    assert_eq!(world.client(&key).ask("fast", "meanwhile").await.content(), "meanwhile");
    world.wait_for_ends(2, 0).await;
    gateway.go_on();
    stream.rest().await;
    assert_whole_or_an_error(&stream);
    world.wait_for_ends(2, 0).await;
    gateway.end().await;
    world.finish().await;
}

#[tokio::test]
async fn while_billing_is_halted_requests_go_on_and_holds_stay_until_it_wakes() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let billing = Apart::start(&mut world, &["worker", "billing"]);
    world.stop_billing(0).await;
    // It has taken over.
    assert_eq!(client.ask("fast", "hello").await.status, 200);
    world.wait_until_applied().await;
    let before = world.balance(&key).await;
    billing.halt();
    for _ in 0..3 {
        assert_eq!(client.ask("fast", "hello").await.status, 200);
    }
    world.wait_for_ends(4, 0).await;
    assert_eq!(world.balance(&key).await, before, "nobody applies it");
    assert!(world.held(&key).await > 0, "what isn't applied is still held");
    billing.go_on();
    world.wait_until_applied().await;
    assert_eq!(before - world.balance(&key).await, 3 * 20);
    wait_until("nothing is held", async || world.held(&key).await == 0).await;
    world.add_billing();
    billing.end().await;
    world.finish().await;
}

#[tokio::test]
async fn a_halt_of_nats_keeps_streams_and_requests_waiting_and_loses_none() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let (mut stream, gate) = begin(&world, &client).await;
    let nats = world.servers().nats_id().unwrap();
    send(nats, Signal::STOP);
    let is_answered = Cell::new(false);
    let asked = async {
        let answer = client.ask("fast", "meanwhile").await;
        is_answered.set(true);
        answer
    };
    let woken = async {
        gate.open();
        let sent = async || world.vendor().ended(End::Sent) == 1;
        wait_until("the worker has it all", sent).await;
        wait_until("the second request has its hold, or was refused", async || {
            is_answered.get() || world.store().open_holds().await.unwrap() == 2
        })
        .await;
        send(nats, Signal::CONT);
        stream.rest().await;
    };
    let (answer, ()) = futures::join!(asked, woken);
    assert_whole_or_an_error(&stream);
    // A job that NATS doesn't confirm within five seconds is refused and never run, and on a busy
    // machine they may be over before we look. Holds are not what ends: billing withdraws a view
    // only by an answer of NATS.
    let starts = if answer.status == 503 {
        assert!(!answer.header("retry-after").is_empty(), "{}", answer.text);
        1
    } else {
        assert_eq!(answer.content(), "meanwhile", "{}", answer.text);
        2
    };
    wait_until("each has its charge", async || world.uses().await.len() == starts).await;
    assert_eq!(world.vendor().starts(), starts, "each is run once");
    world.finish().await;
}

#[tokio::test]
async fn while_redis_is_halted_streams_end_and_nothing_starts() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let (mut stream, gate) = begin(&world, &client).await;
    let redis = world.servers().redis_id().unwrap();
    send(redis, Signal::STOP);
    let refused = client.ask("fast", "meanwhile").await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    // Redis reads what it was asked when it wakes: a place for a request that is gone.
    world.let_places_stay();
    assert!(!refused.header("retry-after").is_empty());
    gate.open();
    stream.rest().await;
    assert!(stream.is_done(), "{:?}", stream.events());
    assert_eq!(stream.text(), WHOLE);
    send(redis, Signal::CONT);
    wait_until("requests start again", async || {
        client.ask("fast", "again").await.content() == "again"
    })
    .await;
    wait_until("nothing is held", async || world.held(&key).await == 0).await;
    let charged = 1_000_000 - world.balance(&key).await;
    assert_eq!(charged, 2 * 20, "the stream and the last request");
    world.finish().await;
}
