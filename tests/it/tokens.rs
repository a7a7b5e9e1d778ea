//! A hold is made by bytes, which costs nothing; who can't afford that is counted with the model's
//! own tokenizer before being refused, and is then held for that.

use harness::{Gate, Key, Script, World, wait_until};
use infra::config::{Catalogue, Config, Model};
use schemas::catalogue::Tokenizer;
use serde_json::{Value, json};

/// Many bytes and few tokens.
const SENTENCE: &str = "楽天市場でおすすめの商品を教えてください。";

/// More than what is counted costs, and less than what bytes cost.
const CREDIT: i64 = 2_500;

fn with_tokenizer(config: &mut Config) {
    let models = config.models.iter().map(|model| Model::clone(model));
    let mut models: Vec<Model> = models.collect();
    for model in models.iter_mut().filter(|model| model.name == "fast") {
        model.tokenizer = Some(Tokenizer::O200kBase);
    }
    config.models = Catalogue::new(models);
}

fn question(model: &str) -> Value {
    json!({"model": model, "max_tokens": 100,
        "messages": [{"role": "user", "content": SENTENCE.repeat(60)}]})
}

/// Asks, and tells the status and what was held.
async fn ask(world: &World, key: &Key, model: &str) -> (u16, i64) {
    let answer = world.client(key).chat(&question(model)).await;
    let held = world.uses().await.pop().map_or(0, |(fact, _)| fact.hold.0);
    (answer.status, if answer.status == 200 { held } else { 0 })
}

#[tokio::test]
async fn who_cannot_afford_the_bytes_is_counted_before_being_refused() {
    let world = World::builder().config(with_tokenizer).start().await;
    let rich = world.key(1_000_000).await;
    let (status, by_bytes) = ask(&world, &rich, "fast").await;
    assert_eq!(status, 200);
    assert!(by_bytes > SENTENCE.len() as i64 * 60, "by bytes, without counting: {by_bytes}");
    // Credit for what it counts, and not for its bytes.
    let poor = world.key(CREDIT).await;
    let (status, counted) = ask(&world, &poor, "fast").await;
    assert_eq!(status, 200);
    assert!(counted > 600 && counted <= CREDIT && CREDIT < by_bytes, "{counted} {by_bytes}");
    // A budget of the key likewise.
    let saving = world.key_like(json!({"name": "k", "max_budget": 0.0025}), 1_000_000).await;
    assert_eq!(ask(&world, &saving, "fast").await, (200, counted));
    // Without a tokenizer nothing is known but bytes, and too little is too little.
    let other = world.key(CREDIT).await;
    assert_eq!(ask(&world, &other, "backup").await, (429, 0));
    let beggar = world.key(700).await;
    let refused = world.client(&beggar).chat(&question("fast")).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "insufficient_quota"));
    assert_eq!(world.held(&beggar).await, 0);
    world.finish().await;
}

#[tokio::test]
async fn many_who_are_counted_never_spend_more_than_there_is() {
    let world = World::builder().gateways(2).config(with_tokenizer).start().await;
    let rich = world.key(1_000_000).await;
    let (_, by_bytes) = ask(&world, &rich, "fast").await;
    let poor = world.key(CREDIT).await;
    let (_, counted) = ask(&world, &poor, "fast").await;
    // One is held for by its bytes and one by its tokens, and no third.
    let credit = by_bytes + counted + counted / 2;
    assert!(credit < 2 * by_bytes);
    let key = world.key(credit).await;
    let gate = Gate::new();
    world.vendor().always("fast", Script::says(["x"]).after(&gate));
    let clients = [world.client_at(0, &key), world.client_at(1, &key)];
    let body = question("fast");
    let all = futures::future::join_all((0..20).map(|number| clients[number % 2].chat(&body)));
    let opened = async {
        let refused = async || {
            let (one, two) = (world.scrape(0).await, world.scrape(1).await);
            let name = "fly_llm_holds_total{result=\"insufficient\"}";
            one.value(name) + two.value(name)
        };
        wait_until("18 are refused", async || refused().await == 18.0).await;
        wait_until("two run", async || world.vendor().starts() == 2 + 2).await;
        gate.open();
    };
    let (answers, ()) = futures::join!(all, opened);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 2);
    world.wait_until_applied().await;
    assert!(world.balance(&key).await > 0);
    world.finish().await;
}
