//! A request with a name of its own runs once and is paid for once, whatever comes again, on
//! whichever gateway, and whoever dies meanwhile.

use crate::single_flight::none_of;
use harness::client::question_to;
use harness::{Answer, Client, Gate, Key, Script, World, wait_for, wait_until};
use infra::bus::ledger::Recorded;
use infra::clock::unix_ms;
use infra::store::once::{Beginning, OnceName};
use reqwest::{Method, RequestBuilder};
use schemas::ids::RequestId;
use schemas::ledger::{EventV1, Fact, Outcome, Use, Writer};
use schemas::money::MicroUsd;
use schemas::usage::{TokenSource, Usage};
use serde_json::{Value, json};
use std::time::Duration;

const CHAT: &str = "/v1/chat/completions";

fn named(client: &Client, name: &str, path: &str, body: &Value) -> RequestBuilder {
    client.request(Method::POST, path).header("idempotency-key", name).json(body)
}

async fn send(client: &Client, name: &str, body: &Value) -> Answer {
    client.send(named(client, name, CHAT, body)).await
}

fn streamed(question: &str) -> Value {
    let mut body = question_to("fast", question);
    body["stream"] = true.into();
    body
}

async fn waited(world: &World, gateway: usize) {
    wait_until("a repetition waits", async || {
        let scrape = world.scrape(gateway).await;
        scrape.value("fly_llm_idempotent_total{result=\"waited\"}") >= 1.0
    })
    .await;
}

async fn two_gateways() -> (World, Key) {
    let change = |config: &mut infra::config::Config| config.gateway.begin_stream_after_ms = 1;
    let world = World::builder().gateways(2).config(change).start().await;
    let key = world.key(1_000_000).await;
    (world, key)
}

#[tokio::test]
async fn the_same_key_joins_the_running_request_and_is_told_again() {
    let (world, key) = two_gateways().await;
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["one ", "answer"]).after(&gate));
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    let body = question_to("fast", "secretly");
    let joined = async {
        world.vendor().wait_for_starts(1).await;
        let opened = async {
            waited(&world, 1).await;
            gate.open();
        };
        tokio::join!(send(&second, "k", &body), opened).0
    };
    let (one, two) = tokio::join!(send(&first, "k", &body), joined);
    assert_eq!((one.status, one.content().as_str()), (200, "one answer"), "{}", one.text);
    assert_eq!(one.header("idempotent-replayed"), "");
    let again = send(&first, "k", &body).await;
    for told in [two, again] {
        assert_eq!((told.status, &told.text), (200, &one.text));
        assert_eq!(told.header("idempotent-replayed"), "true");
        assert_eq!(told.header("x-fly-original-request"), one.header("x-request-id"));
        assert_ne!(told.header("x-request-id"), one.header("x-request-id"));
        assert_eq!(told.header("x-fly-cost-usd"), one.header("x-fly-cost-usd"));
    }
    let redis = format!("{:?}", world.redis_texts().await);
    assert!(redis.contains("}:once:"), "{redis}");
    assert!(!redis.contains("secretly") && !redis.contains("one answer"));
    assert_eq!(world.vendor().starts(), 1);
    world.wait_for_ends(1, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn a_stream_is_told_again_as_a_stream() {
    let (world, key) = two_gateways().await;
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["one ", "answer"]).after(&gate));
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    let body = streamed("hello");
    let joined = async {
        world.vendor().wait_for_starts(1).await;
        let opened = async {
            waited(&world, 1).await;
            gate.open();
        };
        tokio::join!(send(&second, "k", &body), opened).0
    };
    let (one, two) = tokio::join!(send(&first, "k", &body), joined);
    let again = send(&second, "k", &body).await;
    let said = |answer: &Answer| -> String {
        assert_eq!(answer.header("content-type"), "text/event-stream", "{}", answer.text);
        answer.text.lines().filter(|line| line.starts_with("data: ")).collect()
    };
    assert!(said(&one).ends_with("data: [DONE]"), "{}", one.text);
    assert_eq!((said(&two), said(&again)), (said(&one), said(&one)));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(world.vendor().starts(), 1);
    world.wait_for_ends(1, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn another_body_is_refused_in_the_shape_of_its_surface() {
    let world = World::start().await;
    let (key, stranger) = (world.key(1_000_000).await, world.key(1_000_000).await);
    let client = world.client(&key);
    let body = question_to("fast", "hello");
    let first = send(&client, "k", &body).await;
    let other = send(&client, "k", &question_to("fast", "hello!")).await;
    assert_eq!((other.status, other.error_code().as_str()), (409, "conflict"), "{}", other.text);
    assert_eq!(other.header("x-should-retry"), "false");
    assert!(other.text.contains(first.header("x-request-id")), "{}", other.text);
    let messages = json!({"model": "fast", "max_tokens": 5,
        "messages": [{"role": "user", "content": "hello"}]});
    let other = client.send(named(&client, "k", "/v1/messages", &messages)).await;
    assert_eq!(
        (other.status, other.json()["error"]["type"].as_str()),
        (409, Some("conflict_error"))
    );
    for wrong in [" ".to_owned(), "k".repeat(256)] {
        assert_eq!(send(&client, &wrong, &body).await.status, 400);
    }
    // Another client's key of the same name is another key.
    let theirs = send(&world.client(&stranger), "k", &body).await;
    assert_eq!((theirs.status, theirs.header("idempotent-replayed")), (200, ""));
    let texts = json!({"model": "embedder", "input": "hello"});
    let vectors = async || client.send(named(&client, "e", "/v1/embeddings", &texts)).await;
    let (one, two) = (vectors().await, vectors().await);
    assert_eq!((one.status, &one.text), (200, &two.text));
    assert_eq!(two.header("idempotent-replayed"), "true");
    assert_eq!(world.vendor().starts(), 3);
    world.wait_for_ends(3, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn it_runs_on_when_its_client_leaves_and_gives_its_key_back_when_it_fails() {
    let (world, key) = two_gateways().await;
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["one ", "answer"]).after(&gate));
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    let body = question_to("fast", "hello");
    tokio::select! {
        () = none_of(send(&first, "k", &body)) => {}
        () = world.vendor().wait_for_starts(1) => {}
    }
    gate.open();
    let told = send(&second, "k", &body).await;
    assert_eq!((told.status, told.content().as_str()), (200, "one answer"), "{}", told.text);
    assert_eq!((told.header("idempotent-replayed"), world.vendor().starts()), ("true", 1));
    world.vendor().next("keyed", Script::refuses(500, "no"));
    let body = question_to("keyed", "hello");
    let failed = send(&first, "failing", &body).await;
    assert!(failed.status >= 500, "{}", failed.text);
    let told = send(&second, "failing", &body).await;
    assert_eq!((told.status, told.header("idempotent-replayed")), (200, ""), "{}", told.text);
    world.wait_for_ends(2, 1).await;
    world.finish().await;
}

#[tokio::test]
async fn another_takes_over_when_its_gateway_dies_and_nobody_pays_twice() {
    let (mut world, key) = two_gateways().await;
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["lost"]).after(&gate));
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    let body = question_to("fast", "hello");
    tokio::select! {
        () = none_of(send(&first, "k", &body)) => {}
        () = world.vendor().wait_for_starts(1) => {}
    }
    world.kill_gateway(0);
    // As long as its lease, so over 5 s.
    let told = send(&second, "k", &body).await;
    assert_eq!((told.status, told.content().as_str()), (200, "hello"), "{}", told.text);
    gate.open();
    world.wait_for_ends(1, 1).await;
    let again = send(&second, "k", &body).await;
    assert_eq!((&again.text, again.header("idempotent-replayed")), (&told.text, "true"));
    pays_once_when_the_answer_is_lost(&world, &key, again.header("x-fly-original-request")).await;
    world.wait_for_ends(1, 1).await;
    world.finish().await;
}

/// Its gateway died after the charge, and before the answer was kept.
async fn pays_once_when_the_answer_is_lost(world: &World, key: &Key, charged: &str) {
    let texts = world.redis_texts().await;
    let place = texts.keys().find(|key| key.contains("}:once:")).unwrap();
    let name = place.rsplit(':').next().unwrap().to_owned();
    let account = key.account.clone();
    // The answer is in there, too, and may have a word of that length.
    let is_digest =
        |word: &&str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let body = texts[place].split(' ').find(is_digest).unwrap();
    let beginning = Beginning {
        body,
        request: &RequestId::parse(charged).unwrap(),
        lease: Duration::ZERO,
        lifetime: Duration::from_secs(600),
        lost: None,
        anew: true,
    };
    world.store().begin_once(&OnceName { account, name }, beginning).await.unwrap();
    for _ in 0..2 {
        let refused = send(&world.client_at(1, key), "k", &question_to("fast", "hello")).await;
        assert_eq!(refused.status, 409, "{}", refused.text);
        assert!(refused.text.contains(&format!("/api/receipts/{charged}")), "{}", refused.text);
    }
}

/// What stands in the ledger of a request that is under way.
async fn charge_meanwhile(world: &World, key: &Key) -> RequestId {
    let request = wait_for("its hold", async || {
        let texts = world.redis_texts().await;
        let hold = texts.keys().find_map(|key| key.split_once("}:hold:"));
        hold.and_then(|(_, request)| RequestId::parse(request).ok())
    })
    .await;
    let fact = Fact::Use(Use {
        request: request.clone(),
        key: key.id.clone(),
        model: "keyed".into(),
        usage: Usage { input: 1, ..Usage::default() },
        source: TokenSource::Estimated,
        price: world.config().models.get("keyed").unwrap().price,
        hold: MicroUsd(1),
        outcome: Outcome::Done,
        writer: Writer::Worker,
        cached: false,
        route: None,
    });
    let event =
        EventV1 { account: key.account.clone(), at_ms: unix_ms(), amount: MicroUsd(-1), fact };
    assert!(matches!(world.bus().record(&event).await.unwrap(), Recorded::Written(_)));
    request
}

/// The gateway gave up on an execution that went on: what the client was told is an error that says
/// "try again", and yet it is charged.
#[tokio::test]
async fn what_ended_with_an_error_and_was_charged_is_not_run_again() {
    let (world, key) = two_gateways().await;
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    let gate = Gate::new();
    world.vendor().next("keyed", Script::refuses(500, "no").after(&gate));
    let body = question_to("keyed", "hello");
    let charged = async {
        world.vendor().wait_for_starts(1).await;
        let request = charge_meanwhile(&world, &key).await;
        gate.open();
        request
    };
    let (failed, request) = tokio::join!(send(&first, "k", &body), charged);
    assert!(failed.status >= 500, "{}", failed.text);
    for client in [&second, &first] {
        let again = send(client, "k", &body).await;
        assert_eq!(again.status, 409, "{}", again.text);
        assert!(again.text.contains(&format!("/api/receipts/{request}")), "{}", again.text);
    }
    assert_eq!(world.vendor().starts(), 1);
    world.wait_for_ends(1, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn an_sdks_retry_of_the_same_body_is_the_same_request() {
    let (world, key) = two_gateways().await;
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    let body = question_to("fast", "hello");
    let count = async |client: &Client, count: &str| {
        let request = client.request(Method::POST, CHAT).header("x-stainless-retry-count", count);
        client.send(request.json(&body)).await
    };
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["one ", "answer"]).after(&gate));
    tokio::select! {
        () = none_of(count(&first, "0")) => {}
        () = world.vendor().wait_for_starts(1) => {}
    }
    let opened = async {
        waited(&world, 1).await;
        gate.open();
    };
    let (told, ()) = tokio::join!(count(&second, "1"), opened);
    assert_eq!((told.status, told.content().as_str()), (200, "one answer"), "{}", told.text);
    assert_eq!((told.header("idempotent-replayed"), world.vendor().starts()), ("true", 1));
    // Two first attempts are two requests, however equal they are.
    let another = count(&second, "0").await;
    assert_eq!((another.status, another.header("idempotent-replayed")), (200, ""));
    assert_eq!(world.vendor().starts(), 2);
    world.wait_for_ends(2, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn an_sdks_request_stops_when_nobody_comes_again() {
    let change = |config: &mut infra::config::Config| config.idempotency.sdk_wait_seconds = 0;
    let world = World::builder().config(change).start().await;
    let key = world.key(1_000_000).await;
    world.vendor().next("fast", Script::Silence);
    let client = world.client(&key);
    let request = client.request(Method::POST, CHAT).header("x-stainless-retry-count", "0");
    tokio::select! {
        () = none_of(client.send(request.json(&question_to("fast", "hello")))) => {}
        () = world.vendor().wait_for_starts(1) => {}
    }
    world.vendor().wait_for_hang_ups(1).await;
    world.wait_for_ends(0, 1).await;
    world.finish().await;
}
