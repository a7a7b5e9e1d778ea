//! More requests at once than a gateway masks and holds for at once: who waits for another's answer
//! keeps nobody out, and while Redis says nothing nobody waits long.

use crate::program::send;
use futures::future::join_all;
use harness::{Gate, Script, World, wait_until};
use infra::config::Config;
use rustix::process::Signal;

/// More than there are turns.
const REQUESTS: usize = 300;

async fn one_gateway() -> World {
    let change = |config: &mut Config| {
        config.cache.enabled = true;
        // A busy test machine is no Redis that is away.
        config.cache.look_ms_max = 30_000;
        config.limits.requests_per_minute = 100_000;
        config.limits.tokens_per_minute = 100_000_000;
        config.limits.parallel = 1_000;
    };
    World::builder().config(change).start().await
}

#[tokio::test]
async fn those_who_follow_an_equal_question_keep_nobody_out() {
    let world = one_gateway().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["one ", "answer"]).after(&gate));
    let equal = join_all((0..REQUESTS).map(|_| client.ask("fast", "hello")));
    let another = async {
        world.vendor().wait_for_starts(1).await;
        wait_until("all are under way", async || {
            let running = world.scrape(0).await.value("fly_llm_requests_running");
            running == REQUESTS as f64
        })
        .await;
        let answer = client.ask("fast", "another").await;
        assert_eq!(answer.content(), "another", "{}", answer.text);
        gate.open();
    };
    let (answers, ()) = tokio::join!(equal, another);
    assert!(answers.iter().all(|answer| answer.content() == "one answer"));
    assert_eq!(world.vendor().starts(), 2);
    assert_eq!(world.scrape(0).await.value("fly_llm_entrance_waiting"), 0.0);
    world.wait_for_ends(REQUESTS + 1, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn a_burst_before_a_halted_redis_is_refused_and_the_next_request_is_answered() {
    let mut world = one_gateway().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let redis = world.servers().redis_id().unwrap();
    send(redis, Signal::STOP);
    let asked = (0..REQUESTS).map(|number| {
        let (client, question) = (&client, format!("question {number}"));
        async move { client.ask("fast", &question).await }
    });
    for refused in join_all(asked).await {
        assert_eq!(refused.status, 503, "{}", refused.text);
        assert!(!refused.header("retry-after").is_empty());
    }
    assert_eq!(world.vendor().starts(), 0);
    // Redis reads what it was asked when it wakes: places for requests that are gone.
    world.let_places_stay();
    send(redis, Signal::CONT);
    wait_until("requests start again", async || {
        client.ask("fast", "again").await.content() == "again"
    })
    .await;
    wait_until("nothing is held", async || world.held(&key).await == 0).await;
    assert_eq!(1_000_000 - world.balance(&key).await, 20);
    world.finish().await;
}
