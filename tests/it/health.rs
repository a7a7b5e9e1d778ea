//! `/health`, `/ready` and `/metrics`, as an orchestrator and Prometheus read them.

use gateway::auth::issue;
use harness::{World, wait_until};
use schemas::money::MicroUsd;

/// What docs and dashboards name.
const NAMES: [&str; 14] = [
    "fly_llm_requests_total",
    "fly_llm_request_seconds",
    "fly_llm_first_token_seconds",
    "fly_llm_queue_seconds",
    "fly_llm_requests_running",
    "fly_llm_tokens_total",
    "fly_llm_charged_micro_usd_total",
    "fly_llm_holds_total",
    "fly_llm_claims_total",
    "fly_llm_cache_total",
    "fly_llm_workers",
    "fly_llm_slots_free",
    "fly_llm_queue_pending",
    "fly_llm_queue_waiting",
];

#[tokio::test]
async fn a_gateway_is_alive_before_and_ready_after_its_first_worker() {
    let mut world = World::builder().workers(0).start().await;
    let client = world.client_with(0, None);
    let health = client.get("/health").await;
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("ok")));
    let ready = client.get("/ready").await;
    assert_eq!(ready.status, 503);
    let told = ready.json();
    assert_eq!(
        (&told["ready"], &told["nats"], &told["redis"]),
        (&false.into(), &true.into(), &true.into())
    );
    assert_eq!(told["workers"], 0);
    world.add_worker();
    wait_until("the gateway is ready", async || client.get("/ready").await.status == 200).await;
    assert_eq!(client.get("/ready").await.json()["workers"], 1);
    world.stop_worker(0).await;
    wait_until("a worker's goodbye is heard", async || client.get("/ready").await.status == 503)
        .await;
    assert_eq!(client.get("/health").await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn without_redis_or_nats_a_gateway_is_alive_and_not_ready() {
    let mut world = World::start().await;
    let client = world.client_with(0, None);
    world.servers().kill_redis().await;
    wait_until("Redis is missed", async || client.get("/ready").await.json()["redis"] == false)
        .await;
    assert_eq!(client.get("/ready").await.status, 503);
    world.servers().start_redis_again().await;
    world.reconnect_to_redis().await;
    wait_until("Redis is back", async || client.get("/ready").await.status == 200).await;
    world.servers().kill_nats().await;
    wait_until("NATS is missed", async || client.get("/ready").await.json()["nats"] == false).await;
    assert_eq!(client.get("/health").await.status, 200);
    world.servers().start_nats_again().await;
    wait_until("NATS is back", async || client.get("/ready").await.status == 200).await;
    world.finish().await;
}

#[tokio::test]
async fn what_billing_could_not_apply_shows_while_redis_is_away() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    world.wait_until_applied().await;
    let lag = |world: &World| world.billing_metrics(0).sum("fly_llm_ledger_lag");
    wait_until("nothing is missing", async || lag(&world) == 0.0).await;
    world.servers().kill_redis().await;
    let (amount, unique) = (MicroUsd(5), "while Redis is away");
    issue::grant(world.bus(), &key.account, amount, unique, "test").await.unwrap();
    wait_until("an event is missing", async || lag(&world) > 0.0).await;
    world.servers().start_redis_again().await;
    world.reconnect_to_redis().await;
    wait_until("nothing is missing", async || lag(&world) == 0.0).await;
    world.finish().await;
}

#[tokio::test]
async fn metrics_are_on_their_own_port_and_hold_what_is_documented() {
    let world = World::builder().config(|config| config.cache.enabled = true).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    assert_eq!(client.get("/metrics").await.status, 404, "not on the API's port");
    assert_eq!(client.ask("fast", "x").await.status, 200);
    assert_eq!(client.ask("gpt-17", "x").await.status, 404);
    let text = world.metrics_client(0).get("/metrics").await;
    assert_eq!(text.status, 200);
    assert!(text.header("content-type").starts_with("text/plain; version=0.0.4"));
    wait_until("the queue has been looked at", async || {
        let looked = world.scrape(0).await;
        looked.value("fly_llm_queue_waiting{pool=\"cloud\"}") == 16.0
            && looked.value("fly_llm_workers{pool=\"cloud\"}") == 1.0
            && looked.value("fly_llm_slots_free{pool=\"cloud\"}") == 16.0
    })
    .await;
    let metrics = world.scrape(0).await;
    for name in NAMES {
        assert!(metrics.described.contains(name), "{name} is not in {:?}", metrics.described);
    }
    let value = |name: &str| metrics.value(name);
    assert_eq!(value("fly_llm_requests_total{code=\"ok\",model=\"fast\"}"), 1.0);
    assert_eq!(value("fly_llm_requests_total{code=\"model_not_found\",model=\"other\"}"), 1.0);
    assert_eq!(value("fly_llm_charged_micro_usd_total{model=\"fast\"}"), 20.0);
    assert_eq!(value("fly_llm_tokens_total{bucket=\"input\",model=\"fast\"}"), 10.0);
    assert_eq!(value("fly_llm_first_token_seconds_count{model=\"fast\"}"), 1.0);
    assert_eq!(value("fly_llm_claims_total{answer=\"go\"}"), 1.0);
    assert_eq!(value("fly_llm_requests_running"), 0.0);
    let charged: i64 = world.uses().await.iter().map(|(_, charge)| charge).sum();
    assert_eq!(charged, 20, "metrics and ledger agree");
    let jobs = world.worker_metrics(0);
    assert_eq!(jobs.value("fly_llm_jobs_total{outcome=\"done\",pool=\"cloud\"}"), 1.0);
    world.wait_until_applied().await;
    assert_eq!(world.billing_metrics(0).sum("fly_llm_ledger_applied_total"), 2.0);
    world.finish().await;
}

#[tokio::test]
async fn a_gateway_that_is_asked_to_stop_is_not_ready_and_serves_until_its_notice_is_over() {
    let notice = 3_600;
    let builder = World::builder().config(move |c| c.gateway.leave_notice_seconds = notice);
    let mut world = builder.start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    assert_eq!(client.get("/ready").await.json()["leaving"], false);
    world.ask_gateway_to_stop(0);
    wait_until("it isn't ready", async || client.get("/ready").await.status == 503).await;
    for client in [world.client_with(0, None), world.metrics_client(0)] {
        let ready = client.get("/ready").await;
        assert_eq!((ready.status, &ready.json()["leaving"]), (503, &true.into()));
    }
    // A load balancer that hasn't heard of it yet finds it as it was.
    let answer = client.ask("fast", "hello").await;
    assert_eq!((&*answer.content(), answer.header("connection")), ("hello", "close"));
    let mut stream = client.ask_stream("fast", "hello").await;
    stream.rest().await;
    assert_eq!(stream.header("connection"), "close", "the next one goes elsewhere");
    world.wait_for_ends(2, 0).await;
    world.kill_gateway(0);
    world.finish().await;
}

#[tokio::test]
async fn a_redis_without_memory_is_not_ready_and_what_it_refuses_leaves_nothing() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.wait_until_applied().await;
    world.limit_redis_memory(1).await;
    let ready = client.get("/ready").await;
    assert_eq!((ready.status, &ready.json()["redis"]), (503, &false.into()));
    for _ in 0..3 {
        let refused = client.ask("fast", "hello").await;
        assert_eq!((refused.status, refused.error_code().as_str()), (503, "service_unavailable"));
    }
    world.limit_redis_memory(0).await;
    wait_until("it is ready", async || client.get("/ready").await.status == 200).await;
    assert_eq!(client.ask("fast", "hello").await.status, 200);
    world.wait_for_ends(1, 0).await;
    world.finish().await;
}
