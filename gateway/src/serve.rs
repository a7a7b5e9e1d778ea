//! HTTP connections: accepted up to a limit, closed when their headers don't come, drained at the
//! end. `axum::serve` has no time limits, and a thousand idle sockets cost an attacker nothing.
//! A request that doesn't say for which host it is gets no further.

/// Which protocol a client speaks.
mod opened;

/// HTTP/1 by hyper, up to an answer that streams.
mod takeover;

/// An answer that streams.
mod chunked;

/// HTTP/2.
mod streams;

/// How many connections there may be.
mod places;

/// Where a request comes from.
pub(crate) mod whereabouts;

#[cfg(test)]
mod tests;

pub(crate) use self::places::Places;

use self::opened::Opened;
use self::places::Place;
use self::streams::Patience;
use self::takeover::Served;
use crate::api::error::no_host;
use axum::Router;
use axum::body::{Bytes, HttpBody};
use axum::http::{HeaderValue, Request, Version, header};
use axum::response::Response;
use axum::serve::Listener;
use futures::FutureExt;
use futures::future::{Either, ready};
use infra::net::PromptListener;
use infra::tasks::Tasks;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::Service;

/// How long a request's headers may take, and how long a connection may idle between requests.
const HEADER_SECONDS_MAX: Duration = Duration::from_secs(75);

/// How long a connection of HTTP/2 that is told to end may take for it without anything at work.
const GOODBYE_SECONDS_MAX: Duration = Duration::from_secs(10);

/// What the last answer on a connection says.
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Routes that others may take the place of: each request asks anew, also on an old connection.
#[derive(Clone)]
pub(crate) struct Routes {
    router: Arc<RwLock<Router>>,
    /// Cancelled when clients are to go elsewhere: each answer is the last on its connection.
    leaving: CancellationToken,
}

impl Routes {
    pub(crate) fn new(router: Router, leaving: CancellationToken) -> Self {
        Self { router: Arc::new(RwLock::new(router)), leaving }
    }

    /// From the next request on these count.
    pub(crate) fn set(&self, router: Router) {
        *self.router.write().unwrap_or_else(PoisonError::into_inner) = router;
    }

    /// Answers a request, which is told whose it is.
    fn answer<B>(
        &self,
        mut request: Request<B>,
        peer: Peer,
    ) -> impl Future<Output = Response> + use<B>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        if !names_its_host(&request) {
            return Either::Left(ready(refusal(request.version())));
        }
        write_host(&mut request);
        request.extensions_mut().insert(peer);
        let mut router = self.router.read().unwrap_or_else(PoisonError::into_inner).clone();
        // A router is always ready, and never fails.
        let answered = router.call(request);
        Either::Right(answered.map(|answered| answered.unwrap_or_else(|never| match never {})))
    }
}

/// What a request is told that doesn't say for which host it is.
fn refusal(version: Version) -> Response {
    let mut refusal = no_host();
    if version < Version::HTTP_2 {
        // Who may be understood in two ways is understood no further.
        refusal.headers_mut().insert(header::CONNECTION, CLOSE);
    }
    refusal
}

/// Whether it is said once for which host a request is (RFC 9112 §3.2): who stands before us may
/// have taken the other one of two.
fn names_its_host<B>(request: &Request<B>) -> bool {
    let count = request.headers().get_all(header::HOST).iter().count();
    count == 1 || (count == 0 && request.version() != Version::HTTP_11)
}

/// HTTP/2 names the host beside the path (RFC 9113 §8.3.1). It is read where HTTP/1 has it, and
/// counts where both do, as in HTTP/1 a whole address does (RFC 9112 §3.2.2): whoever stands before
/// us has read it.
fn write_host<B>(request: &mut Request<B>) {
    let host = request.uri().authority().and_then(|named| named.as_str().rsplit('@').next());
    if let Some(host) = host.and_then(|host| HeaderValue::from_str(host).ok()) {
        request.headers_mut().insert(header::HOST, host);
    }
}

/// Serves until `stop`; then accepts no more, and returns when every connection has ended its
/// request.
pub(crate) async fn serve(
    mut listener: PromptListener,
    routes: Routes,
    places: Places,
    stop: CancellationToken,
) {
    let connections = Tasks::new();
    loop {
        let Some(place) = places.one().await else { break };
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        // A socket for both kinds of addresses spells those of IPv4 in IPv6.
        let peer = Peer(peer.ip().to_canonical());
        let Some(place) = places.give(place, peer.0) else {
            tracing::debug!("an address has as many connections as it may have");
            continue;
        };
        connections
            .spawn("connection", connection(stream, peer, routes.clone(), stop.clone(), place));
    }
    drop(listener);
    connections.finish().await;
}

/// Serves one connection to its end; its place is free then.
async fn connection(
    stream: TcpStream,
    peer: Peer,
    routes: Routes,
    stop: CancellationToken,
    _place: Place,
) {
    let opened = tokio::select! {
        // A request that is there already is answered, also at the end.
        biased;
        opened = timeout(HEADER_SECONDS_MAX, Opened::read(stream)) => opened,
        () = stop.cancelled() => return,
    };
    // Who says nothing is no client.
    let Ok(Ok(opened)) = opened else { return };
    let ended = match opened.speaks_http2() {
        true => {
            let patience = Patience { idle: HEADER_SECONDS_MAX, goodbye: GOODBYE_SECONDS_MAX };
            let served = streams::serve(opened, &routes, peer, patience, &stop);
            Box::pin(served).await.map_err(io::Error::other)
        }
        false => http1(opened, &routes, peer, &stop).await,
    };
    if let Err(error) = ended {
        // Clients hang up all the time.
        tracing::debug!(%error, "a connection ended");
    }
}

/// One request after the other; while an answer streams, nothing of hyper's is kept.
async fn http1(
    mut opened: Opened,
    routes: &Routes,
    peer: Peer,
    stop: &CancellationToken,
) -> io::Result<()> {
    loop {
        let answer = |request| {
            let answered = routes.answer(request, peer);
            async {
                let mut answer = answered.await;
                if routes.leaving.is_cancelled() && !chunked::streams(&answer) {
                    answer.headers_mut().insert(header::CONNECTION, CLOSE);
                }
                answer
            }
        };
        // Boxed: else its room is kept while the answer streams.
        let served = Box::pin(takeover::serve(opened, answer, stop)).await;
        let Served::Streams(streaming) = served.map_err(io::Error::other)? else { return Ok(()) };
        let is_last = routes.leaving.is_cancelled() || stop.is_cancelled();
        let stays_open = streaming.stays_open && !is_last;
        opened = streaming.opened;
        chunked::write(&mut opened, streaming.answer, stays_open).await?;
        if !stays_open || stop.is_cancelled() {
            return opened.end().await;
        }
    }
}

/// Lets a connection end by itself, or at `stop` after the request that it serves.
async fn until<C: Future<Output = hyper::Result<()>>>(
    mut served: Pin<&mut C>,
    stop: &CancellationToken,
    shut_down: impl FnOnce(Pin<&mut C>),
) -> hyper::Result<()> {
    tokio::select! {
        ended = served.as_mut() => return ended,
        () = stop.cancelled() => {}
    }
    shut_down(served.as_mut());
    served.await
}
