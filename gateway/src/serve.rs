//! HTTP connections: accepted up to a limit, closed when their headers don't come, drained at the
//! end. `axum::serve` has no time limits, and a thousand idle sockets cost an attacker nothing.

use crate::opened::Opened;
use axum::Router;
use axum::http::Request;
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use infra::net::PromptListener;
use infra::tasks::Tasks;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::Service;

/// Connections at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 20_000;

/// How long a request's headers may take, and how long a connection may idle between requests.
const HEADER_SECONDS_MAX: Duration = Duration::from_secs(75);

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Routes that others may take the place of: each request asks anew, also on an old connection.
#[derive(Clone)]
pub(crate) struct Routes(Arc<RwLock<Router>>);

impl Routes {
    pub(crate) fn new(router: Router) -> Self {
        Self(Arc::new(RwLock::new(router)))
    }

    /// From the next request on these count.
    pub(crate) fn set(&self, router: Router) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = router;
    }
}

/// The routes for one connection: each request is told whose it is.
#[derive(Clone)]
struct Told {
    routes: Routes,
    peer: Peer,
}

impl Service<Request<Incoming>> for Told {
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        let routes = &self.routes.0;
        let mut router = routes.read().unwrap_or_else(PoisonError::into_inner).clone();
        router.call(request)
    }
}

/// Serves until `stop`; then accepts no more, and returns when every connection has ended its
/// request.
pub(crate) async fn serve(mut listener: PromptListener, routes: Routes, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = Tasks::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let peer = Peer(peer.ip());
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
    _place: OwnedSemaphorePermit,
) {
    let opened = tokio::select! {
        // A request that is there already is answered, also at the end.
        biased;
        opened = timeout(HEADER_SECONDS_MAX, Opened::read(stream)) => opened,
        () = stop.cancelled() => return,
    };
    // Who says nothing is no client.
    let Ok(Ok(opened)) = opened else { return };
    let service = TowerToHyperService::new(Told { routes, peer });
    let ended = match opened.speaks_http2() {
        true => Box::pin(http2(opened, service, stop)).await,
        false => http1(opened, service, stop).await,
    };
    if let Err(error) = ended {
        // Clients hang up all the time.
        tracing::debug!(%error, "a connection ended");
    }
}

async fn http1(
    opened: Opened,
    service: TowerToHyperService<Told>,
    stop: CancellationToken,
) -> hyper::Result<()> {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_SECONDS_MAX);
    // Its buffer is there anyway: a list of the pieces that are to be written would come on top.
    builder.writev(false);
    let served = pin!(builder.serve_connection(TokioIo::new(opened), service));
    until(served, stop, http1::Connection::graceful_shutdown).await
}

async fn http2(
    opened: Opened,
    service: TowerToHyperService<Told>,
    stop: CancellationToken,
) -> hyper::Result<()> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new());
    let served = pin!(builder.serve_connection(TokioIo::new(opened), service));
    until(served, stop, http2::Connection::graceful_shutdown).await
}

/// Lets a connection end by itself, or at `stop` after the request that it serves.
async fn until<C: Future<Output = hyper::Result<()>>>(
    mut served: Pin<&mut C>,
    stop: CancellationToken,
    shut_down: impl FnOnce(Pin<&mut C>),
) -> hyper::Result<()> {
    tokio::select! {
        ended = served.as_mut() => return ended,
        () = stop.cancelled() => {}
    }
    shut_down(served.as_mut());
    served.await
}
