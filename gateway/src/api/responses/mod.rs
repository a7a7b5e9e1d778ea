//! `POST /v1/responses`: OpenAI's Responses API in, whatever model answers. The request becomes the
//! canonical form and the answer comes out of it; what stands between doesn't know this surface. No
//! response is kept: what would need a former one is refused.

/// The request as the canonical form: the top-level fields.
mod request;

/// The conversation.
mod input;

/// Tools and the choice among them.
mod tools;

/// An answer's items while they grow.
mod items;

/// The response object.
mod response;

/// An answer as events.
mod stream;

#[cfg(test)]
mod tests;

use self::request::ResponsesRequest;
use self::response::Head;
use self::stream::Rendering;
use super::counted::Counted;
use super::error::{self, ApiError};
use super::{incoming, outgoing};
use crate::auth;
use crate::chat::{self, Answering, Call};
use crate::state::Gateway;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Extension, Json, Router};
use infra::clock;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::openai::ChatRequest;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Instant;

/// The surface's paths.
pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/v1/responses", post(create).fallback(error::method_not_allowed))
        .route("/v1/responses/{*path}", any(not_kept))
}

/// Reading a response again, deleting it, cancelling it.
async fn not_kept(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> ApiError {
    let secret = incoming::secret(&headers);
    match auth::open(&gateway, secret.as_deref()) {
        Err(problem) => problem.into(),
        Ok(_) => no_such_response().into(),
    }
}

fn no_such_response() -> Problem {
    Problem::new(
        ErrorCode::NotFound,
        "その応答はありません。応答はここに保存されません (store: false と同じです)。",
        "There is no such response: none is kept here, as with store: false.",
    )
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
    let (chat, asked) = match read(gateway, &headers, body).await {
        Ok(read) => read,
        Err(problem) => return Err((problem.into(), counted)),
    };
    counted.names(&chat.model);
    let wants_stream = chat.wants_stream();
    let head = Head::new(request, clock::unix_ms() / 1_000, asked);
    let secret = incoming::secret(&headers);
    let no_store = incoming::forbids_cache(&headers);
    let call = Call { request: request.clone(), chat, secret, no_store, arrived };
    let answering = match chat::chat(gateway, call).await {
        Ok(answering) => answering,
        Err(refused) => return Err((refused.into(), counted)),
    };
    if wants_stream {
        return outgoing::streamed(answering, Rendering::new(head), counted).await;
    }
    whole(answering, &head, counted).await
}

async fn read(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Body,
) -> Result<(ChatRequest, Map<String, Value>), Problem> {
    // A stranger's body isn't even read: it would cost memory for nothing.
    auth::open(gateway, incoming::secret(headers).as_deref())?;
    let body = incoming::body(gateway, headers, body).await?;
    canonical(incoming::json(&body)?)
}

/// The one translation in, and what of the request the answer tells back.
fn canonical(request: ResponsesRequest) -> Result<(ChatRequest, Map<String, Value>), Problem> {
    let asked = response::asked(&request);
    Ok((request::chat(request)?, asked))
}

async fn whole(
    mut answering: Answering,
    head: &Head,
    counted: Counted,
) -> Result<Response, Failure> {
    let collected = outgoing::collect(&mut answering).await;
    let answer = collected.and_then(|(choices, receipt)| {
        let answer = head.whole(answering.model(), choices, &receipt);
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
