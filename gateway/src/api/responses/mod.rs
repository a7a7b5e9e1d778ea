//! `/v1/responses`: OpenAI's Responses API in, whatever model answers. The request becomes the
//! canonical form and the answer comes out of it; what stands between doesn't know this surface. A
//! response is kept for a while, sealed, so that a request can go on from it.

/// The request as the canonical form: the top-level fields.
mod request;

/// The conversation.
mod input;

/// Tools and the choice among them.
mod tools;

/// Tools in groups.
mod namespaces;

/// Thoughts on their way out and back again.
mod thoughts;

/// An answer's items while they grow.
mod items;

/// One of them.
mod item;

/// The response object.
mod response;

/// An answer as events.
mod stream;

/// Responses that are kept.
mod kept;

/// Items of theirs that a request only names.
mod references;

/// Reading them again, and deleting them.
mod read;

/// Responses that run on without their client.
mod background;

/// Their events.
mod log;

/// Following them later.
mod resume;

#[cfg(test)]
mod tests;

use self::background::{Background, BackgroundPlace};
use self::kept::{Keeping, Shelf};
pub(super) use self::request::ResponsesRequest;
use self::response::Head;
pub(super) use self::response::ResponseObject;
use self::stream::Rendering;
use super::outgoing::Writer;
use super::request_count::Counted;
use super::surface::{Arrival, Failure, Surface, create};
use super::{error, incoming, outgoing, surface};
use crate::chat::{Answering, Receipt};
use crate::state::Gateway;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use schemas::error::{ErrorCode, Problem};
use schemas::openai::{AnswerChoice, ChatRequest};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The surface's paths.
pub(super) fn routes() -> Router<Arc<Gateway>> {
    let refused = error::method_not_allowed;
    Router::new()
        .route("/v1/responses", post(create::<Head>).fallback(refused))
        .route(
            "/v1/responses/{response}",
            get(read::retrieve).delete(read::remove).fallback(read::refused),
        )
        .route("/v1/responses/{response}/cancel", post(read::cancel).fallback(refused))
        .route("/v1/responses/{response}/input_items", get(read::items).fallback(refused))
}

impl Surface for Head {
    type Answer = Value;

    async fn read(arrival: &Arrival<'_>) -> Result<(ChatRequest, Self), Problem> {
        let mut request: ResponsesRequest = arrival.json().await?;
        let shelf = Shelf::new(arrival.gateway, arrival.account, arrival.secret);
        let before = match request.previous_response_id.as_deref() {
            Some(id) => shelf.conversation(id).await?,
            None => Vec::new(),
        };
        if let Some(input) = &mut request.input {
            references::resolve(input, &shelf).await?;
        }
        let is_kept = request.store != Some(false)
            && !incoming::cache_wishes(arrival.headers).no_store
            && shelf.takes(arrival.body.len());
        let streams = request.stream == Some(true);
        let is_background = request.background == Some(true);
        if is_background && !is_kept {
            return Err(not_kept());
        }
        let seals_thoughts = request.includes(thoughts::ENCRYPTED_CONTENT);
        let input = kept::items(request.input.as_ref(), response::bare(arrival.request));
        let (chat, asked) = canonical(request, &before)?;
        let keeping = is_kept.then_some(Keeping { shelf, input, before });
        let mut head = Self::new(arrival.request, arrival.created, asked).kept(keeping);
        head.seals_thoughts = seals_thoughts;
        if is_background {
            let (gateway, id) = (arrival.gateway, response::id(arrival.request));
            let place = BackgroundPlace::take(gateway, arrival.account, id).await?;
            head.background = Some(Background { place, streams });
        }
        Ok((chat, head))
    }

    async fn deliver(
        mut self,
        answering: Answering,
        counted: Counted,
        wants_stream: bool,
    ) -> Result<Response, Failure> {
        match (self.keeping.take(), self.background.take()) {
            (Some(keeping), Some(background)) => {
                background::begin(self, (keeping, background), answering, counted).await
            }
            (keeping, _) => {
                self.keeping = keeping;
                surface::deliver(self, answering, counted, wants_stream).await
            }
        }
    }

    async fn whole(
        mut self,
        model: &str,
        choices: Vec<AnswerChoice>,
        receipt: &Receipt,
    ) -> Result<Value, Problem> {
        let whole =
            Head::whole(&self, model, choices, receipt).ok_or_else(outgoing::without_end)?;
        self.keep(whole.clone()).await;
        Ok(whole)
    }

    fn writer(self) -> impl Writer + 'static {
        Rendering::new(self)
    }
}

/// A response that nobody could read again.
fn not_kept() -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        "background: true には応答の保存が必要です。store: false や no-store を外し、\
         本文を小さくするか、background を外してください。",
        "With background: true the response must be kept: leave store: false and no-store out, \
         send less, or leave background out.",
    )
    .at("background")
}

/// The one translation in, and what of the request the answer tells back.
fn canonical(
    request: ResponsesRequest,
    before: &[Value],
) -> Result<(ChatRequest, Map<String, Value>), Problem> {
    let asked = response::asked(&request);
    Ok((request::chat(request, before)?, asked))
}

/// The request decoder, for the fuzz target: also of what is kept and comes back.
#[cfg(test)]
pub(super) fn decoded(body: &[u8]) -> Result<ChatRequest, Problem> {
    let request: ResponsesRequest = incoming::json(body)?;
    let before = kept::items(request.input.as_ref(), "1");
    Ok(canonical(request, &before)?.0)
}
