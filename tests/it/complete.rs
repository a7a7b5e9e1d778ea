//! A whole answer that nobody reads before its end comes with it, in one frame; where that can't
//! be, the two come one after the other. Either way it is told after its charge is durable.

use futures::StreamExt;
use harness::{Script, World, wait_until, within};
use infra::bus::seal::SEAL;
use infra::clock;
use infra::crash::Point;
use schemas::frame::{Frame, FrameBody};
use schemas::ids::{GatewayId, RequestId};
use schemas::job::{ChatJob, Claim, ClaimAnswer, Job, JobKind};
use schemas::ledger::{EventV1, Fact, Writer};
use schemas::money::MicroUsd;
use schemas::subjects;
use serde_json::json;

/// A whole job as a gateway would queue it, which takes its answer and its end in one or doesn't.
fn job_of(gateway: &GatewayId, takes_complete: bool) -> ChatJob {
    let golden = include_str!("../../schemas/golden/v1/job-chat.json");
    let (_, job) = serde_json::from_str::<Job>(golden).unwrap().open();
    let deadline_ms = clock::steady_ms() + 60_000;
    let (request, gateway) = (RequestId::fresh(), gateway.clone());
    let chat = json!({"model": "fast", "messages": [{"role": "user", "content": "hello"}]});
    let chat = serde_json::from_value(chat).unwrap();
    let model = "fast".to_owned();
    let (stream, hold) = (false, MicroUsd(1_000));
    ChatJob { request, gateway, model, deadline_ms, chat, stream, takes_complete, hold, ..job }
}

/// A gateway that is played here: queues a job, lets it begin, and hears its frames until the end.
/// `meanwhile` is done at the first frame.
async fn frames_of(world: &World, job: ChatJob, meanwhile: impl AsyncFn()) -> Vec<FrameBody> {
    let client = world.bus().client();
    let sealer = world.bus().sealer().await.unwrap();
    let mut headers = async_nats::HeaderMap::new();
    headers.insert(SEAL, sealer.seal(&job.account, &job.key, &job.request, job.hold).as_str());
    let mut claims = client.subscribe(subjects::claim(&job.gateway)).await.unwrap();
    let mut frames = client.subscribe(subjects::frames_all(&job.gateway)).await.unwrap();
    client.flush().await.unwrap();
    let body = serde_json::to_vec(&Job::new(JobKind::Chat, job)).unwrap();
    let subject = subjects::chat("cloud", "fast");
    let queued = world.bus().jetstream().publish_with_headers(subject, headers, body.into()).await;
    queued.unwrap().await.unwrap();
    let go = async {
        while let Some(message) = claims.next().await {
            if serde_json::from_slice::<Claim>(&message.payload).is_ok() {
                let answer = serde_json::to_vec(&ClaimAnswer::Go { left_ms: 60_000 }).unwrap();
                client.publish(message.reply.unwrap(), answer.into()).await.unwrap();
            }
        }
    };
    let heard = async {
        let mut heard = Vec::new();
        loop {
            let frame = frames.next().await.unwrap();
            let Frame::V1(frame) = serde_json::from_slice(&frame.payload).unwrap();
            heard.push(frame.body);
            assert_eq!(frame.number as usize, heard.len());
            if !matches!(heard.last(), Some(FrameBody::Answer(_))) {
                return heard;
            }
            meanwhile().await;
        }
    };
    let heard = async {
        tokio::select! {
            heard = heard => heard,
            () = go => unreachable!("the gateway listens"),
        }
    };
    within("the answer's end", heard).await
}

#[tokio::test]
async fn a_whole_answer_and_its_end_are_one_message() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let spy = world.spy().await;
    assert_eq!(world.client(&key).ask("fast", "hello").await.content(), "hello");
    world.wait_for_ends(1, 0).await;
    let messages = spy.messages().await;
    let frames = messages.iter().filter(|(subject, _)| subject.starts_with("tok."));
    let frames: Vec<&String> = frames.map(|(_, text)| text).collect();
    let [only] = frames.as_slice() else { panic!("{frames:?}") };
    let Frame::V1(only) = serde_json::from_str(only).unwrap();
    let FrameBody::Complete(complete) = only.body else { panic!("{only:?}") };
    assert_eq!(complete.done.charge.0, world.uses().await[0].1);
    world.finish().await;
}

#[tokio::test]
async fn an_older_gateway_gets_the_answer_and_then_its_end() {
    let world = World::start().await;
    for takes_complete in [false, true] {
        let job = job_of(&GatewayId::fresh(), takes_complete);
        world.grant(&job.account, 1_000, job.request.as_str()).await;
        let heard = frames_of(&world, job, async || ()).await;
        let is_one = matches!(heard.as_slice(), [FrameBody::Complete(_)]);
        let are_two = matches!(heard.as_slice(), [FrameBody::Answer(_), FrameBody::Done(_)]);
        assert!(if takes_complete { is_one } else { are_two }, "{heard:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn an_answer_goes_ahead_of_a_charge_that_takes_long() {
    let mut world = World::builder().gateways(0).billings(0).start().await;
    let job = job_of(&GatewayId::fresh(), true);
    let fact = Fact::Grant { unique: "credit".to_owned(), note: String::new() };
    let (account, at_ms) = (job.account.clone(), clock::unix_ms());
    let credit = EventV1 { account, at_ms, amount: MicroUsd(1_000), fact };
    world.bus().record(&credit).await.unwrap();
    // A ledger that hears of nothing for a while.
    let streams = world.bus().jetstream();
    let ledger = streams.get_stream(subjects::LEDGER_STREAM).await.unwrap();
    let mut deaf = ledger.cached_info().config.clone();
    deaf.subjects = vec!["deaf".to_owned()];
    streams.update_stream(deaf).await.unwrap();
    let heard = frames_of(&world, job, async || {
        world.bus().apply_streams(&world.config().queue, &["cloud".to_owned()]).await.unwrap();
    })
    .await;
    assert!(matches!(heard.as_slice(), [FrameBody::Answer(_), FrameBody::Done(_)]), "{heard:?}");
    assert_eq!(world.uses().await.len(), 1);
    world.add_billing();
    world.finish().await;
}

#[tokio::test]
async fn a_whole_answer_that_dies_with_its_worker_is_made_again_and_charged_once() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    let mut worker = 0;
    for (round, point) in [Point::Answered, Point::Settled].into_iter().enumerate() {
        world.wait_until_ready().await;
        let reached = world.dies_at(point).await;
        let client = world.client(&key);
        for words in ["first", "second"] {
            world.vendor().next("fast", Script::says([words]));
        }
        let question = format!("question {round}");
        let asked = client.ask("fast", &question);
        let replaced = async {
            within(&format!("the point {point:?}"), reached.wait()).await;
            world.kill_worker(worker);
            worker = world.add_worker();
        };
        let (answer, ()) = futures::join!(asked, replaced);
        assert_eq!((answer.status, answer.content()), (200, "second".to_owned()), "{point:?}");
        wait_until("each request has one end", async || world.uses().await.len() == round + 1)
            .await;
    }
    assert!(world.uses().await.iter().all(|(end, _)| end.writer == Writer::Worker));
    world.wait_until_applied().await;
    assert_eq!(world.held(&key).await, 0);
    world.finish().await;
}
