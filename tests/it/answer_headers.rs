//! What every surface says of an answer beside it: in headers when the answer is whole, and in the
//! last event of a stream, whose headers left before the end was known.

use harness::{Script, World};
use serde_json::{Value, json};

/// Every surface with a question.
fn surfaces() -> [(&'static str, Value); 4] {
    [
        (
            "/v1/chat/completions",
            json!({"model": "fast", "messages": [{"role": "user", "content": "x"}]}),
        ),
        ("/v1/completions", json!({"model": "fast", "prompt": "x"})),
        ("/v1/responses", json!({"model": "fast", "input": "x"})),
        (
            "/v1/messages",
            json!({"model": "fast", "max_tokens": 50,
                "messages": [{"role": "user", "content": "x"}]}),
        ),
    ]
}

const NAMES: [&str; 9] = [
    "model",
    "provider",
    "route-reason",
    "cache",
    "cost-usd",
    "hold-usd",
    "queue-ms",
    "ttft-ms",
    "overhead-ms",
];

#[tokio::test]
async fn whole_answers_have_all_headers() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    for (path, body) in surfaces() {
        let answer = world.client(&key).post(path, &body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        for name in NAMES {
            assert_ne!(answer.header(&format!("x-fly-{name}")), "", "{path}: {name}");
        }
        assert_eq!(answer.header("x-fly-provider"), "compatible");
        let hold: f64 = answer.header("x-fly-hold-usd").parse().unwrap();
        let cost: f64 = answer.header("x-fly-cost-usd").parse().unwrap();
        assert!(cost > 0.0 && cost <= hold, "{path}: {cost} of {hold}");
        for name in ["x-fly-queue-ms", "x-fly-ttft-ms", "x-fly-overhead-ms", "openai-processing-ms"]
        {
            assert!(answer.header(name).parse::<u64>().is_ok(), "{path}: {name}");
        }
        assert_eq!(answer.header("openai-version"), "2020-10-01");
        assert!(answer.header("x-request-id").starts_with("req_"));
        assert_ne!(answer.header("x-ratelimit-remaining-requests"), "");
    }
    world.finish().await;
}

#[tokio::test]
async fn streams_tell_the_same_in_their_last_event() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    world.vendor().always("fast", Script::says(["日", "本"]));
    for (path, mut body) in surfaces() {
        body["stream"] = true.into();
        if path.ends_with("completions") {
            body["stream_options"] = json!({"include_usage": true});
        }
        let stream = world.client(&key).post(path, &body).await;
        assert_eq!(stream.header("x-fly-model"), "fast", "{path}: {}", stream.text);
        assert_ne!(stream.header("x-fly-hold-usd"), "", "{path}");
        assert_eq!(stream.header("x-fly-cost-usd"), "", "{path}: it isn't known yet");
        let events = stream.text.lines().filter_map(|line| line.strip_prefix("data: "));
        let told: Vec<Value> = events
            .filter(|event| *event != "[DONE]")
            .map(|event| serde_json::from_str::<Value>(event).unwrap())
            .filter(|event| event.get("x_fly").is_some())
            .collect();
        assert_eq!(told.len(), 1, "{path}: {}", stream.text);
        for name in NAMES {
            let value = &told[0]["x_fly"][name.replace('-', "_")];
            assert!(value.is_string(), "{path}: {name}: {}", told[0]);
        }
        assert_eq!(told[0]["x_fly"]["cost_usd"], "0.00002", "{path}");
    }
    world.finish().await;
}

#[tokio::test]
async fn every_answer_of_the_api_is_named_and_timed() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let stranger = world.client_with(0, None);
    let answers = [
        client.get("/v1/models").await,
        client.ask("gpt-17", "x").await,
        stranger.post("/v1/chat/completions", &json!({})).await,
        client.get("/v1/nowhere").await,
    ];
    let mut names = Vec::new();
    for answer in answers {
        assert_eq!(answer.header("openai-version"), "2020-10-01", "{}", answer.text);
        assert!(answer.header("openai-processing-ms").parse::<u64>().is_ok());
        names.push(answer.header("x-request-id").to_owned());
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4, "each has its own name: {names:?}");
    world.finish().await;
}
