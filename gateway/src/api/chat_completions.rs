//! `POST /v1/chat/completions`: OpenAI's JSON in, an answer or a stream out. What a stream's first
//! second brings decides whether an error is a status or an event.

use super::counted::Counted;
use super::error::ApiError;
use super::stream::{self, Rendering};
use super::{incoming, outgoing};
use crate::auth;
use crate::chat::{self, Answering, Call, Event, Receipt};
use crate::state::Gateway;
use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use infra::clock;
use schemas::error::Problem;
use schemas::ids::RequestId;
use schemas::openai::{Answer, AnswerChoice, ChatRequest};
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
    let chat = match read(gateway, &headers, body).await {
        Ok(chat) => chat,
        Err(problem) => return Err((problem.into(), counted)),
    };
    counted.names(&chat.model);
    let (wants_stream, wants_usage) = (chat.wants_stream(), chat.wants_usage());
    let secret = incoming::secret(&headers);
    let no_store = incoming::forbids_cache(&headers);
    let call = Call { request: request.clone(), chat, secret, no_store, arrived };
    let answering = match chat::chat(gateway, call).await {
        Ok(answering) => answering,
        Err(refused) => return Err((refused.into(), counted)),
    };
    if wants_stream {
        let rendering = Rendering::new(request, clock::unix_ms() / 1_000, wants_usage);
        return streamed(answering, rendering, counted).await;
    }
    whole(answering, request, counted).await
}

async fn read(gateway: &Gateway, headers: &HeaderMap, body: Body) -> Result<ChatRequest, Problem> {
    // A stranger's body isn't even read: it would cost memory for nothing.
    auth::open(gateway, incoming::secret(headers).as_deref())?;
    let body = incoming::body(gateway, headers, body).await?;
    incoming::json(&body)
}

async fn whole(
    mut answering: Answering,
    request: &RequestId,
    counted: Counted,
) -> Result<Response, Failure> {
    let (choices, receipt) = match outgoing::collect(&mut answering).await {
        Ok(whole) => whole,
        Err(problem) => return Err((problem.into(), counted)),
    };
    let headers = outgoing::headers(&answering, Some(&receipt));
    counted.end(None);
    let answer = answer_of(request, answering.model(), choices, &receipt);
    Ok((headers, Json(answer)).into_response())
}

fn answer_of(
    request: &RequestId,
    model: &str,
    choices: Vec<AnswerChoice>,
    receipt: &Receipt,
) -> Answer {
    Answer {
        id: stream::completion_id(request),
        object: "chat.completion".to_owned(),
        created: clock::unix_ms() / 1_000,
        model: model.to_owned(),
        choices,
        usage: receipt.usage.into(),
    }
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
