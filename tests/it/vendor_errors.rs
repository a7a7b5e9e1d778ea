//! What a client hears when a vendor fails: our status and our words. A vendor's page, its word
//! about our key and its status 401 never come through, and nothing is charged.

use harness::{Answer, Script, Step, World};
use infra::config::Config;
use serde_json::json;

/// A vendor's failure costs nothing and starts nothing twice.
async fn refused(script: Script, change: fn(&mut Config)) -> Vec<Answer> {
    let world = World::builder().config(change).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let mut answers = Vec::new();
    for model in ["fast", "claude"] {
        world.vendor().always(model, script.clone());
        for stream in [false, true] {
            let body = json!({"model": model, "stream": stream,
                "messages": [{"role": "user", "content": "x"}]});
            answers.push(client.chat(&body).await);
        }
    }
    world.wait_for_ends(0, 4).await;
    assert_eq!(world.vendor().starts(), 4, "no vendor is asked twice");
    world.wait_until_applied().await;
    assert_eq!(world.balance(&key).await, 1_000_000);
    world.finish().await;
    answers
}

fn assert_all(answers: &[Answer], status: u16, code: &str) {
    for answer in answers {
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.error_code(), code, "{}", answer.text);
        let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
        assert_eq!(answer.json()["error"]["type"], kind);
    }
}

#[tokio::test]
async fn a_vendors_500_is_502() {
    let answers = refused(Script::refuses(500, "internal-detail"), |_| {}).await;
    assert_all(&answers, 502, "upstream_error");
    assert!(answers.iter().all(|answer| !answer.text.contains("internal-detail")));
}

#[tokio::test]
async fn a_vendors_429_is_503_with_its_retry_after() {
    let script = Script::refuses(429, "Rate limit reached for org-secret").retry_after("7");
    let answers = refused(script, |_| {}).await;
    assert_all(&answers, 503, "upstream_overloaded");
    for answer in &answers {
        assert_eq!(answer.header("retry-after"), "7");
        assert_eq!(answer.header("retry-after-ms"), "7000");
        assert_eq!(answer.header("x-should-retry"), "");
        assert!(!answer.text.contains("org-secret"));
    }
}

#[tokio::test]
async fn a_vendors_401_is_never_shown_as_401() {
    let script = Script::refuses(401, "Incorrect API key provided: vendor-secret-key");
    let answers = refused(script, |_| {}).await;
    assert_all(&answers, 502, "upstream_error");
    for answer in &answers {
        assert!(!answer.text.contains("vendor-secret-key"), "{}", answer.text);
        assert!(!answer.text.contains("Incorrect"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_vendors_400_is_400_with_its_words() {
    let script = Script::refuses(400, "temperature must be below 1");
    let answers = refused(script, |_| {}).await;
    assert_all(&answers, 400, "invalid_request");
    assert!(answers.iter().all(|answer| answer.text.contains("temperature must be below 1")));
}

#[tokio::test]
async fn a_vendors_page_is_502_and_not_shown() {
    for status in [200, 502] {
        let answers = refused(Script::page(status), |_| {}).await;
        assert_all(&answers, 502, "upstream_error");
        assert!(answers.iter().all(|answer| !answer.text.contains("cdn-secret-page")));
    }
}

#[tokio::test]
async fn json_that_is_no_answer_is_502() {
    let answers = refused(Script::json(&json!({"object": "list", "data": []})), |_| {}).await;
    assert_all(&answers, 502, "upstream_error");
}

#[tokio::test]
async fn an_answer_that_ends_before_it_begins_is_502() {
    for step in [Step::Cut, Step::EndEarly] {
        let answers = refused(Script::steps([step]), |_| {}).await;
        assert_all(&answers, 502, "upstream_error");
    }
}

#[tokio::test]
async fn a_silent_vendor_is_504() {
    let soon = |config: &mut Config| {
        config.workers.first_byte_seconds_max = 1;
        config.gateway.request_seconds_max = 2;
        config.gateway.begin_stream_after_ms = 60_000;
    };
    let answers = refused(Script::Silence, soon).await;
    for answer in &answers {
        assert_eq!(answer.status, 504, "{}", answer.text);
        let code = answer.error_code();
        assert!(["upstream_timeout", "deadline_exceeded"].contains(&code.as_str()), "{code}");
    }
}

#[tokio::test]
async fn a_huge_answer_comes_through_or_is_refused_and_never_breaks_anything() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let piece = "長".repeat(1_000);
    world.vendor().always("fast", Script::steps(vec![Step::Text(piece.clone()); 500]));
    assert_eq!(client.ask("fast", "x").await.content(), piece.repeat(500));
    // A stream may be as long as its limit of tokens lets it be.
    world.vendor().always("fast", Script::steps(vec![Step::Text(piece.clone()); 20]));
    let mut stream = client.ask_stream("fast", "x").await;
    stream.rest().await;
    assert_eq!(stream.text(), piece.repeat(20));
    assert!(stream.is_done());
    let huge = "x".repeat(9_000_000);
    world.vendor().always("fast", Script::says([&huge]));
    let refused = client.ask("fast", "x").await;
    assert_eq!(refused.status, 502, "{}", refused.text.chars().take(200).collect::<String>());
    assert_eq!(client.ask("backup", "still here").await.content(), "still here");
    world.finish().await;
}
