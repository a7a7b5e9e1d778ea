//! Errors in Anthropic's shape: its closed list of types, each with its status, and the request's
//! name in the body and in a header. Where its list has no word, the nearest is taken and the
//! status stays HTTP's.

use super::REQUEST_ID;
use crate::api::error::ApiError;
use crate::api::header_value;
use axum::extract::Request;
use axum::http::Uri;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use schemas::anthropic::{ErrorAnswer, ErrorBody};
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;

/// What clients look for in the message of a prompt that doesn't fit.
const TOO_LONG: &str = "prompt is too long";

/// The status and the type of an error.
pub(super) fn face(code: ErrorCode) -> (u16, &'static str) {
    match code {
        ErrorCode::InvalidRequest
        | ErrorCode::ContextLengthExceeded
        | ErrorCode::ContentBlocked
        | ErrorCode::PreviousResponseNotFound => (400, "invalid_request_error"),
        ErrorCode::InvalidApiKey => (401, "authentication_error"),
        // Not 429 as OpenAI says it: here that would mean a rate, and SDKs would try again.
        ErrorCode::InsufficientQuota => (402, "billing_error"),
        ErrorCode::PermissionDenied => (403, "permission_error"),
        ErrorCode::NotFound | ErrorCode::ModelNotFound => (404, "not_found_error"),
        ErrorCode::MethodNotAllowed => (405, "invalid_request_error"),
        ErrorCode::Conflict => (409, "conflict_error"),
        ErrorCode::PayloadTooLarge => (413, "request_too_large"),
        ErrorCode::UnsupportedMediaType => (415, "invalid_request_error"),
        ErrorCode::RateLimitExceeded => (429, "rate_limit_error"),
        ErrorCode::Internal | ErrorCode::UpstreamError | ErrorCode::StreamInterrupted => {
            (500, "api_error")
        }
        ErrorCode::UpstreamTimeout | ErrorCode::DeadlineExceeded => (504, "timeout_error"),
        // All that passes by itself: clients wait and try again.
        ErrorCode::QueueFull
        | ErrorCode::NoWorker
        | ErrorCode::ServiceUnavailable
        | ErrorCode::UpstreamOverloaded => (529, "overloaded_error"),
    }
}

/// The error object.
pub(super) fn body(problem: &Problem, request: &RequestId) -> ErrorAnswer {
    let mut message = problem.message.clone();
    // This shape has no field for the place at fault.
    if let Some(place) = problem.parameter.as_ref().filter(|place| !message.contains(*place)) {
        message = format!("{place}: {message}");
    }
    if problem.code == ErrorCode::ContextLengthExceeded && !message.contains(TOO_LONG) {
        message = format!("{message} ({TOO_LONG})");
    }
    let (_, kind) = face(problem.code);
    ErrorAnswer {
        kind: "error".into(),
        error: ErrorBody { kind: kind.into(), message },
        request_id: Some(request.as_str().to_owned()),
    }
}

/// The error as an answer.
pub(super) fn response(error: &ApiError, request: &RequestId) -> Response {
    let (status, _) = face(error.code());
    let (status, headers) = error.head(status);
    let told = Json(body(error.problem(), request));
    (status, headers, Extension(error.code()), told).into_response()
}

/// The path knows another method.
pub(super) async fn method_not_allowed(Extension(request): Extension<RequestId>) -> Response {
    let problem = Problem::new(
        ErrorCode::MethodNotAllowed,
        "このパスでは POST だけを使えます。",
        "This path only knows POST.",
    );
    response(&problem.into(), &request)
}

/// No such path below `/v1/messages`.
pub(super) async fn not_found(Extension(request): Extension<RequestId>, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(200).collect();
    let problem = Problem::new(
        ErrorCode::NotFound,
        format!("{path} はありません。/v1/messages と /v1/messages/count_tokens があります。"),
        format!("There is no {path}, only /v1/messages and /v1/messages/count_tokens."),
    );
    response(&problem.into(), &request)
}

/// Gives the answer its name in Anthropic's header.
pub(super) async fn name_answer(request: Request, next: Next) -> Response {
    let name = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    if let Some(name) = name {
        response.headers_mut().insert(REQUEST_ID, header_value(name.as_str()));
    }
    response
}
