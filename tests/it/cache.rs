//! Kept answers: free, only for the account that asked, and without personal data at rest.

use harness::client::question_to;
use harness::{Answer, World};
use infra::config::Config;
use infra::environment::Environment;
use reqwest::Method;

async fn caching() -> World {
    World::builder().config(|config| config.cache.enabled = true).start().await
}

/// Waits until so many answers are kept: keeping happens after the answer.
async fn wait_for_kept(world: &World, count: usize) {
    harness::wait_until("the answer is kept", async || kept(world).await.len() == count).await;
}

async fn kept(world: &World) -> Vec<String> {
    let texts = world.redis_texts().await;
    texts.into_iter().filter(|(name, _)| name.contains("answer:")).map(|(_, text)| text).collect()
}

fn state(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("x-fly-cache")
}

#[tokio::test]
async fn the_same_question_is_answered_again_for_free() {
    let world = caching().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let first = client.ask("fast", "hello").await;
    assert_eq!(state(&first), "miss");
    wait_for_kept(&world, 1).await;
    let again = client.ask("fast", "hello").await;
    assert_eq!(state(&again), "hit");
    assert_eq!(again.content(), first.content());
    assert_eq!(again.json()["usage"], first.json()["usage"]);
    assert_eq!(again.header("x-fly-cost-usd"), "0");
    let mut stream = client.ask_stream("fast", "hello").await;
    stream.rest().await;
    assert!(stream.is_done());
    assert_eq!(stream.text(), "hello");
    assert_eq!(stream.header("x-fly-cache"), "hit");
    assert_eq!(state(&client.ask("fast", "hello!").await), "miss");
    assert_eq!(world.vendor().starts(), 2);
    assert_eq!(world.uses().await.len(), 2);
    let metrics = world.scrape(0).await;
    assert_eq!(metrics.value("fly_llm_cache_total{result=\"hit\"}"), 2.0);
    world.finish().await;
}

#[tokio::test]
async fn a_streams_answer_serves_a_whole_one() {
    let world = caching().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let mut stream = client.ask_stream("fast", "日本語の質問").await;
    stream.rest().await;
    wait_for_kept(&world, 1).await;
    let whole = client.ask("fast", "日本語の質問").await;
    assert_eq!((state(&whole), whole.content().as_str()), ("hit", "日本語の質問"));
    world.finish().await;
}

#[tokio::test]
async fn no_store_neither_takes_nor_keeps() {
    let world = caching().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let body = question_to("fast", "hello");
    for _ in 0..2 {
        let request = client
            .request(Method::POST, "/v1/chat/completions")
            .header("cache-control", "no-store")
            .json(&body);
        assert_eq!(state(&client.send(request).await), "miss");
    }
    assert_eq!(world.vendor().starts(), 2);
    assert_eq!(state(&client.chat(&body).await), "miss", "nothing had been kept");
    world.finish().await;
}

#[tokio::test]
async fn accounts_share_no_answer() {
    let world = caching().await;
    let (one, other) = (world.key(1_000_000).await, world.key(1_000_000).await);
    assert_eq!(state(&world.client(&one).ask("fast", "hello").await), "miss");
    wait_for_kept(&world, 1).await;
    assert_eq!(state(&world.client(&other).ask("fast", "hello").await), "miss");
    assert_eq!(state(&world.client(&one).ask("fast", "hello").await), "hit");
    world.finish().await;
}

#[tokio::test]
async fn what_is_kept_holds_no_personal_data_and_serves_other_names() {
    let world = caching().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let first = client.ask("fast", "Write to taro.yamada@example.com please.").await;
    assert_eq!(first.content(), "Write to taro.yamada@example.com please.");
    wait_for_kept(&world, 1).await;
    for text in kept(&world).await {
        assert!(!text.contains("taro") && !text.contains("example.com"), "{text}");
    }
    let second = client.ask("fast", "Write to hanako@example.org please.").await;
    assert_eq!(state(&second), "hit");
    assert_eq!(second.content(), "Write to hanako@example.org please.");
    world.finish().await;
}

#[tokio::test]
async fn a_failed_answer_is_not_kept() {
    let world = caching().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().next("fast", harness::Script::refuses(500, "no"));
    assert_eq!(client.ask("fast", "hello").await.status, 502);
    let steps = [harness::Step::Text("half".into()), harness::Step::EndEarly];
    world.vendor().next("fast", harness::Script::steps(steps));
    let mut stream = client.ask_stream("fast", "hello").await;
    stream.rest().await;
    assert!(!stream.is_done());
    assert_eq!(state(&client.ask("fast", "hello").await), "miss");
    world.finish().await;
}

#[tokio::test]
async fn the_seeds_variable_turns_it_off() {
    let environment = Environment::of([("ENABLE_CACHING", "false")]);
    let read = Config::load(None, &environment).unwrap();
    assert!(!read.cache.enabled);
    let world = World::builder().config(move |config| config.cache = read.cache).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for _ in 0..2 {
        assert_eq!(state(&client.ask("fast", "hello").await), "miss");
    }
    assert_eq!(world.vendor().starts(), 2);
    assert_eq!(kept(&world).await.len(), 0);
    world.finish().await;
}
