//! The auto-router at work: conversations stay with their model, a discontented user gets a better
//! one where that is asked for, opinions are counted, and every choice is explained.

use harness::client::{Answer, Client, question_to};
use harness::{Key, Script, World, wait_until};
use infra::config::Config;
use reqwest::Method;
use serde_json::{Value, json};

/// A secret word of a question, which nobody may find later.
const WORD: &str = "hippopotamus";

/// A greeting is easy: the cheapest model takes it.
const EASY: &str = "Hello, how are you today?";

fn turns(words: &[&str]) -> Value {
    let roles = ["user", "assistant"].into_iter().cycle();
    let messages: Vec<Value> =
        roles.zip(words).map(|(role, text)| json!({"role": role, "content": text})).collect();
    json!({"model": "auto", "messages": messages})
}

fn why(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("x-fly-route-reason").split("why=").nth(1).unwrap()
}

/// Waits until the gateway has written down who answered, and asks how a chat is routed then.
async fn chat_until(client: &Client, body: &Value, wanted: &str) -> Answer {
    let mut last = client.chat(body).await;
    wait_until(wanted, async || {
        let found = why(&last).starts_with(wanted);
        if !found {
            last = client.chat(body).await;
        }
        found
    })
    .await;
    last
}

async fn feedback(client: &Client, request: &str, rating: &str) -> Answer {
    client.post("/v1/feedback", &json!({"request_id": request, "rating": rating})).await
}

/// How often a signal was counted for a model, whatever the kind of work.
async fn count(world: &World, model: &str, signal: &str) -> i64 {
    let answer = world.admin().get("/api/feedback").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let rows = answer.json()["data"].as_array().unwrap().clone();
    let of_model = rows.iter().filter(|row| row["model"] == model);
    of_model.map(|row| row[signal].as_i64().unwrap()).sum()
}

fn three_tiers(config: &mut Config) {
    config.auto.candidates = ["fast", "backup", "claude"].map(str::to_owned).into();
}

fn three_tiers_that_escalate(config: &mut Config) {
    three_tiers(config);
    config.auto.escalate = true;
}

#[tokio::test]
async fn a_conversation_stays_with_the_model_that_answered_it() {
    let world = World::builder().gateways(2).start().await;
    let key = world.key(1_000_000).await;
    let shown = explained(&world.client(&key), &turns(&[EASY])).await;
    let first = shown["model"].as_str().unwrap().to_owned();
    let other = if first == "fast" { "backup" } else { "fast" };
    let broken = Script::Status { status: 500, headers: vec![], body: "{}".into() };
    world.vendor().next(&first, broken);
    let answer = world.client(&key).chat(&turns(&[EASY])).await;
    assert_eq!(answer.header("x-fly-model"), other, "{}", answer.text);
    let second = turns(&[EASY, "Fine.", "And what is your name?"]);
    let pinned = chat_until(&world.client_at(1, &key), &second, "pinned").await;
    assert_eq!(pinned.header("x-fly-model"), other, "wherever it is asked");
    let stranger = world.client(&world.key(1_000_000).await).chat(&second).await;
    assert_ne!(why(&stranger), "pinned", "another account's conversation is another one");
    wait_until("the failure is counted", async || count(&world, &first, "fallback").await == 1)
        .await;
    assert!(!world.redis_texts().await.values().any(|text| text.contains("your name")));
    world.finish().await;
}

#[tokio::test]
async fn asking_again_is_counted_and_gets_a_better_model_only_if_configured() {
    for (escalate, change) in
        [(false, three_tiers as fn(&mut Config)), (true, three_tiers_that_escalate)]
    {
        let world = World::builder().config(change).start().await;
        let key = world.key(1_000_000).await;
        let client = world.client(&key);
        let first = client.chat(&turns(&[EASY])).await;
        assert_eq!(why(&first), "best");
        let model = first.header("x-fly-model");
        if escalate {
            let again = chat_until(&client, &turns(&[EASY]), "escalated").await;
            assert_ne!(again.header("x-fly-model"), model);
        } else {
            let is_counted = async || {
                let again = client.chat(&turns(&[EASY])).await;
                assert_eq!((why(&again), again.header("x-fly-model")), ("best", model));
                count(&world, model, "regenerate").await >= 1
            };
            wait_until("asking again is counted", is_counted).await;
        }
        world.finish().await;
    }
}

#[tokio::test]
async fn a_bad_answer_ends_the_stay_where_that_is_configured() {
    let world = World::builder().config(three_tiers_that_escalate).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let first = client.chat(&turns(&[EASY])).await;
    let model = first.header("x-fly-model");
    let next = turns(&[EASY, "Fine.", "Is that all you can say?"]);
    assert_eq!(chat_until(&client, &next, "pinned").await.header("x-fly-model"), model);
    let told = feedback(&client, first.header("x-request-id"), "bad").await;
    assert_eq!(told.status, 200, "{}", told.text);
    let other = turns(&[EASY, "Fine.", "Then tell me more about it."]);
    assert_ne!(chat_until(&client, &other, "escalated").await.header("x-fly-model"), model);
    world.finish().await;
}

#[tokio::test]
async fn feedback_is_counted_once_can_be_changed_and_is_exported_without_text() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let asked = format!("Translate into French: the {WORD} is asleep.");
    let answer = client.ask("auto", &asked).await;
    let request = answer.header("x-request-id").to_owned();
    let model = answer.header("x-fly-model").to_owned();
    let receipt = client.get(&format!("/api/receipts/{request}")).await.json();
    assert_eq!(receipt["route_reason"], answer.header("x-fly-route-reason"));
    for (rating, counted) in [("good", true), ("good", false), ("bad", true)] {
        let told = feedback(&client, &request, rating).await.json();
        assert_eq!((&told["counted"], &told["task"]), (&json!(counted), &json!("translation")));
    }
    let counted = (count(&world, &model, "good").await, count(&world, &model, "bad").await);
    assert_eq!(counted, (0, 1));
    let export = world.admin().get("/api/feedback.jsonl").await;
    let rows: Vec<Value> =
        export.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2, "{}", export.text);
    assert_eq!((&rows[1]["signal"], &rows[1]["model"]), (&json!("bad"), &json!(model)));
    assert!(rows[1]["route"].as_str().unwrap().contains("task=translation"));
    assert!(!export.text.contains(WORD) && !export.text.contains(key.account.as_str()));
    let scrape = world.scrape(0).await;
    assert_eq!(scrape.sum("fly_llm_opinions_total"), 2.0);
    world.finish().await;
}

#[tokio::test]
async fn feedback_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    let (key, other) = (world.key(1_000_000).await, world.key(1_000_000).await);
    let named = world.client(&key).ask("fast", "hello").await;
    let request = named.header("x-request-id");
    let told = feedback(&world.client(&key), request, "good").await;
    assert_eq!(told.json()["task"], "named");
    assert_eq!(feedback(&world.client(&other), request, "good").await.status, 404, "not its own");
    assert_eq!(feedback(&world.client(&key), "req_unknown", "good").await.status, 404);
    assert_eq!(feedback(&world.client(&key), request, "so-so").await.status, 400);
    assert_eq!(world.client(&key).get("/api/feedback").await.status, 403);
    assert_eq!(world.client(&key).get("/api/feedback.jsonl").await.status, 403);
    world.finish().await;
}

/// What `POST /api/route` says of a chat.
async fn explained(client: &Client, body: &Value) -> Value {
    let answer = client.post("/api/route", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn a_choice_is_explained_as_it_would_be_made() {
    let world = World::builder().config(three_tiers).start().await;
    let key: Key = world.key(1_000_000).await;
    let client = world.client(&key);
    let mut body = question_to("auto", "次の式を計算してください: 12 × (7 + 5) ÷ 3 = ?");
    let shown = explained(&client, &body).await;
    assert_eq!(shown["language"]["code"], "ja");
    assert_eq!(shown["task"]["name"], "math_reasoning");
    assert_eq!(shown["candidates"].as_array().unwrap().len(), 3);
    let chosen = client.chat(&body).await;
    assert_eq!(shown["model"], chosen.header("x-fly-model"));
    assert_eq!(shown["reason"], chosen.header("x-fly-route-reason"));
    body["user_preferences"] = json!({"max_cost": 0.001});
    let refused = explained(&world.admin(), &body).await;
    assert_eq!((&refused["model"], &refused["order"]), (&Value::Null, &json!([])));
    let limits = refused["candidates"].as_array().unwrap().iter().map(|row| &row["left_out"]);
    assert!(limits.into_iter().all(|limit| limit.as_str().unwrap().contains("max_cost")));
    assert_eq!(world.client_with(0, None).post("/api/route", &body).await.status, 401);
    world.finish().await;
}

#[tokio::test]
async fn chinese_characters_alone_take_the_locale_that_is_told() {
    let world =
        World::builder().config(|config| config.auto.locale = Some("ja-JP".into())).start().await;
    let key = world.key(1_000_000).await;
    let mut body = question_to("auto", "会議");
    let code =
        async |body: &Value| explained(&world.client(&key), body).await["language"]["code"].clone();
    assert_eq!(code(&body).await, "ja", "the operator's");
    let account = format!("/api/accounts/{}", key.account);
    let change = async |locale: Value| {
        let admin = world.admin();
        let request = admin.request(Method::PATCH, &account).json(&json!({"locale": locale}));
        admin.send(request).await.status
    };
    assert_eq!(change(json!("no tag")).await, 400);
    assert_eq!(change(json!("zh-CN")).await, 200);
    assert_eq!(code(&body).await, "zh", "the account's");
    assert_eq!(change(Value::Null).await, 200);
    assert_eq!(code(&body).await, "ja", "the operator's again");
    body["user_preferences"] = json!({"locale": "zh-TW"});
    assert_eq!(code(&body).await, "zh", "the client's own");
    world.client(&key).chat(&body).await;
    let seen = world.vendor().seen();
    assert!(!seen.iter().any(|request| request.body.to_string().contains("zh-TW")));
    world.finish().await;
}

#[tokio::test]
async fn preferences_bind_on_every_surface_and_reach_no_vendor() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let messages = json!([{"role": "user", "content": EASY}]);
    let questions = [
        ("/v1/chat/completions", json!({"model": "auto", "messages": messages})),
        ("/v1/completions", json!({"model": "auto", "prompt": EASY})),
        ("/v1/responses", json!({"model": "auto", "input": EASY})),
        ("/v1/messages", json!({"model": "auto", "max_tokens": 50, "messages": messages})),
    ];
    for (path, mut body) in questions {
        body["user_preferences"] = json!({"max_cost": 0});
        let refused = client.post(path, &body).await;
        assert_eq!(refused.status, 400, "{path}: {}", refused.text);
        body["user_preferences"] = json!({"prefer_quality": false});
        let answer = client.post(path, &body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    let body = json!({"model": "embedder", "input": "x", "user_preferences": {"max_cost": 0.1}});
    let vectors = client.post("/v1/embeddings", &body).await;
    assert_eq!(vectors.status, 200, "{}", vectors.text);
    let seen = world.vendor().seen();
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|request| request.body.get("user_preferences").is_none()));
    world.finish().await;
}

#[tokio::test]
async fn the_best_that_the_credit_affords_is_taken_and_said() {
    let world = World::builder().config(three_tiers).start().await;
    // 1,000 tokens of an answer are 2,000 micro-USD on fast and 15,000 on claude.
    let key = world.key(3_000).await;
    let mut body = turns(&["Prove Fermat's little theorem, step by step."]);
    body["user_preferences"] = json!({"prefer_quality": true});
    // A length that the client chose is not shortened.
    body["max_tokens"] = json!(1_000);
    let answer = world.client(&key).chat(&body).await;
    assert_eq!(answer.header("x-fly-model"), "fast", "{}", answer.text);
    assert!(answer.header("x-fly-route-reason").ends_with(";affordable"));
    world.finish().await;
}
