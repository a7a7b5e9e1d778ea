//! `POST /v1/messages`: Anthropic's Messages API in, whatever model answers. The request becomes
//! the canonical form and the answer comes out of it; what stands between doesn't know this
//! surface.

/// Which version of the API is spoken.
mod version;

/// Is it a request that the API takes?
mod check;

/// The request as the canonical form: the top-level fields.
mod request;

/// The conversation.
mod turns;

/// Tools and the choice among them.
mod tools;

/// A whole answer.
mod response;

/// An answer's blocks while they grow.
mod blocks;

/// An answer as events.
mod stream;

/// Errors in Anthropic's shape.
mod error;

/// `POST /v1/messages/count_tokens`.
mod count_tokens;

#[cfg(test)]
mod tests;

use self::stream::Rendering;
use self::version::Version;
use super::counted::Counted;
use super::error::ApiError;
use super::{incoming, outgoing};
use crate::chat::{self, Answering, Call, Event};
use crate::state::Gateway;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Extension, Json, Router};
use schemas::anthropic::MessagesRequest;
use schemas::error::Problem;
use schemas::ids::RequestId;
use schemas::openai::ChatRequest;
use std::sync::Arc;
use std::time::Instant;

/// The request's name in Anthropic's header.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The surface's paths.
pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/v1/messages", post(create).fallback(error::method_not_allowed))
        .route(
            "/v1/messages/count_tokens",
            post(count_tokens::count).fallback(error::method_not_allowed),
        )
        .route("/v1/messages/{*path}", any(error::not_found))
        .layer(axum::middleware::from_fn(error::name_answer))
}

/// Answers.
async fn create(
    State(gateway): State<Arc<Gateway>>,
    Extension(request): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let arrived = Instant::now();
    let counted = Counted::begin(&gateway, arrived);
    match answer(&gateway, &request, headers, (body, arrived), counted).await {
        Ok(response) => response,
        Err((error, counted)) => {
            counted.end(Some(error.code()));
            error::response(&error, &request)
        }
    }
}

type Failure = (ApiError, Counted);

async fn answer(
    gateway: &Arc<Gateway>,
    request: &RequestId,
    headers: HeaderMap,
    (body, arrived): (Body, Instant),
    mut counted: Counted,
) -> Result<Response, Failure> {
    let chat = match read(gateway, &headers, body).await {
        Ok(chat) => chat,
        Err(problem) => return Err((problem.into(), counted)),
    };
    counted.names(&chat.model);
    let wants_stream = chat.wants_stream();
    let input_estimate = if wants_stream { count_tokens::estimate(&chat) } else { 0 };
    let secret = incoming::secret(&headers);
    let no_store = incoming::forbids_cache(&headers);
    let call = Call { request: request.clone(), chat, secret, no_store, arrived };
    let answering = match chat::chat(gateway, call).await {
        Ok(answering) => answering,
        Err(refused) => return Err((refused.into(), counted)),
    };
    if wants_stream {
        return streamed(answering, Rendering::new(request, input_estimate), counted).await;
    }
    whole(answering, request, counted).await
}

async fn read(gateway: &Gateway, headers: &HeaderMap, body: Body) -> Result<ChatRequest, Problem> {
    let version = Version::of(headers)?;
    let body = incoming::body(gateway, headers, body).await?;
    let messages: MessagesRequest = incoming::json(&body)?;
    canonical(messages, version)
}

/// The one translation in.
fn canonical(messages: MessagesRequest, version: Version) -> Result<ChatRequest, Problem> {
    check::check(&messages, version)?;
    request::chat(messages)
}

async fn whole(
    mut answering: Answering,
    request: &RequestId,
    counted: Counted,
) -> Result<Response, Failure> {
    let collected = outgoing::collect(&mut answering).await;
    let answer = collected.and_then(|(choices, receipt)| {
        let answer = response::answer(request, answering.model(), choices, &receipt);
        Ok((answer.ok_or_else(outgoing::without_end)?, receipt))
    });
    let (answer, receipt) = match answer {
        Ok(answer) => answer,
        Err(problem) => return Err((problem.into(), counted)),
    };
    let headers = outgoing::headers(&answering, Some(&receipt));
    counted.end(None);
    Ok((headers, Json(answer)).into_response())
}

/// A stream: if the first event is an error it becomes a status, else the stream has begun.
async fn streamed(
    mut answering: Answering,
    rendering: Rendering,
    counted: Counted,
) -> Result<Response, Failure> {
    let first = answering.next().await;
    if let Event::Failed(problem) = first {
        return Err((problem.into(), counted));
    }
    let headers = outgoing::stream_headers(&answering);
    let bytes = outgoing::bytes(answering, first, rendering, counted);
    Ok((headers, Body::from_stream(bytes)).into_response())
}
