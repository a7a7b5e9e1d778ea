//! A job that no worker survives: it runs a bounded number of times and ends in an error, and
//! others go on beside it and after it.

use harness::{Gate, Script, World, wait_until};
use infra::bus::pull::Puller;
use infra::tasks::Tasks;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Attempts of one request at most: `ATTEMPTS_MAX` of the gateway's relay.
const ATTEMPTS_MAX: usize = 4;

#[tokio::test]
async fn a_job_that_kills_every_worker_ends_in_an_error_and_others_go_on() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    // Whatever worker asks this vendor for `fast` dies of it.
    world.vendor().always("fast", Script::Silence);
    let asked = client.ask("fast", "poison");
    tokio::pin!(asked);
    let mut killed = 0;
    let answer = loop {
        let taken = async || world.vendor().starts_of("fast") > killed;
        tokio::select! {
            answer = &mut asked => break answer,
            () = wait_until("a worker takes it, or it ends", taken) => {}
        }
        world.kill_worker(killed);
        killed += 1;
        world.add_worker();
        assert_eq!(client.ask("backup", "others").await.content(), "others");
    };
    assert!((1..=ATTEMPTS_MAX).contains(&killed), "{killed} workers died of it");
    assert!(matches!(answer.status, 502..=504), "{}", answer.text);
    world.wait_for_ends(killed, 1).await;
    world.vendor().always("fast", Script::says(["well again"]));
    assert_eq!(client.ask("fast", "hello").await.content(), "well again");
    world.finish().await;
}

#[tokio::test]
async fn a_job_that_nobody_brings_to_an_end_is_taken_from_the_queue_and_told() {
    let world = World::builder()
        .own_users()
        .config(|config| {
            config.workers.provider_slots = 1;
            config.queue.acknowledge_seconds = 1;
            config.queue.deliveries_max = 1;
        })
        .start()
        .await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["first"]).after(&gate));
    // The only slot is busy; beside it somebody takes jobs and says nothing more.
    let (puller, mut jobs) = Puller::new(world.bus().clone(), "cloud", 16, Duration::from_secs(4));
    let (tasks, stop) = (Tasks::new(), CancellationToken::new());
    let poisoned = async {
        world.vendor().wait_for_starts(1).await;
        let pulling = tasks.spawn("pull", puller.run(stop.clone()));
        let answer = client.ask("fast", "poison").await;
        stop.cancel();
        harness::within("the puller's end", pulling).await.unwrap().unwrap();
        gate.open();
        answer
    };
    let (first, answer) = futures::join!(client.ask("fast", "first"), poisoned);
    assert_eq!(first.content(), "first");
    assert_eq!((answer.status, world.vendor().starts()), (502, 1), "{}", answer.text);
    let mut deliveries = 0;
    while jobs.recv().await.is_some() {
        deliveries += 1;
    }
    assert_eq!(deliveries, ATTEMPTS_MAX, "each attempt as often as the configuration says");
    world.wait_for_ends(1, 1).await;
    assert_eq!(client.ask("fast", "after it").await.content(), "after it");
    world.finish().await;
}
