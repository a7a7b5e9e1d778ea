//! `POST /v1/completions`: OpenAI's older API of one prompt and one text, in front of every model.
//! The request becomes the canonical form and the answer comes out of it; what stands between
//! doesn't know this surface.

/// The request as the canonical form.
mod request;

/// An answer as texts, whole or as events.
mod answer;

#[cfg(test)]
mod tests;

use self::answer::{Head, Rendering};
use self::request::CompletionRequest;
use super::counted::Counted;
use super::error::ApiError;
use super::{incoming, outgoing};
use crate::auth;
use crate::chat::{self, Answering, Call};
use crate::state::Gateway;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use infra::clock;
use schemas::error::Problem;
use schemas::ids::RequestId;
use schemas::openai::ChatRequest;
use std::sync::Arc;
use std::time::Instant;

/// Answers.
pub(super) async fn create(
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
            error.into_response()
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
    let (chat, echo) = match read(gateway, &headers, body).await {
        Ok(read) => read,
        Err(problem) => return Err((problem.into(), counted)),
    };
    counted.names(&chat.model);
    let (wants_stream, wants_usage) = (chat.wants_stream(), chat.wants_usage());
    let head = Head::new(request, clock::unix_ms() / 1_000, echo);
    let secret = incoming::secret(&headers);
    let no_store = incoming::forbids_cache(&headers);
    let call = Call { request: request.clone(), chat, secret, no_store, arrived };
    let answering = match chat::chat(gateway, call).await {
        Ok(answering) => answering,
        Err(refused) => return Err((refused.into(), counted)),
    };
    if wants_stream {
        return outgoing::streamed(answering, Rendering::new(head, wants_usage), counted).await;
    }
    whole(answering, &head, counted).await
}

async fn read(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Body,
) -> Result<(ChatRequest, Option<String>), Problem> {
    // A stranger's body isn't even read: it would cost memory for nothing.
    auth::open(gateway, incoming::secret(headers).as_deref())?;
    let body = incoming::body(gateway, headers, body).await?;
    request::chat(incoming::json::<CompletionRequest>(&body)?)
}

async fn whole(
    mut answering: Answering,
    head: &Head,
    counted: Counted,
) -> Result<Response, Failure> {
    let (choices, receipt) = match outgoing::collect(&mut answering).await {
        Ok(whole) => whole,
        Err(problem) => return Err((problem.into(), counted)),
    };
    let headers = outgoing::headers(&answering, Some(&receipt));
    counted.end(None);
    let answer = head.whole(answering.model(), choices, &receipt);
    Ok((headers, Json(answer)).into_response())
}
