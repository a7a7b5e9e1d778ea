//! Responses that run in the background: they run on without their client, any gateway tells how
//! they stand, cancels and follows them, and each is paid for exactly as it was produced.

use harness::{Client, Event, EventStream, Gate, Key, Script, Step, World, wait_for, wait_until};
use reqwest::Method;
use schemas::ledger::Outcome;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const RESPONSES: &str = "/v1/responses";

fn asked(stream: bool) -> Value {
    json!({"model": "fast", "input": "日本の首都は？", "background": true, "stream": stream})
}

async fn begun(client: &Client) -> Value {
    let answer = client.post(RESPONSES, &asked(false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn path(response: &Value, rest: &str) -> String {
    format!("{RESPONSES}/{}{rest}", response["id"].as_str().unwrap())
}

async fn told(client: &Client, response: &Value) -> Value {
    client.get(&path(response, "")).await.json()
}

async fn until(client: &Client, response: &Value, status: &str) -> Value {
    let look = async || Some(told(client, response).await).filter(|now| now["status"] == status);
    wait_for(status, look).await
}

async fn cancelled(client: &Client, response: &Value) -> Value {
    let answer = client.post(&path(response, "/cancel"), &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// A word, then a gate, then the end.
fn gated(gate: &Gate) -> Script {
    let said = |text: &str| Step::Text(text.to_owned());
    Script::steps([said("東京"), Step::Wait(gate.clone()), said("です")])
}

/// The next event that isn't a comment.
async fn next(stream: &mut EventStream) -> Value {
    loop {
        match stream.next().await {
            Some(Event::Comment(_)) => {}
            Some(Event::Data(data)) => return data,
            other => panic!("{other:?}"),
        }
    }
}

/// The numbers of a stream's events.
fn numbers(text: &str) -> Vec<u64> {
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let number = |event: &str| {
        serde_json::from_str::<Value>(event).unwrap()["sequence_number"].as_u64().unwrap()
    };
    events.map(number).collect()
}

async fn two() -> (World, Key) {
    let world = World::builder().gateways(2).start().await;
    let key = world.key(1_000_000).await;
    (world, key)
}

#[tokio::test]
async fn it_runs_on_without_its_client_and_every_gateway_tells_how_it_stands() {
    let (world, key) = two().await;
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    let (before, gate) = (Gate::new(), Gate::new());
    world.vendor().always("fast", gated(&gate).after(&before));
    let queued = begun(&first).await;
    assert_eq!((&queued["status"], &queued["background"]), (&json!("queued"), &json!(true)));
    assert_eq!((&queued["store"], &queued["output"]), (&json!(true), &json!([])));
    assert_eq!(told(&second, &queued).await["status"], "queued");
    let on = json!({"model": "fast", "input": "x", "previous_response_id": queued["id"]});
    let refused = second.post(RESPONSES, &on).await;
    assert_eq!(refused.json()["error"]["param"], "previous_response_id", "it isn't said yet");
    before.open();
    until(&second, &queued, "in_progress").await;
    gate.open();
    let whole = until(&second, &queued, "completed").await;
    assert_eq!(whole["output"][0]["content"][0]["text"], "東京です");
    assert_eq!((&whole["id"], &whole["created_at"]), (&queued["id"], &queued["created_at"]));
    assert_eq!(whole["usage"]["total_tokens"], 15);
    world.wait_for_ends(1, 0).await;
    assert_eq!(world.uses().await[0].0.outcome, Outcome::Done);
    assert_eq!(cancelled(&second, &queued).await, whole, "what is over stays as it is");
    assert_eq!(second.post(RESPONSES, &on).await.status, 200, "now it can be gone on from");
    world.finish().await;
}

#[tokio::test]
async fn another_gateway_cancels_it_and_what_was_produced_is_paid() {
    let (world, key) = two().await;
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    world.vendor().always("fast", gated(&Gate::new()));
    let response = begun(&first).await;
    until(&second, &response, "in_progress").await;
    let over = cancelled(&second, &response).await;
    assert_eq!((&over["status"], &over["usage"]), (&json!("cancelled"), &Value::Null));
    assert_eq!(over["output"][0]["content"][0]["text"], "東京", "what was said is there");
    assert_eq!(over["output"][0]["status"], "incomplete");
    world.vendor().wait_for_hang_ups(1).await;
    world.wait_for_ends(1, 0).await;
    let (event, _) = world.uses().await.remove(0);
    assert_eq!((event.outcome, event.usage.output), (Outcome::Cancelled, 2));
    assert_eq!(cancelled(&first, &response).await, over, "twice is once");
    world.finish().await;
}

#[tokio::test]
async fn one_that_said_nothing_costs_nothing_when_it_is_cancelled_or_deleted() {
    let (world, key) = two().await;
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    world.vendor().always("fast", Script::Silence);
    let response = begun(&first).await;
    world.vendor().wait_for_starts(1).await;
    assert_eq!(cancelled(&second, &response).await["output"], json!([]));
    let response = begun(&first).await;
    world.vendor().wait_for_starts(2).await;
    let deleted = second.send(second.request(Method::DELETE, &path(&response, ""))).await;
    assert_eq!(deleted.json()["deleted"], true);
    world.vendor().wait_for_hang_ups(2).await;
    world.wait_for_ends(0, 2).await;
    assert_eq!(first.get(&path(&response, "")).await.status, 404, "it doesn't come back");
    world.finish().await;
}

#[tokio::test]
async fn its_events_are_told_again_from_where_the_client_stopped() {
    let (world, key) = two().await;
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    let gate = Gate::new();
    world.vendor().always("fast", gated(&gate));
    let mut stream = first.stream_at(RESPONSES, &asked(true)).await;
    let created = next(&mut stream).await;
    let response = created["response"].clone();
    assert_eq!(
        (&created["type"], &response["status"]),
        (&json!("response.created"), &json!("queued"))
    );
    assert_eq!(next(&mut stream).await["type"], "response.queued");
    while next(&mut stream).await["type"] != "response.output_text.delta" {}
    drop(stream);
    let resumed = path(&response, "?stream=true&starting_after=1");
    let mut follower = JoinSet::new();
    follower.spawn(async move { second.get(&resumed).await.text });
    let second = world.client_at(1, &key);
    until(&second, &response, "in_progress").await;
    gate.open();
    let followed = follower.join_next().await.unwrap().unwrap();
    assert_eq!(numbers(&followed), (2..=10).collect::<Vec<_>>(), "{followed}");
    let whole = second.get(&path(&response, "?stream=true")).await.text;
    assert_eq!(numbers(&whole), (0..=10).collect::<Vec<_>>(), "{whole}");
    assert!(whole.ends_with(&followed), "the same events");
    let last = whole.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"], told(&second, &response).await);
    let wrong = second.get(&path(&response, "?stream=true&starting_after=x")).await;
    assert_eq!(wrong.json()["error"]["param"], "starting_after");
    world.finish().await;
}

#[tokio::test]
async fn a_failure_is_told_and_a_dead_gateways_response_counts_as_one() {
    let (mut world, key) = two().await;
    let (first, second) = (world.client_at(0, &key), world.client_at(1, &key));
    world.vendor().next("fast", Script::refuses(400, "no"));
    let response = begun(&second).await;
    let failed = until(&second, &response, "failed").await;
    assert_eq!(failed["error"]["code"], "invalid_prompt", "{failed}");
    let one = second.post(RESPONSES, &json!({"model": "fast", "input": "x"})).await.json();
    let refused = second.post(&path(&one, "/cancel"), &json!({})).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (400, "invalid_request"));
    assert_eq!(second.get(&path(&one, "?stream=true")).await.status, 400);
    world.vendor().always("fast", gated(&Gate::new()));
    let response = begun(&first).await;
    until(&second, &response, "in_progress").await;
    world.kill_gateway(0);
    // Its lease would end by itself, some seconds later.
    let name = response["id"].as_str().unwrap();
    world.store().finish_background(&key.account, name).await.unwrap();
    let lost = until(&second, &response, "failed").await;
    assert_eq!(lost["error"]["code"], "server_error");
    world.wait_for_ends(2, 1).await;
    world.finish().await;
}

#[tokio::test]
async fn it_must_be_kept_and_an_account_has_only_so_many() {
    let world = World::builder().config(|config| config.limits.parallel = 1_000).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().always("fast", Script::Silence);
    let mut unkept = asked(false);
    unkept["store"] = false.into();
    let refused = client.post(RESPONSES, &unkept).await;
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("background")));
    let account = &key.account;
    for number in 0..64 {
        let id = format!("resp_{number}");
        assert!(world.store().begin_background(account, &id).await.unwrap());
    }
    let refused = client.post(RESPONSES, &asked(false)).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limit_exceeded"));
    assert!(!refused.header("retry-after").is_empty());
    world.store().finish_background(account, "resp_7").await.unwrap();
    let response = begun(&client).await;
    let again = client.post(RESPONSES, &asked(false)).await;
    assert_eq!(again.status, 429, "its place is taken");
    cancelled(&client, &response).await;
    wait_until("a place is free", async || {
        world.store().begin_background(account, "resp_x").await.unwrap()
    })
    .await;
    world.wait_for_ends(0, 1).await;
    world.finish().await;
}
