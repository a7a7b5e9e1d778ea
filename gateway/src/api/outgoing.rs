//! What every surface's answer has beside its JSON: our own headers, the pieces put together, a
//! stream's bytes. How an answer is spelled is each surface's own.

use super::error::ApiError;
use super::request_count::Counted;
use super::{error, header_value};
use crate::chat::{Answering, Collector, Event, Receipt};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::Stream;
use schemas::error::{ErrorCode, Problem};
use schemas::openai::AnswerChoice;
use serde::Serialize;
use serde_json::{Map, Value};
use std::convert::Infallible;

/// Fields named in a header at most.
const FIELDS_TOLD_MAX: usize = 32;

/// Of each as many characters.
const FIELD_CHARACTERS_MAX: usize = 64;

/// Room for all headers of an answer, those that others add included.
const HEADERS: usize = 32;

/// How a stream ended: `None` is well.
pub(crate) struct Ending(pub(super) Option<ErrorCode>);

/// Writes a stream as one surface spells it.
pub(crate) trait Writer: Send {
    /// What is written for an event, and how the stream ended if it did.
    fn event(&mut self, event: Event, model: &str, out: &mut Vec<u8>) -> Option<Ending>;

    /// Takes what our headers say of the whole answer, right before its end is written: a stream's
    /// own headers had to leave before it was known.
    fn told(&mut self, _told: Told) {}

    /// What is still to be done before the client reads the end.
    fn ended(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Our own headers by their names.
pub(crate) type Told = Vec<(&'static str, String)>;

/// The last event of a stream, with what our headers would say at its end beside it.
#[derive(Serialize)]
pub(super) struct WithTold<T> {
    #[serde(flatten)]
    pub(super) event: T,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) x_fly: Map<String, Value>,
}

/// Our own headers as fields: `x-fly-cost-usd` is `cost_usd`.
pub(super) fn fields(told: Told) -> Map<String, Value> {
    let field = |name: &str| name.trim_start_matches("x-fly-").replace('-', "_");
    told.into_iter().map(|(name, value)| (field(name), Value::String(value))).collect()
}

/// What we say of an answer beside it, as far as it is known yet.
pub(super) fn told(answering: &Answering, receipt: Option<&Receipt>) -> Told {
    let figures = answering.figures();
    let cache = if answering.from_cache { "hit" } else { "miss" };
    let mut told = vec![
        ("x-fly-model", answering.model().to_owned()),
        ("x-fly-provider", answering.provider().to_owned()),
        ("x-fly-route-reason", answering.reason()),
        ("x-fly-cache", cache.to_owned()),
        ("x-fly-hold-usd", figures.hold.to_string()),
        ("x-fly-overhead-ms", figures.overhead_ms.to_string()),
    ];
    let later = [
        ("x-fly-similarity", answering.similarity().map(|alike| format!("{alike:.3}"))),
        ("x-fly-masked", Some(answering.masked.clone()).filter(|masked| !masked.is_empty())),
        ("x-fly-max-tokens", figures.cut_to.map(|tokens| tokens.to_string())),
        ("x-fly-queue-position", figures.queue_position.map(|position| position.to_string())),
        ("x-fly-queue-ms", figures.queue_ms.map(|waited| waited.to_string())),
        ("x-fly-ttft-ms", figures.first_token_ms.map(|waited| waited.to_string())),
        ("x-fly-cost-usd", receipt.map(|receipt| receipt.charge.to_string())),
    ];
    let dropped = answering.dropped();
    if !dropped.is_empty() {
        told.push(("x-fly-dropped-params", named(dropped)));
    }
    told.extend(later.into_iter().filter_map(|(name, value)| Some((name, value?))));
    told
}

/// Names of fields, which anybody may have made up, in a header.
fn named(fields: &[String]) -> String {
    let short = |field: &String| field.chars().take(FIELD_CHARACTERS_MAX).collect::<String>();
    let shown: Vec<String> = fields.iter().take(FIELDS_TOLD_MAX).map(short).collect();
    shown.join(",")
}

/// Our own headers.
pub(super) fn headers(answering: &Answering, receipt: Option<&Receipt>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    if let Some(standing) = &answering.standing {
        error::add_standing(&mut headers, standing);
    }
    for (name, value) in told(answering, receipt) {
        headers.insert(HeaderName::from_static(name), header_value(&value));
    }
    headers
}

/// Our own headers, and those of a stream that no proxy may keep or hold back.
pub(super) fn stream_headers(answering: &Answering) -> HeaderMap {
    let mut headers = headers(answering, None);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    headers
}

/// Waits for the whole answer.
pub(super) async fn collect(
    answering: &mut Answering,
) -> Result<(Vec<AnswerChoice>, Receipt), Problem> {
    let mut collector = Collector::default();
    let receipt = loop {
        match answering.next().await {
            Event::Waiting | Event::Queued(_) => {}
            Event::Pieces(pieces) => collector.add(&pieces),
            Event::Whole(choices) => collector.add_whole(choices),
            Event::Done(receipt) => break receipt,
            Event::Failed(problem) => return Err(problem),
        }
    };
    Ok((collector.whole().ok_or_else(without_end)?, receipt))
}

/// An upstream that said less than a whole answer.
pub(super) fn without_end() -> Problem {
    Problem::new(
        ErrorCode::UpstreamError,
        "モデルの回答が不完全でした。もう一度お試しください。",
        "The model's answer was incomplete. Please try again.",
    )
}

/// A stream: if the first event is an error it becomes a status, else the stream has begun.
pub(super) async fn streamed(
    mut answering: Answering,
    writer: impl Writer + 'static,
    counted: Counted,
) -> Result<Response, (ApiError, Counted)> {
    let first = answering.next().await;
    if let Event::Failed(problem) = first {
        return Err((problem.into(), counted));
    }
    let headers = stream_headers(&answering);
    let bytes = bytes(answering, first, writer, counted);
    Ok((headers, Body::from_stream(bytes)).into_response())
}

/// The stream's bytes. Dropping it (the client hung up) drops the answer, which settles itself.
pub(super) fn bytes(
    answering: Answering,
    first: Event,
    writer: impl Writer,
    counted: Counted,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    // Boxed: an async block that takes a value and returns it stores it twice, and this one lives
    // as long as the stream.
    let state = Some(Box::new((answering, Some(first), writer, counted)));
    futures::stream::unfold(state, |state| async move {
        let mut state = state?;
        let (answering, first, writer, _) = &mut *state;
        let (out, ending) = loop_until_written(answering, first, writer).await?;
        let next = match ending {
            Some(Ending(code)) => {
                let (_, _, _, counted) = *state;
                counted.end(code);
                None
            }
            None => Some(state),
        };
        Some((Ok(Bytes::from(out)), next))
    })
}

async fn loop_until_written(
    answering: &mut Answering,
    first: &mut Option<Event>,
    writer: &mut impl Writer,
) -> Option<(Vec<u8>, Option<Ending>)> {
    loop {
        let event = match first.take() {
            Some(event) => event,
            None => answering.next().await,
        };
        if let Event::Done(receipt) = &event {
            writer.told(told(answering, Some(receipt)));
        }
        let mut out = Vec::new();
        let ending = writer.event(event, answering.model(), &mut out);
        if ending.is_some() {
            writer.ended().await;
        }
        if !out.is_empty() || ending.is_some() {
            return Some((out, ending));
        }
    }
}
