//! What is refused, with the exact error; and the table of statuses and types.

use super::wire::request_id;
use crate::api::incoming;
use crate::api::messages::version::Version;
use crate::api::messages::{canonical, count_tokens, error};
use axum::http::{HeaderMap, HeaderValue};
use schemas::anthropic::MessagesRequest;
use schemas::error::{ErrorCode, Problem};
use schemas::openai::ChatRequest;
use serde_json::{Value, json};

fn read(body: &Value, version: Version) -> Result<ChatRequest, Problem> {
    let request: MessagesRequest = incoming::json(body.to_string().as_bytes())?;
    canonical(request, version)
}

fn with(field: &str, value: Value) -> Value {
    let mut body = json!({
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]
    });
    body[field] = value;
    body
}

fn message(role: &str, block: Value) -> Value {
    with("messages", json!([{"role": role, "content": [block]}]))
}

#[test]
fn each_wrong_field_is_named() {
    let text = json!({"type": "text", "text": "x"});
    let instructed = |content: Value| {
        let human = json!({"role": "user", "content": "x"});
        with("messages", json!([human, {"role": "system", "content": content}]))
    };
    let cleared = json!([{"role": "user", "content": "x", "clear_at": "never"}]);
    let cleared = with("messages", cleared);
    let wrongs = [
        ("max_tokens", with("max_tokens", json!(0))),
        ("max_tokens", with("max_tokens", json!(-1))),
        ("messages", with("messages", json!([]))),
        ("messages[0].role", with("messages", json!([{"role": "system", "content": "x"}]))),
        ("messages[0].content", with("messages", json!([{"role": "user", "content": ""}]))),
        ("messages[0].content", with("messages", json!([{"role": "user", "content": []}]))),
        ("messages[0].content", with("messages", json!([{"role": "user", "content": 5}]))),
        ("messages[0].content[0].type", message("user", json!({"text": "x"}))),
        ("messages[0].content[0].text", message("user", json!({"type": "text", "text": ""}))),
        ("messages[0].content[0]", message("user", json!({"type": "text"}))),
        ("messages[0].content[0]", message("user", json!({"type": "tool_result"}))),
        ("messages[0].content[0]", message("user", json!({"type": "thinking", "thinking": "x"}))),
        (
            "messages[0].content[0]",
            message("assistant", json!({"type": "tool_result", "tool_use_id": "t"})),
        ),
        (
            "messages[0].content[0]",
            message("user", json!({"type": "tool_use", "id": "t", "name": "f", "input": {}})),
        ),
        (
            "messages[0].content[0].input",
            message("assistant", json!({"type": "tool_use", "id": "t", "name": "f", "input": "x"})),
        ),
        (
            "messages[0].content[0].content[0]",
            message(
                "user",
                json!({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image"}]}),
            ),
        ),
        ("messages[0].clear_at", cleared),
        ("messages[1].content", instructed(json!(""))),
        ("messages[1].content[0]", instructed(json!([{"type": "image", "source": {}}]))),
        ("messages[1].content[0]", instructed(json!([{"type": "tool_removal"}]))),
        ("system[1]", with("system", json!([text, {"type": "image", "source": {}}]))),
        ("stop_sequences[1]", with("stop_sequences", json!(["a", " \n"]))),
        ("stop_sequences", with("stop_sequences", json!(["a", "b", "c", "d", "e"]))),
        ("temperature", with("temperature", json!(1.1))),
        ("top_p", with("top_p", json!(-0.1))),
        ("top_k", with("top_k", json!(-1))),
        ("tools[0].name", with("tools", json!([{"input_schema": {}}]))),
        ("tools[0].input_schema", with("tools", json!([{"name": "f"}]))),
        ("tools[0]", with("tools", json!(["f"]))),
        ("mcp_servers", with("mcp_servers", json!([{"url": "x"}]))),
        ("container", with("container", json!("c_1"))),
        ("inference_geo", with("inference_geo", json!("us"))),
        ("user_preferences.of_tomorrow", with("user_preferences", json!({"of_tomorrow": 1}))),
        ("n", with("n", json!(128))),
        ("max_completion_tokens", with("max_completion_tokens", json!(100_000))),
        ("seed", with("seed", json!("x"))),
    ];
    for (place, body) in wrongs {
        let problem = read(&body, Version::June2023).expect_err(&body.to_string());
        assert_eq!(problem.code, ErrorCode::InvalidRequest, "{body}");
        assert_eq!(problem.parameter.as_deref(), Some(place), "{body} {}", problem.message);
    }
    for body in ["", "[1,2]", "{", r#"{"model": "m", "messages": []}"#] {
        assert!(incoming::json::<MessagesRequest>(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn the_exact_error_of_a_client() {
    let problem = read(&with("temperature", json!(0.5)), Version::October2026).unwrap_err();
    assert_eq!(
        serde_json::to_value(error::body(&problem, &request_id())).unwrap(),
        json!({"type": "error", "request_id": "req_1", "error": {
            "type": "invalid_request_error",
            "message": "temperature は anthropic-version 2026-10-21 では使えません。外してください。 \
                / 'temperature' is not supported by anthropic-version 2026-10-21: leave it out."
        }})
    );
    let missing = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    let problem = read(&missing, Version::June2023).unwrap_err();
    assert!(problem.message.contains("missing field `max_tokens`"), "{}", problem.message);
    let problem = read(&with("messages", json!(5)), Version::June2023).unwrap_err();
    let body = error::body(&problem, &request_id());
    assert!(body.error.message.starts_with("messages: "), "{}", body.error.message);
}

#[test]
fn the_newer_version_refuses_what_it_dropped() {
    let cited = json!({"type": "text", "text": "x", "citations": [{"type": "char_location"}]});
    let document = json!({"type": "document", "source": {"type": "text", "data": "x"}});
    let refused = [
        ("top_p", with("top_p", json!(0.5))),
        ("top_k", with("top_k", json!(5))),
        ("messages[0].content[0].citations", message("user", cited)),
        ("messages[0].content[0]", message("assistant", document.clone())),
    ];
    for (place, body) in refused {
        assert!(read(&body, Version::June2023).is_ok(), "{body}");
        let problem = read(&body, Version::October2026).unwrap_err();
        assert_eq!(problem.parameter.as_deref(), Some(place));
    }
    let plain = json!({"type": "text", "text": "x", "citations": []});
    for body in [message("user", plain), message("user", document), with("top_k", Value::Null)] {
        assert!(read(&body, Version::October2026).is_ok(), "{body}");
    }
}

#[test]
fn versions_are_named_by_their_header() {
    let version = |value: Option<&'static str>| {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert("anthropic-version", HeaderValue::from_static(value));
        }
        Version::of(&headers)
    };
    assert_eq!(version(None), Ok(Version::June2023));
    assert_eq!(version(Some("2023-06-01")), Ok(Version::June2023));
    assert_eq!(version(Some("2026-10-21")), Ok(Version::October2026));
    assert_eq!(version(Some("2020-01-01")).unwrap_err().code, ErrorCode::InvalidRequest);
}

#[test]
fn every_error_has_a_type_of_the_closed_list_and_its_status() {
    let table = [
        ("invalid_request_error", vec![400, 405, 415]),
        ("authentication_error", vec![401]),
        ("billing_error", vec![402]),
        ("permission_error", vec![403]),
        ("not_found_error", vec![404]),
        ("conflict_error", vec![409]),
        ("request_too_large", vec![413]),
        ("rate_limit_error", vec![429]),
        ("api_error", vec![500]),
        ("timeout_error", vec![504]),
        ("overloaded_error", vec![529]),
    ];
    for code in ErrorCode::ALL {
        let (status, kind) = error::face(code);
        let (_, statuses) = table.iter().find(|(known, _)| *known == kind).unwrap();
        assert!(statuses.contains(&status), "{code:?} {status} {kind}");
        assert_eq!(status >= 500, code.status() >= 500, "{code:?}");
    }
    let problem = Problem::new(ErrorCode::ContextLengthExceeded, "長すぎます。", "Too long.");
    let body = error::body(&problem, &request_id());
    assert_eq!(body.error.message, "長すぎます。 / Too long. (prompt is too long)");
}

#[test]
fn tokens_are_estimated_without_a_limit_of_the_answer() {
    let count = |mut body: Value| {
        body.as_object_mut().unwrap().shift_remove("max_tokens");
        let request = count_tokens::read(body.to_string().as_bytes()).unwrap();
        count_tokens::estimate(&canonical(request, Version::June2023).unwrap())
    };
    let plain = count(with("system", Value::Null));
    assert_eq!(plain, 5);
    assert_eq!(count(with("system", json!("日本の首都"))), plain + 4 + 5);
    let tool = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    assert!(count(with("tools", tool)) > plain + 10);
    let image = json!({"type": "image", "source": {"type": "url", "url": "https://a/b.png"}});
    assert!(count(message("user", image)) > 1_000);
    let opaque = json!({"type": "document", "source": {"type": "text", "data": "日本".repeat(99)}});
    assert!(count(message("user", opaque)) > 198);
}
