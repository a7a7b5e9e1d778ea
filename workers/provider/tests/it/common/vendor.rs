//! A vendor that does what a script says, on a real socket: answers, streams step by step, goes
//! silent, cuts. It knows no protocol.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use axum::serve::ListenerExt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// One step of a streamed body.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends these bytes as one chunk.
    Send(String),
    /// Waits until the test lets it go on.
    Wait(Arc<tokio::sync::Notify>),
    /// Says nothing more, and keeps the connection.
    Stall,
    /// Breaks the connection without the body's end.
    Cut,
}

/// What the vendor does with a request.
#[derive(Clone)]
pub(crate) enum Script {
    /// Answers.
    Answer { status: u16, headers: Vec<(&'static str, &'static str)>, body: String },
    /// Answers 200 with events.
    Stream(Vec<Step>),
    /// Says nothing at all.
    Silence,
}

/// A request that came.
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: serde_json::Value,
}

struct Shared {
    script: Box<dyn Fn(usize) -> Script + Send + Sync>,
    seen: Mutex<Vec<Seen>>,
    ended: watch::Sender<usize>,
}

/// The vendor; it ends with the test.
pub(crate) struct Vendor {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    connections: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

/// Counts a request's end, however it ends: for one that would never end by itself, that is when
/// its client hangs up.
struct EndGuard(Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.ended.send_modify(|ended| *ended += 1);
    }
}

impl Vendor {
    /// Starts a vendor that does `script(n)` with its `n`th request, from 0.
    pub(crate) async fn start(script: impl Fn(usize) -> Script + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            script: Box::new(script),
            seen: Mutex::new(Vec::new()),
            ended: watch::Sender::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let listener = listener.tap_io(move |stream| {
            counter.fetch_add(1, Ordering::SeqCst);
            stream.set_nodelay(true).expect("a socket option");
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.expect("serves for ever") });
        Self { address, shared, connections, _server: server }
    }

    /// A vendor that does the same with every request.
    pub(crate) async fn always(script: Script) -> Self {
        Self::start(move |_| script.clone()).await
    }

    /// The address as an API base.
    pub(crate) fn base(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.shared.seen.lock().expect("no test panics here").len()
    }

    /// Looks at a request that came.
    pub(crate) fn seen<T>(&self, number: usize, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.shared.seen.lock().expect("no test panics here")[number])
    }

    /// Waits until so many requests have ended.
    pub(crate) async fn ended(&self, requests: usize) {
        let mut ended = self.shared.ended.subscribe();
        ended.wait_for(|ended| *ended >= requests).await.expect("the vendor lives");
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let guard = EndGuard(Arc::clone(&shared));
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole request");
    let number = {
        let mut seen = shared.seen.lock().expect("no test panics here");
        let body = serde_json::from_slice(&body).expect("a JSON request");
        seen.push(Seen { path: parts.uri.path().to_owned(), headers: parts.headers, body });
        seen.len() - 1
    };
    match (shared.script)(number) {
        Script::Silence => std::future::pending().await,
        Script::Stream(steps) => {
            let body = Body::from_stream(futures::stream::unfold(
                (steps.into_iter(), guard),
                |(mut steps, guard)| async move {
                    let bytes = run(&mut steps).await?;
                    Some((bytes, (steps, guard)))
                },
            ));
            let response = Response::builder().header("content-type", "text/event-stream");
            response.body(body).expect("a valid response")
        }
        Script::Answer { status, headers, body } => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).expect("a valid response")
        }
    }
}

/// The next chunk of a body, or its end.
async fn run(steps: &mut std::vec::IntoIter<Step>) -> Option<std::io::Result<Bytes>> {
    loop {
        match steps.next()? {
            Step::Send(text) => return Some(Ok(Bytes::from(text))),
            Step::Wait(gate) => gate.notified().await,
            Step::Stall => std::future::pending().await,
            Step::Cut => {
                // The server writes out what it has only when the body makes it wait.
                tokio::task::yield_now().await;
                return Some(Err(std::io::Error::other("cut by the script")));
            }
        }
    }
}
