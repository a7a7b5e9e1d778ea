//! Jobs and frames that need not leave the process: gateway and worker of `fly-llm up` hand them to
//! each other, and whatever happens there, a client gets one whole answer, as through NATS.

use futures::StreamExt;
use harness::{Gate, Script, Step, World, WorldBuilder, wait_until};
use schemas::advert::{ADVERT_INTERVAL_MS, Advert};
use schemas::ledger::Outcome;
use schemas::subjects;
use std::time::Duration;

/// Free slots of the pool as the gateway knows them.
const SLOTS_FREE: &str = "fly_llm_slots_free{pool=\"cloud\"}";

/// Rounds in which some must find room and some none.
const ROUNDS_MAX: usize = 10;

fn one_process(slots: u32) -> WorldBuilder {
    World::builder().one_process().config(move |c| c.workers.provider_slots = slots)
}

/// What the gateway counts of each way: near, direct, refused, queue.
async fn sent(world: &World) -> [f64; 4] {
    let scraped = world.scrape(0).await;
    ["near", "direct", "refused", "queue"]
        .map(|way| scraped.value(&format!("fly_llm_jobs_sent_total{{way=\"{way}\"}}")))
}

#[tokio::test]
async fn jobs_and_frames_stay_in_the_process() {
    let world = one_process(1_000).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let spy = world.bus().client();
    let mut jobs = spy.subscribe(format!("{}>", subjects::DIRECT_PREFIX)).await.unwrap();
    let mut frames = spy.subscribe("tok.>").await.unwrap();
    spy.flush().await.unwrap();
    world.vendor().next("fast", Script::says(["x"]));
    assert_eq!(client.ask("fast", "x").await.content(), "x");
    world.vendor().next("fast", Script::says(["a", "b", "c"]));
    let mut stream = client.ask_stream("fast", "y").await;
    stream.rest().await;
    assert!(stream.is_done() && stream.text() == "abc", "{}", stream.text());
    assert_eq!(sent(&world).await, [2.0, 0.0, 0.0, 0.0]);
    assert_eq!(world.uses().await.len(), 2);
    // Whatever had been sent before this is here before it.
    for subject in ["direct.end", "tok.end"] {
        spy.publish(subject, "".into()).await.unwrap();
    }
    assert_eq!(jobs.next().await.unwrap().subject.as_str(), "direct.end");
    assert_eq!(frames.next().await.unwrap().subject.as_str(), "tok.end");
    world.finish().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_stops_the_vendor_and_pays_what_was_said() {
    let world = one_process(1_000).start().await;
    let key = world.key(1_000_000).await;
    world.vendor().next("fast", Script::steps([Step::Text("東京".into()), Step::Stall]));
    let mut stream = world.client(&key).ask_stream("fast", "hello").await;
    stream.next_text().await;
    drop(stream);
    world.vendor().wait_for_hang_ups(1).await;
    world.wait_for_ends(1, 0).await;
    assert_eq!(world.uses().await.remove(0).0.outcome, Outcome::Cancelled);
    assert_eq!(sent(&world).await, [1.0, 0.0, 0.0, 0.0]);
    world.finish().await;
}

/// Jobs that find no room in their own process go to the queue, where a slot is kept for them.
#[tokio::test]
async fn who_finds_no_room_is_answered_through_the_queue() {
    let world = one_process(40).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let mut adverts = world.bus().client().subscribe(subjects::HEALTH_SUBJECTS).await.unwrap();
    let Advert::V1(mut advert) =
        serde_json::from_slice(&adverts.next().await.unwrap().payload).unwrap();
    (advert.slots, advert.slots_free) = (1_000_000, 1_000_000);
    let subject = subjects::health("cloud", &advert.worker);
    let body = serde_json::to_vec(&Advert::V1(advert)).unwrap();
    let bragging = async {
        let mut beats = tokio::time::interval(Duration::from_millis(ADVERT_INTERVAL_MS) / 20);
        loop {
            beats.tick().await;
            let (subject, body) = (subject.clone(), body.clone().into());
            world.bus().client().publish(subject, body).await.unwrap();
        }
    };
    // In some rounds the worker's own advert may be believed just then.
    let asked = async {
        for round in 1..=ROUNDS_MAX {
            wait_until("the gateway believes it", async || {
                world.scrape(0).await.value(SLOTS_FREE) > 900_000.0
            })
            .await;
            let gate = Gate::new();
            world.vendor().always("fast", Script::says(["x"]).after(&gate));
            let asked = futures::future::join_all((0..20).map(|_| client.ask("fast", "x")));
            let opened = async {
                world.vendor().wait_for_starts(20 * round).await;
                gate.open();
            };
            let answers = futures::join!(asked, opened).0;
            assert!(answers.iter().all(|answer| answer.status == 200));
            let [near, _, refused, _] = sent(&world).await;
            if near > 0.0 && refused > 0.0 {
                return 20 * round;
            }
        }
        panic!("in no round was there room for some and none for others");
    };
    let answered = tokio::select! {
        answered = asked => answered,
        () = bragging => unreachable!("it brags for ever"),
    };
    let [near, direct, _, queued] = sent(&world).await;
    assert_eq!((direct, near + queued), (0.0, answered as f64), "{near} near, {queued} queued");
    assert_eq!(world.uses().await.len(), answered);
    world.finish().await;
}

#[tokio::test]
async fn who_drains_takes_nothing_new_from_within_the_process_either() {
    let mut world = one_process(1_000).start().await;
    let key = world.key(1_000_000).await;
    let (client, admin) = (world.client(&key), world.admin());
    let gate = Gate::new();
    let held = [Step::Text("東京".into()), Step::Wait(gate.clone()), Step::Text("です".into())];
    world.vendor().next("fast", Script::steps(held));
    let mut stream = client.ask_stream("fast", "hello").await;
    stream.next_text().await;
    let listed = admin.get("/api/workers").await.json();
    let first = listed["data"][0]["worker"].as_str().unwrap().to_owned();
    let place = format!("/api/workers/{first}/drain");
    assert_eq!(admin.post(&place, &serde_json::json!({})).await.status, 200);
    let pulls = async || world.queue("cloud").await.waiting;
    wait_until("the pulls that it had sent are over", async || pulls().await == 0).await;
    world.vendor().always("fast", Script::says(["next"]));
    let second = world.add_worker();
    assert_eq!(client.ask("fast", "hello again").await.content(), "next");
    let done = "fly_llm_jobs_total{outcome=\"done\",pool=\"cloud\"}";
    wait_until("the second has done it", async || world.worker_metrics(second).value(done) == 1.0)
        .await;
    gate.open();
    stream.rest().await;
    assert!(stream.is_done() && stream.text() == "東京です", "{}", stream.text());
    assert_eq!(world.uses().await.len(), 2);
    world.finish().await;
}
