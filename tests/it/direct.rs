//! Jobs past the queue: a worker with many free slots gets them straight from the gateway, and
//! whatever happens to one of them there, its client gets one whole answer.

use crate::program::send;
use crate::unrecorded::let_in;
use futures::StreamExt;
use harness::{Answer, Gate, Key, Script, World, wait_until};
use rustix::process::Signal;
use schemas::advert::{Advert, AdvertV1};
use schemas::error::{ErrorCode, Problem};
use schemas::frame::{Delta, Failed, Frame, FrameBody, FrameV1};
use schemas::ids::{GatewayId, WorkerId};
use schemas::job::Job;
use schemas::openai::{AnswerChoice, ChunkChoice};
use schemas::subjects;
use serde_json::json;
use std::time::{Duration, Instant};

/// Free slots of the pool as the gateway knows them.
const SLOTS_FREE: &str = "fly_llm_slots_free{pool=\"cloud\"}";

/// Jobs that a worker was not told to begin.
const JOBS_REFUSED: &str = "fly_llm_jobs_total{outcome=\"refused\",pool=\"cloud\"}";

/// What the gateway counts of a way.
async fn sent(world: &World, way: &str) -> f64 {
    world.scrape(0).await.value(&format!("fly_llm_jobs_sent_total{{way=\"{way}\"}}"))
}

/// An advert of a worker that isn't there.
fn advert(worker: &WorkerId) -> Advert {
    Advert::V1(AdvertV1 {
        worker: worker.clone(),
        pool: "cloud".into(),
        models: vec!["fast".into()],
        slots: 1_000_000,
        slots_free: 1_000_000,
        draining: false,
        connection: None,
        direct: true,
        leaving: false,
        version: "0".into(),
    })
}

/// Does something while the gateway believes in a worker with more room than any other.
async fn believing<T>(world: &World, worker: &WorkerId, doing: impl Future<Output = T>) -> T {
    let body = serde_json::to_vec(&advert(worker)).unwrap();
    let subject = subjects::health("cloud", worker);
    let rhythm = Duration::from_millis(schemas::advert::ADVERT_INTERVAL_MS);
    let mut beats = tokio::time::interval(rhythm);
    let advertised = async {
        loop {
            beats.tick().await;
            let (subject, body) = (subject.clone(), body.clone());
            world.bus().client().publish(subject, body.into()).await.unwrap();
        }
    };
    let done = async {
        wait_until("the gateway believes it", async || {
            world.scrape(0).await.value(SLOTS_FREE) > 900_000.0
        })
        .await;
        doing.await
    };
    tokio::select! {
        done = done => done,
        () = advertised => unreachable!("it advertises for ever"),
    }
}

#[tokio::test]
async fn a_worker_with_many_free_slots_gets_its_jobs_straight() {
    let world = World::builder().config(|c| c.workers.provider_slots = 1_000).start().await;
    let key = world.key(1_000_000).await;
    for _ in 0..3 {
        world.vendor().next("fast", Script::says(["x"]));
        assert_eq!(world.client(&key).ask("fast", "x").await.status, 200);
    }
    assert_eq!((sent(&world, "direct").await, sent(&world, "queue").await), (3.0, 0.0));
    assert_eq!(world.uses().await.len(), 3);
    world.finish().await;
}

#[tokio::test]
async fn a_worker_with_few_slots_gets_them_from_the_queue() {
    let world = World::builder().config(|c| c.workers.provider_slots = 63).start().await;
    let key = world.key(1_000_000).await;
    world.vendor().next("fast", Script::says(["x"]));
    assert_eq!(world.client(&key).ask("fast", "x").await.status, 200);
    assert_eq!((sent(&world, "direct").await, sent(&world, "queue").await), (0.0, 1.0));
    world.finish().await;
}

#[tokio::test]
async fn what_nobody_hears_goes_to_the_queue() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    world.vendor().next("fast", Script::says(["x"]));
    let client = world.client(&key);
    let answer = believing(&world, &WorkerId::fresh(), client.ask("fast", "x")).await;
    assert_eq!(answer.status, 200);
    assert_eq!((sent(&world, "refused").await, sent(&world, "queue").await), (1.0, 1.0));
    assert_eq!((world.vendor().starts(), world.uses().await.len()), (1, 1));
    world.finish().await;
}

#[tokio::test]
async fn what_is_swallowed_goes_to_the_queue_after_the_acknowledgement_wait() {
    let world = World::builder().config(|c| c.queue.acknowledge_seconds = 1).start().await;
    let key = world.key(1_000_000).await;
    world.vendor().next("fast", Script::says(["x"]));
    let worker = WorkerId::fresh();
    let listened = world.bus().client().subscribe(subjects::direct("cloud", &worker)).await;
    let mut swallowed = listened.unwrap();
    let client = world.client(&key);
    // It shows signs of life: only the job is gone.
    let asked = async { futures::join!(client.ask("fast", "x"), swallowed.next()) };
    let (answer, job) = believing(&world, &worker, asked).await;
    assert_eq!(answer.status, 200);
    assert_eq!((sent(&world, "direct").await, sent(&world, "queue").await), (1.0, 1.0));
    assert_eq!((world.vendor().starts(), world.uses().await.len()), (1, 1));
    let _: Job = serde_json::from_slice(&job.unwrap().payload).unwrap();
    world.finish().await;
}

#[tokio::test]
async fn a_job_that_is_read_late_is_not_begun_twice() {
    // Room enough to take such a job, and too little to be sent one by the gateway.
    let small = World::builder().config(|config| {
        config.queue.acknowledge_seconds = 1;
        config.workers.provider_slots = 40;
    });
    let world = small.start().await;
    let key = world.key(1_000_000).await;
    world.vendor().next("fast", Script::says(["x"]));
    let thief = WorkerId::fresh();
    let listened = world.bus().client().subscribe(subjects::direct("cloud", &thief)).await;
    let mut swallowed = listened.unwrap();
    let mut adverts = world.bus().client().subscribe(subjects::HEALTH_SUBJECTS).await.unwrap();
    let real = match serde_json::from_slice(&adverts.next().await.unwrap().payload).unwrap() {
        Advert::V1(advert) => advert.worker,
    };
    let client = world.client(&key);
    let asked = async { futures::join!(client.ask("fast", "x"), swallowed.next()) };
    let (answer, job) = believing(&world, &thief, asked).await;
    assert_eq!(answer.status, 200);
    // The job's own time has passed on, and so has the attempt: the real worker asks, and is told.
    let job = job.unwrap();
    let client = world.bus().client();
    let subject = subjects::direct("cloud", &real);
    let (reply, headers) = (job.reply.unwrap(), job.headers.unwrap());
    wait_until("a late job is refused by its gateway", async || {
        let (reply, headers) = (reply.clone(), headers.clone());
        let sent = client.publish_with_reply_and_headers(
            subject.clone(),
            reply,
            headers,
            job.payload.clone(),
        );
        sent.await.unwrap();
        world.worker_metrics(0).value(JOBS_REFUSED) > 0.0
    })
    .await;
    assert_eq!((world.vendor().starts(), world.uses().await.len()), (1, 1));
    world.finish().await;
}

#[tokio::test]
async fn a_worker_without_room_says_so() {
    let world = World::builder().config(|c| c.workers.provider_slots = 40).start().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().always("fast", Script::says(["x"]).after(&gate));
    let client = world.client(&key);
    let asked = futures::future::join_all((0..10).map(|_| client.ask("fast", "x")));
    let tried = async {
        world.vendor().wait_for_starts(10).await;
        let mut adverts = world.bus().client().subscribe(subjects::HEALTH_SUBJECTS).await.unwrap();
        let worker = match serde_json::from_slice(&adverts.next().await.unwrap().payload).unwrap() {
            Advert::V1(advert) => advert.worker,
        };
        let (client, gateway) = (world.bus().client(), GatewayId::parse("gw_none").unwrap());
        let refuse = subjects::direct_refused(&gateway, &schemas::ids::RequestId::fresh(), 1);
        let mut refused = client.subscribe(refuse.clone()).await.unwrap();
        let subject = subjects::direct("cloud", &worker);
        client.publish_with_reply(subject, refuse, "a job".into()).await.unwrap();
        assert!(refused.next().await.unwrap().payload.is_empty());
        gate.open();
    };
    let (answers, ()) = futures::join!(asked, tried);
    assert!(answers.iter().all(|answer| answer.status == 200));
    world.finish().await;
}

/// A gateway that hears nothing judges nobody: a job past the queue that has begun goes on, however
/// long the silence lasts, and isn't given to another.
#[tokio::test]
async fn while_nats_says_nothing_no_job_is_thought_to_be_lost() {
    let mut world = World::builder()
        .config(|config| {
            config.queue.acknowledge_seconds = 2;
            config.workers.provider_slots = 1_000;
        })
        .start()
        .await;
    let nats = world.servers().nats_id().unwrap();
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    wait_until("there is room", async || world.scrape(0).await.value(SLOTS_FREE) >= 64.0).await;
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["once"]).after(&gate));
    let halted = async {
        world.vendor().wait_for_starts(1).await;
        send(nats, Signal::STOP);
        let (since, silence) = (Instant::now(), Duration::from_secs(4));
        wait_until("it would be lost", async || since.elapsed() >= silence).await;
        send(nats, Signal::CONT);
        gate.open();
    };
    let (answer, ()) = futures::join!(client.ask("fast", "x"), halted);
    assert_eq!(answer.content(), "once", "{}", answer.text);
    assert_eq!((sent(&world, "direct").await, sent(&world, "queue").await), (1.0, 0.0));
    world.wait_for_ends(1, 0).await;
    assert_eq!(world.vendor().starts(), 1);
    world.finish().await;
}

/// While NATS takes no job, an execution that is thought to be lost may go on, and be charged: no
/// error ends the request then.
#[tokio::test]
async fn what_cannot_be_queued_anew_is_tried_again() {
    let world = World::builder().config(|c| c.queue.acknowledge_seconds = 1).start().await;
    let key = world.key(1_000_000).await;
    world.vendor().next("fast", Script::says(["x"]));
    let worker = WorkerId::fresh();
    let listened = world.bus().client().subscribe(subjects::direct("cloud", &worker)).await;
    let mut swallowed = listened.unwrap();
    let lost = async {
        swallowed.next().await;
        world.bus().jetstream().delete_stream(subjects::CHAT_STREAM).await.unwrap();
        wait_until("the queue was tried", async || sent(&world, "queue").await >= 1.0).await;
        let config = world.config();
        world.bus().apply_chat(&config.queue, &config.models.pools()).await.unwrap();
    };
    let client = world.client(&key);
    let asked = async { futures::join!(client.ask("fast", "x"), lost).0 };
    let answer = believing(&world, &worker, asked).await;
    assert_eq!((answer.status, answer.content().as_str()), (200, "x"), "{}", answer.text);
    assert_eq!((world.vendor().starts(), world.uses().await.len()), (1, 1));
    world.finish().await;
}

/// A worker that isn't there takes one job and sends these frames; then something else is done.
async fn answered_by(
    world: &World,
    key: &Key,
    bodies: Vec<FrameBody>,
    then: impl AsyncFnOnce(),
) -> Answer {
    let worker = WorkerId::fresh();
    let listened = world.bus().client().subscribe(subjects::direct("cloud", &worker)).await;
    let mut taken = listened.unwrap();
    let sent = async {
        let (_, job) =
            serde_json::from_slice::<Job>(&taken.next().await.unwrap().payload).unwrap().open();
        then().await;
        for (number, body) in (1..).zip(bodies) {
            let frame = Frame::V1(FrameV1 { number, attempt: 1, delivered: 0, body });
            let subject = subjects::frames(&job.gateway, &job.request);
            let frame = serde_json::to_vec(&frame).unwrap();
            world.bus().client().publish(subject, frame.into()).await.unwrap();
        }
    };
    let client = world.client(key);
    let asked = async { futures::join!(client.ask("fast", "x"), sent).0 };
    believing(world, &worker, asked).await
}

fn failed() -> FrameBody {
    let problem = Problem::new(ErrorCode::UpstreamError, "x", "x");
    FrameBody::Failed(Failed { problem, settled: None })
}

fn whole() -> FrameBody {
    let message = json!({"role": "assistant", "content": "the whole"});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    FrameBody::Answer(schemas::frame::Answer { choices: vec![choice_of(choice)] })
}

fn choice_of(choice: serde_json::Value) -> AnswerChoice {
    serde_json::from_value(choice).unwrap()
}

/// Pieces of a whole answer are told to nobody: who gets an error instead of it pays nothing.
#[tokio::test]
async fn an_error_instead_of_a_whole_answer_costs_nothing() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let half = FrameBody::Delta(Delta { choices: vec![ChunkChoice::text(0, "half of it")] });
    let answer = answered_by(&world, &key, vec![half, failed()], async || {}).await;
    assert_eq!(answer.error_code(), "upstream_error", "{}", answer.text);
    world.wait_for_ends(0, 1).await;
    assert_eq!(world.vendor().starts(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_whole_answer_whose_last_word_does_not_come_is_told_when_its_time_is_over() {
    let world = World::builder().config(|config| config.gateway.request_seconds_max = 2);
    let world = world.start().await;
    let key = world.key(1_000_000).await;
    let answer = answered_by(&world, &key, vec![whole()], async || {}).await;
    assert_eq!((answer.status, answer.content().as_str()), (200, "the whole"), "{}", answer.text);
    world.wait_for_ends(1, 0).await;
    world.finish().await;
}

/// What nobody could charge in time is told to nobody, and isn't charged later.
#[tokio::test]
async fn a_whole_answer_that_is_withheld_costs_nothing_when_the_ledger_takes_charges_again() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let full = async || let_in(&world, Some(0)).await;
    let answer = answered_by(&world, &key, vec![whole(), failed()], full).await;
    assert_eq!(answer.error_code(), "upstream_error", "{}", answer.text);
    let_in(&world, None).await;
    world.wait_for_ends(0, 1).await;
    world.finish().await;
}
