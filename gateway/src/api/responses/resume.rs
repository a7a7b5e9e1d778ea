//! The events of a background response, followed later and at whichever gateway: what was kept is
//! told again from where the client stopped, then what comes, until its end.

use super::kept::{Record, Shelf};
use super::log::Numbered;
use super::read;
use crate::api::stream::PING;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::Stream;
use schemas::error::{ErrorCode, Problem};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at how a response stands.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// A stream of what comes after an event's number.
///
/// # Errors
/// When its events weren't asked for when it was made.
pub(super) fn resumed(
    of: (Shelf, String),
    record: Record,
    after: Option<u64>,
    ping: Duration,
) -> Result<Response, Problem> {
    if record.events.is_none() {
        return Err(Problem::new(
            ErrorCode::InvalidRequest,
            "stream で読めるのは、background と stream を指定して作った応答だけです。",
            "Only a response that was made with background and stream can be read as a stream.",
        )
        .at("stream"));
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(followed(of, record, after, ping))).into_response())
}

struct Following {
    shelf: Shelf,
    id: String,
    /// Looked at already, and not yet told.
    record: Option<Record>,
    /// The last number that was told.
    after: Option<u64>,
}

fn followed(
    (shelf, id): (Shelf, String),
    record: Record,
    after: Option<u64>,
    ping: Duration,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let following = Following { shelf, id, record: Some(record), after };
    futures::stream::unfold(Some(following), move |following| async move {
        let mut following = following?;
        let (text, is_over) = following.next(ping).await;
        Some((Ok(Bytes::from(text)), (!is_over).then_some(following)))
    })
}

impl Following {
    /// What is new, and whether it was the last.
    async fn next(&mut self, ping: Duration) -> (String, bool) {
        let until = Instant::now() + ping;
        loop {
            let record = match self.record.take() {
                Some(record) => Ok(record),
                None => read::standing(&self.shelf, &self.id).await,
            };
            // It was deleted, or can't be read now: the client may come back.
            let Ok(record) = record else { return (String::new(), true) };
            let is_over = !record.is_running();
            let text = self.news(&record);
            if is_over || !text.is_empty() {
                return (text, is_over);
            }
            if Instant::now() >= until {
                return (String::from_utf8_lossy(PING).into_owned(), false);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn news(&mut self, record: &Record) -> String {
        let events = record.events.as_deref().unwrap_or_default();
        let is_new = |event: &&Numbered| self.after.is_none_or(|after| event.number > after);
        let mut text: String =
            events.iter().filter(is_new).map(|event| event.text.as_str()).collect();
        let last = events.last().map(|event| event.number);
        self.after = self.after.max(last);
        if record.response["status"] == "failed" && !tells_failure(events) {
            text.push_str(&failed(&record.response, self.after.map_or(0, |after| after + 1)));
        }
        text
    }
}

/// Whether its own gateway told the end.
fn tells_failure(events: &[Numbered]) -> bool {
    events.last().is_some_and(|event| event.text.starts_with("event: response.failed\n"))
}

/// The end of a response whose gateway is gone.
fn failed(response: &Value, number: u64) -> String {
    let kind = "response.failed";
    let event = json!({"type": kind, "sequence_number": number, "response": response});
    format!("event: {kind}\ndata: {event}\n\n")
}
