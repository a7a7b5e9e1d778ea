//! `POST /v1/chat/completions`: OpenAI's JSON in, an answer or a stream out. What a stream's first
//! second brings decides whether an error is a status or an event.

use super::counted::Counted;
use super::error::{self, ApiError};
use super::stream::{self, Rendering};
use super::{header_value, incoming};
use crate::chat::{self, Answering, Call, Collector, Event, Receipt};
use crate::state::Gateway;
use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use infra::clock;
use schemas::error::{ErrorCode, Problem};
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
    let no_store = forbids_cache(&headers);
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
    let body = incoming::body(gateway, headers, body).await?;
    incoming::json(&body)
}

/// `Cache-Control: no-store` or `no-cache`.
fn forbids_cache(headers: &HeaderMap) -> bool {
    let controls = headers.get_all(header::CACHE_CONTROL).iter();
    controls.filter_map(|value| value.to_str().ok()).any(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("no-store") || value.contains("no-cache")
    })
}

async fn whole(
    mut answering: Answering,
    request: &RequestId,
    counted: Counted,
) -> Result<Response, Failure> {
    let mut collector = Collector::default();
    let receipt = loop {
        match answering.next().await {
            Event::Waiting => {}
            Event::Pieces(pieces) => collector.add(&pieces),
            Event::Whole(choices) => collector.add_whole(&choices),
            Event::Done(receipt) => break receipt,
            Event::Failed(problem) => return Err((problem.into(), counted)),
        }
    };
    let Some(choices) = collector.whole() else {
        return Err((without_end().into(), counted));
    };
    let headers = headers_of(&answering, Some(&receipt));
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
    let mut headers = headers_of(&answering, None);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    let bytes = stream::bytes(answering, first, rendering, counted);
    Ok((headers, Body::from_stream(bytes)).into_response())
}

/// Our own headers.
fn headers_of(answering: &Answering, receipt: Option<&Receipt>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    error::add_standing(&mut headers, &answering.standing);
    let mut add = |name: &'static str, value: &str| {
        headers.insert(HeaderName::from_static(name), header_value(value));
    };
    add("x-fly-model", answering.model());
    add("x-fly-route-reason", &answering.reason);
    add("x-fly-cache", if answering.from_cache { "hit" } else { "miss" });
    if let Some(receipt) = receipt {
        add("x-fly-cost-usd", &receipt.charge.to_string());
    }
    headers
}

/// An upstream that said less than a whole answer.
pub(super) fn without_end() -> Problem {
    Problem::new(
        ErrorCode::UpstreamError,
        "モデルの回答が不完全でした。もう一度お試しください。",
        "The model's answer was incomplete. Please try again.",
    )
}
