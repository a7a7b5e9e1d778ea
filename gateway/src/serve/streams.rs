//! HTTP/2. A connection on which nothing is at work ends as an idle one of HTTP/1 does: whatever
//! its client says of being alive, half a request is none, and who doesn't take what is there for
//! it is waited for no longer. It reads no request.

use super::opened::Opened;
use super::{Peer, Routes};
use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// So much of an answer is handed on at once: a larger piece would be gone from here long before
/// its client has it, and the connection would look idle.
const PIECE_BYTES_MAX: usize = 65_536;

/// How long a connection may be without work.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Until it is told to end.
    pub(super) idle: Duration,
    /// From then on until it is cut.
    pub(super) goodbye: Duration,
}

/// Serves the requests of a connection, until it ends, has idled for long, or `stop`.
///
/// # Errors
/// What hyper says of a connection that broke.
pub(super) async fn serve(
    opened: Opened,
    routes: &Routes,
    peer: Peer,
    patience: Patience,
    stop: &CancellationToken,
) -> hyper::Result<()> {
    let work = Arc::<Work>::default();
    let service = service_fn(|request: Request<Incoming>| {
        let mut share = Share { work: Arc::clone(&work), is_at_work: false };
        share.set(true);
        let answered = routes.answer(request, peer);
        async move {
            let (parts, body) = answered.await.into_parts();
            let body = Watched { body, rest: Bytes::new(), share };
            Ok::<_, Infallible>(Response::from_parts(parts, body))
        }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new());
    let mut served = pin!(builder.serve_connection(TokioIo::new(opened), service));
    tokio::select! {
        ended = served.as_mut() => return ended,
        () = stop.cancelled() => {}
        () = work.rest(patience.idle) => {}
    }
    served.as_mut().graceful_shutdown();
    tokio::select! {
        ended = served => ended,
        // A client may never take notice: then its socket is closed.
        () = work.rest(patience.goodbye) => Ok(()),
    }
}

/// What of a connection is at work: requests that are answered, and answers that wait for us. One
/// that waits for its client isn't.
#[derive(Default)]
struct Work(Mutex<Standing>);

#[derive(Clone, Copy, Default)]
struct Standing {
    at_work: usize,
    /// When something last moved.
    moved: Option<Instant>,
}

impl Work {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        // A panic while holding the lock leaves a usable count: every change is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing has been at work, and nothing has moved, for so long from now on.
    async fn rest(&self, time: Duration) {
        let mut due = Instant::now() + time;
        loop {
            sleep_until(due).await;
            let now = Instant::now();
            let Standing { at_work, moved } = *self.standing();
            if at_work > 0 {
                due = now + time;
                continue;
            }
            match moved.map(|moved| moved + time) {
                Some(later) if later > now => due = later,
                _ => return,
            }
        }
    }
}

/// One request's share in its connection's work.
struct Share {
    work: Arc<Work>,
    is_at_work: bool,
}

impl Share {
    /// Something moved: from now on we are at work on it, or wait for the client.
    fn set(&mut self, is_at_work: bool) {
        let mut standing = self.work.standing();
        standing.moved = Some(Instant::now());
        match (self.is_at_work, is_at_work) {
            (false, true) => standing.at_work += 1,
            (true, false) => standing.at_work = standing.at_work.saturating_sub(1),
            _ => {}
        }
        drop(standing);
        self.is_at_work = is_at_work;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// An answer of which is known whether it waits for us or for its client.
struct Watched {
    body: Body,
    /// What is there and not handed on yet.
    rest: Bytes,
    share: Share,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let polled = Pin::new(&mut self.body).poll_frame(context);
            self.share.set(polled.is_pending());
            match polled {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                other => return other,
            }
        } else {
            self.share.set(false);
        }
        let count = self.rest.len().min(PIECE_BYTES_MAX);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(count)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests;
