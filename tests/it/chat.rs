//! A chat as its client sees it: whole and as a stream, from both vendors' protocols.

use harness::client::question_to;
use harness::vendor::script::Counts;
use harness::{Event, Gate, Script, Step, World};
use serde_json::{Value, json};

#[tokio::test]
async fn a_question_is_answered_whole() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    world.vendor().always("fast", Script::says(["Hello", " world"]));
    let answer = world.client(&key).ask("fast", "Say hello.").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "fast");
    assert!(body["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(body["created"].as_u64().unwrap() > 1_700_000_000);
    let choice = json!({
        "index": 0, "logprobs": null, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "Hello world", "refusal": null},
    });
    assert_eq!(body["choices"], json!([choice]));
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    assert_eq!(body["usage"], usage);
    assert_eq!(answer.header("x-fly-model"), "fast");
    assert_eq!(answer.header("x-fly-route-reason"), "named");
    assert_eq!(answer.header("x-fly-cache"), "miss");
    assert_eq!(answer.header("x-fly-cost-usd"), "0.00002");
    assert!(answer.header("x-request-id").starts_with("req_"));
    world.finish().await;
}

#[tokio::test]
async fn a_stream_has_a_role_pieces_an_end_and_done() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    world.vendor().always("fast", Script::says(["Hello", " wor", "ld"]));
    let mut stream = world.client(&key).ask_stream("fast", "Say hello.").await;
    stream.rest().await;
    assert_eq!(stream.status, 200);
    assert_eq!(stream.header("content-type"), "text/event-stream");
    assert_eq!(stream.header("cache-control"), "no-cache");
    assert_eq!(stream.text(), "Hello world");
    assert!(stream.is_done());
    let chunks: Vec<&Value> = stream.data().collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let roles = chunks.iter().filter(|chunk| !chunk["choices"][0]["delta"]["role"].is_null());
    assert_eq!(roles.count(), 1, "the role is told once");
    let ends: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]["finish_reason"]).collect();
    assert_eq!(ends.last().unwrap().as_str(), Some("stop"));
    assert_eq!(ends.iter().filter(|end| !end.is_null()).count(), 1, "one end");
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(chunk["id"], chunks[0]["id"]);
        assert_eq!(chunk["created"], chunks[0]["created"]);
        assert_eq!(chunk["model"], "fast");
        assert!(chunk.get("usage").is_none(), "usage was not asked for: {chunk}");
    }
    world.finish().await;
}

#[tokio::test]
async fn pieces_are_told_as_they_come() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let (first, second) = (Gate::new(), Gate::new());
    let steps = [
        Step::Text("one".into()),
        Step::Wait(first.clone()),
        Step::Text("two".into()),
        Step::Wait(second.clone()),
        Step::Text("three".into()),
    ];
    world.vendor().always("fast", Script::steps(steps));
    let mut stream = world.client(&key).ask_stream("fast", "Count.").await;
    assert_eq!(stream.next_text().await, "one");
    first.open();
    assert_eq!(stream.next_text().await, "two");
    second.open();
    assert_eq!(stream.next_text().await, "three");
    stream.rest().await;
    assert!(stream.is_done());
    world.finish().await;
}

#[tokio::test]
async fn the_usage_chunk_comes_when_asked_for_and_matches_the_whole_answer() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let counts = Some(Counts { input: 100, cached: Some(40), output: 7 });
    world.vendor().always("fast", Script::says(["a", "b"]).with_counts(counts));
    let client = world.client(&key);
    let mut body = question_to("fast", "Letters.");
    let whole = client.chat(&body).await.json();
    body["stream_options"] = json!({"include_usage": true});
    let mut stream = client.stream(&body).await;
    stream.rest().await;
    assert!(stream.is_done());
    let chunks: Vec<&Value> = stream.data().collect();
    let (last, others) = chunks.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"], whole["usage"]);
    assert_eq!(last["usage"]["prompt_tokens"], 100);
    assert_eq!(last["usage"]["prompt_tokens_details"]["cached_tokens"], 40);
    assert_eq!(last["usage"]["total_tokens"], 107);
    assert!(others.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));
    // 60 uncached at 1, 40 cached at 0.5, 7 out at 2.
    let charges: Vec<i64> = world.uses().await.iter().map(|(_, charge)| *charge).collect();
    assert_eq!(charges, [94, 94]);
    world.finish().await;
}

#[tokio::test]
async fn anthropic_answers_in_openais_shape() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    world.vendor().always("claude", Script::says(["こん", "にちは"]));
    let client = world.client(&key);
    let body = json!({"model": "claude", "max_tokens": 50, "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "挨拶して"}]});
    let whole = client.chat(&body).await;
    assert_eq!(whole.content(), "こんにちは", "{}", whole.text);
    assert_eq!(whole.json()["choices"][0]["finish_reason"], "stop");
    let mut stream = client.stream(&body).await;
    stream.rest().await;
    assert_eq!(stream.text(), "こんにちは");
    assert!(stream.is_done());
    let seen = world.vendor().seen();
    assert_eq!(seen.len(), 2);
    for request in &seen {
        assert_eq!(request.path, "/v1/messages");
        assert_eq!(request.headers["x-api-key"], "vendor-secret-key");
        assert_eq!(request.body["max_tokens"], 50);
        assert!(request.body.to_string().contains("Be brief."));
        let roles: Vec<&Value> =
            request.body["messages"].as_array().unwrap().iter().map(|m| &m["role"]).collect();
        assert_eq!(roles, ["user"], "the system's words have their own place");
    }
    // 10 in at 3, 5 out at 15.
    assert_eq!(world.uses().await[0].1, 105);
    world.finish().await;
}

#[tokio::test]
async fn every_script_comes_through_byte_for_byte() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let text =
        "楽天 🍣👩‍👩‍👧‍👦 e\u{301} \"quoted\" \\back\\ \u{2028} <b>&amp;</b> \t\r\n\n data: x\n\n終";
    let client = world.client(&key);
    for characters in [1, 3] {
        world.vendor().always("fast", Script::Echo { characters });
        assert_eq!(client.ask("fast", text).await.content(), text);
        let mut stream = client.ask_stream("fast", text).await;
        stream.rest().await;
        assert_eq!(stream.text(), text);
        assert!(stream.is_done());
    }
    world.finish().await;
}

#[tokio::test]
async fn tool_calls_come_through_both_ways() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let call = Step::Call {
        name: "weather".into(),
        arguments: vec!["{\"city\":".into(), "\"東京\"}".into()],
    };
    let mut body = question_to("fast", "Weather?");
    body["tools"] = json!([{"type": "function", "function": {"name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]);
    let client = world.client(&key);
    for model in ["fast", "claude"] {
        world.vendor().always(model, Script::steps([call.clone()]));
        body["model"] = model.into();
        let whole = client.chat(&body).await.json();
        let choice = &whole["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{whole}");
        let function = &choice["message"]["tool_calls"][0]["function"];
        assert_eq!(function["name"], "weather");
        let arguments = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let told = function["arguments"].as_str().unwrap();
        assert_eq!(arguments(told), json!({"city": "東京"}));
        let mut stream = client.stream(&body).await;
        stream.rest().await;
        assert!(stream.is_done());
        let pieces: String = stream
            .data()
            .filter_map(|chunk| {
                let calls = &chunk["choices"][0]["delta"]["tool_calls"];
                calls[0]["function"]["arguments"].as_str()
            })
            .collect();
        assert_eq!(arguments(&pieces), json!({"city": "東京"}));
    }
    world.finish().await;
}

#[tokio::test]
async fn what_the_client_asks_reaches_the_vendor_and_our_own_words_do_not() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let body = json!({
        "model": "quick", "temperature": 0.5, "seed": 7, "stop": ["END"], "max_tokens": 9,
        "user_preferences": {"prefer_quality": true}, "metadata": {"a": "b"},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    });
    let answer = world.client(&key).chat(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["model"], "fast", "an alias is answered by its model");
    let seen = world.vendor().seen().remove(0);
    assert_eq!(seen.path, "/v1/chat/completions");
    assert_eq!(seen.body["model"], "fast");
    for (name, value) in [("temperature", json!(0.5)), ("seed", json!(7)), ("stop", json!(["END"]))]
    {
        assert_eq!(seen.body[name], value, "{}", seen.body);
    }
    assert_eq!(seen.body["max_tokens"], 9);
    assert_eq!(seen.body["metadata"], json!({"a": "b"}));
    assert_eq!(seen.body["messages"], body["messages"]);
    assert!(seen.body.get("user_preferences").is_none());
    assert!(!seen.headers.contains_key("authorization"), "no key is wanted, none is sent");
    assert!(!format!("{seen:?}").contains(&key.secret));
    world.finish().await;
}

#[tokio::test]
async fn a_silent_stream_begins_with_pings() {
    let world = World::builder()
        .config(|config| {
            config.gateway.begin_stream_after_ms = 1;
            config.gateway.ping_seconds = 1;
        })
        .start()
        .await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().always("fast", Script::says(["late"]).after(&gate));
    let mut stream = world.client(&key).ask_stream("fast", "Take your time.").await;
    assert_eq!(stream.next().await, Some(Event::Comment("ping".into())));
    assert_eq!(stream.next().await, Some(Event::Comment("ping".into())));
    gate.open();
    stream.rest().await;
    assert_eq!(stream.text(), "late");
    assert!(stream.is_done());
    world.finish().await;
}

#[tokio::test]
async fn auto_chooses_a_model_and_says_so() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let answer = world.client(&key).ask("auto", "hello").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.content(), "hello");
    let model = answer.header("x-fly-model").to_owned();
    assert!(["fast", "backup"].contains(&model.as_str()), "{model}");
    assert_eq!(answer.json()["model"], model);
    assert_ne!(answer.header("x-fly-route-reason"), "named");
    assert_eq!(world.vendor().seen()[0].model, model);
    world.finish().await;
}

#[tokio::test]
async fn models_are_listed_when_somebody_serves_them() {
    let world = World::start().await;
    let key = world.key(0).await;
    let client = world.client(&key);
    let listed = client.get("/v1/models").await.json();
    assert_eq!(listed["object"], "list");
    let ids: Vec<&str> =
        listed["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    let expected = ["fast", "backup", "claude", "keyed", "embedder", "gem", "auto"];
    assert_eq!(ids, expected, "keyless has no key");
    for model in listed["data"].as_array().unwrap() {
        let path = format!("/v1/models/{}", model["id"].as_str().unwrap());
        assert_eq!(&client.get(&path).await.json(), model, "{path}");
    }
    let one = client.get("/v1/models/fast").await.json();
    assert_eq!(one["price_usd_per_million_tokens"]["output"], 2.0);
    assert_eq!(one["context_length"], 100_000);
    assert_eq!(one["capabilities"], json!(["chat", "tools", "vision", "json_schema"]));
    assert_eq!(one["provider"], "compatible");
    let embedder = client.get("/v1/models/embedder").await.json();
    assert_eq!(embedder["price_usd_per_million_tokens"], json!({"input": 1.0}));
    assert_eq!(
        (&embedder["provider"], &embedder["max_output_tokens"]),
        (&json!("vllm"), &json!(null))
    );
    assert_eq!(client.get("/v1/models/keyless").await.error_code(), "model_not_found");
    world.finish().await;
}
