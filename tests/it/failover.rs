//! What breaks on the way: vendors, workers, gateways, NATS. A stream never ends in silence or in
//! a clean `[DONE]` that isn't one, and whatever breaks is charged once or not at all.

use futures::StreamExt;
use harness::client::question_to;
use harness::vendor::End;
use harness::{Event, EventStream, Gate, Script, Step, World, wait_until, within};
use infra::clock;
use schemas::frame::{Frame, FrameBody};
use schemas::ids::{GatewayId, RequestId};
use schemas::job::{ChatJob, Claim, ClaimAnswer, Job, JobKind};
use schemas::ledger::{Outcome, Writer};
use schemas::subjects;
use schemas::usage::TokenSource;
use serde_json::json;

/// Says ten tokens' worth, waits for the gate, then goes on to its end.
fn in_two_parts(gate: &Gate) -> Script {
    Script::steps([
        Step::Text("十文字の回答です。。".into()),
        Step::Wait(gate.clone()),
        Step::Text(" and the rest".into()),
    ])
}

/// Says ten tokens' worth, waits for the gate, then breaks off.
fn cut_behind(gate: &Gate, step: Step) -> Script {
    Script::steps([Step::Text("十文字の回答です。。".into()), Step::Wait(gate.clone()), step])
}

/// A stream that ended with an `error` event, without `[DONE]`, with all that had come before.
fn assert_interrupted(stream: &EventStream) {
    assert_eq!(stream.error_code().as_deref(), Some("stream_interrupted"));
    assert!(!stream.is_done());
    assert!(!stream.events().contains(&Event::Broken), "the body ended in good order");
    assert_eq!(stream.text(), "十文字の回答です。。");
}

#[tokio::test]
async fn a_vendor_that_cuts_ends_the_stream_with_an_error_and_one_charge() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    for (round, step) in [Step::Cut, Step::EndEarly].into_iter().enumerate() {
        let gate = Gate::new();
        world.vendor().always("fast", cut_behind(&gate, step));
        let mut stream = world.client(&key).ask_stream("fast", "hello").await;
        stream.next_text().await;
        gate.open();
        stream.rest().await;
        assert_eq!(stream.status, 200);
        assert_interrupted(&stream);
        world.wait_for_ends(round + 1, 0).await;
        let (event, charge) = world.uses().await.pop().unwrap();
        assert_eq!(event.outcome, Outcome::Partial);
        assert_eq!(event.source, TokenSource::Estimated);
        assert_eq!(charge, 2 + 10 * 2);
    }
    assert_eq!(world.vendor().starts(), 2, "nothing is tried again after the first token");
    world.finish().await;
}

#[tokio::test]
async fn an_error_event_of_a_vendor_ends_the_stream_with_an_error() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let error = "data: {\"error\":{\"message\":\"secret-detail\",\"type\":\"server_error\"}}\n\n";
    let steps = [Step::Text("a".into()), Step::Raw(error.into())];
    world.vendor().always("fast", Script::steps(steps));
    let mut stream = world.client(&key).ask_stream("fast", "hello").await;
    stream.rest().await;
    assert!(stream.error_code().is_some() && !stream.is_done());
    assert!(!String::from_utf8_lossy(stream.bytes()).contains("secret-detail"));
    world.wait_for_ends(1, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn a_worker_killed_in_a_stream_ends_it_with_an_error_and_one_charge() {
    let mut world = World::builder().workers(1).start().await;
    let key = world.key(1_000_000).await;
    world.vendor().always("fast", in_two_parts(&Gate::new()));
    let mut stream = world.client(&key).ask_stream("fast", "hello").await;
    stream.next_text().await;
    world.kill_worker(0);
    stream.rest().await;
    assert_interrupted(&stream);
    world.wait_for_ends(1, 0).await;
    let (event, charge) = world.uses().await.remove(0);
    assert_eq!((event.outcome, event.writer), (Outcome::Partial, Writer::Gateway));
    assert_eq!(charge, 2 + 10 * 2);
    world.add_worker();
    world.vendor().always("fast", Script::says(["again"]));
    assert_eq!(world.client(&key).ask("fast", "hello").await.content(), "again");
    world.finish().await;
}

#[tokio::test]
async fn what_a_gateway_estimates_is_no_more_than_was_asked_for() {
    let mut world = World::builder().workers(1).start().await;
    let key = world.key(1_000_000).await;
    world.vendor().always("fast", in_two_parts(&Gate::new()));
    let mut body = question_to("fast", "hello");
    body["max_tokens"] = 3.into();
    let mut stream = world.client(&key).stream(&body).await;
    stream.next_text().await;
    world.kill_worker(0);
    stream.rest().await;
    world.wait_for_ends(1, 0).await;
    let (event, charge) = world.uses().await.remove(0);
    assert_eq!((event.writer, event.usage.output), (Writer::Gateway, 3));
    assert_eq!(charge, 2 + 3 * 2);
    world.finish().await;
}

#[tokio::test]
async fn a_worker_killed_before_the_first_token_is_replaced_unseen() {
    let mut world = World::builder().start().await;
    let key = world.key(1_000_000).await;
    world.vendor().next("fast", Script::Silence);
    let client = world.client(&key);
    let asked = client.ask("fast", "hello");
    let killed = async {
        world.vendor().wait_for_starts(1).await;
        world.add_worker();
        world.kill_worker(0);
    };
    let (answer, ()) = futures::join!(asked, killed);
    assert_eq!(answer.content(), "hello", "{}", answer.text);
    world.wait_for_ends(1, 0).await;
    assert_eq!(world.vendor().starts(), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_stopping_worker_finishes_its_streams_and_takes_no_more() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().next("fast", in_two_parts(&gate));
    let client = world.client(&key);
    let mut stream = client.ask_stream("fast", "hello").await;
    stream.next_text().await;
    world.ask_worker_to_stop(0);
    wait_until("it pulls no more", async || world.queue("cloud").await.waiting == 0).await;
    world.add_worker();
    assert_eq!(client.ask("fast", "to the other").await.content(), "to the other");
    gate.open();
    stream.rest().await;
    assert!(stream.is_done());
    assert_eq!(stream.text(), "十文字の回答です。。 and the rest");
    world.stop_worker(0).await;
    world.finish().await;
}

#[tokio::test]
async fn a_stopping_gateway_finishes_its_streams() {
    let mut world = World::builder().gateways(2).start().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().next("fast", in_two_parts(&gate));
    let mut stream = world.client_at(1, &key).ask_stream("fast", "hello").await;
    stream.next_text().await;
    let read = async {
        gate.open();
        stream.rest().await;
        stream
    };
    let (stream, ()) = futures::join!(read, world.stop_gateway(1));
    assert!(stream.is_done());
    assert_eq!(stream.text(), "十文字の回答です。。 and the rest");
    world.finish().await;
}

#[tokio::test]
async fn a_killed_gateways_stream_is_stopped_and_charged_once_for_what_it_had() {
    let mut world = World::builder().gateways(2).start().await;
    let key = world.key(1_000_000).await;
    world.vendor().next("fast", in_two_parts(&Gate::new()));
    let mut stream = world.client_at(1, &key).ask_stream("fast", "hello").await;
    stream.next_text().await;
    world.kill_gateway(1);
    stream.rest().await;
    assert!(stream.events().contains(&Event::Broken));
    world.vendor().wait_for_hang_ups(1).await;
    world.wait_for_ends(1, 0).await;
    let (event, charge) = world.uses().await.remove(0);
    assert_eq!((event.outcome, event.writer), (Outcome::Cancelled, Writer::Worker));
    assert_eq!(charge, 2 + 10 * 2);
    world.finish().await;
}

#[tokio::test]
async fn a_fallback_before_the_first_token_costs_nothing_and_is_told() {
    let world = World::builder()
        .config(|config| {
            config.fallbacks.insert("fast".into(), vec!["backup".into()]);
            config.breaker.failures_max = 100;
        })
        .start()
        .await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for script in [Script::refuses(503, "busy"), Script::steps([Step::Cut]), Script::page(200)] {
        world.vendor().always("fast", script);
        let answer = client.ask("fast", "whole").await;
        assert_eq!(answer.content(), "whole", "{}", answer.text);
        assert_eq!(answer.header("x-fly-model"), "backup");
        assert_eq!(answer.json()["model"], "backup");
        let mut stream = client.ask_stream("fast", "stream").await;
        stream.rest().await;
        assert_eq!(stream.text(), "stream");
        assert!(stream.is_done());
        assert_eq!(stream.header("x-fly-model"), "backup");
    }
    let uses = world.uses().await;
    assert_eq!(uses.len(), 6);
    // 10 in at 2, 5 out at 4.
    assert!(uses.iter().all(|(event, charge)| event.model == "backup" && *charge == 40));
    world.vendor().always("fast", Script::refuses(400, "your mistake"));
    assert_eq!(client.ask("fast", "x").await.status, 400, "no other model mends a wrong request");
    world.finish().await;
}

#[tokio::test]
async fn after_the_first_token_there_is_no_fallback() {
    let world = World::builder()
        .config(|config| {
            config.fallbacks.insert("fast".into(), vec!["backup".into()]);
        })
        .start()
        .await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().always("fast", cut_behind(&gate, Step::Cut));
    let mut stream = world.client(&key).ask_stream("fast", "hello").await;
    stream.next_text().await;
    gate.open();
    stream.rest().await;
    assert_interrupted(&stream);
    assert_eq!(world.vendor().starts_of("backup"), 0);
    world.wait_for_ends(1, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn jobs_that_wait_survive_a_restart_of_nats() {
    let mut world =
        World::builder().config(|config| config.workers.provider_slots = 1).start().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["first"]).after(&gate));
    let client = world.client(&key);
    let asked = futures::future::join_all(
        ["one", "two", "three"].map(|question| client.ask("fast", question)),
    );
    let restarted = async {
        world.vendor().wait_for_starts(1).await;
        wait_until("one waits in the queue", async || world.queue("cloud").await.pending == 1)
            .await;
        world.servers().kill_nats().await;
        world.servers().start_nats_again().await;
        wait_until("it waits again", async || world.queue("cloud").await.pending == 1).await;
        // The first has kept running; its frames need its worker's connection.
        world.bus().wait_for_worker("cloud").await.unwrap();
        gate.open();
    };
    let (answers, ()) = futures::join!(asked, restarted);
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(world.vendor().starts(), 3, "each is run once");
    world.finish().await;
}

#[tokio::test]
async fn a_restart_of_nats_in_a_stream_loses_no_piece_unseen() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().always("fast", in_two_parts(&gate));
    let mut stream = world.client(&key).ask_stream("fast", "hello").await;
    stream.next_text().await;
    world.servers().kill_nats().await;
    world.servers().start_nats_again().await;
    gate.open();
    stream.rest().await;
    match stream.error_code() {
        None => {
            assert!(stream.is_done());
            assert_eq!(stream.text(), "十文字の回答です。。 and the rest");
        }
        Some(_) => {
            assert!(!stream.is_done());
            assert!("十文字の回答です。。 and the rest".starts_with(&stream.text()));
        }
    }
    world.wait_for_ends(1, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn a_job_that_is_handed_out_twice_is_run_once() {
    let world = World::builder().workers(2).start().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().next("fast", in_two_parts(&gate));
    let spy = world.spy().await;
    let mut stream = world.client(&key).ask_stream("fast", "hello").await;
    stream.next_text().await;
    // The same message again, as after a lost acknowledgement.
    let messages = spy.messages().await;
    let (subject, job) = messages.iter().find(|(subject, _)| subject.starts_with("chat.")).unwrap();
    let again = world.bus().jetstream().publish(subject.clone(), job.clone().into());
    again.await.unwrap().await.unwrap();
    wait_until("the second delivery is refused", async || {
        let name = "fly_llm_jobs_total{outcome=\"refused\",pool=\"cloud\"}";
        world.worker_metrics(0).value(name) + world.worker_metrics(1).value(name) == 1.0
    })
    .await;
    gate.open();
    stream.rest().await;
    assert!(stream.is_done());
    assert_eq!(stream.text(), "十文字の回答です。。 and the rest");
    assert_eq!(world.vendor().starts(), 1);
    assert_eq!(world.vendor().ended(End::Sent), 1);
    drop(spy);
    world.finish().await;
}

#[tokio::test]
async fn a_job_that_ended_never_comes_back() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().next("fast", Script::refuses(500, "no"));
    assert_eq!(client.ask("fast", "failed").await.status, 502);
    for _ in 0..5 {
        assert_eq!(client.ask("fast", "whole").await.content(), "whole");
        let mut stream = client.ask_stream("fast", "stream").await;
        stream.rest().await;
        assert!(stream.is_done());
    }
    wait_until("every job is acknowledged", async || {
        let queue = world.queue("cloud").await;
        queue.pending == 0 && queue.unacknowledged == 0
    })
    .await;
    let name = "fly_llm_jobs_total{outcome=\"refused\",pool=\"cloud\"}";
    assert_eq!(world.worker_metrics(0).value(name), 0.0, "none was handed out twice");
    assert_eq!(world.scrape(0).await.sum("fly_llm_claims_total"), 11.0);
    world.finish().await;
}

#[tokio::test]
async fn a_job_that_nobody_can_read_harms_nobody() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let subject = schemas::subjects::chat("cloud", "fast");
    for nonsense in ["", "{}", "nonsense", "{\"v1\":{}}"] {
        let sent = world.bus().jetstream().publish(subject.clone(), nonsense.into());
        sent.await.unwrap().await.unwrap();
    }
    wait_until("it is removed", async || {
        let name = "fly_llm_jobs_total{outcome=\"unreadable\",pool=\"cloud\"}";
        world.worker_metrics(0).value(name) == 4.0
    })
    .await;
    assert_eq!(world.client(&key).ask("fast", "fine").await.content(), "fine");
    world.finish().await;
}

/// A job as a gateway would queue it.
fn job_of(gateway: &GatewayId) -> ChatJob {
    let golden = include_str!("../../schemas/golden/v1/job-chat.json");
    let (_, job) = serde_json::from_str::<Job>(golden).unwrap().open();
    let deadline_ms = clock::steady_ms() + 60_000;
    let (request, gateway) = (RequestId::fresh(), gateway.clone());
    let chat = json!({"model": "fast", "stream": true,
        "messages": [{"role": "user", "content": "hello"}]});
    let chat = serde_json::from_value(chat).unwrap();
    let model = "fast".to_owned();
    ChatJob { request, gateway, model, deadline_ms, chat, ..job }
}

/// The gateway is played here: it has given the job to another while the worker was out of reach.
#[tokio::test]
async fn a_broken_answer_whose_place_another_has_charges_nothing_and_tells_no_end() {
    let world = World::start().await;
    let gate = Gate::new();
    world.vendor().always("fast", cut_behind(&gate, Step::Cut));
    let (gateway, client) = (GatewayId::fresh(), world.bus().client());
    let mut claims = client.subscribe(subjects::claim(&gateway)).await.unwrap();
    let mut frames = client.subscribe(subjects::frames_all(&gateway)).await.unwrap();
    client.flush().await.unwrap();
    let job = job_of(&gateway);
    let request = job.request.clone();
    let body = serde_json::to_vec(&Job::new(JobKind::Chat, job)).unwrap();
    let subject = subjects::chat("cloud", "fast");
    world.bus().jetstream().publish(subject, body.into()).await.unwrap().await.unwrap();
    let asked = async {
        loop {
            let message = claims.next().await.unwrap();
            let reply = message.reply.unwrap();
            if message.payload.is_empty() {
                client.publish(reply, "".into()).await.unwrap();
                continue;
            }
            let claim: Claim = serde_json::from_slice(&message.payload).unwrap();
            let (answer, is_end) = match claim {
                Claim::V1(_) => (ClaimAnswer::Go { left_ms: 60_000 }, false),
                Claim::EndV1(end) => {
                    assert_eq!((end.request, end.attempt, end.delivered), (request.clone(), 1, 1));
                    (ClaimAnswer::AlreadyRunning, true)
                }
            };
            let answer = serde_json::to_vec(&answer).unwrap();
            client.publish(reply, answer.into()).await.unwrap();
            if is_end {
                return;
            }
        }
    };
    let heard = async {
        let first = frames.next().await.unwrap();
        let Frame::V1(first) = serde_json::from_slice(&first.payload).unwrap();
        assert!(matches!(first.body, FrameBody::Delta(_)), "{first:?}");
        gate.open();
    };
    let both = futures::future::join(asked, heard);
    within("the worker asks whether its broken answer counts", both).await;
    let failed = "fly_llm_jobs_total{outcome=\"failed\",pool=\"cloud\"}";
    wait_until("the job is over", async || world.worker_metrics(0).value(failed) == 1.0).await;
    client.flush().await.unwrap();
    assert!(world.ledger().await.is_empty(), "nothing is charged");
    assert!(futures::FutureExt::now_or_never(frames.next()).is_none(), "no end is told");
    world.finish().await;
}
