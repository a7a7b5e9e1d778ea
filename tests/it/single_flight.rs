//! Equal questions at once: one call of the vendor, on whichever gateways they come in, and another
//! one when the first comes to nothing.

use futures::future::join_all;
use harness::client::question_to;
use harness::{Answer, Gate, Key, Script, World, wait_until};
use infra::config::Config;

/// Equal questions at once.
const QUESTIONS: usize = 200;

async fn two_gateways() -> World {
    let change = |config: &mut Config| {
        config.cache.enabled = true;
        // A busy test machine is no Redis that is away.
        config.cache.look_ms_max = 30_000;
        config.gateway.begin_stream_after_ms = 1;
        config.limits.requests_per_minute = 100_000;
        config.limits.tokens_per_minute = 100_000_000;
        config.limits.parallel = 1_000;
    };
    World::builder().gateways(2).config(change).start().await
}

/// Waits until a gateway has so many requests under way.
async fn wait_for_running(world: &World, gateway: usize, requests: f64) {
    wait_until("the requests are under way", async || {
        world.scrape(gateway).await.value("fly_llm_requests_running") == requests
    })
    .await;
}

#[tokio::test]
async fn two_hundred_equal_questions_are_one_call() {
    let world = two_gateways().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().always("fast", Script::says(["one ", "answer"]).after(&gate));
    let asked = (0..QUESTIONS).map(|number| ask(&world, &key, number));
    let opened = async {
        wait_for_running(&world, 0, 100.0).await;
        wait_for_running(&world, 1, 100.0).await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(join_all(asked), opened);
    assert!(answers.iter().all(|answer| answer == "one answer"), "{answers:?}");
    assert_eq!(world.vendor().starts(), 1);
    world.wait_for_ends(QUESTIONS, 0).await;
    let uses = world.uses().await;
    let paid: Vec<i64> = uses.iter().map(|(_, charge)| *charge).filter(|it| *it > 0).collect();
    assert_eq!(paid.len(), 1, "one call is charged once: {paid:?}");
    world.finish().await;
}

/// Half of them on each gateway, and of those half as a stream.
async fn ask(world: &World, key: &Key, number: usize) -> String {
    let client = world.client_at(number % 2, key);
    if number % 4 < 2 {
        return client.ask("fast", "hello").await.content();
    }
    let mut stream = client.ask_stream("fast", "hello").await;
    stream.rest().await;
    assert!(stream.is_done());
    stream.text()
}

/// An answer that nobody may have yet.
pub(crate) async fn none_of(answer: impl Future<Output = Answer>) {
    let answer = answer.await;
    panic!("nobody answers, and yet: {}", answer.text);
}

/// Until the first request asks and the second one, at another gateway, waits for it.
async fn until_followed(
    world: &World,
    leading: &mut (impl Future<Output = Answer> + Unpin),
    following: &mut (impl Future<Output = Answer> + Unpin),
) {
    tokio::select! {
        () = none_of(&mut *leading) => {}
        () = world.vendor().wait_for_starts(1) => {}
    }
    tokio::select! {
        () = none_of(leading) => {}
        () = none_of(following) => {}
        () = wait_for_running(world, 1, 1.0) => {}
    }
}

#[tokio::test]
async fn another_takes_over_when_the_leaders_client_leaves() {
    let world = two_gateways().await;
    let key = world.key(1_000_000).await;
    world.vendor().next("fast", Script::Silence);
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    let body = question_to("fast", "hello");
    let (mut leading, mut following) = (Box::pin(first.chat(&body)), Box::pin(second.chat(&body)));
    until_followed(&world, &mut leading, &mut following).await;
    drop(leading);
    let answer = following.await;
    assert_eq!((answer.status, answer.content().as_str()), (200, "hello"), "{}", answer.text);
    assert_eq!(answer.header("x-fly-cache"), "miss");
    assert_eq!(world.vendor().starts(), 2);
    world.wait_for_ends(1, 1).await;
    world.finish().await;
}

#[tokio::test]
async fn another_takes_over_when_the_leaders_gateway_dies() {
    let mut world = two_gateways().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["lost"]).after(&gate));
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    let body = question_to("fast", "hello");
    let (mut leading, mut following) = (Box::pin(first.chat(&body)), Box::pin(second.chat(&body)));
    until_followed(&world, &mut leading, &mut following).await;
    world.kill_gateway(0);
    drop(leading);
    gate.open();
    let answer = following.await;
    assert_eq!((answer.status, answer.content().as_str()), (200, "hello"), "{}", answer.text);
    assert_eq!(answer.header("x-fly-cache"), "miss");
    assert_eq!(world.vendor().starts(), 2);
    world.wait_for_ends(2, 0).await;
    world.finish().await;
}

/// Who follows has no seat yet, and its place among the requests at once all the same.
#[tokio::test]
async fn who_follows_for_longer_than_a_lease_keeps_its_place() {
    /// A place's lease is 20 seconds.
    const LONGER: std::time::Duration = std::time::Duration::from_secs(22);
    let change = |config: &mut Config| {
        config.cache.enabled = true;
        config.cache.look_ms_max = 30_000;
        config.limits.parallel = 2;
    };
    let world = World::builder().config(change).start().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().always("fast", Script::says(["one answer"]).after(&gate));
    let client = world.client(&key);
    let both = join_all([client.ask("fast", "hello"), client.ask("fast", "hello")]);
    let third = async {
        wait_for_running(&world, 0, 2.0).await;
        world.vendor().wait_for_starts(1).await;
        tokio::time::timeout(LONGER, std::future::pending::<()>()).await.ok();
        let third = client.ask("fast", "something else").await;
        gate.open();
        third
    };
    let (both, third) = tokio::join!(both, third);
    assert_eq!((third.status, third.error_code().as_str()), (429, "rate_limit_exceeded"));
    assert!(both.iter().all(|answer| answer.content() == "one answer"));
    assert_eq!(world.vendor().starts(), 1);
    world.wait_for_ends(2, 0).await;
    world.finish().await;
}
