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
use super::error::{self, ApiError};
use super::outgoing::Writer;
use super::surface::{Arrival, Surface, create};
use super::{incoming, outgoing};
use crate::auth;
use crate::chat::Receipt;
use crate::state::Gateway;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{any, post};
use schemas::error::{ErrorCode, Problem};
use schemas::openai::{AnswerChoice, ChatRequest};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The surface's paths.
pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/v1/responses", post(create::<Head>).fallback(error::method_not_allowed))
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

impl Surface for Head {
    type Answer = Value;

    fn read(arrival: &Arrival<'_>) -> Result<(ChatRequest, Self), Problem> {
        let (chat, asked) = canonical(incoming::json(arrival.body)?)?;
        Ok((chat, Self::new(arrival.request, arrival.created, asked)))
    }

    fn whole(
        self,
        model: &str,
        choices: Vec<AnswerChoice>,
        receipt: &Receipt,
    ) -> Result<Value, Problem> {
        Head::whole(&self, model, choices, receipt).ok_or_else(outgoing::without_end)
    }

    fn writer(self) -> impl Writer + 'static {
        Rendering::new(self)
    }
}

/// The one translation in, and what of the request the answer tells back.
fn canonical(request: ResponsesRequest) -> Result<(ChatRequest, Map<String, Value>), Problem> {
    let asked = response::asked(&request);
    Ok((request::chat(request)?, asked))
}
