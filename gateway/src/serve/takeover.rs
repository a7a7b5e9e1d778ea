//! HTTP/1 by hyper until an answer begins to stream: the answer and its socket are then taken from
//! it, and with it go its two buffers, its headers and its state, 8 KB for a stream that may last
//! for minutes ([ADR 0030](../../../docs/adr/0030-a-stream-without-hypers-buffers.md)). All that is
//! read, all that is whole and all that is odd stays hyper's.

use super::chunked;
use super::opened::Opened;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Version, header};
use axum::response::Response;
use hyper::Request;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio_util::sync::CancellationToken;

/// What became of a connection.
pub(super) enum Served {
    /// It is over.
    Ended,
    /// An answer streams on it, which is to be written.
    Streams(Box<Streaming>),
}

/// An answer that streams, and its socket.
pub(super) struct Streaming {
    pub(super) opened: Opened,
    pub(super) answer: Response,
    /// Whether the client may ask again on this connection.
    pub(super) stays_open: bool,
}

/// Serves requests until one is answered by a stream, the client leaves, or `stop`.
///
/// # Errors
/// What hyper says of a connection that broke.
pub(super) async fn serve<F>(
    opened: Opened,
    answer: impl Fn(Request<Body>) -> F,
    stop: &CancellationToken,
) -> hyper::Result<Served>
where
    F: Future<Output = Response>,
{
    let progress = Progress::new(&opened);
    let service = service_fn(|request| {
        let (request, begun) = progress.begin(request);
        let answered = answer(request);
        let progress = &progress;
        async move {
            let answered = answered.await;
            match begun {
                Some(begun) if progress.is_clear(&begun) && chunked::streams(&answered) => {
                    *progress.taken() = Some((answered, begun.stays_open));
                    Err(Taken)
                }
                _ => Ok(answered),
            }
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(super::HEADER_SECONDS_MAX);
    // Its buffer is there anyway: a list of the pieces that are to be written would come on top.
    builder.writev(false);
    let mut connection = builder.serve_connection(TokioIo::new(opened), service);
    let ended = super::until(Pin::new(&mut connection), stop, |connection| {
        connection.graceful_shutdown();
    });
    let ended = ended.await;
    let Some((answer, stays_open)) = progress.taken().take() else {
        return ended.map(|()| Served::Ended);
    };
    let parts = connection.into_parts();
    let mut opened = parts.io.into_inner();
    opened.unread(&parts.read_buf);
    Ok(Served::Streams(Box::new(Streaming { opened, answer, stays_open })))
}

/// How hyper is told to let go of a connection.
#[derive(Debug)]
struct Taken;

impl fmt::Display for Taken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the answer is written by others")
    }
}

impl Error for Taken {}

/// What the requests of a connection have in common.
struct Progress {
    /// All that earlier answers left in hyper's buffer is written. No hyper was seen that begins a
    /// request before that, but none promises so, and what is left would be lost with it.
    is_flushed: Arc<AtomicBool>,
    taken: Mutex<Option<(Response, bool)>>,
}

/// A request whose answer may be taken.
struct Begun {
    /// Whether the connection stays open after it.
    stays_open: bool,
    /// Its body is read to the end, so what follows in hyper's buffer is another request.
    is_read: Arc<AtomicBool>,
}

impl Progress {
    fn new(opened: &Opened) -> Self {
        Self { is_flushed: opened.is_flushed(), taken: Mutex::new(None) }
    }

    /// A request begins. Nothing is told besides when hyper must answer it in any case.
    fn begin(&self, request: Request<Incoming>) -> (Request<Body>, Option<Begun>) {
        if !is_plain(&request) {
            return (request.map(Body::new), None);
        }
        let stays_open = !asks_to_close(request.headers());
        let is_read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        self.is_flushed.store(false, Ordering::Release);
        let begun = Begun { stays_open, is_read: Arc::clone(&is_read) };
        (request.map(|body| Body::new(Watched { body, is_read })), Some(begun))
    }

    fn is_clear(&self, begun: &Begun) -> bool {
        begun.is_read.load(Ordering::Acquire) && self.is_flushed.load(Ordering::Acquire)
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Option<(Response, bool)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether all about the connection is as usual: HTTP/1.1, no change of protocol, nothing that is
/// said before the answer (`100 Continue`), and a body whose length is told. Where both a length
/// and chunks are told the connection must end after the answer, and hyper alone knows of both.
fn is_plain<B>(request: &Request<B>) -> bool {
    let odd = [header::EXPECT, header::UPGRADE, header::TRANSFER_ENCODING];
    request.version() == Version::HTTP_11
        && request.method() != Method::HEAD
        && !odd.iter().any(|name| request.headers().contains_key(name))
}

/// Whether the client wants no further answer on this connection (RFC 9112 §9.3).
fn asks_to_close(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONNECTION).iter();
    let mut options = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// A request's body that tells when it is read to its end.
struct Watched {
    body: Incoming,
    is_read: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = bytes::Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<bytes::Bytes>>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.is_read.store(true, Ordering::Release);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
