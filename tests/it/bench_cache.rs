//! What a kept answer saves: its latency beside that of an answer which has to be asked for, with a
//! vendor that answers at once. `make bench-cache` prints it; no time is asserted.

use crate::similar::calm;
use harness::World;
use infra::config::{Config, SemanticCache};
use serde_json::json;
use std::time::{Duration, Instant};

/// Questions asked of each kind.
const ROUNDS: usize = 100;

#[tokio::test]
async fn bench_of_the_cache() {
    let change = |config: &mut Config| {
        config.cache.enabled = true;
        config.cache.semantic = SemanticCache::Keys;
        // A busy test machine is no Redis that is away.
        config.cache.look_ms_max = 30_000;
        config.limits.requests_per_minute = 100_000;
        config.limits.tokens_per_minute = 100_000_000;
    };
    let world = World::builder().config(change).start().await;
    let wishes = json!({"name": "bench", "similar_answers": true});
    let key = world.key_like(wishes, 100_000_000).await;
    let client = world.client(&key);
    let timed = async |question: &str, state: &str| {
        let (body, begun) = (calm(question), Instant::now());
        let answer = client.chat(&body).await;
        let took = begun.elapsed();
        let told = (answer.status, answer.header("x-fly-cache"));
        assert_eq!(told, (200, state), "{question}: {}", answer.text);
        (took, !answer.header("x-fly-similarity").is_empty())
    };
    let (mut misses, mut hits, mut reworded) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let question = format!("How do I repair the machine of type {round}?");
        misses.push(timed(&question, "miss").await.0);
        // It is kept in the background, after its answer.
        harness::wait_until("the answer is kept", async || {
            client.chat(&calm(&question)).await.header("x-fly-cache") == "hit"
        })
        .await;
        hits.push(timed(&question, "hit").await.0);
        let other = format!("Could you tell me how to repair the machine of type {round}, please?");
        let (took, is_similar) = timed(&other, "hit").await;
        assert!(is_similar, "{other}");
        reworded.push(took);
    }
    assert_eq!(world.vendor().starts(), ROUNDS);
    for (name, times) in
        [("miss", &mut misses), ("hit", &mut hits), ("hit by another wording", &mut reworded)]
    {
        let (half, most) = (percentile(times, 50), percentile(times, 99));
        println!("{name}: p50 {half:.2?}, p99 {most:.2?} over {ROUNDS} questions");
    }
    let ratio = |percent| {
        percentile(&mut misses.clone(), percent).as_secs_f64()
            / percentile(&mut hits.clone(), percent).as_secs_f64()
    };
    println!("a miss takes {:.2} times a hit at p50, {:.2} times at p99", ratio(50), ratio(99));
    world.finish().await;
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}
