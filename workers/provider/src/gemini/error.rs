//! Google's error object: a status word, a message, and details with the reason and the pause. It
//! only reads; what the client is told is decided in one place for all vendors.

use crate::problem::{self, Complaint};
use schemas::error::Problem;
use serde_json::Value;

/// Reads an error body: the object, or a list of one. Anything else is an empty complaint.
pub(super) fn complaint(body: &[u8]) -> Complaint {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let told = body.get(0).unwrap_or(&body);
    told.get("error").map(read).unwrap_or_default()
}

/// The problem that an `error` inside a 2xx answer or a begun stream is.
pub(super) fn inside(error: &Value) -> Problem {
    let status = error.get("code").and_then(Value::as_u64).and_then(|code| code.try_into().ok());
    let (status, complaint) = (status.unwrap_or(500), read(error));
    tracing::warn!(status, kind = %problem::short(&complaint.kind), "upstream error event");
    problem::refused(status, &complaint, None)
}

/// The prompt was refused, and nothing was answered.
pub(super) fn blocked(reason: &str) -> Problem {
    let code = if reason == "OTHER" { String::new() } else { "content_filter".to_owned() };
    let message = format!("the prompt was blocked: {}", problem::short(reason));
    problem::refused(400, &Complaint { code, message, ..Complaint::default() }, None)
}

fn read(error: &Value) -> Complaint {
    let text = |name| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let details = error.get("details").and_then(Value::as_array);
    let mut details = details.into_iter().flatten();
    let detail =
        |name: &str| details.clone().find_map(|detail| detail.get(name).and_then(Value::as_str));
    let code = detail("reason").unwrap_or_default().to_ascii_lowercase();
    let parameter = details.find_map(|detail| detail.pointer("/fieldViolations/0/field"));
    let pause = error.get("details").and_then(Value::as_array).into_iter().flatten();
    let pause = pause.into_iter().find_map(|detail| detail.get("retryDelay")?.as_str());
    Complaint {
        code,
        kind: text("status").to_ascii_lowercase(),
        message: text("message"),
        parameter: parameter.and_then(Value::as_str).unwrap_or_default().to_owned(),
        retry_after_ms: pause.and_then(milliseconds),
    }
}

/// `34.074824224s` in milliseconds.
fn milliseconds(duration: &str) -> Option<u64> {
    let seconds: f64 = duration.strip_suffix('s')?.parse().ok()?;
    let milliseconds = seconds * 1000.0;
    // In range by the check: no sign, no overflow.
    (0.0..=3_600_000.0).contains(&milliseconds).then_some(milliseconds.ceil() as u64)
}
