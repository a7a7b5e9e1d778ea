//! Fields that the chosen model can't honour: refused by their name, or left out and told; and
//! fields that nobody here knows, which pass.

use harness::{Script, World};
use infra::config::DropParams;
use serde_json::{Value, json};

fn asked(model: &str, fields: &Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "x"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

const DROPPED: &str = "x-fly-dropped-params";

#[tokio::test]
async fn hints_are_left_out_and_told_whole_and_as_a_stream() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let mut body = asked("claude", &json!({"seed": 7, "logit_bias": {"1": 2}, "temperature": 0.5}));
    let answer = client.chat(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header(DROPPED), "seed,logit_bias");
    let sent = &world.vendor().seen()[0].body;
    assert!(sent.get("seed").is_none() && sent["temperature"] == 0.5, "{sent}");
    body["stream_options"] = json!({"include_usage": true});
    let mut stream = client.stream(&body).await;
    stream.rest().await;
    assert_eq!(stream.header(DROPPED), "seed,logit_bias");
    let last = stream.data().last().unwrap();
    assert_eq!(last["x_fly"]["dropped_params"], "seed,logit_bias");
    let nothing = client.chat(&asked("fast", &json!({"seed": 7}))).await;
    assert_eq!(nothing.header(DROPPED), "", "that model takes a seed");
    world.finish().await;
}

#[tokio::test]
async fn the_request_says_what_becomes_of_them() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let strict = client.chat(&asked("claude", &json!({"seed": 7, "drop_params": false}))).await;
    assert_eq!((strict.status, strict.json()["error"]["param"].as_str()), (400, Some("seed")));
    let demand = client.chat(&asked("claude", &json!({"n": 2}))).await;
    assert_eq!((demand.status, demand.json()["error"]["param"].as_str()), (400, Some("n")));
    assert_eq!(world.vendor().starts(), 0);
    let loose = client.chat(&asked("claude", &json!({"n": 2, "drop_params": true}))).await;
    assert_eq!((loose.status, loose.header(DROPPED)), (200, "n"), "{}", loose.text);
    assert_eq!(loose.json()["choices"].as_array().unwrap().len(), 1);
    let with_header = |policy: &str, fields: Value| {
        let path = "/v1/chat/completions";
        let request = client.request(reqwest::Method::POST, path);
        client.send(request.header("x-fly-drop-params", policy).json(&asked("claude", &fields)))
    };
    assert_eq!(with_header("all", json!({"n": 2})).await.status, 200);
    assert_eq!(with_header("never", json!({"seed": 2})).await.status, 400);
    assert_eq!(with_header("sometimes", json!({})).await.status, 400);
    let passed = client.chat(&asked("fast", &json!({"drop_params": true}))).await;
    assert_eq!(passed.status, 200);
    let sent = world.vendor().seen().pop().unwrap().body;
    assert!(sent.get("drop_params").is_none(), "it is ours: {sent}");
    world.finish().await;
}

#[tokio::test]
async fn what_only_anthropics_own_api_knows_is_told_as_left_out() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let edits = json!({"edits": [{"type": "clear_tool_uses_20250919"}]});
    for model in ["claude", "fast"] {
        let mut body = asked(model, &json!({"max_tokens": 9, "context_management": edits}));
        let answer = client.post("/v1/messages", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header(DROPPED), "context_management", "{model}");
        let sent = world.vendor().seen().pop().unwrap().body;
        assert!(sent.get("context_management").is_none(), "{sent}");
        let strict = client.request(reqwest::Method::POST, "/v1/messages").json(&body);
        let strict = client.send(strict.header("x-fly-drop-params", "never")).await;
        assert_eq!(strict.status, 400, "{model}: {}", strict.text);
        body["context_management"] = json!({"edits": []});
        body["speed"] = json!("standard");
        let nothing = client.post("/v1/messages", &body).await;
        assert_eq!((nothing.status, nothing.header(DROPPED)), (200, ""), "{model}");
    }
    world.finish().await;
}

#[tokio::test]
async fn what_is_left_out_of_tools_and_documents_is_told() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let tool = json!({"name": "f", "input_schema": {"type": "object"}, "strict": true,
        "input_examples": [{"a": 1}]});
    let source = json!({"type": "text", "media_type": "text/plain", "data": "body"});
    let document = json!({"type": "document", "source": source, "citations": {"enabled": true}});
    let messages = json!([{"role": "user", "content": [document]}]);
    for (model, dropped) in
        [("claude", "tools.strict,citations"), ("fast", "tools.input_examples,citations")]
    {
        let fields = json!({"max_tokens": 9, "tools": [tool], "messages": messages});
        let answer = client.post("/v1/messages", &asked(model, &fields)).await;
        assert_eq!((answer.status, answer.header(DROPPED)), (200, dropped), "{}", answer.text);
        let sent = world.vendor().seen().pop().unwrap().body;
        assert!(!sent.to_string().contains("citations"), "{sent}");
        assert_eq!(sent["tools"][0].get("input_examples").is_some(), model == "claude", "{sent}");
    }
    world.finish().await;
}

#[tokio::test]
async fn what_only_anthropics_models_know_goes_to_them_or_is_said_otherwise() {
    let candidates = ["fast", "claude"].map(str::to_owned);
    let world = World::builder().config(|config| config.auto.candidates = candidates.into());
    let world = world.start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let body = |model: &str, messages: Value| {
        let mut body = json!({"model": model, "max_tokens": 9});
        body["messages"] = messages;
        body
    };
    let document = |source: Value| {
        let document = json!({"type": "document", "title": "T", "source": source});
        json!([{"role": "user", "content": [document]}])
    };
    let by_url = document(json!({"type": "url", "url": "https://h/a.pdf"}));
    let refused = client.post("/v1/messages", &body("fast", by_url.clone())).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.text.contains("messages[0].content[0]"), "{}", refused.text);
    assert_eq!(world.vendor().starts(), 0);
    let chosen = client.post("/v1/messages", &body("auto", by_url.clone())).await;
    assert_eq!((chosen.status, chosen.header("x-fly-model")), (200, "claude"), "{}", chosen.text);
    let sent = |index: usize| {
        let seen = world.vendor().seen().pop().unwrap().body;
        seen["messages"][index]["content"].clone()
    };
    assert_eq!(sent(0), by_url[0]["content"]);
    let text = document(json!({"type": "text", "media_type": "text/plain", "data": "body"}));
    assert_eq!(client.post("/v1/messages", &body("fast", text)).await.status, 200);
    assert_eq!(sent(0), json!([{"type": "text", "text": "T\nbody"}]));
    let source = json!({"type": "base64", "media_type": "image/png", "data": "iVBO"});
    let messages = json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "c", "name": "see", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c",
            "content": [{"type": "image", "source": source}]}]},
    ]);
    assert_eq!(client.post("/v1/messages", &body("fast", messages)).await.status, 200);
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}});
    assert_eq!((sent(2), sent(3)), (json!(""), json!([{"type": "text", "text": "c:"}, image])));
    world.finish().await;
}

#[tokio::test]
async fn the_operator_says_it_otherwise() {
    let strict = World::builder().config(|config| config.gateway.drop_params = DropParams::Never);
    let world = strict.start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    assert_eq!(client.chat(&asked("claude", &json!({"seed": 7}))).await.status, 400);
    let own = client.chat(&asked("claude", &json!({"seed": 7, "drop_params": true}))).await;
    assert_eq!(own.status, 200, "the request has the last word");
    world.finish().await;
}

#[tokio::test]
async fn capabilities_decide() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let tools = json!({"tools": [{"type": "function", "function": {"name": "f"}}]});
    let schema = json!({"response_format": {"type": "json_schema",
        "json_schema": {"name": "s", "schema": {"type": "object"}}}});
    let parts = |part: Value| {
        let text = json!({"type": "text", "text": "x"});
        json!({"messages": [{"role": "user", "content": [text, part]}]})
    };
    let image = parts(json!({"type": "image_url", "image_url": {"url": "https://h/a.png"}}));
    let sound = parts(json!({"type": "input_audio", "input_audio": {"data": "x"}}));
    let file = parts(json!({"type": "file", "file": {"file_id": "f"}}));
    let place = "messages[0].content[1]";
    for (model, fields, field) in [
        ("keyed", &tools, "tools"),
        ("backup", &schema, "response_format"),
        ("backup", &image, place),
        ("fast", &sound, place),
        ("fast", &file, place),
    ] {
        let answer = client.chat(&asked(model, fields)).await;
        let parameter = answer.json()["error"]["param"].clone();
        assert_eq!((answer.status, parameter), (400, field.into()), "{model}: {}", answer.text);
    }
    assert_eq!(world.vendor().starts(), 0);
    for (model, fields) in [("fast", &tools), ("fast", &schema), ("fast", &image)] {
        let answer = client.chat(&asked(model, fields)).await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.text);
    }
    world.finish().await;
}

#[tokio::test]
async fn fields_of_tomorrow_reach_the_vendor() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let fields = json!({"parameter_of_tomorrow": {"deep": [1, {"x": "日本"}]}, "store": true,
        "prediction": {"type": "content", "content": "y"}, "reasoning_effort": "low",
        "service_tier": "flex", "prompt_cache_key": "k", "seed": 9_007_199_254_740_993_i64});
    let answer = world.client(&key).chat(&asked("fast", &fields)).await;
    assert_eq!((answer.status, answer.header(DROPPED)), (200, ""), "{}", answer.text);
    let sent = &world.vendor().seen()[0].body;
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&sent[name], value, "{name}");
    }
    world.finish().await;
}

#[tokio::test]
async fn what_openais_chat_would_refuse_of_other_apis_never_reaches_it() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let (long, messages) = ("u".repeat(65), json!([{"role": "user", "content": "x"}]));
    let responses = json!({"model": "keyed", "input": "x", "tools": [], "tool_choice": "auto",
        "parallel_tool_calls": false, "client_metadata": {"id": "i"}, "min_p": 0.1, "user": long});
    let anthropic = json!({"model": "keyed", "messages": messages, "max_tokens": 9,
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "fallbacks": [{"model": "y"}], "metadata": {"user_id": long}});
    for (path, body, dropped) in [
        ("/v1/responses", responses, "client_metadata,min_p"),
        ("/v1/messages", anthropic, "fallbacks"),
    ] {
        let answer = client.post(path, &body).await;
        assert_eq!((answer.status, answer.header(DROPPED)), (200, dropped), "{}", answer.text);
        let sent = world.vendor().seen().pop().unwrap().body;
        let names: Vec<&str> = sent.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["model", "messages", "max_completion_tokens", "user"]);
        assert_eq!(sent["user"].as_str().map(str::len), Some(64), "its digest");
    }
    world.finish().await;
}

#[tokio::test]
async fn what_costs_extra_and_has_no_price_reaches_no_vendor() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let search = json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]});
    for (model, fields, field) in [
        ("fast", json!({"service_tier": "priority"}), "service_tier"),
        ("fast", json!({"web_search_options": {}}), "web_search_options"),
        ("fast", search.clone(), "tools[0]"),
        ("claude", search, "tools[0]"),
    ] {
        let mut asked = asked(model, &fields);
        for policy in [json!(null), json!(true)] {
            asked["drop_params"] = policy;
            let answer = client.chat(&asked).await;
            let parameter = answer.json()["error"]["param"].clone();
            assert_eq!((answer.status, parameter), (400, field.into()), "{}", answer.text);
        }
    }
    assert_eq!(world.vendor().starts(), 0);
    let told = client.chat(&asked("claude", &json!({"service_tier": "priority"}))).await;
    assert_eq!((told.status, told.header(DROPPED)), (200, "service_tier"), "never passed on");
    world.finish().await;
}

#[tokio::test]
async fn a_fallback_that_would_refuse_is_passed_over() {
    let fallbacks = |config: &mut infra::config::Config| {
        let names = vec!["claude".to_owned(), "backup".to_owned()];
        config.fallbacks.insert("fast".to_owned(), names);
    };
    let world = World::builder().config(fallbacks).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().always("fast", Script::refuses(500, "no"));
    let two = client.chat(&asked("fast", &json!({"n": 2}))).await;
    assert_eq!((two.status, two.header("x-fly-model")), (200, "backup"), "{}", two.text);
    let seed = client.chat(&asked("fast", &json!({"seed": 2}))).await;
    assert_eq!((seed.header("x-fly-model"), seed.header(DROPPED)), ("claude", "seed"));
    world.finish().await;
}

#[tokio::test]
async fn a_kept_answer_is_not_for_one_who_insists() {
    let world = World::builder().config(|config| config.cache.enabled = true).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let body = asked("claude", &json!({"seed": 7}));
    assert_eq!(client.chat(&body).await.status, 200);
    harness::wait_until("the answer is kept", async || {
        client.chat(&body).await.header("x-fly-cache") == "hit"
    })
    .await;
    assert_eq!(client.chat(&body).await.header(DROPPED), "seed");
    let strict = client.chat(&asked("claude", &json!({"seed": 7, "drop_params": false}))).await;
    assert_eq!(strict.status, 400, "{}", strict.text);
    world.finish().await;
}

/// What is paid for is the model that was asked for, and one answer of it.
#[tokio::test]
async fn nobody_is_made_to_ask_a_dearer_model_or_another_server() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for (fields, field) in [
        (json!({"models": ["dear"], "route": "fallback"}), "models"),
        (json!({"provider": {"only": ["x"]}}), "provider"),
        (json!({"fallbacks": [{"model": "x", "api_key": "k"}]}), "fallbacks"),
        (json!({"api_base": "http://10.0.0.1/"}), "api_base"),
        (json!({"best_of": 50}), "best_of"),
        (json!({"tools": [{"google_search": {}}]}), "tools[0].type"),
        (json!({"drop_params": true, "mock_response": "x"}), "mock_response"),
    ] {
        let answer = client.chat(&asked("fast", &fields)).await;
        let parameter = answer.json()["error"]["param"].clone();
        assert_eq!((answer.status, parameter), (400, field.into()), "{}", answer.text);
    }
    assert_eq!(world.vendor().starts(), 0);
    // As clients of one server send it with every request.
    let fields = json!({"use_beam_search": false, "best_of": 1, "fallbacks": [], "extra_body": {},
        "num_retries": 0, "min_tokens": 1, "tomorrow": 1});
    let answer = client.chat(&asked("fast", &fields)).await;
    assert_eq!((answer.status, answer.header(DROPPED)), (200, ""), "{}", answer.text);
    let sent = &world.vendor().seen()[0].body;
    let is_sent = |name: &&String| sent.get(name.as_str()).is_some();
    let sent: Vec<&String> = fields.as_object().unwrap().keys().filter(is_sent).collect();
    assert_eq!(sent, ["min_tokens", "tomorrow"]);
    world.finish().await;
}
