//! Personal data stays in the gateway: neither NATS nor a worker nor a vendor nor Redis nor a disk
//! ever sees it, and its owner gets it back, however a vendor cuts the answer.

use harness::client::question_to;
use harness::{Script, Step, World};
use infra::config::{BlockRule, Config, Guards, PrivacyMode};
use serde_json::json;

const EMAIL: &str = "taro.yamada@example.co.jp";
const PHONE: &str = "090-1234-5678";
const QUESTION: &str = "連絡先は taro.yamada@example.co.jp か 090-1234-5678 です。繰り返して。";

/// Nobody but the gateway has seen the planted texts.
async fn assert_unseen(world: &World, spy: &harness::spy::Spy) {
    for planted in [EMAIL, PHONE, "taro.yamada"] {
        for seen in world.vendor().seen() {
            assert!(!seen.body.to_string().contains(planted), "the vendor saw {planted}");
        }
        for (subject, text) in spy.messages().await {
            assert!(!text.contains(planted), "{planted} passed through NATS on {subject}");
        }
        for (key, text) in world.redis_texts().await {
            assert!(!text.contains(planted), "{planted} lies in Redis at {key}");
        }
        assert!(!world.is_on_disk(planted), "{planted} lies on the disk");
    }
}

#[tokio::test]
async fn nobody_sees_it_and_the_answer_has_it() {
    let world = World::builder().config(|config| config.cache.enabled = true).start().await;
    let key = world.key(1_000_000).await;
    let spy = world.spy().await;
    let client = world.client(&key);
    for model in ["fast", "claude"] {
        for characters in [1, 2, 7, 1_000] {
            // An own question each time, or the cache answers.
            let question = format!("{QUESTION} ({model}, {characters})");
            world.vendor().always(model, Script::Echo { characters });
            let mut stream = client.ask_stream(model, &question).await;
            stream.rest().await;
            assert_eq!(stream.text(), question);
            assert!(stream.is_done());
        }
    }
    assert_eq!(client.ask("fast", QUESTION).await.content(), QUESTION);
    assert_unseen(&world, &spy).await;
    let jobs = spy.messages().await;
    let jobs = jobs.iter().filter(|(subject, _)| subject.starts_with("chat."));
    assert!(jobs.count() >= 9, "the spy was not blind");
    let masked = world.scrape(0).await;
    assert!(masked.sum("fly_llm_masked_total") >= 18.0);
    drop(spy);
    world.finish().await;
}

#[tokio::test]
async fn everything_that_a_request_can_hold_is_masked() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let spy = world.spy().await;
    let body = json!({
        "model": "fast",
        "messages": [
            {"role": "system", "content": format!("The customer is {EMAIL}.")},
            {"role": "user", "content": [{"type": "text", "text": format!("Call {PHONE}.")}]},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c1",
                "type": "function", "function": {"name": "mail",
                "arguments": format!("{{\"to\":\"{EMAIL}\"}}")}}]},
            {"role": "tool", "tool_call_id": "c1", "content": format!("sent to {EMAIL}")},
            {"role": "user", "content": format!("Again to {EMAIL}, phone {PHONE}.")},
        ],
    });
    let answer = world.client(&key).chat(&body).await;
    assert_eq!(answer.content(), format!("Again to {EMAIL}, phone {PHONE}."));
    assert_unseen(&world, &spy).await;
    let seen = world.vendor().seen().remove(0).body;
    assert_eq!(seen["messages"].as_array().unwrap().len(), 5);
    drop(spy);
    world.finish().await;
}

#[tokio::test]
async fn tool_arguments_are_restored_across_any_border() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    // What the vendor sees instead of the address.
    client.ask("fast", EMAIL).await;
    let content = world.vendor().seen().remove(0).body["messages"][0]["content"].clone();
    let placeholder = content.as_str().unwrap();
    assert_ne!(placeholder, EMAIL);
    let arguments = format!("{{\"to\":\"{placeholder}\",\"n\":1}}");
    let pieces: Vec<String> = arguments.chars().map(String::from).collect();
    let call = Step::Call { name: "mail".into(), arguments: pieces };
    let mut body = harness::client::question_to("fast", EMAIL);
    body["tools"] = json!([{"type": "function", "function": {"name": "mail",
        "parameters": {"type": "object"}}}]);
    for model in ["fast", "claude"] {
        body["model"] = model.into();
        world.vendor().always(model, Script::steps([call.clone()]));
        let mut stream = client.stream(&body).await;
        stream.rest().await;
        assert!(stream.is_done());
        let told: String = stream
            .data()
            .filter_map(|chunk| {
                let calls = &chunk["choices"][0]["delta"]["tool_calls"];
                calls[0]["function"]["arguments"].as_str()
            })
            .collect();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told, json!({"to": EMAIL, "n": 1}));
        let whole = client.chat(&body).await.json();
        let calls = &whole["choices"][0]["message"]["tool_calls"];
        let told = calls[0]["function"]["arguments"].as_str().unwrap();
        let told: serde_json::Value = serde_json::from_str(told).unwrap();
        assert_eq!(told, json!({"to": EMAIL, "n": 1}));
    }
    world.finish().await;
}

/// The same address and name as others write them, and none of them in the letters of a text.
const ENCODED: &str = "https://x.example/?email=taro.yamada%40example.co.jp&name=\
    %E5%B1%B1%E7%94%B0%E5%A4%AA%E9%83%8E&q=red%20shoes <p>taro.yamada&#64;example.co.jp</p> \
    {\"name\": \"\\u5c71\\u7530\\u592a\\u90ce\"}";

#[tokio::test]
async fn encoded_it_is_seen_by_nobody_either() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let spy = world.spy().await;
    let client = world.client(&key);
    for model in ["fast", "claude"] {
        for characters in [1, 3, 1_000] {
            world.vendor().always(model, Script::Echo { characters });
            let mut stream = client.ask_stream(model, ENCODED).await;
            stream.rest().await;
            assert_eq!(stream.text(), ENCODED);
            assert!(stream.is_done());
        }
    }
    assert_unseen(&world, &spy).await;
    for seen in world.vendor().seen() {
        let body = seen.body.to_string();
        assert!(!body.contains("%E5%B1%B1") && !body.contains("u5c71"), "{body}");
        assert!(body.contains("&q=red%20shoes"), "{body}");
    }
    drop(spy);
    world.finish().await;
}

#[tokio::test]
async fn numbers_and_names_of_fields_come_back_as_they_were() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let spy = world.spy().await;
    let client = world.client(&key);
    let record = json!({EMAIL: {"tel_home": 312345678, "card": 4111111111111111_u64, "n": 42}});
    let properties = json!({"tel": {"type": "integer"}, "said": {"type": "string"}});
    let parameters = json!({"type": "object", "properties": properties});
    let function = json!({"name": "call", "parameters": parameters});
    let of_call = json!({"name": "call", "arguments": record.to_string()});
    let call = json!({"id": "c1", "type": "function", "function": of_call});
    let mut body = json!({
        "model": "fast",
        "messages": [
            {"role": "user", "content": "Call them."},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": record.to_string()},
        ],
        "tools": [{"type": "function", "function": function}],
    });
    let arguments = r#"{"tel":"[PHONE_1]","said":"[PHONE_1]","[EMAIL_1]":["[CARD_1]", 42]}"#;
    let pieces: Vec<String> = arguments.chars().map(String::from).collect();
    // What no schema wants to be a number stays the string that the model said.
    let restored = json!({"tel": 312345678, "said": "312345678", EMAIL: ["4111111111111111", 42]});
    for (model, pieces) in
        [("fast", pieces.clone()), ("claude", pieces), ("fast", vec![arguments.to_owned()])]
    {
        body["model"] = model.into();
        let step = Step::Call { name: "call".into(), arguments: pieces };
        world.vendor().always(model, Script::steps([step]));
        let mut stream = client.stream(&body).await;
        stream.rest().await;
        let told: String = stream
            .data()
            .filter_map(|chunk| {
                let calls = &chunk["choices"][0]["delta"]["tool_calls"];
                calls[0]["function"]["arguments"].as_str()
            })
            .collect();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&told).unwrap(), restored);
        let whole = client.chat(&body).await.json();
        let calls = &whole["choices"][0]["message"]["tool_calls"];
        let told = calls[0]["function"]["arguments"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(told).unwrap(), restored);
    }
    assert_unseen(&world, &spy).await;
    for seen in world.vendor().seen() {
        let body = seen.body.to_string();
        assert!(!body.contains("312345678") && !body.contains("411111"), "{body}");
        assert!(body.contains("[PHONE_1]") && body.contains("tel_home"), "{body}");
    }
    drop(spy);
    world.finish().await;
}

#[tokio::test]
async fn what_only_looks_like_a_placeholder_stays() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    world.vendor().always("fast", Script::says(["[EM", "AIL_9] [x] [", "PHONE_1", "] [EMAIL_"]));
    let mut stream = world.client(&key).ask_stream("fast", EMAIL).await;
    stream.rest().await;
    assert_eq!(stream.text(), "[EMAIL_9] [x] [PHONE_1] [EMAIL_");
    assert!(stream.is_done());
    world.finish().await;
}

#[tokio::test]
async fn an_error_never_quotes_it() {
    let world = World::start().await;
    let key = world.key(10).await;
    let client = world.client(&key);
    let poor = client.ask("fast", QUESTION).await;
    assert_eq!(poor.status, 429);
    assert!(!poor.text.contains("taro"));
    let mut wrong = harness::client::question_to("fast", QUESTION);
    wrong["temperature"] = json!(EMAIL);
    let wrong = client.chat(&wrong).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text);
    world.finish().await;
}

#[tokio::test]
async fn by_policy_it_is_refused_or_left() {
    let world =
        World::builder().config(|config| config.privacy.mode = PrivacyMode::Block).start().await;
    let key = world.key(1_000_000).await;
    let refused = world.client(&key).ask("fast", QUESTION).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (400, "content_blocked"));
    assert!(!refused.text.contains(EMAIL));
    assert_eq!(world.vendor().starts(), 0);
    assert_eq!(world.client(&key).ask("fast", "nothing private").await.status, 200);
    world.finish().await;
    let world =
        World::builder().config(|config| config.privacy.mode = PrivacyMode::Off).start().await;
    let key = world.key(1_000_000).await;
    assert_eq!(world.client(&key).ask("fast", QUESTION).await.content(), QUESTION);
    assert!(world.vendor().seen()[0].body.to_string().contains(EMAIL));
    world.finish().await;
}

#[tokio::test]
async fn a_key_has_a_policy_of_its_own() {
    let world = World::start().await;
    let strict = json!({"mode": "block", "kinds": {"phone": "off"}, "media": "block"});
    let strict = world.key_like(json!({"name": "strict", "privacy": strict}), 1_000_000).await;
    let lax = json!({"mode": "off"});
    let lax = world.key_like(json!({"name": "lax", "privacy": lax}), 1_000_000).await;
    let local = json!({"media": "local"});
    let local = world.key_like(json!({"name": "local", "privacy": local}), 1_000_000).await;
    let usual = world.key(1_000_000).await;

    let refused = world.client(&strict).ask("fast", QUESTION).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (400, "content_blocked"));
    assert!(refused.text.contains("e-mail") && !refused.text.contains("phone"), "{}", refused.text);
    assert_eq!(world.vendor().starts(), 0);
    assert_eq!(world.client(&strict).ask("fast", PHONE).await.content(), PHONE);
    world.client(&lax).ask("fast", QUESTION).await;
    world.client(&usual).ask("fast", QUESTION).await;
    let seen: Vec<String> = world.vendor().seen().iter().map(|s| s.body.to_string()).collect();
    assert!(seen[0].contains(PHONE) && seen[1].contains(EMAIL));
    assert!(!seen[2].contains(EMAIL) && !seen[2].contains(PHONE));

    let url = json!({"url": "data:image/png;base64,iVBORw0KGgo="});
    let picture = json!({"model": "fast", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": url}]}]});
    let refused = world.client(&strict).chat(&picture).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (400, "content_blocked"));
    let nobody = world.client(&local).chat(&picture).await;
    assert_eq!((nobody.status, nobody.error_code().as_str()), (400, "content_blocked"));
    assert_eq!(world.client(&usual).chat(&picture).await.status, 200);

    let path = format!("/api/keys/{}", strict.id);
    let admin = world.admin();
    let as_configured =
        admin.request(reqwest::Method::PATCH, &path).json(&json!({"privacy": null}));
    let changed = admin.send(as_configured).await;
    assert_eq!((changed.status, &changed.json()["privacy"]), (200, &json!(null)));
    assert_eq!(world.client(&strict).ask("fast", QUESTION).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_is_refused_without_its_words() {
    let rule = BlockRule { name: "project-x".into(), pattern: "(?i)project x|極秘計画".into() };
    let change = |config: &mut Config| config.guards = Guards::new(vec![rule]).unwrap();
    let world = World::builder().config(change).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for said in ["about PROJECT X please", "極秘計画について", "data:極秘計画"] {
        let tool = json!({"type": "function", "function": {"name": "f", "description": said}});
        let messages = json!([{"role": "user", "content": "hello"}]);
        let bodies = [
            question_to("fast", said),
            json!({"model": "fast", "messages": messages, "tools": [tool]}),
        ];
        for body in bodies {
            let refused = client.chat(&body).await;
            let code = refused.error_code();
            assert_eq!((refused.status, code.as_str()), (400, "content_blocked"));
            assert!(refused.text.contains("project-x"), "{}", refused.text);
            assert!(!refused.text.contains(said), "{}", refused.text);
        }
    }
    // In JSON that is a text, however its letters are written, and as a name in a schema.
    let escaped = r#"{"a": {"b": ["\u6975\u79d8\u8a08\u753b"]}}"#;
    let twice = json!({"q": escaped}).to_string();
    let named = r#"{"\u6975\u79d8\u8a08\u753b": 1}"#;
    for said in [escaped, twice.as_str(), named] {
        let function = json!({"name": "f", "arguments": said});
        let call = json!({"id": "call_1", "type": "function", "function": function});
        let messages = json!([
            {"role": "user", "content": "hello"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": said},
        ]);
        let refused = client.chat(&json!({"model": "fast", "messages": messages})).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (400, "content_blocked"));
    }
    let parameters = json!({"type": "object", "properties": {"極秘計画": {"type": "string"}}});
    let function = json!({"name": "f", "parameters": parameters});
    let messages = json!([{"role": "user", "content": "hello"}]);
    let tools = json!([{"type": "function", "function": function}]);
    let body = json!({"model": "fast", "messages": messages, "tools": tools});
    assert_eq!(client.chat(&body).await.error_code(), "content_blocked");
    let scrape = world.scrape(0).await;
    assert_eq!(scrape.value("fly_llm_blocked_total{rule=\"project-x\"}"), 10.0);
    let fine = client.ask("fast", "about project y").await;
    assert_eq!(fine.status, 200, "{}", fine.text);
    assert_eq!(world.vendor().starts(), 1);
    world.wait_for_ends(1, 0).await;
    world.finish().await;
}
