//! One waiting pull for each free slot, up to a limit: what autoscalers read is true, and no worker
//! ever has more than it can do.

use harness::{Gate, Script, World, wait_until};
use infra::bus::pull::Puller;
use infra::tasks::Tasks;
use schemas::subjects;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Pulls of one worker that wait at most.
const PULLS_WAITING_MAX: usize = 32;

#[tokio::test]
async fn waiting_pulls_are_the_free_slots() {
    for slots in [1, 4, 1_000] {
        let mut world = World::builder()
            .config(move |config| config.workers.provider_slots = slots)
            .start()
            .await;
        let slots = slots as usize;
        let key = world.key(1_000_000).await;
        let pulls = |free: usize| free.min(PULLS_WAITING_MAX);
        let waiting = async |world: &World, count: usize| {
            let what = format!("{count} pulls wait");
            wait_until(&what, async || world.queue("cloud").await.waiting == count).await;
        };
        waiting(&world, pulls(slots)).await;
        let gate = Gate::new();
        world.vendor().always("fast", Script::says(["x"]).after(&gate));
        let client = world.client(&key);
        let busy = slots.min(3);
        let asked = futures::future::join_all((0..busy).map(|_| client.ask("fast", "x")));
        let looked = async {
            world.vendor().wait_for_starts(busy).await;
            waiting(&world, pulls(slots - busy)).await;
            gate.open();
        };
        let (answers, ()) = futures::join!(asked, looked);
        assert!(answers.iter().all(|answer| answer.status == 200));
        waiting(&world, pulls(slots)).await;
        world.add_worker();
        waiting(&world, 2 * pulls(slots)).await;
        world.stop_worker(0).await;
        waiting(&world, pulls(slots)).await;
        world.finish().await;
    }
}

#[tokio::test]
async fn no_more_is_in_flight_than_there_are_slots() {
    let world = World::builder()
        .workers(2)
        .config(|config| config.workers.provider_slots = 3)
        .start()
        .await;
    let key = world.key(1_000_000).await;
    let gates: Vec<Gate> = (0..20).map(|_| Gate::new()).collect();
    for gate in &gates {
        world.vendor().next("fast", Script::says(["x"]).after(gate));
    }
    let client = world.client(&key);
    let asked = futures::future::join_all((0..20).map(|_| client.ask("fast", "x")));
    let opened = async {
        for (number, gate) in gates.iter().enumerate() {
            let started = (number + 6).min(20);
            world.vendor().wait_for_starts(started).await;
            // One is sent ahead; the rest waits in its gateway.
            wait_until("one waits in the queue", async || {
                world.queue("cloud").await.pending as usize == (20 - started).min(1)
            })
            .await;
            assert_eq!(world.vendor().starts(), started);
            gate.open();
        }
    };
    let (answers, ()) = futures::join!(asked, opened);
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(world.uses().await.len(), 20);
    world.finish().await;
}

#[tokio::test]
async fn two_hundred_chats_at_once_pass_through_one_worker() {
    let world = World::builder().config(|config| config.workers.provider_slots = 50).start().await;
    let key = world.key(10_000_000).await;
    let client = world.client(&key);
    let asked = (0..200).map(|number| {
        let client = client.clone();
        async move {
            let question = format!("question {number} 🍣");
            if number % 2 == 0 {
                let mut stream = client.ask_stream("fast", &question).await;
                stream.rest().await;
                assert!(stream.is_done(), "{:?}", stream.events());
                assert_eq!(stream.text(), question);
            } else {
                assert_eq!(client.ask("fast", &question).await.content(), question);
            }
        }
    });
    futures::future::join_all(asked).await;
    assert_eq!(world.vendor().starts(), 200);
    assert_eq!(world.uses().await.len(), 200);
    world.finish().await;
}

#[tokio::test]
async fn a_puller_that_stops_takes_every_job_that_was_on_its_way() {
    let mut world = World::start().await;
    world.stop_worker(0).await;
    let client = world.bus().client().clone();
    for _ in 0..3 {
        let lifetime = Duration::from_millis(world.config().queue.pull_ms);
        let (puller, mut jobs) = Puller::new(world.bus().clone(), "cloud", 32, lifetime);
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        let pulling = tasks.spawn("pull", puller.run(stop.clone()));
        wait_until("it pulls", async || world.queue("cloud").await.waiting == 32).await;
        for _ in 0..64 {
            client.publish(subjects::chat("cloud", "fast"), "a job".into()).await.unwrap();
        }
        client.flush().await.unwrap();
        stop.cancel();
        harness::within("the puller's end", pulling).await.unwrap().unwrap();
        while let Some(job) = jobs.recv().await {
            job.terminate().await;
        }
        // One that was out with nobody would stay so: nobody pulls.
        wait_until("no job is out", async || world.queue("cloud").await.unacknowledged == 0).await;
        let queue = world.bus().jetstream().get_stream(subjects::CHAT_STREAM).await.unwrap();
        queue.purge().await.unwrap();
    }
    world.finish().await;
}
