//! HTTP connections: accepted up to a limit, closed when their headers don't come, drained at the
//! end. `axum::serve` has no time limits, and a thousand idle sockets cost an attacker nothing.

use axum::Router;
use axum::http::Request;
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use infra::net::PromptListener;
use infra::tasks::Tasks;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

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

impl<B> Service<Request<B>> for Routes
where
    Router: Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as Service<Request<B>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut router = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
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
        let served = connection(stream, Peer(peer.ip()), routes.clone(), stop.clone());
        connections.spawn("connection", async move {
            served.await;
            drop(place);
        });
    }
    drop(listener);
    connections.finish().await;
}

async fn connection(stream: TcpStream, peer: Peer, routes: Routes, stop: CancellationToken) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_SECONDS_MAX);
    builder.http2().timer(TokioTimer::new());
    let told = routes.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request
    });
    let service = TowerToHyperService::new(told);
    let served = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        // Clients hang up all the time.
        tracing::debug!(%error, "a connection ended");
    }
}
