//! Wall clocks that jump an hour ahead or back while requests run: deadlines, holds, budgets and
//! keys keep to the time that really passes. The clocks of NATS and Redis are the machine's own and
//! stay.

use harness::{Gate, Script, Step, World, wait_until};
use infra::clock;
use serde_json::json;

const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn an_hour_ahead_or_back_ends_no_request_and_changes_no_charge() {
    for jump in [HOUR_MS, -HOUR_MS] {
        let world =
            World::builder().config(|config| config.workers.provider_slots = 1).start().await;
        let ends = clock::rfc3339(clock::unix_ms() + 2 * HOUR_MS.unsigned_abs());
        let record = json!({"name": "test", "expires_at": ends, "max_budget": 1.0});
        let key = world.key_like(record, 1_000_000).await;
        let client = world.client(&key);
        let gate = Gate::new();
        world.vendor().next(
            "fast",
            Script::steps([
                Step::Text("before".into()),
                Step::Wait(gate.clone()),
                Step::Text(" and after".into()),
            ]),
        );
        let mut stream = client.ask_stream("fast", "hello").await;
        stream.next_text().await;
        // The only slot is busy: this one waits in the queue.
        let queued = client.ask("fast", "queued");
        let jumped = async {
            let pending = async || world.queue("cloud").await.pending == 1;
            wait_until("one waits in the queue", pending).await;
            world.shift_clocks(jump).await;
            gate.open();
            stream.rest().await;
        };
        let (queued, ()) = futures::join!(queued, jumped);
        assert!(stream.is_done(), "{:?}", stream.events());
        assert_eq!(stream.text(), "before and after");
        assert_eq!(queued.content(), "queued", "{}", queued.text);
        assert_eq!(client.ask("fast", "new").await.content(), "new", "the key still opens");
        world.wait_for_ends(3, 0).await;
        world.wait_until_applied().await;
        assert_eq!(1_000_000 - world.balance(&key).await, 3 * 20);
        let path = format!("/api/accounts/{}", key.account);
        wait_until("its spending knows of all three", async || {
            world.admin().get(&path).await.json()["spent_usd"] == 60e-6
        })
        .await;
        world.shift_clocks(0).await;
        assert_eq!(client.ask("fast", "back").await.content(), "back");
        world.finish().await;
    }
}

#[tokio::test]
async fn a_deadline_is_measured_and_not_read_off_a_clock() {
    let world = World::builder().config(|config| config.gateway.request_seconds_max = 2).start();
    let world = world.await;
    let key = world.key(1_000_000).await;
    world.vendor().always("fast", Script::Silence);
    for jump in [HOUR_MS, -HOUR_MS] {
        let starts = world.vendor().starts();
        let client = world.client(&key);
        let jumped = async {
            world.vendor().wait_for_starts(starts + 1).await;
            world.shift_clocks(jump).await;
        };
        let began = std::time::Instant::now();
        let (answer, ()) = futures::join!(client.ask("fast", "hello"), jumped);
        // The gateway's limit or the worker's, whoever is first: both have the same time.
        assert_eq!(answer.status, 504, "{}", answer.text);
        assert!(began.elapsed().as_secs_f64() >= 1.9, "not before its time");
    }
    world.wait_for_ends(0, 2).await;
    world.finish().await;
}
