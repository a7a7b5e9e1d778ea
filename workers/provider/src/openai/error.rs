//! OpenAI's error object and its relatives at other servers. It only reads; what the client is told
//! is decided in one place for all vendors.

use crate::problem::{self, Complaint};
use schemas::error::Problem;
use serde_json::Value;

/// Reads an error body: OpenAI's `{"error":{…}}`, a bare object with a message, or FastAPI's
/// `detail`. Anything else, HTML above all, is an empty complaint.
pub(super) fn complaint(body: &[u8]) -> Complaint {
    serde_json::from_slice::<Value>(body).map(|value| read(&value)).unwrap_or_default()
}

/// The problem that an `error` inside a 2xx answer or a begun stream is. It has no status, so its
/// code and type stand in for one.
pub(super) fn inside(error: &Value) -> Problem {
    let complaint = read(error);
    let status = complaint.code.parse().ok().filter(|status| (400..600).contains(status));
    let status = status.unwrap_or(match (complaint.kind.as_str(), complaint.code.as_str()) {
        ("invalid_request_error" | "BadRequestError", _) | (_, "context_length_exceeded") => 400,
        (_, "rate_limit_exceeded") | ("rate_limit_error" | "insufficient_quota", _) => 429,
        ("overloaded_error" | "overloaded", _) | (_, "overloaded") => 503,
        ("timeout" | "timeout_error", _) | (_, "timeout") => 504,
        _ => 500,
    });
    tracing::warn!(
        status, code = %problem::short(&complaint.code), kind = %problem::short(&complaint.kind),
        "upstream error event"
    );
    problem::refused(status, &complaint, None)
}

fn read(value: &Value) -> Complaint {
    let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
    let field = |name| error.get(name).map(plain).unwrap_or_default();
    let message = match error {
        Value::String(words) => words.clone(),
        _ => [field("message"), field("detail"), first_detail(error)]
            .into_iter()
            .find(|words| !words.is_empty())
            .unwrap_or_default(),
    };
    Complaint {
        code: field("code"),
        kind: field("type"),
        message,
        parameter: field("param"),
        retry_after_ms: None,
    }
}

/// A text, or a number as one: some servers send their codes so.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// FastAPI's list of what is wrong with the fields: the first.
fn first_detail(error: &Value) -> String {
    error.pointer("/detail/0/msg").map(plain).unwrap_or_default()
}
