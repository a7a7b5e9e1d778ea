//! Items of a response that come back with a later request: named, and read from what is kept; and
//! thoughts, for the models that want them again.

use crate::responses::{RESPONSES, created};
use harness::{Script, World};
use serde_json::{Value, json};

/// The messages that the vendor was told last.
fn told(world: &World) -> Vec<Value> {
    world.vendor().seen().last().unwrap().body["messages"].as_array().unwrap().clone()
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn reference(item: &Value) -> Value {
    json!({"type": "item_reference", "id": item["id"]})
}

#[tokio::test]
async fn an_item_that_is_named_stands_in_the_conversation() {
    let world = World::builder().gateways(2).start().await;
    let key = world.key(1_000_000).await;
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    world.vendor().always("fast", Script::says(["東京", "です"]));
    let ask = |input: Value| json!({"model": "fast", "input": input});
    let one = created(&first, ask(json!([user("首都は？")]))).await;
    let named_one = reference(&one["output"][0]);
    let said = json!([user("首都は？"), named_one, user("人口は？")]);
    let two = created(&second, ask(said)).await;
    let answered = json!({"role": "assistant", "content": "東京です"});
    assert_eq!(told(&world), [user("首都は？"), answered.clone(), user("人口は？")]);
    // What was only named is kept whole: the newest response has all that came before.
    let path = format!("{RESPONSES}/{}", one["id"].as_str().unwrap());
    assert_eq!(first.send(first.request(reqwest::Method::DELETE, &path)).await.status, 200);
    let bare = json!({"id": two["output"][0]["id"]});
    let said = json!([user("首都は？"), named_one, user("人口は？"), bare, user("面積は？")]);
    created(&first, ask(said)).await;
    let all = [user("首都は？"), answered.clone(), user("人口は？"), answered, user("面積は？")];
    assert_eq!(told(&world), all);
    world.finish().await;
}

#[tokio::test]
async fn an_item_that_is_not_kept_is_refused_by_its_place() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().always("fast", Script::says(["東京"]));
    let kept = created(&client, json!({"model": "fast", "input": "x"})).await;
    let unkept = created(&client, json!({"model": "fast", "input": "x", "store": false})).await;
    let (kept, unkept) = (reference(&kept["output"][0]), reference(&unkept["output"][0]));
    let stranger = world.client(&world.key(1_000_000).await);
    for (client, items, place) in [
        (&client, json!([user("x"), unkept]), "input[1].id"),
        (&client, json!([{"type": "item_reference", "id": "msg_1"}]), "input[0].id"),
        (&client, json!([kept, user("x"), kept]), "input[0].id"),
        (&stranger, json!([user("x"), kept]), "input[1].id"),
    ] {
        let refused = client.post(RESPONSES, &json!({"model": "fast", "input": items})).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert_eq!(refused.json()["error"]["param"], place, "{}", refused.text);
    }
    world.finish().await;
}

#[tokio::test]
async fn what_claude_thought_before_a_call_comes_back_signed() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let thought = json!({"type": "thinking", "thinking": "天気を調べる", "signature": "s1"});
    let call = json!({"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}});
    let answer = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
        "content": [thought, call], "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 5}});
    world.vendor().always("claude", Script::json(&answer));
    let tools = json!([{"type": "function", "name": "weather", "parameters": {"type": "object"}}]);
    let ask = |input: Value| json!({"model": "claude", "input": input, "tools": tools});
    let one = created(&client, ask(json!("天気は？"))).await;
    let output = json!({"type": "function_call_output", "call_id": "toolu_1", "output": "晴れ"});
    let mut goes_on = ask(json!([output]));
    goes_on["previous_response_id"] = one["id"].clone();
    let mut sent_back = vec![user("天気は？")];
    sent_back.extend(one["output"].as_array().unwrap().iter().cloned());
    // Clients that read no thoughts return what was sealed alone.
    sent_back[1].as_object_mut().unwrap().shift_remove("content");
    sent_back.push(output);
    for body in [goes_on, ask(Value::Array(sent_back))] {
        created(&client, body).await;
        assert_eq!(told(&world)[1]["content"], json!([thought, call]));
    }
    world.finish().await;
}

#[tokio::test]
async fn what_a_server_thought_before_a_call_comes_back_as_text() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let call = json!({"id": "c1", "type": "function",
        "function": {"name": "weather", "arguments": "{}"}});
    let message = json!({"role": "assistant", "content": null, "reasoning_content": "天気を調べる",
        "tool_calls": [call]});
    let answer = json!({"choices": [{"index": 0, "message": message,
        "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 10, "completion_tokens": 5}});
    world.vendor().always("fast", Script::json(&answer));
    let tools = json!([{"type": "function", "name": "weather", "parameters": {"type": "object"}}]);
    let one = json!({"model": "fast", "input": "天気は？", "tools": tools,
        "include": ["reasoning.encrypted_content"]});
    let one = created(&client, one).await;
    assert_eq!(one["output"][0]["content"][0]["text"], "天気を調べる");
    assert!(one["output"][0]["encrypted_content"].is_string());
    let output = json!({"type": "function_call_output", "call_id": "c1", "output": "晴れ"});
    let two = json!({"model": "fast", "input": [output], "tools": tools,
        "previous_response_id": one["id"]});
    created(&client, two).await;
    let expected = json!({"role": "assistant", "tool_calls": [call],
        "reasoning_content": "天気を調べる"});
    assert_eq!(told(&world)[1], expected);
    world.finish().await;
}
