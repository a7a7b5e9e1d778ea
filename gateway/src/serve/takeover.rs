//! HTTP/1 by hyper until an answer begins to stream: the answer and its socket are then taken from
//! it, and with it go its two buffers, its headers and its state, 8 KB for a stream that may last
//! for minutes ([ADR 0030](../../../docs/adr/0030-a-stream-without-hypers-buffers.md)). All that is
//! read, all that is whole and all that is odd stays hyper's.

use super::chunked;
use super::opened::Opened;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Version, header};
use axum::response::Response;
use http_body_util::BodyExt;
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
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// What nobody has read of a request's body is read away up to here; of a larger one the answer is
/// the last of its connection.
const UNREAD_BYTES_MAX: u64 = 65_536;

/// How long that may take.
const UNREAD_SECONDS_MAX: Duration = Duration::from_secs(1);

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
            let mut answered = answered.await;
            if progress.may_take(&begun) && chunked::streams(&answered) {
                *progress.taken() = Some((answered, begun.stays_open));
                return Err(Taken);
            }
            if !begun.read_away().await {
                progress.is_left.store(true, Ordering::Release);
                answered.headers_mut().insert(header::CONNECTION, super::CLOSE);
            }
            Ok(answered)
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
        ended?;
        if progress.is_left.load(Ordering::Acquire) {
            connection.into_parts().io.into_inner().listen_on().await;
        }
        return Ok(Served::Ended);
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
    /// A request was answered before all of its body had come, and is the last one: what comes of
    /// it isn't the next request (RFC 9112 §9.6).
    is_left: AtomicBool,
}

/// A request that is answered.
struct Begun {
    /// Whether its answer may be taken from hyper.
    is_plain: bool,
    /// Whether the connection stays open after it.
    stays_open: bool,
    /// Whether it waits to be asked for its body (`100 Continue`).
    waits: bool,
    body: Arc<Reading>,
}

/// How far a request's body has been read.
#[derive(Default)]
struct Reading {
    /// To its end, so what follows in hyper's buffer is another request.
    is_done: AtomicBool,
    /// Who read it has left the rest.
    left: Mutex<Option<Incoming>>,
}

impl Begun {
    fn is_read(&self) -> bool {
        self.body.is_done.load(Ordering::Acquire)
    }

    /// Reads what nobody wanted of a small body, so that the connection can go on. Answers whether
    /// all is read.
    async fn read_away(&self) -> bool {
        let left = self.body.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut body) = left.filter(|_| !self.waits) {
            let is_small =
                |size: &SizeHint| size.upper().is_some_and(|most| most <= UNREAD_BYTES_MAX);
            let rest = async {
                while is_small(&body.size_hint()) && !body.is_end_stream() {
                    let Some(Ok(_)) = body.frame().await else { break };
                }
                body.is_end_stream()
            };
            if let Ok(true) = timeout(UNREAD_SECONDS_MAX, rest).await {
                self.body.is_done.store(true, Ordering::Release);
            }
        }
        self.is_read()
    }
}

impl Progress {
    fn new(opened: &Opened) -> Self {
        let (taken, is_left) = (Mutex::new(None), AtomicBool::new(false));
        Self { is_flushed: opened.is_flushed(), taken, is_left }
    }

    /// A request begins.
    fn begin(&self, request: Request<Incoming>) -> (Request<Body>, Begun) {
        let is_plain = is_plain(&request);
        let stays_open = !asks_to_close(request.headers());
        let waits = request.headers().contains_key(header::EXPECT);
        let reading = Arc::new(Reading::default());
        reading.is_done.store(request.body().is_end_stream(), Ordering::Release);
        self.is_flushed.store(false, Ordering::Release);
        let begun = Begun { is_plain, stays_open, waits, body: Arc::clone(&reading) };
        (request.map(|body| Body::new(Watched { body: Some(body), reading })), begun)
    }

    /// Whether an answer may be taken from hyper.
    fn may_take(&self, begun: &Begun) -> bool {
        begun.is_plain && begun.is_read() && self.is_flushed.load(Ordering::Acquire)
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

/// A request's body that tells when it is read to its end, and leaves what isn't.
struct Watched {
    body: Option<Incoming>,
    reading: Arc<Reading>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.reading.is_done.load(Ordering::Acquire) {
            let mut left = self.reading.left.lock().unwrap_or_else(PoisonError::into_inner);
            *left = self.body.take();
        }
    }
}

impl HttpBody for Watched {
    type Data = bytes::Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<bytes::Bytes>>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(&mut *body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || body.is_end_stream() {
            self.reading.is_done.store(true, Ordering::Release);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Incoming::size_hint).unwrap_or_default()
    }
}
