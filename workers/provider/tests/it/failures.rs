//! Vendors that fail: refusals, silence, breaks, nonsense, floods. None of them may look like an
//! answer, and none may show its words to the client where they aren't the client's.

use crate::common::sink::Collected;
use crate::common::vendor::{Script, Step, Vendor};
use crate::common::{
    COUNT, DONE, FINISH, SOON, answer, greeting, provider, provider_within, text_event,
};
use schemas::catalogue::Vendor as Protocol;
use schemas::error::{ErrorCode, Problem};
use schemas::usage::TokenSource;
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use worker_provider::Limits;

fn refuse(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Script {
    Script::Answer { status, headers: headers.to_vec(), body: body.into() }
}

fn stream(steps: &[&str], last: Option<Step>) -> Script {
    let sends = steps.iter().map(|text| Step::Send((*text).into()));
    Script::Stream(sends.chain(last).collect())
}

/// How a stream of this script ends, and what was given of it.
async fn end_of(script: Script, limits: Limits) -> (Result<(), Problem>, String) {
    let vendor = Vendor::always(script).await;
    let (ended, sink) =
        answer(&provider_within(&vendor, Protocol::Compatible, &[], limits), true).await;
    (ended.result, sink.text())
}

async fn code_of(script: Script, limits: Limits) -> ErrorCode {
    end_of(script, limits).await.0.unwrap_err().code
}

#[tokio::test]
async fn a_limit_says_when_to_come_back() {
    let cases = [
        (vec![("retry-after", "3")], Some(3000)),
        (vec![("retry-after-ms", "70"), ("retry-after", "1")], Some(70)),
        (vec![], None),
    ];
    for (headers, expected) in cases {
        for stream in [true, false] {
            let vendor = Vendor::always(refuse(429, &headers, "{}")).await;
            let (ended, _) = answer(&provider(&vendor, Protocol::Openai, &["a"]), stream).await;
            let problem = ended.result.unwrap_err();
            assert_eq!(problem.code, ErrorCode::UpstreamOverloaded);
            assert_eq!(problem.retry_after_ms, expected);
        }
    }
}

#[tokio::test]
async fn the_next_key_is_tried_after_401_and_429() {
    for status in [401, 429] {
        let vendor = Vendor::start(move |number| match number {
            0 => refuse(status, &[], "{}"),
            _ => stream(&[&text_event("はい"), FINISH, DONE], None),
        })
        .await;
        let (ended, sink) = answer(&provider(&vendor, Protocol::Openai, &["a", "b"]), true).await;
        assert_eq!((ended.result, sink.text()), (Ok(()), "はい".into()), "{status}");
        vendor.seen(1, |seen| assert_eq!(seen.headers["authorization"], "Bearer b"));
    }
}

#[tokio::test]
async fn the_next_key_is_tried_when_a_400_says_that_the_key_is_wrong() {
    let reason = json!({"error": {"code": 400, "message": "API key not valid.",
        "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}});
    let whole = json!({"candidates": [{"index": 0, "finishReason": "STOP",
        "content": {"parts": [{"text": "はい"}]}}]});
    let (reason, whole) = (reason.to_string(), whole.to_string());
    let vendor = Vendor::start(move |number| match number {
        0 => refuse(400, &[], &reason),
        _ => refuse(200, &[], &whole),
    })
    .await;
    let (ended, sink) = answer(&provider(&vendor, Protocol::Gemini, &["a", "b"]), false).await;
    assert_eq!(ended.result, Ok(()));
    assert_eq!(sink.whole[0].message.content.as_deref(), Some("はい"));
    vendor.seen(1, |seen| assert_eq!(seen.headers["x-goog-api-key"], "b"));
}

#[tokio::test]
async fn every_key_is_tried_once_and_a_limit_is_told_before_a_wrong_key() {
    let vendor = Vendor::start(|number| match number {
        1 => refuse(429, &[("retry-after", "5")], "{}"),
        _ => refuse(401, &[], "{\"error\":{\"message\":\"Incorrect key sk-abc\"}}"),
    })
    .await;
    let (ended, _) = answer(&provider(&vendor, Protocol::Openai, &["a", "b", "c"]), true).await;
    assert_eq!(vendor.requests(), 3);
    let problem = ended.result.unwrap_err();
    assert_eq!((problem.code, problem.retry_after_ms), (ErrorCode::UpstreamOverloaded, Some(5000)));
    let single = Vendor::always(refuse(401, &[], "{\"error\":{\"message\":\"sk-abc\"}}")).await;
    let (ended, _) = answer(&provider(&single, Protocol::Openai, &["a"]), true).await;
    let problem = ended.result.unwrap_err();
    assert_eq!(problem.code, ErrorCode::UpstreamError);
    assert!(!problem.message.contains("sk-") && !problem.message.contains("key"));
}

#[tokio::test]
async fn nothing_else_is_tried_again() {
    for (status, code) in [
        (400, ErrorCode::InvalidRequest),
        (403, ErrorCode::UpstreamError),
        (408, ErrorCode::UpstreamTimeout),
        (500, ErrorCode::UpstreamError),
        (503, ErrorCode::UpstreamOverloaded),
    ] {
        let body = json!({"error": {"message": "no"}}).to_string();
        let vendor = Vendor::always(refuse(status, &[], &body)).await;
        let (ended, _) = answer(&provider(&vendor, Protocol::Openai, &["a", "b"]), true).await;
        assert_eq!((ended.result.unwrap_err().code, vendor.requests()), (code, 1), "{status}");
    }
}

#[tokio::test]
async fn html_is_never_an_answer_and_never_shown() {
    const PAGE: &str = "<html><body>Bad Gateway at 10.0.0.7</body></html>";
    for (status, kind) in [(502, "text/html"), (200, "text/html"), (200, "application/json")] {
        for stream in [true, false] {
            let vendor = Vendor::always(refuse(status, &[("content-type", kind)], PAGE)).await;
            let (ended, sink) = answer(&provider(&vendor, Protocol::Compatible, &[]), stream).await;
            let problem = ended.result.unwrap_err();
            assert_eq!(problem.code, ErrorCode::UpstreamError);
            assert!(!problem.message.contains('<') && !problem.message.contains("10.0.0.7"));
            assert!(sink.calls.is_empty() && sink.whole.is_empty());
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Vendor::always(stream(&[FINISH, DONE], None)).await;
    let place: &'static str = Box::leak(format!("{}/chat/completions", target.base()).into());
    let vendor = Vendor::always(refuse(307, &[("location", place)], "")).await;
    let (ended, _) = answer(&provider(&vendor, Protocol::Openai, &["sk-1"]), true).await;
    assert_eq!(ended.result.unwrap_err().code, ErrorCode::UpstreamError);
    assert_eq!(target.requests(), 0);
}

#[tokio::test]
async fn a_cut_is_never_a_clean_end() {
    let half = text_event("途中");
    for last in [Some(Step::Cut), None] {
        let (result, text) = end_of(stream(&[&half], last.clone()), Limits::default()).await;
        assert_eq!(result.unwrap_err().code, ErrorCode::StreamInterrupted);
        assert_eq!(text, "途中");
        let nothing = code_of(stream(&[": ping\n\n"], last), Limits::default()).await;
        assert_eq!(nothing, ErrorCode::UpstreamError);
    }
    let done = code_of(stream(&[&half, DONE], None), Limits::default()).await;
    assert_eq!(done, ErrorCode::StreamInterrupted);
}

#[tokio::test]
async fn a_cut_after_the_finish_reason_loses_only_the_count() {
    for last in [Some(Step::Cut), Some(Step::Stall), None] {
        let limits = Limits { stream_tail: SOON, ..Limits::default() };
        let vendor = Vendor::always(stream(&[&text_event("全部"), FINISH], last)).await;
        let provider = provider_within(&vendor, Protocol::Compatible, &[], limits);
        let (ended, sink) = answer(&provider, true).await;
        assert_eq!((ended.result, ended.usage), (Ok(()), None));
        assert_eq!(sink.text(), "全部");
    }
}

#[tokio::test]
async fn a_cut_keeps_what_was_counted() {
    let start = json!({"type": "message_start", "message": {
        "type": "message", "role": "assistant", "content": [],
        "usage": {"input_tokens": 70, "cache_read_input_tokens": 4, "output_tokens": 1}
    }});
    let vendor = Vendor::always(stream(&[&format!("data: {start}\n\n")], Some(Step::Cut))).await;
    let (ended, _) = answer(&provider(&vendor, Protocol::Anthropic, &["k"]), true).await;
    assert!(ended.result.is_err());
    let (usage, source) = ended.counted().unwrap();
    assert_eq!(source, TokenSource::Estimated);
    assert_eq!((usage.input, usage.cache_read, usage.output), (70, Some(4), 1));
}

#[tokio::test]
async fn silence_ends_at_its_limit() {
    let far = Limits::default();
    let cases = [
        (Script::Silence, Limits { first_byte: SOON, ..far }),
        (stream(&[], Some(Step::Stall)), Limits { stream_idle: SOON, ..far }),
        (stream(&[&text_event("一")], Some(Step::Stall)), Limits { stream_idle: SOON, ..far }),
        (stream(&[&text_event("一")], Some(Step::Stall)), Limits { stream: SOON, ..far }),
    ];
    for (script, limits) in cases {
        assert_eq!(code_of(script, limits).await, ErrorCode::UpstreamTimeout);
    }
    for script in [Script::Silence, stream(&["{"], Some(Step::Stall))] {
        let vendor = Vendor::always(script).await;
        let limits = Limits { whole: SOON, ..far };
        let provider = provider_within(&vendor, Protocol::Openai, &[], limits);
        let (ended, _) = answer(&provider, false).await;
        assert_eq!(ended.result.unwrap_err().code, ErrorCode::UpstreamTimeout);
        vendor.ended(1).await;
    }
}

#[tokio::test]
async fn floods_end_at_their_limits() {
    let line = "data: ".to_owned() + &"x".repeat(700 * 1024);
    let endless = stream(&[&line, &line, &line], Some(Step::Stall));
    assert_eq!(code_of(endless, Limits::default()).await, ErrorCode::UpstreamError);
    let large = refuse(200, &[], &"[1]".repeat(1000));
    for (bytes_max, reason) in [(2999, "too large"), (3000, "unreadable")] {
        let vendor = Vendor::always(large.clone()).await;
        let limits = Limits { whole_bytes_max: bytes_max, ..Limits::default() };
        let provider = provider_within(&vendor, Protocol::Openai, &[], limits);
        let (ended, _) = answer(&provider, false).await;
        assert_eq!(ended.result.unwrap_err().code, ErrorCode::UpstreamError, "{reason}");
    }
    let error = refuse(500, &[], &"y".repeat(10_000_000));
    assert_eq!(code_of(error, Limits::default()).await, ErrorCode::UpstreamError);
}

#[tokio::test]
async fn nobody_there_is_told_soon() {
    let vendor = Vendor::always(Script::Silence).await;
    let provider = provider(&vendor, Protocol::Openai, &["a", "b"]);
    drop(vendor);
    let answered = tokio::time::timeout(Duration::from_secs(5), answer(&provider, true)).await;
    assert_eq!(answered.unwrap().0.result.unwrap_err().code, ErrorCode::UpstreamError);
}

#[tokio::test]
async fn what_the_protocol_cannot_say_is_never_sent() {
    let vendor = Vendor::always(Script::Silence).await;
    let provider = provider(&vendor, Protocol::Anthropic, &["a"]);
    for stream in [true, false] {
        let mut job = greeting(stream);
        job.chat.n = Some(2);
        let mut sink = Collected::default();
        let ended = provider.answer(&job, &mut sink, &CancellationToken::new()).await;
        let problem = ended.result.unwrap_err();
        assert_eq!(
            (problem.code, problem.parameter.as_deref()),
            (ErrorCode::InvalidRequest, Some("n"))
        );
    }
    assert_eq!(vendor.requests(), 0);
}

#[tokio::test]
async fn a_count_without_an_answer_is_not_an_answer() {
    assert_eq!(
        code_of(stream(&[COUNT, DONE], None), Limits::default()).await,
        ErrorCode::UpstreamError
    );
}
