//! How soon the queue reacts: a hang-up reaches the vendor, another worker takes a killed one's
//! job, a new worker process adds capacity. `make bench-queue` prints it; no time is asserted.

use crate::apart::Apart;
use crate::two_parts::wait_for_workers;
use harness::{Script, Step, World, wait_until};
use std::time::{Duration, Instant};

/// Streams whose client hangs up.
const HANG_UPS: usize = 40;

/// Workers that are killed, and new ones that are waited for.
const KILLS: usize = 4;

/// What a worker of the tests' configuration has.
const SLOTS: usize = 16;

/// Waits until so many pulls wait: the workers that live, and no others.
async fn wait_for_pulls(world: &World, count: usize) {
    wait_until(&format!("{count} pulls wait"), async || {
        world.queue("cloud").await.waiting == count
    })
    .await;
}

#[tokio::test]
async fn bench_of_the_queue() {
    let mut world = World::builder().workers(0).start().await;
    let key = world.key(100_000_000).await;
    let client = world.client(&key);
    let worker = ["worker", "provider"];
    let mut first = Apart::start(&mut world, &worker);
    wait_for_workers(&world, 1).await;
    let mut cancels = Vec::new();
    world.vendor().always("fast", Script::steps([Step::Text("begun".into()), Step::Stall]));
    for round in 1..=HANG_UPS {
        let mut stream = client.ask_stream("fast", "hello").await;
        stream.next_text().await;
        let left = Instant::now();
        drop(stream);
        world.vendor().wait_for_hang_ups(round).await;
        cancels.push(world.vendor().seen()[round - 1].over.unwrap() - left);
    }
    world.wait_for_ends(HANG_UPS, 0).await;
    world.vendor().always("fast", Script::Echo { characters: 4 });
    let (mut takeovers, mut arrivals) = (Vec::new(), Vec::new());
    for _ in 0..KILLS {
        let starts = world.vendor().starts();
        world.vendor().next("fast", Script::Silence);
        let asked = client.ask("fast", "hello");
        wait_for_pulls(&world, SLOTS).await;
        let mut second = None;
        let killed = async {
            world.vendor().wait_for_starts(starts + 1).await;
            second = Some(Apart::start(&mut world, &worker));
            wait_for_pulls(&world, 2 * SLOTS - 1).await;
            let killed = Instant::now();
            first.kill();
            killed
        };
        let (answer, killed) = futures::join!(asked, killed);
        assert_eq!(answer.content(), "hello");
        takeovers.push(world.vendor().seen()[starts + 1].begun - killed);
        second.unwrap().kill();
        wait_for_pulls(&world, 0).await;
        let waits = client.ask("fast", "waits");
        let (answer, (born, new)) = futures::join!(waits, async {
            let born = Instant::now();
            (born, Apart::start(&mut world, &worker))
        });
        assert_eq!(answer.content(), "waits", "{}", answer.text);
        arrivals.push(world.vendor().seen()[starts + 2].begun - born);
        first = new;
    }
    print("hang-up to vendor", &mut cancels);
    print("kill -9 to the next worker's call", &mut takeovers);
    print("a worker process's start to its first call", &mut arrivals);
    first.end().await;
    // What the killed ones had not acknowledged comes back once more, to be refused.
    world.add_worker();
    world.finish().await;
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort();
    let (half, most) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{what}: p50 {half:.1?}, most {most:.1?} of {}", times.len());
}
