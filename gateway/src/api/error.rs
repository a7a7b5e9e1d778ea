//! A problem as OpenAI's error object, with the headers that tell an SDK whether to try again;
//! other surfaces take the headers from here and write their own object. What goes wrong is logged
//! here alone.

use super::{X_REQUEST_ID, header_value};
use crate::chat::Refused;
use crate::portal::Look;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use infra::store::limits::LimitStanding;
use schemars::JsonSchema;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Instant;

/// Tells SDKs that the same request can't succeed.
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// `retry-after` with milliseconds.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The version of OpenAI's API that we speak, on every answer of `/v1`.
pub(super) const OPENAI_VERSION: HeaderName = HeaderName::from_static("openai-version");
/// How long we took until the answer began, in milliseconds.
pub(super) const OPENAI_PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");
/// What OpenAI itself sends as its version.
const OPENAI_VERSION_SPOKEN: HeaderValue = HeaderValue::from_static("2020-10-01");

/// An error as a surface answers it.
#[derive(Debug)]
pub(crate) struct ApiError {
    problem: Problem,
    standing: Option<LimitStanding>,
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self { problem, standing: None }
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        Self { problem: refused.problem, standing: refused.standing }
    }
}

impl ApiError {
    /// Which error it is.
    pub(crate) fn code(&self) -> ErrorCode {
        self.problem.code
    }

    /// What is told of it.
    pub(crate) fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The status that a surface gives it, and the headers that tell an SDK whether to try again.
    /// Logs what is ours or an upstream's.
    pub(crate) fn head(&self, status: u16) -> (StatusCode, HeaderMap) {
        let code = self.problem.code;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            let message = &self.problem.message;
            tracing::warn!(code = code.as_str(), told = message, "answered an error");
        }
        let mut headers = HeaderMap::new();
        if let Some(standing) = &self.standing {
            add_standing(&mut headers, standing);
        }
        if let Some(wait_ms) = self.problem.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1_000).max(1)));
            headers.insert(RETRY_AFTER_MS, HeaderValue::from(wait_ms));
        }
        // Every SDK retries 409, 429 and 5xx by itself: it must hear when that is in vain.
        if !code.retry_helps() && matches!(status.as_u16(), 408 | 409 | 429 | 500..) {
            headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        (status, headers)
    }
}

/// What stands in the place of an answer.
#[derive(Serialize, JsonSchema)]
pub(super) struct Errors<'a> {
    error: ErrorObject<'a>,
}

/// OpenAI's error object: all four keys, always.
#[derive(Serialize, JsonSchema)]
struct ErrorObject<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[schemars(required, extend("type" = ["string", "null"]))]
    param: Option<&'a str>,
    /// Always a text, because a number breaks some clients.
    code: &'a str,
}

/// The error object of a problem.
pub(crate) fn body(problem: &Problem) -> Value {
    let error = ErrorObject {
        message: &problem.message,
        kind: problem.code.openai_type(),
        param: problem.parameter.as_deref(),
        code: problem.code.as_str(),
    };
    json!(Errors { error })
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, headers) = self.head(self.problem.code.status());
        (status, headers, Extension(self.code()), Json(body(&self.problem))).into_response()
    }
}

/// Where the key stands, in OpenAI's headers.
pub(crate) fn add_standing(headers: &mut HeaderMap, standing: &LimitStanding) {
    let pairs = [
        ("x-ratelimit-limit-requests", standing.requests_max.to_string()),
        ("x-ratelimit-limit-tokens", standing.tokens_max.to_string()),
        ("x-ratelimit-remaining-requests", standing.requests_left.to_string()),
        ("x-ratelimit-remaining-tokens", standing.tokens_left.to_string()),
        ("x-ratelimit-reset-requests", format!("{}ms", standing.requests_reset_ms)),
        ("x-ratelimit-reset-tokens", format!("{}ms", standing.tokens_reset_ms)),
    ];
    for (name, value) in pairs {
        headers.insert(HeaderName::from_static(name), header_value(&value));
    }
}

/// No such path: people get a page, programs an error of the API.
pub(super) async fn not_found(uri: Uri, look: Look, headers: HeaderMap) -> Response {
    let wants = headers.get(header::ACCEPT).and_then(|kinds| kinds.to_str().ok());
    match wants.is_some_and(|kinds| kinds.contains("text/html")) {
        true => look.nowhere(),
        false => no_such_path(&uri).into_response(),
    }
}

fn no_such_path(uri: &Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(
        ErrorCode::NotFound,
        format!("{path} はありません。使えるパスは GET /openapi.json にあります。"),
        format!("There is no {path}. GET /openapi.json lists all paths."),
    )
    .into()
}

/// The path knows another method.
pub(super) async fn method_not_allowed() -> ApiError {
    Problem::new(
        ErrorCode::MethodNotAllowed,
        "このパスではそのメソッドを使えません。",
        "This path doesn't know that method.",
    )
    .into()
}

/// For which host it is isn't said, or said twice.
pub(crate) fn no_host() -> Response {
    let problem = Problem::new(
        ErrorCode::InvalidRequest,
        "Host ヘッダーを 1 つだけ付けてください。",
        "Send one Host header.",
    );
    let mut response = ApiError::from(problem).into_response();
    let name = header_value(RequestId::fresh().as_str());
    response.headers_mut().insert(X_REQUEST_ID, name);
    response
}

/// Gives every request a name, on its answer and to the handler; and says how long it took.
pub(super) async fn name_request(request: Request, next: Next) -> Response {
    named(request, |request| next.run(request)).await
}

/// The same around whatever answers.
pub(super) async fn named<A: Future<Output = Response>>(
    mut request: Request,
    answer: impl FnOnce(Request) -> A,
) -> Response {
    let arrived = Instant::now();
    let is_api = request.uri().path().starts_with("/v1/");
    let name = RequestId::fresh();
    request.extensions_mut().insert(name.clone());
    let mut response = answer(request).await;
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, header_value(name.as_str()));
    if is_api {
        let took_ms = arrived.elapsed().as_millis().to_string();
        headers.insert(OPENAI_VERSION, OPENAI_VERSION_SPOKEN);
        headers.insert(OPENAI_PROCESSING_MS, header_value(&took_ms));
    }
    response
}
