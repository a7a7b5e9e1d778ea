//! Who waits for a slot: fairly between accounts, weighted between classes, told where it stands,
//! never for longer than makes sense, and gone at once when its client is.

use harness::client::question_to;
use harness::{Answer, EventStream, Gate, Key, Script, World, wait_until};
use infra::config::{Catalogue, Config, Model};
use serde_json::json;
use tokio::task::JoinSet;

const LINE: &str = "fly_llm_queue_line{pool=\"cloud\"}";

async fn one_slot(change: fn(&mut Config)) -> World {
    let builder = World::builder().config(move |config| {
        config.workers.provider_slots = 1;
        change(config);
    });
    builder.start().await
}

/// So many wait in all gateways.
async fn wait_for_line(world: &World, gateways: usize, length: usize) {
    wait_until(&format!("{length} wait for their turn"), async || {
        let mut waiting = 0.0;
        for gateway in 0..gateways {
            waiting += world.scrape(gateway).await.value(LINE);
        }
        waiting == length as f64
    })
    .await;
}

/// One is asked and stays, one waits in the queue: whoever comes next waits in the line.
async fn fill(world: &World, key: &Key, gate: &Gate) -> JoinSet<Answer> {
    world.vendor().always("fast", Script::says(["x"]).after(gate));
    let before = world.vendor().starts();
    let mut asked = JoinSet::new();
    for started in [1, 2] {
        let client = world.client(key);
        asked.spawn(async move { client.ask("fast", "filler").await });
        if started == 1 {
            world.vendor().wait_for_starts(before + 1).await;
        }
        wait_until("it is taken or queued", async || {
            world.queue("cloud").await.pending == started - 1
        })
        .await;
    }
    asked
}

/// The questions in the order in which the vendor saw them.
fn seen(world: &World) -> Vec<String> {
    let question = |seen: &harness::vendor::Seen| {
        seen.body["messages"][0]["content"].as_str().unwrap().to_owned()
    };
    world.vendor().seen().iter().map(question).collect()
}

#[tokio::test]
async fn an_accounts_many_requests_do_not_starve_anothers_one() {
    for gateways in [1, 2] {
        let world = World::builder()
            .gateways(gateways)
            .config(|config| config.workers.provider_slots = 1)
            .start()
            .await;
        let (many, one) = (world.key(10_000_000).await, world.key(1_000_000).await);
        let gate = Gate::new();
        world.vendor().always("fast", Script::says(["x"]).after(&gate));
        let clients: Vec<_> = (0..gateways).map(|at| world.client_at(at, &many)).collect();
        let asked = (0..30).map(|number| clients[number % gateways].ask("fast", "many"));
        let other = async {
            // One runs, and each gateway has sent one ahead.
            wait_for_line(&world, gateways, 30 - 1 - gateways).await;
            let client = world.client_at(gateways - 1, &one);
            let opened = async {
                wait_for_line(&world, gateways, 30 - gateways).await;
                gate.open();
            };
            futures::join!(client.ask("fast", "one"), opened).0
        };
        let (answers, other) = futures::join!(futures::future::join_all(asked), other);
        assert!(answers.iter().chain([&other]).all(|answer| answer.status == 200));
        let before = seen(&world).iter().position(|question| question == "one").unwrap();
        // The one that ran, those sent ahead, and for each gateway one turn of the other account.
        assert!(before <= 1 + 3 * gateways, "{before} were before it");
        world.finish().await;
    }
}

#[tokio::test]
async fn keys_of_high_priority_have_more_turns_and_low_ones_are_not_starved() {
    let world = one_slot(|_| {}).await;
    let low = world.key_like(json!({"name": "low", "priority": "low"}), 1_000_000).await;
    let high = world.key_like(json!({"name": "high", "priority": "high"}), 1_000_000).await;
    let gate = Gate::new();
    let filled = fill(&world, &low, &gate).await;
    let (slow, fast) = (world.client(&low), world.client(&high));
    let lows = futures::future::join_all((0..20).map(|_| slow.ask("fast", "low")));
    let highs = async {
        wait_for_line(&world, 1, 20).await;
        let highs = futures::future::join_all((0..20).map(|_| fast.ask("fast", "high")));
        let opened = async {
            wait_for_line(&world, 1, 40).await;
            gate.open();
        };
        futures::join!(highs, opened).0
    };
    let (lows, highs) = futures::join!(lows, highs);
    assert!(lows.iter().chain(&highs).all(|answer| answer.status == 200));
    let order = seen(&world);
    let count = |name: &str| order[2..22].iter().filter(|asked| *asked == name).count();
    assert!(count("high") >= 17 && count("low") >= 1, "{order:?}");
    filled.join_all().await;
    world.finish().await;
}

#[tokio::test]
async fn who_waits_is_told_where_it_stands_and_leaves_the_line_at_once() {
    let world = one_slot(|config| {
        config.gateway.begin_stream_after_ms = 0;
        config.gateway.ping_seconds = 1;
    })
    .await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    let filled = fill(&world, &key, &gate).await;
    let client = world.client(&key);
    let mut leaving = Vec::new();
    let mut first: EventStream = client.ask_stream("fast", "first in line").await;
    assert_eq!(first.header("x-fly-queue-position"), "1");
    for (path, position) in [("/v1/chat/completions", "2"), ("/v1/messages", "3")] {
        let mut body = question_to("fast", "who leaves");
        body["max_tokens"] = 10.into();
        let stream = client.stream_at(path, &body).await;
        assert_eq!(stream.header("x-fly-queue-position"), position);
        leaving.push(stream);
    }
    drop(leaving);
    let mut body = question_to("fast", "whole");
    body["stream"] = false.into();
    let whole = client.chat(&body);
    let opened = async {
        world.wait_for_ends(0, 2).await;
        wait_for_line(&world, 1, 2).await;
        gate.open();
    };
    let (whole, ()) = futures::join!(whole, opened);
    assert_eq!((whole.status, whole.header("x-fly-queue-position")), (200, "2"));
    first.rest().await;
    assert!(first.is_done());
    let text = String::from_utf8_lossy(first.bytes()).into_owned();
    // The line had never moved: nobody could say how long it takes.
    assert!(text.starts_with(": ping\n: x-fly-queue-position: 1\n\n"), "{text}");
    assert!(!seen(&world).iter().any(|question| question == "who leaves"), "it was never run");
    filled.join_all().await;

    let gate = Gate::new();
    let filled = fill(&world, &key, &gate).await;
    let mut later = client.ask_stream("fast", "when is it my turn?").await;
    gate.open();
    later.rest().await;
    let text = String::from_utf8_lossy(later.bytes()).into_owned();
    let told = text.strip_prefix(": ping\n: x-fly-queue-position: 1\n: x-fly-queue-eta: ");
    let seconds: u64 = told.and_then(|rest| rest.split('\n').next()?.parse().ok()).expect(&text);
    assert!((1..=60).contains(&seconds), "by the line before: {text}");
    filled.join_all().await;
    world.finish().await;
}

#[tokio::test]
async fn a_full_line_and_a_long_wait_are_503_with_retry_after() {
    let world = one_slot(|config| {
        config.queue.waiting_max = 1;
        config.queue.wait_seconds_max = 1;
    })
    .await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    let filled = fill(&world, &key, &gate).await;
    let client = world.client(&key);
    let waits = client.ask("fast", "waits too long");
    let refused = async {
        let mut refused = client.ask("fast", "finds it full").await;
        while refused.status == 200 {
            refused = client.ask("fast", "finds it full").await;
        }
        refused
    };
    for answer in <[Answer; 2]>::from(futures::join!(waits, refused)) {
        assert_eq!((answer.status, answer.error_code().as_str()), (503, "queue_full"));
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=300).contains(&seconds), "{seconds}");
    }
    gate.open();
    filled.join_all().await;
    assert_eq!(world.vendor().starts(), 2);
    let refused = world.scrape(0).await.value("fly_llm_queue_refused_total{pool=\"cloud\"}");
    assert_eq!(refused, 1.0, "the other had waited");
    world.finish().await;
}

#[tokio::test]
async fn a_long_wait_overflows_to_the_next_candidate() {
    let builder = World::builder().workers(0).config(|config| {
        config.workers.provider_slots = 1;
        config.queue.overflow_seconds = 0;
        config.fallbacks.insert("fast".into(), vec!["backup".into()]);
        let mut models: Vec<Model> =
            config.models.iter().map(|model| Model::clone(model)).collect();
        for model in models.iter_mut().filter(|model| model.name == "backup") {
            model.pool = "spill".into();
        }
        config.models = Catalogue::new(models);
    });
    let mut world = builder.start().await;
    world.add_worker();
    let ready = world.client_with(0, None);
    wait_until("its two pools are known", async || {
        ready.get("/ready").await.json()["workers"] == 2
    })
    .await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    let filled = fill(&world, &key, &gate).await;
    let answer = world.client(&key).ask("fast", "hello").await;
    assert_eq!((answer.content().as_str(), answer.header("x-fly-model")), ("hello", "backup"));
    assert!(answer.header("x-fly-route-reason").ends_with(";overflow"));
    let overflows = world.scrape(0).await.value("fly_llm_queue_overflow_total{pool=\"cloud\"}");
    assert_eq!(overflows, 1.0);
    gate.open();
    filled.join_all().await;
    assert_eq!(world.vendor().starts_of("fast"), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_new_worker_takes_who_waits() {
    let mut world = one_slot(|_| {}).await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    let mut filled = fill(&world, &key, &gate).await;
    let client = world.client(&key);
    filled.spawn(async move { client.ask("fast", "waits").await });
    wait_for_line(&world, 1, 1).await;
    world.add_worker();
    world.add_worker();
    world.vendor().wait_for_starts(3).await;
    gate.open();
    assert!(filled.join_all().await.iter().all(|answer| answer.status == 200));
    world.finish().await;
}
