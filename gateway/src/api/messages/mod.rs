//! `POST /v1/messages`: Anthropic's Messages API in, whatever model answers. The request becomes
//! the canonical form and the answer comes out of it; what stands between doesn't know this
//! surface.

/// Which version of the API is spoken.
mod version;

/// Features that are asked for by name.
mod betas;

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

/// `GET /v1/models` for this surface's clients.
pub(super) mod models;

/// `POST /v1/messages/count_tokens`.
mod count_tokens;

#[cfg(test)]
mod tests;

use self::stream::Rendering;
use self::version::Version;
use super::error::ApiError;
use super::outgoing;
use super::outgoing::Writer;
use super::surface::{Arrival, Surface, create};
use crate::chat::Receipt;
use crate::state::Gateway;
use axum::Router;
use axum::http::HeaderName;
use axum::response::Response;
use axum::routing::{any, post};
use schemas::anthropic::{MessagesAnswer, MessagesRequest};
use schemas::error::Problem;
use schemas::ids::RequestId;
use schemas::openai::{AnswerChoice, ChatRequest};
use std::sync::Arc;

/// The request's name in Anthropic's header.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The surface's paths.
pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route(
            "/v1/messages",
            post(create::<MessagesAnswering>).fallback(error::method_not_allowed),
        )
        .route(
            "/v1/messages/count_tokens",
            post(count_tokens::count).fallback(error::method_not_allowed),
        )
        .route("/v1/messages/{*path}", any(error::not_found))
        .layer(axum::middleware::from_fn(error::name_answer))
}

/// What is kept of one request for its answer.
struct MessagesAnswering {
    request: RequestId,
    /// What a stream tells of its input before anybody has counted.
    input_estimate: u64,
}

impl Surface for MessagesAnswering {
    type Answer = MessagesAnswer;

    async fn read(arrival: &Arrival<'_>) -> Result<(ChatRequest, Self), Problem> {
        let version = Version::of(arrival.headers)?;
        let mut chat = canonical(arrival.json().await?, version)?;
        betas::ask(&mut chat, arrival.headers);
        let input_estimate = if chat.wants_stream() { count_tokens::estimate(&chat) } else { 0 };
        Ok((chat, Self { request: arrival.request.clone(), input_estimate }))
    }

    async fn whole(
        self,
        model: &str,
        choices: Vec<AnswerChoice>,
        receipt: &Receipt,
    ) -> Result<MessagesAnswer, Problem> {
        let answer = response::answer(&self.request, model, choices, receipt);
        answer.ok_or_else(outgoing::without_end)
    }

    fn writer(self) -> impl Writer + 'static {
        Rendering::new(&self.request, self.input_estimate)
    }

    fn refusal(refused: ApiError, request: &RequestId) -> Response {
        error::response(&refused, request)
    }
}

/// An error in this surface's shape.
pub(super) fn refusal(refused: &ApiError, request: &RequestId) -> Response {
    error::response(refused, request)
}

/// The one translation in.
fn canonical(messages: MessagesRequest, version: Version) -> Result<ChatRequest, Problem> {
    check::check(&messages, version)?;
    request::chat(messages)
}

/// The request decoder, for the fuzz target: both versions take or refuse, the older one more.
#[cfg(test)]
pub(super) fn decoded(body: &[u8]) -> Result<ChatRequest, Problem> {
    use super::incoming;
    let newest = canonical(incoming::json(body)?, Version::October2026);
    let older = canonical(incoming::json(body)?, Version::June2023);
    assert!(newest.is_err() || older.is_ok(), "the newer version only refuses more");
    older
}
