//! Upstreams that fail: they are left alone while others can answer, tried again after a pause, and
//! a conversation that is too long for one model goes to one with a longer context.

use harness::{Gate, Script, Step, World, wait_until};

async fn with_backup(failures_max: u32) -> World {
    World::builder()
        .config(move |config| {
            config.fallbacks.insert("fast".into(), vec!["backup".into()]);
            config.breaker.failures_max = failures_max;
            config.breaker.cool_down_seconds = 1;
        })
        .start()
        .await
}

#[tokio::test]
async fn an_upstream_that_fails_is_skipped_and_comes_back_after_a_good_trial() {
    let world = with_backup(2).await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().always("fast", Script::refuses(500, "x"));
    for _ in 0..2 {
        let answer = client.ask("fast", "hello").await;
        assert_eq!((answer.status, answer.header("x-fly-model")), (200, "backup"));
    }
    assert_eq!(world.vendor().starts_of("fast"), 2);
    let ready = client.get("/ready").await.json();
    assert_eq!(ready["cooling"], serde_json::json!(["fast"]));
    let state = world.scrape(0).await.value("fly_llm_upstream_state{model=\"fast\"}");
    assert_eq!(state, 2.0);
    world.vendor().always("fast", Script::says(["well again"]));
    let mut skipped = 0;
    wait_until("a trial brings it back", async || {
        let answer = client.ask("fast", "hello").await;
        assert_eq!(answer.status, 200);
        if answer.header("x-fly-model") == "backup" {
            assert!(answer.header("x-fly-route-reason").contains("cooling"));
            skipped += 1;
            return false;
        }
        answer.content() == "well again"
    })
    .await;
    assert_eq!(world.vendor().starts_of("fast"), 3, "{skipped} went past it");
    let outcomes = world.scrape(0).await;
    let count = |outcome: &str| {
        let labels = format!("{{model=\"fast\",outcome=\"{outcome}\"}}");
        outcomes.value(&format!("fly_llm_upstream_outcomes_total{labels}"))
    };
    assert_eq!((count("failed"), count("answered")), (2.0, 1.0));
    world.finish().await;
}

#[tokio::test]
async fn a_fallback_dearer_than_max_cost_is_not_tried() {
    let world = World::builder()
        .config(|config| {
            config.fallbacks.insert("fast".into(), vec!["claude".into(), "backup".into()]);
            config.breaker.failures_max = 100;
        })
        .start()
        .await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().always("fast", Script::refuses(500, "x"));
    // At worst `backup` costs some 1400 µUSD, and `claude` twice that.
    for (max_cost, model) in [(None, "claude"), (Some(0.002), "backup")] {
        let mut body = harness::client::question_to("fast", "hello");
        body["max_tokens"] = 20.into();
        if let Some(max_cost) = max_cost {
            body["user_preferences"] = serde_json::json!({"max_cost": max_cost});
        }
        let answer = client.chat(&body).await;
        assert_eq!((answer.status, answer.header("x-fly-model")), (200, model), "{}", answer.text);
    }
    world.wait_for_ends(2, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn a_vendors_retry_after_is_kept_and_with_nobody_else_it_is_asked_all_the_same() {
    let world = with_backup(100).await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().always("fast", Script::refuses(429, "slow down").retry_after("200"));
    for _ in 0..3 {
        assert_eq!(client.ask("fast", "hello").await.header("x-fly-model"), "backup");
    }
    assert_eq!(world.vendor().starts_of("fast"), 1, "it is left alone at once");
    world.vendor().always("claude", Script::refuses(429, "slow down").retry_after("200"));
    for _ in 0..2 {
        assert_eq!(client.ask("claude", "hello").await.error_code(), "upstream_overloaded");
    }
    assert_eq!(world.vendor().starts_of("claude"), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_conversation_that_is_too_long_goes_to_a_longer_context_and_others_never() {
    let world = World::builder()
        .config(|config| {
            config.context_window_fallbacks.insert("*".into(), vec!["fast".into()]);
            let mut models: Vec<_> =
                config.models.iter().map(|model| infra::config::Model::clone(model)).collect();
            for model in models.iter_mut().filter(|model| model.name == "backup") {
                (model.context, model.max_output) = (2_000, 1_000);
            }
            config.models = infra::config::Catalogue::new(models);
        })
        .start()
        .await;
    let key = world.key(10_000_000).await;
    let client = world.client(&key);
    world.vendor().always("fast", Script::says(["long enough"]));
    // Our own estimate says so: the vendor isn't asked.
    let answer = client.ask("backup", &"word ".repeat(3_000)).await;
    assert_eq!(answer.content(), "long enough", "{}", answer.text);
    assert!(answer.header("x-fly-route-reason").ends_with(";context"));
    assert_eq!(world.vendor().starts_of("backup"), 0);
    // The vendor says so: nothing was charged for it.
    let too_long = "This model's maximum context length is 10 tokens";
    world.vendor().next("backup", Script::refuses(400, too_long));
    let answer = client.ask("backup", &"word ".repeat(500)).await;
    assert_eq!((answer.content(), answer.header("x-fly-model")), ("long enough".into(), "fast"));
    // Other failures don't go there, and a short conversation holds no credit for it.
    world.vendor().next("backup", Script::refuses(500, "x"));
    assert_eq!(client.ask("backup", &"word ".repeat(500)).await.status, 502);
    world.vendor().next("backup", Script::refuses(400, too_long));
    assert_eq!(client.ask("backup", "x").await.error_code(), "context_length_exceeded");
    assert_eq!(world.vendor().starts_of("fast"), 2);
    world.wait_for_ends(2, 2).await;
    world.finish().await;
}

#[tokio::test]
async fn a_key_that_is_refused_rests_while_another_works() {
    let world = World::builder()
        .config(|config| {
            let mut models: Vec<_> =
                config.models.iter().map(|model| infra::config::Model::clone(model)).collect();
            for model in models.iter_mut().filter(|model| model.name == "keyed") {
                model.api_keys = ["key-one", "key-two"].map(infra::secret::Secret::new).to_vec();
            }
            config.models = infra::config::Catalogue::new(models);
        })
        .start()
        .await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().next("keyed", Script::refuses(401, "no such key"));
    for _ in 0..4 {
        assert_eq!(client.ask("keyed", "hello").await.content(), "hello");
    }
    let seen = world.vendor().seen();
    let keys: Vec<_> = seen.iter().map(|seen| seen.headers["authorization"].clone()).collect();
    assert_eq!(keys.len(), 5, "only the first request was sent twice");
    assert!(keys[1..].iter().all(|used| *used == keys[1] && *used != keys[0]), "{keys:?}");
    world.finish().await;
}

/// Nobody pays for what goes on far beyond the limit that the vendor was told.
#[tokio::test]
async fn an_answer_without_end_is_broken_off() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let end = Gate::new();
    let words = (0..40).map(|_| Step::Text("word ".repeat(1_000)));
    let steps = words.chain([Step::Wait(end.clone()), Step::Text("on and on".into())]);
    world.vendor().always("fast", Script::steps(steps));
    let mut stream = client.ask_stream("fast", "tell me all").await;
    stream.rest().await;
    assert!(!stream.is_done(), "it ended, although its vendor had not");
    end.open();
    world.wait_for_ends(1, 0).await;
    world.finish().await;
}
