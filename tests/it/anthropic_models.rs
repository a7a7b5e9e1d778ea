//! What Anthropic's models have otherwise than OpenAI's: an answer that must be JSON is the input
//! of a tool, thoughts and forced calls don't go together, and an hour in the prompt cache has a
//! price of its own.

use harness::{Answer, Client, Script, Step, World};
use infra::config::{Catalogue, Model};
use serde_json::{Value, json};

const ANSWER: &str = r#"{"city":"東京","people":14000000}"#;

fn asked(fields: Value) -> Value {
    let mut body =
        json!({"model": "claude", "messages": [{"role": "user", "content": "首都は？"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

fn schema() -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "city", "strict": true,
        "schema": {"type": "object", "properties": {"city": {"type": "string"}}}}})
}

async fn refused(client: &Client, body: Value) -> String {
    let answer = client.chat(&body).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    answer.json()["error"]["param"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn json_comes_as_text_whole_and_as_a_stream() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let arguments = vec![ANSWER[..12].to_owned(), ANSWER[12..].to_owned()];
    let call = Step::Call { name: "fly_llm_answer".into(), arguments };
    world.vendor().always("claude", Script::steps([call]));
    for format in [schema(), json!({"type": "json_object"})] {
        let body = asked(json!({"response_format": format}));
        let answer = client.chat(&body).await;
        assert_eq!(answer.content(), ANSWER);
        let choice = &answer.json()["choices"][0];
        assert_eq!(choice["finish_reason"], "stop");
        assert!(choice["message"].get("tool_calls").is_none_or(Value::is_null), "{choice}");
        let mut stream = client.stream(&body).await;
        stream.rest().await;
        assert_eq!((stream.text().as_str(), stream.is_done()), (ANSWER, true));
        let sent = world.vendor().seen().last().unwrap().body.clone();
        assert_eq!(sent["tool_choice"]["name"], "fly_llm_answer");
    }
    world.finish().await;
}

#[tokio::test]
async fn thoughts_and_forced_calls_are_refused_together() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let thinking = json!({"type": "enabled", "budget_tokens": 1_024});
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let forced = json!({"thinking": thinking, "tools": tools, "tool_choice": "required"});
    assert_eq!(refused(&client, asked(forced)).await, "tool_choice");
    let shaped = json!({"thinking": thinking, "response_format": schema()});
    assert_eq!(refused(&client, asked(shaped)).await, "response_format");
    assert_eq!(world.vendor().starts(), 0);
    world.finish().await;
}

#[tokio::test]
async fn an_hour_in_the_cache_is_charged_at_its_price_or_refused() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let mark = json!({"type": "ephemeral", "ttl": "1h"});
    let marked = json!([{"type": "text", "text": "規則", "cache_control": mark}]);
    let messages = json!([{"role": "user", "content": marked}]);
    let mut body = asked(json!({"messages": messages}));
    body["model"] = "fast".into();
    assert_eq!(refused(&client, body.clone()).await, "messages[0].content[0].cache_control.ttl");
    world.vendor().always(
        "claude",
        Script::json(&json!({"id": "msg_1", "type": "message", "role": "assistant",
            "model": "claude", "content": [{"type": "text", "text": "東京"}],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": {
                "input_tokens": 10, "cache_creation_input_tokens": 30,
                "cache_read_input_tokens": 0, "output_tokens": 2,
                "cache_creation": {"ephemeral_5m_input_tokens": 10,
                    "ephemeral_1h_input_tokens": 20}}})),
    );
    body["model"] = "claude".into();
    let answer = client.chat(&body).await;
    assert_eq!(answer.json()["usage"]["prompt_tokens_details"]["cache_write_tokens"], 30);
    let unmarked = asked(json!({}));
    let cheaper = client.chat(&unmarked).await;
    let told = |answer: &Answer| answer.header("x-fly-hold-usd").to_owned();
    assert_ne!(told(&answer), told(&cheaper), "it may cost more, so more is held");
    body["max_tokens"] = 100.into();
    let message = client.post("/v1/messages", &body).await.json();
    assert_eq!(message["usage"]["cache_creation_input_tokens"], 30);
    assert_eq!(message["usage"]["cache_creation"]["ephemeral_1h_input_tokens"], 20);
    world.wait_for_ends(3, 0).await;
    // 10 at 3, 10 at 3.75, 20 at 6 and 2 at 15, rounded up.
    assert!(
        world.uses().await.iter().all(|(_, charge)| *charge == 218),
        "{:?}",
        world.uses().await
    );
    world.finish().await;
}

#[tokio::test]
async fn a_limit_without_room_for_thoughts_is_named_before_anything_is_sent() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let thinking = json!({"type": "enabled", "budget_tokens": 10_000});
    let body = asked(json!({"max_tokens": 16_000, "thinking": thinking}));
    for path in ["/v1/messages", "/v1/chat/completions"] {
        let answer = client.post(path, &body).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert!(answer.text.contains("max_tokens_per_request"), "{}", answer.text);
    }
    assert_eq!(world.vendor().starts(), 0);
    world.finish().await;
}

/// What the vendor was asked last: its body, and a header.
fn asked_last(world: &World, header: &str) -> (Value, String) {
    let seen = world.vendor().seen().pop().unwrap();
    let value = seen.headers.get(header).map(|value| value.to_str().unwrap().to_owned());
    (seen.body, value.unwrap_or_default())
}

#[tokio::test]
async fn instructions_within_the_conversation_stay_at_their_place() {
    let world = World::builder().config(|config| {
        let mut models: Vec<Model> = config.models.iter().map(|m| Model::clone(m)).collect();
        for model in models.iter_mut().filter(|model| model.name == "claude") {
            model.upstream = "claude-opus-5".into();
        }
        config.models = Catalogue::new(models);
    });
    let world = world.start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let spoken = json!([
        {"role": "user", "content": "Hello"},
        {"role": "system", "content": "Answer in one word."},
    ]);
    let roles = |body: &Value| {
        let messages = body["messages"].as_array().unwrap().iter();
        messages.map(|message| message["role"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for model in ["claude", "fast"] {
        let body = json!({"model": model, "max_tokens": 50, "messages": spoken});
        let answer = client.post("/v1/messages", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let (sent, _) = asked_last(&world, "accept");
        assert_eq!(roles(&sent), ["user", "system"], "{sent}");
    }
    world.finish().await;
}

#[tokio::test]
async fn features_asked_for_by_name_go_out_or_are_told() {
    let world = World::builder().config(|config| config.cache.enabled = true).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let thinking = json!({"type": "enabled", "budget_tokens": 4_000});
    let body = asked(json!({"max_tokens": 900, "thinking": thinking}));
    let ask = |betas: &'static str, model: &str| {
        let mut body = body.clone();
        body["model"] = model.into();
        let request = client.request(reqwest::Method::POST, "/v1/messages");
        client.send(request.header("anthropic-beta", betas).json(&body))
    };
    let betas = "interleaved-thinking-2025-05-14,context-1m-2025-08-07";
    let told = "x-fly-dropped-params";
    let answer = ask(betas, "claude").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header(told), "anthropic_beta.context-1m-2025-08-07");
    let (sent, names) = asked_last(&world, "anthropic-beta");
    assert_eq!(names, "interleaved-thinking-2025-05-14");
    assert_eq!(sent["thinking"]["budget_tokens"], 4_000);
    assert!(sent.get("anthropic_beta").is_none(), "{sent}");
    let started = world.vendor().starts();
    let again = ask("context-1m-2025-08-07, interleaved-thinking-2025-05-14", "claude").await;
    assert_eq!((again.status, world.vendor().starts()), (200, started), "the same question");
    let other = ask("effort-2025-11-24", "claude").await;
    assert_eq!((other.status, other.header(told)), (200, ""), "{}", other.text);
    assert_eq!(world.vendor().starts(), started + 1, "another question than the first");
    let elsewhere = ask(betas, "fast").await;
    assert_eq!((elsewhere.status, elsewhere.header(told)), (200, "anthropic_beta"));
    let (sent, names) = asked_last(&world, "anthropic-beta");
    assert_eq!((names.as_str(), sent.get("anthropic_beta")), ("", None));
    world.finish().await;
}

#[tokio::test]
async fn thoughts_and_failed_tools_are_said_to_servers_of_openais_protocol() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let messages = json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "I look.", "signature": "s"},
            {"type": "tool_use", "id": "c", "name": "see", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c",
            "is_error": true, "content": "nothing there"}]},
    ]);
    let body = json!({"model": "fast", "max_tokens": 50, "system": "", "messages": messages});
    let answer = client.post("/v1/messages", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let (sent, _) = asked_last(&world, "accept");
    assert_eq!(sent["messages"][0]["role"], "user", "an empty text instructs nobody: {sent}");
    assert_eq!(sent["messages"][1]["reasoning_content"], "I look.");
    assert_eq!(sent["messages"][2]["content"], "Error: nothing there");
    world.finish().await;
}

#[tokio::test]
async fn blank_texts_that_would_end_an_answer_are_told() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let body = asked(json!({"stop": ["\n\n", "END"]}));
    let answer = client.chat(&body).await;
    assert_eq!((answer.status, answer.header("x-fly-dropped-params")), (200, "stop[0]"));
    assert_eq!(asked_last(&world, "accept").0["stop_sequences"], json!(["END"]));
    let mut strict = body;
    strict["drop_params"] = false.into();
    assert_eq!(refused(&client, strict).await, "stop[0]");
    world.finish().await;
}

#[tokio::test]
async fn nothing_is_said_beside_json_that_a_tool_brings() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let call = Step::Call { name: "fly_llm_answer".into(), arguments: vec![ANSWER.to_owned()] };
    let script = Script::steps([Step::Text("Let me".into()), call]);
    world.vendor().always("claude", script);
    let body = asked(json!({"response_format": {"type": "json_object"}}));
    assert_eq!(client.chat(&body).await.content(), ANSWER);
    let mut stream = client.stream(&asked(json!({"response_format": schema()}))).await;
    stream.rest().await;
    assert_eq!((stream.text().as_str(), stream.is_done()), (ANSWER, true));
    world.finish().await;
}

async fn ask(client: &Client, path: &str) -> Answer {
    let request = client.request(reqwest::Method::GET, path);
    client.send(request.header("anthropic-version", "2023-06-01")).await
}

#[tokio::test]
async fn models_are_listed_in_the_shape_of_anthropics_api_to_its_clients() {
    let world = World::start().await;
    let key = world.key(0).await;
    let client = world.client(&key);
    let page = ask(&client, "/v1/models?limit=2").await;
    assert!(!page.header("request-id").is_empty());
    let page = page.json();
    let ids = |page: &Value| {
        let data = page["data"].as_array().unwrap().iter();
        data.map(|model| model["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&page), ["fast", "backup"]);
    let ends = (&page["has_more"], &page["first_id"], &page["last_id"]);
    assert_eq!(ends, (&json!(true), &json!("fast"), &json!("backup")));
    let rest = ask(&client, "/v1/models?after_id=backup").await.json();
    assert_eq!(
        (ids(&rest), &rest["has_more"]),
        (["claude", "keyed", "gem", "auto"].map(str::to_owned).to_vec(), &json!(false))
    );
    for model in rest["data"].as_array().unwrap() {
        let path = format!("/v1/models/{}", model["id"].as_str().unwrap());
        assert_eq!(&ask(&client, &path).await.json(), model, "{path}");
        assert_eq!((&model["type"], &model["display_name"]), (&json!("model"), &model["id"]));
        assert_eq!(model["created_at"], "1970-01-01T00:00:00Z");
    }
    let claude = ask(&client, "/v1/models/claude").await.json();
    assert_eq!(
        (&claude["max_input_tokens"], &claude["max_tokens"]),
        (&json!(100_000), &json!(1_000))
    );
    let stranger = client.clone().with_secret("sk-fly-of-nobody");
    for (answer, status, kind) in [
        (ask(&client, "/v1/models/embedder").await, 404, "not_found_error"),
        (ask(&client, "/v1/models/keyless").await, 404, "not_found_error"),
        (ask(&client, "/v1/models?limit=0").await, 400, "invalid_request_error"),
        (ask(&stranger, "/v1/models").await, 401, "authentication_error"),
        (ask(&stranger, "/v1/models/fast").await, 401, "authentication_error"),
    ] {
        let told = answer.json();
        assert_eq!((answer.status, &told["type"]), (status, &json!("error")), "{}", answer.text);
        assert_eq!(told["error"]["type"], kind, "{}", answer.text);
    }
    world.finish().await;
}
