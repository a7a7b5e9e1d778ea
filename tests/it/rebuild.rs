//! A view that is gone begins with the last closed month: it is the same as one that every event
//! was applied to, however many billing workers lay it and whoever of them dies, and it never
//! begins upon a closing that isn't what it says.

use crate::snapshots::billing;
use crate::two_parts::begin as begin_stream;
use harness::{Key, World, wait_until};
use infra::bus::Bus;
use infra::clock;
use infra::store::apply::Applied;
use infra::store::base::Piece;
use schemas::ids::AccountId;
use schemas::ledger::{EventV1, Fact, TopUp, TopUpSource};
use schemas::money::{Currency, MicroUsd, Money};
use schemas::snapshots::Closing;
use schemas::subjects;
use std::collections::{BTreeMap, BTreeSet};
use worker_billing::Billing;
use worker_billing::begin::begin;
use worker_billing::close::close_month;

/// Milliseconds to a moment in which this month is over and the next isn't.
const MONTH_AND_DAY_MS: u64 = 32 * 86_400_000;

/// Milliseconds to a moment for which nothing of now has to be read again.
const LONG_MS: u64 = 40 * 86_400_000;

fn part(key: &Key) -> u16 {
    subjects::partition(&key.account)
}

async fn close(world: &World, key: &Key) -> Closing {
    let later = clock::unix_ms() + MONTH_AND_DAY_MS;
    close_month(&billing(world), part(key), later).await.unwrap().unwrap()
}

async fn base(world: &World, key: &Key) -> u64 {
    world.store().standing(part(key)).await.unwrap().base
}

/// All that a key's part of the view has. A counter of 0 is none, and what a view was begun from is
/// no money.
async fn view(world: &World, key: &Key) -> BTreeMap<String, BTreeSet<String>> {
    let prefix = infra::store::keys::partition_prefix(part(key)).to_string();
    let mut view = BTreeMap::new();
    for (name, text) in world.redis_texts().await {
        let Some(name) = name.strip_prefix(&prefix) else { continue };
        let is_hash = ["account:", "key:", "usage:", "total"].iter().any(|it| name.starts_with(it));
        let is_list = ["requests:", "lots", "watermark"].iter().any(|it| name.starts_with(it));
        let words: Vec<&str> = text.split(' ').collect();
        let pairs = words.chunks(2).filter(|pair| !matches!(pair, ["held" | "base", _] | [_, "0"]));
        let pairs: BTreeSet<String> = pairs.map(|pair| pair.join(" ")).collect();
        match (is_hash, is_list) {
            (true, _) => drop(view.insert(name.to_owned(), pairs)),
            (_, true) => drop(view.insert(name.to_owned(), [text].into())),
            _ => {}
        }
    }
    view
}

async fn ask(world: &World, key: &Key, times: usize) {
    for _ in 0..times {
        assert_eq!(world.client(key).ask("fast", "hello").await.status, 200);
    }
}

#[tokio::test]
async fn each_role_may_do_its_part_of_it() {
    let mut world = World::builder().own_users().start().await;
    let url = world.servers().nats_url_of("billing");
    let key = world.key(1_000_000).await;
    ask(&world, &key, 1).await;
    world.wait_until_applied().await;
    let bus = Bus::connect(&url, "test").await.unwrap();
    let closer = Billing { bus, ..billing(&world) };
    let later = clock::unix_ms() + MONTH_AND_DAY_MS;
    let closing = close_month(&closer, part(&key), later).await.unwrap().unwrap();
    world.store().wipe_view(part(&key)).await.unwrap();
    wait_until("a billing worker lays it", async || {
        base(&world, &key).await == closing.cut.through
    })
    .await;
    world.wait_until_live().await;
    let client = world.client(&key);
    let month = closing.cut.month.clone();
    for path in ["/api/credits/lots", "/api/purchases", &format!("/api/statements/{month}")] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    drop(closer);
    world.finish().await;
}

/// A key with grants, a purchase and charges before a closed month and after it.
async fn with_history(world: &World) -> (Key, Closing) {
    let key = world.key(1_000_000).await;
    let expires_ms = clock::unix_ms() + 200 * 86_400_000;
    let paid = Money { currency: Currency::Jpy, minor: 1_000 };
    let (payment, source) = ("pi_1".to_owned(), TopUpSource::Checkout);
    let fact = Fact::TopUp(TopUp { payment, paid, plan: None, source, expires_ms });
    let (account, at_ms) = (key.account.clone(), clock::unix_ms());
    let bought = EventV1 { account, at_ms, amount: MicroUsd(7_000_000), fact };
    world.bus().record(&bought).await.unwrap();
    ask(world, &key, 3).await;
    world.wait_until_applied().await;
    let closing = close(world, &key).await;
    assert_eq!(closing.requests, Some(3));
    ask(world, &key, 2).await;
    world.grant(&key.account, 500_000, "second").await;
    world.wait_until_applied().await;
    (key, closing)
}

#[tokio::test]
async fn a_wiped_view_begins_with_the_last_closing_and_is_the_same() {
    let world = World::builder().billings(2).start().await;
    let (key, closing) = with_history(&world).await;
    let before = view(&world, &key).await;
    assert_eq!(base(&world, &key).await, 0);
    for whole in [false, true, false] {
        match whole {
            true => world.store().wipe_view_for_whole(part(&key)).await.unwrap(),
            false => world.store().wipe_view(part(&key)).await.unwrap(),
        };
        let begun = if whole { 0 } else { closing.cut.through };
        wait_until("the view is the same", async || view(&world, &key).await == before).await;
        assert_eq!(base(&world, &key).await, begun);
        world.wait_until_live().await;
    }
    world.finish().await;
}

#[tokio::test]
async fn many_lay_a_view_once_and_who_dies_leaves_it_to_the_next() {
    let mut world = World::start().await;
    let (key, closing) = with_history(&world).await;
    world.kill_billing(0);
    world.store().wipe_view(part(&key)).await.unwrap();
    // Somebody laid the first piece, and died.
    let tallies = world.bus().tallies(part(&key), Some(&closing), closing.cut.through).await;
    let mut piece = Piece::default();
    for (account, tally) in &tallies.unwrap().accounts {
        piece.add_account(account, tally.balance(), tally.lots().all().iter()).unwrap();
    }
    let place = (part(&key), closing.cut.through);
    assert!(world.store().lay(place, 0, &piece, None).await.unwrap());
    assert!(!world.store().lay(place, 0, &piece, None).await.unwrap(), "its turn is over");
    let other = (place.0, place.1 - 1);
    assert!(!world.store().lay(other, 1, &piece, None).await.unwrap(), "of another cut");
    let applied = world.store().apply(place.0, 0, 0, &[]).await.unwrap();
    assert_eq!(applied, Applied::Reseek, "nothing goes on top of a half");
    // Three go on at once; all that was counted is there once.
    let then = clock::unix_ms() + LONG_MS;
    let three = [billing(&world), billing(&world), billing(&world)];
    wait_until("it is laid", async || {
        let laid = three.iter().map(|billing| begin(billing, part(&key), then));
        let _ = futures::future::join_all(laid).await;
        world.store().standing(part(&key)).await.unwrap().watermark.is_some()
    })
    .await;
    let standing = world.store().standing(part(&key)).await.unwrap();
    // Nothing of then has to be read again.
    assert_eq!((standing.watermark, standing.base), (Some(place.1), place.1));
    assert_eq!(world.balance(&key).await, closing.balance.0);
    world.add_billing();
    world.wait_until_applied().await;
    world.wait_until_live().await;
    let usage = world.client(&key).get("/api/usage").await.json();
    assert_eq!(usage["requests"], 5, "{usage}");
    world.finish().await;
}

#[tokio::test]
async fn nobody_begins_upon_a_closing_that_is_not_what_it_says() {
    let mut world = World::start().await;
    let (key, closing) = with_history(&world).await;
    let before = world.balance(&key).await;
    // A later closing, with one request too many.
    let filter = subjects::ledger_partition(part(&key));
    let mut wrong = closing.clone();
    wrong.cut.month = "9999-01".to_owned();
    wrong.requests = Some(4);
    let (account, at_ms) = (AccountId::of_part(), clock::unix_ms());
    let fact = Fact::Closing(wrong);
    let event = EventV1 { account, at_ms, amount: MicroUsd::ZERO, fact };
    world.bus().record(&event).await.unwrap();
    assert!(world.bus().last_recorded(&filter).await.unwrap() > closing.cut.through);
    world.kill_billing(0);
    world.wipe_redis().await;
    world.add_billing();
    world.wait_until_live().await;
    world.wait_until_applied().await;
    assert_eq!((base(&world, &key).await, world.balance(&key).await), (0, before));
    world.finish().await;
}

/// NATS has lost its last second, and more has been written since than that: the sequences of what
/// is new seem to be applied.
#[tokio::test]
async fn a_ledger_that_went_back_and_has_grown_beyond_the_view_is_noticed() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    world.wait_until_applied().await;
    world.servers().kill_nats().await;
    world.servers().back_nats_up();
    world.servers().start_nats_again().await;
    world.wait_until_ready().await;
    ask(&world, &key, 3).await;
    world.wait_until_applied().await;
    assert!(world.balance(&key).await < 1_000_000);
    world.kill_billing(0);
    world.servers().kill_nats().await;
    world.servers().restore_nats();
    world.servers().start_nats_again().await;
    world.wait_until_ready().await;
    for number in 0..8 {
        let fact = Fact::Grant { unique: format!("new {number}"), note: String::new() };
        let (account, at_ms) = (key.account.clone(), clock::unix_ms());
        let gift = EventV1 { account, at_ms, amount: MicroUsd(10_000), fact };
        world.bus().record(&gift).await.unwrap();
    }
    world.add_billing();
    wait_until("what is written counts", async || world.balance(&key).await == 1_080_000).await;
    world.finish().await;
}

/// Redis comes back without its last second, in which credit was held and nothing was charged.
#[tokio::test]
async fn holds_that_another_process_of_redis_lacks_are_put_back() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    world.wait_until_applied().await;
    world.servers().kill_redis().await;
    world.servers().back_redis_up();
    world.servers().start_redis_again().await;
    world.reconnect_to_redis().await;
    world.wait_until_live().await;
    let client = world.client(&key);
    wait_until("requests are taken", async || client.get("/ready").await.status == 200).await;
    let (mut stream, gate) = begin_stream(&world, &client).await;
    let held = world.held(&key).await;
    assert!(held > 0);
    world.servers().kill_redis().await;
    world.servers().restore_redis();
    world.servers().start_redis_again().await;
    world.reconnect_to_redis().await;
    wait_until("it is held again", async || world.held(&key).await == held).await;
    gate.open();
    stream.rest().await;
    assert!(stream.is_done(), "{:?}", stream.events());
    world.wait_for_ends(1, 0).await;
    world.finish().await;
}
