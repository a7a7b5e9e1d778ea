//! OpenAI's other two surfaces as their clients see them: the older completions and the responses,
//! whole, as a stream, and refused.

use harness::{Script, World};
use reqwest::Method;
use serde_json::{Value, json};

const COMPLETIONS: &str = "/v1/completions";
const RESPONSES: &str = "/v1/responses";

/// The JSON of each event of a stream.
fn data(stream: &str) -> Vec<Value> {
    let lines = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter(|line| *line != "[DONE]").map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_prompt_is_completed_whole_and_as_a_stream() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().always("fast", Script::says(["東京", "です"]));
    let mut body = json!({"model": "fast", "prompt": ["日本の首都は "], "echo": true});
    let answer = client.post(COMPLETIONS, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let whole = answer.json();
    assert_eq!(whole["object"], "text_completion");
    assert_eq!(whole["choices"][0]["text"], "日本の首都は 東京です");
    assert_eq!(whole["usage"]["total_tokens"], 15);
    assert_eq!(answer.header("x-fly-model"), "fast");
    body["stream"] = true.into();
    let stream = client.post(COMPLETIONS, &body).await;
    assert_eq!(stream.header("content-type"), "text/event-stream");
    assert!(stream.text.ends_with("data: [DONE]\n\n"), "{}", stream.text);
    let told = data(&stream.text);
    let text = told.iter().filter_map(|event| event["choices"][0]["text"].as_str());
    assert_eq!(text.collect::<String>(), "日本の首都は 東京です");
    world.finish().await;
}

#[tokio::test]
async fn a_response_is_given_whole_and_as_typed_events() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().always("fast", Script::says(["東京", "です"]));
    let mut body = json!({"model": "fast", "instructions": "短く。", "input": "日本の首都は？"});
    let answer = client.post(RESPONSES, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let whole = answer.json();
    assert_eq!((&whole["object"], &whole["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(whole["output"][0]["content"][0]["text"], "東京です");
    assert_eq!(whole["usage"]["total_tokens"], 15);
    assert_eq!(answer.header("x-fly-model"), "fast");
    body["stream"] = true.into();
    let stream = client.post(RESPONSES, &body).await;
    assert_eq!(stream.header("content-type"), "text/event-stream");
    let told = data(&stream.text);
    for (number, event) in told.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    assert_eq!(told[0]["type"], "response.created");
    let last = told.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"]["output"][0]["content"], whole["output"][0]["content"]);
    assert_eq!(last["response"]["usage"], whole["usage"]);
    world.finish().await;
}

#[tokio::test]
async fn what_is_refused_has_its_status_and_its_field() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let refused = [
        (COMPLETIONS, json!({"model": "fast", "prompt": "x", "suffix": "y"}), 400, "suffix"),
        (COMPLETIONS, json!({"model": "fast", "prompt": "x", "n": 0}), 400, "n"),
        (COMPLETIONS, json!({"model": "gpt-17", "prompt": "x"}), 404, "model"),
        (
            RESPONSES,
            json!({"model": "fast", "input": "x", "previous_response_id": "resp_1"}),
            400,
            "previous_response_id",
        ),
        (RESPONSES, json!({"model": "fast", "input": []}), 400, "input"),
        (RESPONSES, json!({"model": "gpt-17", "input": "x", "stream": true}), 404, "model"),
    ];
    for (path, body, status, parameter) in refused {
        let answer = client.post(path, &body).await;
        assert_eq!(
            (answer.status, answer.json()["error"]["param"].as_str()),
            (status, Some(parameter)),
            "{}",
            answer.text
        );
    }
    let kept = [
        (Method::GET, "/v1/responses/resp_1", 404, "not_found"),
        (Method::DELETE, "/v1/responses/resp_1", 404, "not_found"),
        (Method::POST, "/v1/responses/resp_1/cancel", 404, "not_found"),
        (Method::GET, RESPONSES, 405, "method_not_allowed"),
        (Method::POST, "/v1/responses/resp_1", 405, "method_not_allowed"),
        (Method::POST, "/v1/responses/compact", 404, "not_found"),
        (Method::POST, "/v1/responses/input_tokens", 404, "not_found"),
    ];
    for (method, path, status, code) in kept {
        let answer = client.send(client.request(method, path)).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (status, code), "{path}");
    }
    let stranger = world.client_with(0, None);
    for path in [COMPLETIONS, RESPONSES] {
        assert_eq!(stranger.post(path, &json!({})).await.error_code(), "invalid_api_key");
    }
    assert_eq!(stranger.get("/v1/responses/resp_1").await.error_code(), "invalid_api_key");
    assert_eq!(world.vendor().starts(), 0);
    world.finish().await;
}
