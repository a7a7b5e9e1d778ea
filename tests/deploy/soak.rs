//! Hours in small: clients ask, stream and hang up all the while, and what the processes of
//! compose hold of memory is looked at. `make soak SECONDS=3600` runs it as long as one likes;
//! a short run is part of all tests. At the end nothing is owed and every sum agrees.

use crate::running::Run;
use futures::future::join_all;
use harness::{Client, Script};
use infra::environment::Environment;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long it runs, in seconds.
const SECONDS: &str = "FLY_LLM_SOAK_SECONDS";

/// In a run of all tests.
const SHORT: Duration = Duration::from_secs(3);

/// From here on memory must be flat: before, caches and pools are still filling.
const LONG: Duration = Duration::from_secs(120);

/// How much more a service may hold in the last third than in the second, in percent.
const GROWTH_PERCENT_MAX: u64 = 15;

/// Growth below this is noise, in KiB.
const GROWTH_KIB_MIN: u64 = 16 * 1024;

/// Clients at once.
const CLIENTS: usize = 8;

/// Looks at the memory.
const LOOKS: u32 = 60;

fn length() -> Duration {
    let told = Environment::of_process().get(SECONDS).and_then(|told| told.parse().ok());
    told.map_or(SHORT, Duration::from_secs)
}

/// One client: whole answers, streams to their end, and streams that are left.
async fn ask(client: &Client, until: Instant) -> usize {
    let mut asked = 0;
    while Instant::now() < until {
        match asked % 4 {
            0 => {
                let answer = client.ask("fast", "a question").await;
                assert_eq!(answer.status, 200, "{}", answer.text);
            }
            1 => {
                let mut stream = client.ask_stream("fast", "a question").await;
                stream.rest().await;
                assert!(stream.is_done(), "{:?}", stream.events());
            }
            2 => {
                let mut stream = client.ask_stream("fast", "a question").await;
                stream.next_text().await;
            }
            _ => {
                let body = json!({"model": "no-such-model", "messages": []});
                assert!(client.chat(&body).await.status >= 400);
            }
        }
        asked += 1;
    }
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_flat_and_sums_agree() {
    let run = Run::start().await;
    let pieces = ["one ", "two ", "three ", "four ", "five"];
    run.vendor.always("fast", Script::says(pieces));
    let length = length();
    let until = Instant::now() + length;
    let clients: Vec<Client> = (0..CLIENTS).map(|number| run.client(number % 2)).collect();
    let load = join_all(clients.iter().map(|client| ask(client, until)));
    let looks = async {
        let mut seen: Vec<BTreeMap<String, u64>> = Vec::new();
        let mut ticks = tokio::time::interval(length / LOOKS);
        while Instant::now() < until {
            ticks.tick().await;
            seen.push(run.engine.memory_kib());
        }
        seen
    };
    let (asked, seen) = tokio::join!(load, looks);
    let asked: usize = asked.into_iter().sum();
    assert!(asked > CLIENTS, "only {asked} requests");
    crate::running::nothing_is_owed(&run).await;
    let judged = if length < LONG { "not judged in so short a run" } else { "judged" };
    println!("{asked} requests in {length:?}; memory in KiB, second and last third, {judged}:");
    for name in seen.last().into_iter().flat_map(BTreeMap::keys) {
        let of = |part: &[BTreeMap<String, u64>]| {
            let all: Vec<u64> = part.iter().filter_map(|look| look.get(name)).copied().collect();
            all.iter().sum::<u64>() / u64::try_from(all.len().max(1)).unwrap()
        };
        let third = seen.len() / 3;
        let (before, after) = (of(&seen[third..2 * third]), of(&seen[2 * third..]));
        println!("{name:>12} {before:>9} {after:>9}");
        let bound = before + (before * GROWTH_PERCENT_MAX / 100).max(GROWTH_KIB_MIN);
        assert!(length < LONG || after <= bound, "{name} grows: {before} to {after} KiB");
    }
    run.engine.down().await;
}
