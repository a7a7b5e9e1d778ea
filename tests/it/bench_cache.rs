//! What a kept answer saves: its latency beside that of an answer which has to be asked for, with a
//! vendor that answers at once. `make bench-cache` prints it; no time is asserted.

use harness::World;
use infra::config::Config;
use std::time::{Duration, Instant};

/// Questions asked of each kind.
const ROUNDS: usize = 100;

#[tokio::test]
async fn bench_of_the_cache() {
    let change = |config: &mut Config| {
        config.cache.enabled = true;
        // A busy test machine is no Redis that is away.
        config.cache.look_ms_max = 30_000;
    };
    let world = World::builder().config(change).start().await;
    let key = world.key(100_000_000).await;
    let client = world.client(&key);
    let (mut misses, mut hits) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let question = format!("question {round}");
        let begun = Instant::now();
        let answer = client.ask("fast", &question).await;
        misses.push(begun.elapsed());
        assert_eq!((answer.status, answer.header("x-fly-cache")), (200, "miss"), "{}", answer.text);
        // It is kept in the background, after its answer.
        harness::wait_until("the answer is kept", async || {
            client.ask("fast", &question).await.header("x-fly-cache") == "hit"
        })
        .await;
        let begun = Instant::now();
        let answer = client.ask("fast", &question).await;
        hits.push(begun.elapsed());
        assert_eq!(answer.header("x-fly-cache"), "hit");
    }
    assert_eq!(world.vendor().starts(), ROUNDS);
    for (name, times) in [("miss", &mut misses), ("hit", &mut hits)] {
        let (half, most) = (percentile(times, 50), percentile(times, 99));
        println!("{name}: p50 {half:.2?}, p99 {most:.2?} over {ROUNDS} questions");
    }
    world.finish().await;
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}
