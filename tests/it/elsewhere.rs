//! The local model on a server of the operator's: `worker rakuten` calls it there, as the user of
//! NATS that it is, and it stays local for whatever may not leave.

use crate::apart::Apart;
use harness::{Script, World};
use infra::config::{Catalogue, Model};
use serde_json::json;

/// As config.yaml has it.
const OURS: &str = "  - name: ours
    pool: rakuten
    vendor: llama
    price: {input: 1, cached_input: 0.5, cache_write: 1, output: 2}
    context: 100000
    max_output: 1000
    capabilities: [chat, tools]
";

#[tokio::test]
async fn the_local_model_is_called_elsewhere_by_its_own_worker_and_stays_local() {
    let builder = World::builder().own_users().config(|config| {
        let mut models: Vec<Model> = config.models.iter().map(|m| Model::clone(m)).collect();
        let mut ours = models[0].clone();
        (ours.name, ours.pool, ours.aliases) = ("ours".into(), "rakuten".into(), Vec::new());
        (ours.upstream, ours.local, ours.moved) = ("ours".into(), true, true);
        models.push(ours);
        config.models = Catalogue::new(models);
        config.auto.candidates.push("ours".into());
    });
    let mut world = builder.workers(0).start().await;
    let (base, user) =
        (format!("{}/v1", world.vendor().url()), world.servers().nats_url_of("worker-rakuten"));
    let environment = [("NATS_URL", user.as_str()), ("RAKUTEN_LLM_API_BASE", base.as_str())];
    let worker = Apart::start_as(&mut world, &["worker", "rakuten"], OURS, &environment);
    world.bus().wait_for_worker("rakuten").await.unwrap();
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().always("ours", Script::says(["from there"]));
    let told = client.ask("ours", "hello").await;
    assert_eq!((told.status, told.content().as_str()), (200, "from there"), "{}", told.text);
    let wished = json!({
        "model": "auto", "user_preferences": {"prefer_local": true},
        "messages": [{"role": "user", "content": "hello"}],
    });
    let told = client.post("/v1/chat/completions", &wished).await;
    assert_eq!((told.status, told.header("x-fly-model")), (200, "ours"), "{}", told.text);
    let none = client.ask("fast", "hello").await;
    assert_eq!(none.status, 404, "it serves nothing else: {}", none.text);
    worker.end().await;
    world.finish().await;
}
