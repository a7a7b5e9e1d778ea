//! Anthropic's error object. It only reads; what the client is told is decided in one place for all
//! vendors.

use crate::problem::{self, Complaint};
use schemas::anthropic::{ErrorAnswer, ErrorBody};
use schemas::error::Problem;

/// Reads an error body; anything else, HTML above all, is an empty complaint.
pub(super) fn complaint(body: &[u8]) -> Complaint {
    serde_json::from_slice::<ErrorAnswer>(body).map(|answer| read(answer.error)).unwrap_or_default()
}

/// The problem that an error event, or an error object in a 2xx body, is.
pub(super) fn inside(error: ErrorBody) -> Problem {
    let status = status(&error.kind);
    tracing::warn!(status, kind = %problem::short(&error.kind), "upstream error event");
    problem::refused(status, &read(error), None)
}

fn read(error: ErrorBody) -> Complaint {
    Complaint { kind: error.kind, message: error.message, ..Complaint::default() }
}

/// The status that the API gives this type of error when it comes as an answer.
fn status(kind: &str) -> u16 {
    match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    }
}
