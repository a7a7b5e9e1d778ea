//! Answers that go well: whole and streamed, with their keys and counts, piece by piece as they
//! come.

use crate::common::sink::Collected;
use crate::common::vendor::{Script, Step, Vendor};
use crate::common::{
    COUNT, DONE, FINISH, answer, greeting, install_cryptography, provider, text_event, upstream,
};
use schemas::catalogue::Vendor as Protocol;
use schemas::error::ErrorCode;
use schemas::openai::FinishReason;
use schemas::usage::Usage;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use worker_provider::{ApiKey, Provider, StartError, Upstream};

fn send(text: impl Into<String>) -> Step {
    Step::Send(text.into())
}

fn greeting_stream() -> Script {
    let events =
        [text_event("こん"), text_event("にちは"), FINISH.into(), COUNT.into(), DONE.into()];
    Script::Stream(events.map(send).to_vec())
}

const COUNTED: Usage = Usage {
    input: 7,
    cache_read: None,
    cache_write: None,
    cache_write_hour: None,
    output: 3,
    reasoning: None,
};

#[tokio::test]
async fn a_stream_arrives_with_its_count() {
    let vendor = Vendor::always(greeting_stream()).await;
    let (ended, sink) = answer(&provider(&vendor, Protocol::Openai, &["sk-1"]), true).await;
    assert_eq!(ended.result, Ok(()));
    assert_eq!(ended.usage, Some(COUNTED));
    assert_eq!(sink.text(), "こんにちは");
    let last = sink.calls.iter().flatten().last().unwrap();
    assert_eq!(last.finish_reason, Some(FinishReason::Stop));
    vendor.seen(0, |seen| {
        assert_eq!(seen.path, "/v1/chat/completions");
        assert_eq!(seen.headers["authorization"], "Bearer sk-1");
        assert_eq!(seen.headers["accept"], "text/event-stream");
        assert_eq!(seen.body["stream_options"]["include_usage"], true);
        assert_eq!(seen.body["messages"][0]["content"], "こんにちは 🙂");
        assert!(seen.headers["user-agent"].to_str().unwrap().starts_with("fly-llm/"));
    });
}

#[tokio::test]
async fn a_whole_answer_arrives_at_once() {
    let body = json!({
        "type": "message", "role": "assistant", "content": [{"type": "text", "text": "はい"}],
        "stop_reason": "end_turn", "usage": {"input_tokens": 7, "output_tokens": 3}
    });
    let headers = vec![("content-type", "application/json")];
    let script = Script::Answer { status: 200, headers, body: body.to_string() };
    let vendor = Vendor::always(script).await;
    let (ended, sink) = answer(&provider(&vendor, Protocol::Anthropic, &["sk-ant"]), false).await;
    assert_eq!((ended.result, ended.usage), (Ok(()), Some(COUNTED)));
    assert_eq!(sink.whole[0].message.content.as_deref(), Some("はい"));
    assert!(sink.calls.is_empty());
    vendor.seen(0, |seen| {
        assert_eq!(seen.path, "/v1/messages");
        assert_eq!(seen.headers["x-api-key"], "sk-ant");
        assert_eq!(seen.headers["anthropic-version"], "2023-06-01");
        assert!(!seen.headers.contains_key("authorization"));
    });
}

#[tokio::test]
async fn gemini_is_asked_at_its_own_address_with_its_own_header() {
    let counts = r#""usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3}"#;
    let piece = |text: &str, end: &str| {
        let parts = json!({"parts": [{"text": text}], "role": "model"});
        format!("data: {{\"candidates\":[{{\"content\":{parts}{end}}}],{counts}}}\r\n\r\n")
    };
    let steps = [piece("こん", ""), piece("にちは🙂", ",\"finishReason\":\"STOP\"")].map(send);
    let vendor = Vendor::always(Script::Stream(steps.to_vec())).await;
    let (ended, sink) = answer(&provider(&vendor, Protocol::Gemini, &["g-key"]), true).await;
    assert_eq!((ended.result, ended.usage), (Ok(()), Some(COUNTED)));
    assert_eq!(sink.text(), "こんにちは🙂");
    vendor.seen(0, |seen| {
        assert_eq!(seen.path, "/v1/models/upstream-model:streamGenerateContent");
        assert_eq!(seen.headers["x-goog-api-key"], "g-key");
        assert!(!seen.headers.contains_key("authorization"));
    });
}

#[tokio::test]
async fn azure_is_asked_at_its_deployment_with_its_own_header() {
    let vendor = Vendor::always(greeting_stream()).await;
    let (ended, sink) = answer(&provider(&vendor, Protocol::Azure, &["a-key"]), true).await;
    assert_eq!((ended.result, ended.usage), (Ok(()), Some(COUNTED)));
    assert_eq!(sink.text(), "こんにちは");
    vendor.seen(0, |seen| {
        let path = "/v1/openai/deployments/upstream-model/chat/completions";
        assert_eq!(seen.path, path);
        assert_eq!(seen.headers["api-key"], "a-key");
        assert!(!seen.headers.contains_key("authorization"));
    });
}

#[tokio::test]
async fn without_keys_no_key_is_sent() {
    let vendor = Vendor::always(greeting_stream()).await;
    let (ended, _) = answer(&provider(&vendor, Protocol::Compatible, &[]), true).await;
    assert_eq!(ended.result, Ok(()));
    vendor.seen(0, |seen| assert!(!seen.headers.contains_key("authorization")));
}

#[tokio::test]
async fn what_comes_in_one_read_is_given_in_one_call() {
    let events: String = (0..100).map(|_| text_event("日")).collect();
    let steps = vec![send(events + FINISH + COUNT + DONE)];
    let vendor = Vendor::always(Script::Stream(steps)).await;
    let (ended, sink) = answer(&provider(&vendor, Protocol::Compatible, &[]), true).await;
    assert_eq!(ended.result, Ok(()));
    assert_eq!(sink.calls.len(), 1);
    assert_eq!(sink.calls[0].len(), 101);
}

#[tokio::test]
async fn a_burst_of_many_chunks_is_given_in_few_calls() {
    let mut steps: Vec<Step> = (0..200).map(|_| send(text_event("日"))).collect();
    steps.push(send(format!("{FINISH}{COUNT}{DONE}")));
    let vendor = Vendor::always(Script::Stream(steps)).await;
    let (ended, sink) = answer(&provider(&vendor, Protocol::Compatible, &[]), true).await;
    assert_eq!(ended.result, Ok(()));
    assert_eq!(sink.text().chars().count(), 200);
    assert!(sink.calls.len() < 100, "{} calls", sink.calls.len());
}

#[tokio::test]
async fn a_piece_is_given_before_the_next_one_comes() {
    let gate = Arc::new(Notify::new());
    let wait = || Step::Wait(Arc::clone(&gate));
    let steps = vec![
        send(text_event("一")),
        wait(),
        send(text_event("二")),
        wait(),
        send(FINISH),
        wait(),
        send(format!("{COUNT}{DONE}")),
    ];
    let vendor = Vendor::always(Script::Stream(steps)).await;
    // The sink's call opens the vendor's gate: a piece held back would hold everything.
    let mut sink = Collected { told: Arc::clone(&gate), ..Collected::default() };
    let provider = provider(&vendor, Protocol::Compatible, &[]);
    let ended = provider.answer(&greeting(true), &mut sink, &CancellationToken::new()).await;
    assert_eq!((ended.result, ended.usage), (Ok(()), Some(COUNTED)));
    assert_eq!(sink.calls.len(), 3);
}

/// The body's last bytes come after the vendor's last word, and nobody waits for them.
#[tokio::test]
async fn a_connection_is_used_again() {
    const CALLS: usize = 20;
    let gate = Arc::new(Notify::new());
    let events = text_event("はい") + FINISH + COUNT + DONE;
    let steps = vec![send(events), Step::Wait(Arc::clone(&gate))];
    let vendor = Vendor::always(Script::Stream(steps)).await;
    let provider = provider(&vendor, Protocol::Compatible, &[]);
    for number in 1..=CALLS {
        assert_eq!(answer(&provider, true).await.0.result, Ok(()));
        gate.notify_one();
        vendor.ended(number).await;
    }
    // A call that begins before the last one's connection is free opens another.
    assert_eq!(vendor.requests(), CALLS);
    assert!(vendor.connections() < CALLS / 4, "{} connections", vendor.connections());
}

#[tokio::test]
async fn many_calls_run_at_once() {
    const CALLS: usize = 1000;
    let gate = Arc::new(Notify::new());
    let steps = vec![
        send(text_event("待")),
        Step::Wait(Arc::clone(&gate)),
        send(format!("{FINISH}{COUNT}{DONE}")),
    ];
    let vendor = Vendor::always(Script::Stream(steps)).await;
    let provider = provider(&vendor, Protocol::Compatible, &[]);
    let calls = futures::future::join_all((0..CALLS).map(|_| answer(&provider, true)));
    // Nobody goes on before all have begun: with fewer connections this would never end.
    let open = async {
        while vendor.requests() < CALLS {
            tokio::task::yield_now().await;
        }
        loop {
            gate.notify_waiters();
            tokio::task::yield_now().await;
        }
    };
    let answers = tokio::select! {
        answers = calls => answers,
        () = open => Vec::new(),
    };
    assert_eq!(answers.len(), CALLS);
    assert!(answers.iter().all(|(ended, _)| ended.result == Ok(())));
}

#[tokio::test]
async fn a_key_that_nobody_has_tried_has_its_turn() {
    let vendor = Vendor::always(greeting_stream()).await;
    let provider = provider(&vendor, Protocol::Openai, &["a", "b"]);
    for key in ["a", "b"] {
        assert_eq!(answer(&provider, true).await.0.result, Ok(()));
        let number = vendor.requests() - 1;
        let sent = vendor.seen(number, |seen| seen.headers["authorization"].clone());
        assert_eq!(sent, format!("Bearer {key}"));
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_at_the_start() {
    let vendor = Vendor::always(Script::Silence).await;
    let start = |change: fn(&mut Upstream)| {
        let mut upstream = upstream(&vendor, Protocol::Compatible, &["sk-1"]);
        change(&mut upstream);
        Provider::new(vec![("m".into(), vec![upstream])]).err()
    };
    install_cryptography();
    assert!(start(|_| {}).is_none());
    assert!(matches!(start(|up| up.vendor = Protocol::Llama), Some(StartError::NotHttp(_))));
    for base in [None, Some("ftp://host/v1"), Some("host"), Some("http://host/v1?x=1"), Some("")] {
        let mut upstream = upstream(&vendor, Protocol::Compatible, &[]);
        upstream.api_base = base.map(Into::into);
        let error = Provider::new(vec![("m".into(), vec![upstream])]).err();
        assert!(matches!(error, Some(StartError::Address(_))), "{base:?}");
    }
    let error = start(|up| up.api_keys = vec![ApiKey::new("sk-\nsecret")]).unwrap();
    assert!(matches!(error, StartError::Key(_)) && !error.to_string().contains("secret"));
    let twice = vec![("m".to_owned(), vec![upstream(&vendor, Protocol::Openai, &[])]); 2];
    assert!(matches!(Provider::new(twice).err(), Some(StartError::Twice(_))));
}

#[tokio::test]
async fn a_model_of_somebody_else_is_not_served() {
    let vendor = Vendor::always(Script::Silence).await;
    let provider = provider(&vendor, Protocol::Openai, &[]);
    assert_eq!(provider.models().collect::<Vec<_>>(), ["model"]);
    let mut job = greeting(true);
    job.model = "another".into();
    let ended = provider.answer(&job, &mut Collected::default(), &CancellationToken::new()).await;
    assert_eq!(ended.result.unwrap_err().code, ErrorCode::NoWorker);
}
