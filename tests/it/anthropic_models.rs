//! What Anthropic's models have otherwise than OpenAI's: an answer that must be JSON is the input
//! of a tool, thoughts and forced calls don't go together, and an hour in the prompt cache has a
//! price of its own.

use harness::{Client, Script, Step, World};
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
    let told = |answer: &harness::Answer| answer.header("x-fly-hold-usd").to_owned();
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
