//! The local model: words from a real GGUF, and its process killed in the middle of them.

use crate::program::{Place, Up, children_of, send};
use harness::fetched::demo_model;
use harness::metrics::Scrape;
use harness::{Client, World, ledger, uses, voids, wait_for, wait_until};
use infra::bus::Bus;
use rustix::process::Signal;
use schemas::ledger::{Outcome, Use, Writer};
use schemas::usage::TokenSource;
use serde_json::{Value, json};

/// Whether the program was built with llama.cpp.
pub(crate) const HAS_LLAMA: bool = cfg!(feature = "rakuten");

const CONFIG: &str = "
models:
  - name: rakuten-llm
    pool: rakuten
    vendor: llama
    price: {input: 1, cached_input: 1, cache_write: 1, output: 2}
    context: 1024
    max_output: 900
    capabilities: [chat, json_schema, tools]
    tier: economy
    llama: {file: '${RAKUTEN_MODEL_PATH}', slots: 2}
limits: {max_tokens_per_request: 900}
";

async fn place() -> Place {
    let mut place = Place::with(World::vendor_alone().await, CONFIG);
    place.set("RAKUTEN_MODEL_PATH", demo_model().to_str().unwrap());
    place
}

fn story(max_tokens: u32) -> Value {
    json!({"model": "rakuten-llm", "max_tokens": max_tokens, "temperature": 0,
        "messages": [{"role": "user", "content": "Tell me a very long story about Mount Fuji."}]})
}

/// A text that may not end before its tokens do.
fn endless() -> Value {
    let mut story = story(900);
    story["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "text",
        "schema": {"type": "string", "minLength": 5_000}}});
    story
}

#[tokio::test]
async fn the_local_model_streams_words() {
    let place = place().await;
    let up = place.up().await;
    let client = up.client();
    if !HAS_LLAMA {
        let refused = client.chat(&story(8)).await;
        assert_eq!(refused.status, 404, "{}", refused.text);
        assert!(place.errors().contains("no llama.cpp"), "{}", place.errors());
        return up.finish(&place).await;
    }
    let mut body = story(24);
    body["stream_options"] = json!({"include_usage": true});
    let mut stream = client.stream(&body).await;
    stream.rest().await;
    assert!(stream.is_done(), "{:?}", stream.events());
    assert!(stream.text().split_whitespace().count() > 5, "{}", stream.text());
    let pieces = stream.events().iter().filter_map(harness::Event::content).count();
    assert!(pieces > 3, "it came in pieces: {:?}", stream.events());
    let usage = stream.data().last().unwrap()["usage"].clone();
    assert_eq!(usage["completion_tokens"], 24);
    assert!(usage["prompt_tokens"].as_u64().unwrap() > 10, "{usage}");
    let whole = client.chat(&story(24)).await;
    assert_eq!(whole.content(), stream.text(), "the same at temperature 0");
    assert_eq!(whole.json()["choices"][0]["finish_reason"], "length");
    up.finish(&place).await;
}

/// The ledger of a running program.
struct Books {
    bus: Bus,
    /// Its events before anything was asked.
    before: usize,
}

impl Books {
    /// Starts the program, and opens its books.
    async fn of_a_start() -> (Place, Up, Self) {
        let place = place().await;
        let up = place.up().await;
        let bus = Bus::connect(up.text("nats_url"), "test").await.unwrap();
        let before = ledger(&bus).await.len();
        (place, up, Self { bus, before })
    }

    /// Waits until so many requests have ended, each once and with a charge within its hold.
    async fn charges(&self, count: usize) -> Vec<(Use, i64)> {
        wait_until(&format!("{count} requests are charged"), async || {
            ledger(&self.bus).await.len() >= self.before + count
        })
        .await;
        let events = ledger(&self.bus).await;
        let (charged, ended) = (uses(&events), voids(&events));
        assert_eq!((charged.len(), ended), (count, 0), "each has exactly one end");
        assert!(charged.iter().all(|(event, charge)| *charge > 0 && *charge <= event.hold.0));
        charged
    }
}

#[tokio::test]
async fn a_killed_model_ends_the_stream_with_an_error_and_one_charge() {
    if !HAS_LLAMA {
        return;
    }
    let (place, up, books) = Books::of_a_start().await;
    let mut stream = up.client().stream(&story(900)).await;
    stream.next_text().await;
    send(model_process(up.pid()).await, Signal::KILL);
    stream.rest().await;
    assert_eq!(stream.error_code().as_deref(), Some("stream_interrupted"));
    assert!(!stream.is_done());
    let charged = books.charges(1).await;
    let event = &charged[0].0;
    assert_eq!((event.outcome, event.writer), (Outcome::Partial, Writer::Gateway));
    assert_eq!(event.source, TokenSource::Estimated);
    // It is started again by itself, and answers.
    let again = up.client().chat(&story(8)).await;
    assert_eq!(again.status, 200, "{}", again.text);
    drop(books);
    up.finish(&place).await;
}

/// Its answer comes in pieces to the gateway all the same, and none of them was told.
#[tokio::test]
async fn who_leaves_before_a_whole_answer_is_there_pays_nothing() {
    if !HAS_LLAMA {
        return;
    }
    let (place, up, books) = Books::of_a_start().await;
    let (client, long) = (up.client(), endless());
    let metrics = up.text("metrics_url").trim_end_matches("/metrics");
    let metrics = Client::of(metrics, up.text("api_key"));
    let has_begun = wait_until("it has begun", async || {
        let told = metrics.get("/metrics").await.text;
        Scrape::read(&told).sum("fly_llm_first_token_seconds_count") > 0.0
    });
    tokio::select! {
        whole = client.chat(&long) => panic!("too soon: {}", whole.text),
        () = has_begun => {}
    }
    wait_until("it has an end", async || ledger(&books.bus).await.len() > books.before).await;
    let events = ledger(&books.bus).await;
    assert_eq!((uses(&events).len(), voids(&events)), (0, 1));
    drop(books);
    up.finish(&place).await;
}

/// As llama.cpp aborts its own process: both slots fall, and who waited behind them is answered by
/// the process that is started next.
#[tokio::test]
async fn an_abort_ends_what_ran_and_loses_nobody_who_waited() {
    if !HAS_LLAMA {
        return;
    }
    let (place, up, books) = Books::of_a_start().await;
    let client = up.client();
    // Both still write when the process falls.
    let mut long = endless();
    let mut first = client.stream(&long).await;
    // Not the same question: that would be answered once for both.
    long["max_tokens"] = json!(899);
    let mut second = client.stream(&long).await;
    first.next_text().await;
    second.next_text().await;
    let short = story(8);
    let (waited, ()) = tokio::join!(client.chat(&short), async {
        send(model_process(up.pid()).await, Signal::ABORT);
        for stream in [&mut first, &mut second] {
            stream.rest().await;
            let code = stream.error_code();
            assert_eq!(code.as_deref(), Some("stream_interrupted"), "{}", stream.text());
        }
    });
    assert_eq!(waited.status, 200, "{}", waited.text);
    assert!(!waited.content().is_empty());
    assert!(place.errors().contains("the rakuten worker fell"), "{}", place.errors());
    let charged = books.charges(3).await;
    let partial = charged.iter().filter(|(event, _)| event.outcome == Outcome::Partial).count();
    assert_eq!(partial, 2);
    drop(books);
    up.finish(&place).await;
}

/// The local model's process.
async fn model_process(up: u32) -> u32 {
    wait_for("the model's process", async || {
        let children = children_of(up);
        children.into_iter().find(|(_, name)| name.starts_with("fly-llm"))
    })
    .await
    .0
}

#[tokio::test]
async fn the_local_model_writes_what_a_schema_says() {
    if !HAS_LLAMA {
        return;
    }
    let place = place().await;
    let up = place.up().await;
    let client = up.client();
    let mut body = story(200);
    body["response_format"] = json!({"type": "json_schema", "json_schema": {
        "name": "shirt", "strict": true, "schema": {
            "type": "object",
            "properties": {"size": {"enum": ["S", "M", "L"]}, "price": {"type": "integer",
                "minimum": 1, "maximum": 9999}},
            "required": ["size", "price"], "additionalProperties": false,
    }}});
    let whole = client.chat(&body).await;
    assert_eq!(whole.status, 200, "{}", whole.text);
    let value: Value = serde_json::from_str(&whole.content()).unwrap();
    assert!(value["price"].as_u64().is_some_and(|price| (1..=9999).contains(&price)), "{value}");
    assert_eq!(whole.json()["choices"][0]["finish_reason"], "stop");
    body["response_format"]["json_schema"]["schema"] = json!({"type": "string", "pattern": "("});
    let refused = client.chat(&body).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert_eq!(refused.json()["error"]["param"], "response_format");
    up.finish(&place).await;
}

/// A shop's search, with what a schema may say.
fn tools() -> Value {
    json!([
        {"type": "function", "function": {"name": "search_items", "description": "Search a shop.",
            "parameters": {
                "type": "object",
                "properties": {
                    "kind": {"enum": ["shoes", "books", "tea"]},
                    "price_max": {"type": "integer", "minimum": 1, "maximum": 99_999},
                    "sizes": {"type": "array", "items": {"$ref": "#/$defs/size"}, "minItems": 1,
                        "maxItems": 2},
                },
                "required": ["kind", "price_max", "sizes"],
                "$defs": {"size": {"enum": ["S", "M", "L"]}},
        }}},
        {"type": "function", "function": {"name": "shop_hours"}},
    ])
}

/// The calls of a message, each held against its schema.
fn valid_calls(message: &Value) -> Vec<String> {
    let calls = message["tool_calls"].as_array().unwrap_or_else(|| panic!("calls: {message}"));
    let mut names = Vec::new();
    for call in calls {
        assert_eq!(call["type"], "function");
        assert!(call["id"].as_str().unwrap().starts_with("call_"), "{call}");
        let arguments = call["function"]["arguments"].as_str().unwrap();
        let arguments: Value = serde_json::from_str(arguments).unwrap();
        match call["function"]["name"].as_str().unwrap() {
            "search_items" => {
                assert_eq!(arguments.as_object().unwrap().len(), 3, "{arguments}");
                assert!(["shoes", "books", "tea"].contains(&arguments["kind"].as_str().unwrap()));
                let price = arguments["price_max"].as_u64().unwrap();
                assert!((1..=99_999).contains(&price), "{price}");
                let sizes = arguments["sizes"].as_array().unwrap();
                assert!((1..=2).contains(&sizes.len()), "{arguments}");
                assert!(sizes.iter().all(|size| ["S", "M", "L"].map(Value::from).contains(size)));
            }
            "shop_hours" => assert_eq!(arguments, json!({})),
            other => panic!("{other} was not offered"),
        }
        names.push(call["function"]["name"].as_str().unwrap().to_owned());
    }
    names
}

#[tokio::test]
async fn the_local_model_calls_functions() {
    if !HAS_LLAMA {
        return;
    }
    let place = place().await;
    let up = place.up().await;
    let client = up.client();
    let ask = |choice: Value, temperature: f64| {
        json!({"model": "rakuten-llm", "max_tokens": 400, "temperature": temperature, "seed": 5,
            "tools": tools(), "tool_choice": choice, "parallel_tool_calls": false,
            "messages": [{"role": "user", "content": "Find me tea below 3000 yen."}]})
    };
    let named = json!({"type": "function", "function": {"name": "search_items"}});
    // However wild the choice of tokens is: the arguments are valid.
    for temperature in [0.0, 1.0, 2.0] {
        let whole = client.chat(&ask(named.clone(), temperature)).await;
        assert_eq!(whole.status, 200, "{}", whole.text);
        let choice = &whole.json()["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{choice}");
        assert!(choice["message"]["content"].is_null(), "{choice}");
        assert_eq!(valid_calls(&choice["message"]), ["search_items"]);
    }
    let whole = client.chat(&ask("required".into(), 1.0)).await;
    assert_eq!(valid_calls(&whole.json()["choices"][0]["message"]).len(), 1, "{}", whole.text);
    // Streamed: one index, a head, and arguments in pieces that make the same call.
    let mut fresh = ask(named, 0.0);
    // Not the kept answer to an equal question, which is told in one piece.
    fresh["seed"] = 7.into();
    let mut stream = client.stream(&fresh).await;
    stream.rest().await;
    assert!(stream.is_done(), "{:?}", stream.events());
    let deltas: Vec<&Value> = stream
        .data()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array())
        .flatten()
        .collect();
    assert!(deltas.iter().all(|delta| delta["index"] == 0) && deltas.len() > 3, "{deltas:?}");
    assert_eq!(deltas[0]["function"]["name"], "search_items");
    let joined: String =
        deltas.iter().filter_map(|delta| delta["function"]["arguments"].as_str()).collect();
    let same = client.chat(&fresh).await.json();
    let call = &same["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"]["arguments"], joined.as_str());
    // Left to itself it answers in words or with a valid call; `none` is words.
    let whole = client.chat(&ask("auto".into(), 0.0)).await.json();
    let message = &whole["choices"][0]["message"];
    assert!(message["content"].is_string() || !valid_calls(message).is_empty(), "{message}");
    let none = client.chat(&ask("none".into(), 0.0)).await.json();
    assert!(none["choices"][0]["message"]["content"].is_string(), "{none}");
    // A result is a turn like another.
    let mut body = ask("none".into(), 0.0);
    let turns = body["messages"].as_array_mut().unwrap();
    turns.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
    turns.push(json!({"role": "tool", "tool_call_id": call["id"], "content": "緑茶 1,200円"}));
    let after = client.chat(&body).await;
    assert_eq!(after.status, 200, "{}", after.text);
    assert!(!after.content().is_empty());
    let unknown = json!({"type": "function", "function": {"name": "pay"}});
    let refused = client.chat(&ask(unknown, 0.0)).await;
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &"tool_choice".into()));
    up.finish(&place).await;
}
