//! The way of an answer to a client who may leave: a head, then pieces. What is told here goes on
//! being made when nobody listens any more.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Pieces that wait for their client.
const PIECES_WAITING_MAX: usize = 64;

/// What is told before the pieces.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
}

impl Head {
    /// Of an answer.
    pub(super) fn of(response: &Response) -> Self {
        let told = response.headers().iter().filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        });
        Self { status: response.status().as_u16(), headers: told.collect() }
    }

    /// What is told of a stream before its answer is there.
    pub(super) fn of_stream() -> Self {
        let headers = [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-cache"),
            ("x-accel-buffering", "no"),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self { status: 200, headers: headers.map(owned).to_vec() }
    }

    /// Whether pieces of a stream follow.
    pub(super) fn is_stream(&self) -> bool {
        let is_kind = |(name, value): &(String, String)| {
            name == "content-type" && value.starts_with("text/event-stream")
        };
        self.status == 200 && self.headers.iter().any(is_kind)
    }

    /// Puts a header in the place of one of the same name.
    pub(super) fn say(&mut self, name: &str, value: &str) {
        self.headers.retain(|(before, _)| before != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }
}

/// What tells.
pub(super) struct Outlet {
    head: Option<oneshot::Sender<Head>>,
    pieces: mpsc::Sender<Bytes>,
    left: CancellationToken,
    signs: Option<u64>,
}

/// What listens.
pub(super) struct Inlet {
    head: oneshot::Receiver<Head>,
    pieces: mpsc::Receiver<Bytes>,
    listens: DropGuard,
}

/// Both ends.
pub(super) fn pair() -> (Outlet, Inlet) {
    let ((head, heard), (pieces, came)) = (oneshot::channel(), mpsc::channel(PIECES_WAITING_MAX));
    let left = CancellationToken::new();
    let listens = left.clone().drop_guard();
    let outlet = Outlet { head: Some(head), pieces, left, signs: None };
    (outlet, Inlet { head: heard, pieces: came, listens })
}

impl Outlet {
    /// Tells the head, if it hasn't been told yet.
    pub(super) fn head(&mut self, head: Head) {
        if let Some(sender) = self.head.take() {
            // A client that left hears nothing.
            let _ = sender.send(head);
        }
    }

    /// Whether the head has been told.
    pub(super) fn has_begun(&self) -> bool {
        self.head.is_none()
    }

    /// Tells a piece.
    pub(super) async fn piece(&self, piece: Bytes) {
        // The same.
        let _ = self.pieces.send(piece).await;
    }

    /// Ends when the client has left.
    pub(super) async fn left(&self) {
        self.left.cancelled().await;
    }

    /// Cancelled when the client has left.
    pub(super) fn left_token(&self) -> CancellationToken {
        self.left.clone()
    }

    /// Whether the sign of life of this number is still to be given.
    pub(super) fn is_due(&mut self, number: u64) -> bool {
        let is_due = self.signs.is_none_or(|given| number > given);
        self.signs = self.signs.max(Some(number));
        is_due
    }
}

impl Inlet {
    /// The answer, once its head is there; nothing when whoever made it has failed.
    pub(super) async fn answer(self) -> Option<Response> {
        let Head { status, headers } = self.head.await.ok()?;
        let status = StatusCode::from_u16(status).ok()?;
        let mut told = HeaderMap::new();
        for (name, value) in headers {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
            else {
                continue;
            };
            told.append(name, value);
        }
        let listens = self.listens;
        let pieces = ReceiverStream::new(self.pieces).map(move |piece| {
            // Dropped with the stream: then nobody listens any more.
            let _ = &listens;
            Ok::<_, Infallible>(piece)
        });
        Some((status, told, Body::from_stream(pieces)).into_response())
    }
}
