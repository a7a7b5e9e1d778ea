//! A vendor on a real socket that does what a script says, in OpenAI's or Anthropic's protocol. It
//! remembers every request, counts starts and sees hang-ups.

/// Steps as Anthropic writes them.
mod anthropic;

/// Steps as OpenAI writes them.
mod openai;

/// What it does with a request.
pub mod script;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use axum::serve::ListenerExt;
use futures::StreamExt;
use script::{Counts, Script, Step};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Events on their way to one client.
const EVENTS_WAITING_MAX: usize = 64;

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The model asked for.
    pub model: String,
    /// The path.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Value,
    /// How it ended.
    pub end: End,
    /// When it came.
    pub begun: Instant,
    /// When it ended.
    pub over: Option<Instant>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It hasn't.
    Running,
    /// Everything was sent, or was cut by the script.
    Sent,
    /// The client hung up before.
    HungUp,
}

#[derive(Default)]
struct Shared {
    always: Mutex<HashMap<String, Script>>,
    next: Mutex<HashMap<String, VecDeque<Script>>>,
    seen: Mutex<Vec<Seen>>,
}

/// The vendor; it ends with the test.
pub struct Vendor {
    host: &'static str,
    port: u16,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

impl Vendor {
    /// Starts one that echoes everything.
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1", "127.0.0.1").await
    }

    /// The same, where containers see the machine that runs them.
    pub(crate) async fn start_for_containers() -> Self {
        Self::start_at("0.0.0.0", "host.docker.internal").await
    }

    async fn start_at(listens: &str, host: &'static str) -> Self {
        let shared = Arc::new(Shared::default());
        let listener = tokio::net::TcpListener::bind((listens, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, port: address.port(), shared, _server: server }
    }

    /// Where it is, without a path.
    pub fn url(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    /// What it does from now on when a model is asked.
    pub fn always(&self, model: &str, script: Script) {
        self.shared.always.lock().unwrap().insert(model.to_owned(), script);
    }

    /// What it does once when a model is asked, after what was said before.
    pub fn next(&self, model: &str, script: Script) {
        self.shared.next.lock().unwrap().entry(model.to_owned()).or_default().push_back(script);
    }

    /// Every request that came, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many requests came.
    pub fn starts(&self) -> usize {
        self.shared.seen.lock().unwrap().len()
    }

    /// How many came for a model.
    pub fn starts_of(&self, model: &str) -> usize {
        self.shared.seen.lock().unwrap().iter().filter(|seen| seen.model == model).count()
    }

    /// How many ended so.
    pub fn ended(&self, end: End) -> usize {
        self.shared.seen.lock().unwrap().iter().filter(|seen| seen.end == end).count()
    }

    /// Waits until so many requests have come.
    pub async fn wait_for_starts(&self, count: usize) {
        let what = format!("the vendor has seen {count} requests");
        crate::wait_until(&what, async || self.starts() >= count).await;
    }

    /// Waits until so many clients have hung up.
    pub async fn wait_for_hang_ups(&self, count: usize) {
        let what = format!("the vendor has seen {count} clients hang up");
        crate::wait_until(&what, async || self.ended(End::HungUp) >= count).await;
    }
}

/// Writes down how a request ended, however it ends.
struct Ending {
    shared: Arc<Shared>,
    number: usize,
    end: End,
}

impl Ending {
    /// Everything was sent.
    fn sent(&mut self) {
        self.end = End::Sent;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let seen = &mut self.shared.seen.lock().unwrap()[self.number];
        (seen.end, seen.over) = (self.end, Some(Instant::now()));
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let path = parts.uri.path().to_owned();
    let model = body["model"].as_str().or_else(|| named_in(&path)).unwrap().to_owned();
    let script = script_for(&shared, &model);
    let (headers, begun) = (parts.headers, Instant::now());
    let seen = Seen { model, path, headers, body, end: End::Running, begun, over: None };
    let number = {
        let mut all = shared.seen.lock().unwrap();
        all.push(seen.clone());
        all.len() - 1
    };
    let ending = Ending { shared: Arc::clone(&shared), number, end: End::HungUp };
    follow(script, seen, ending).await
}

/// The model of an address such as `/v1beta/models/MODEL:generateContent`.
fn named_in(path: &str) -> Option<&str> {
    path.split_once("/models/")?.1.split(':').next()
}

fn script_for(shared: &Shared, model: &str) -> Script {
    let next = shared.next.lock().unwrap().get_mut(model).and_then(VecDeque::pop_front);
    let always = || shared.always.lock().unwrap().get(model).cloned();
    next.or_else(always).unwrap_or(Script::Echo { characters: 4 })
}

async fn follow(mut script: Script, seen: Seen, mut ending: Ending) -> Response<Body> {
    while let Script::After(gate, then) = script {
        gate.pass().await;
        script = *then;
    }
    let (steps, counts) = match script {
        Script::Silence | Script::After(..) => std::future::pending().await,
        Script::Status { status, headers, body } => {
            ending.sent();
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            return response.body(Body::from(body)).unwrap();
        }
        Script::Echo { .. } if seen.path.ends_with("/embeddings") => {
            ending.sent();
            let response = Response::builder().header("content-type", "application/json");
            return response.body(Body::from(openai::embeddings(&seen.body).to_string())).unwrap();
        }
        Script::Echo { characters } => echo(&seen.body, characters),
        Script::Steps { steps, counts } => (steps, counts),
    };
    if seen.body["stream"] == true {
        return stream(seen, steps, counts, ending);
    }
    for step in &steps {
        match step {
            Step::Wait(gate) => gate.pass().await,
            Step::Stall => std::future::pending().await,
            Step::Cut | Step::EndEarly => {
                ending.sent();
                let pieces = [Ok(Bytes::from_static(b"{\"id\":")), Err("cut")];
                return Response::new(Body::from_stream(futures::stream::iter(pieces)));
            }
            Step::Text(_) | Step::Call { .. } | Step::Raw(_) | Step::Full => {}
        }
    }
    let body = match is_anthropic(&seen) {
        true => anthropic::whole(&seen.model, &steps, counts),
        false => openai::whole(&seen.model, &steps, counts),
    };
    ending.sent();
    let response = Response::builder().header("content-type", "application/json");
    response.body(Body::from(body.to_string())).unwrap()
}

fn is_anthropic(seen: &Seen) -> bool {
    seen.path == "/v1/messages"
}

/// The last message's text in pieces.
fn echo(body: &Value, characters: usize) -> (Vec<Step>, Option<Counts>) {
    let content = &body["messages"].as_array().unwrap().last().unwrap()["content"];
    let text = match content {
        Value::String(text) => text.clone(),
        parts => {
            let parts = parts.as_array().unwrap().iter();
            parts.filter_map(|part| part["text"].as_str()).collect()
        }
    };
    let letters: Vec<char> = text.chars().collect();
    let pieces = letters.chunks(characters).map(|piece| Step::Text(piece.iter().collect()));
    (pieces.collect(), Some(Counts { input: 10, cached: None, output: 5 }))
}

/// All text, and all calls with their arguments.
fn gathered(steps: &[Step]) -> (String, Vec<(String, String)>) {
    let (mut text, mut calls) = (String::new(), Vec::new());
    for step in steps {
        match step {
            Step::Text(piece) => text.push_str(piece),
            Step::Call { name, arguments } => calls.push((name.clone(), arguments.concat())),
            _ => {}
        }
    }
    (text, calls)
}

/// A stream. Its body is fed by a task of its own, which ends when the client hangs up.
fn stream(
    seen: Seen,
    steps: Vec<Step>,
    counts: Option<Counts>,
    mut ending: Ending,
) -> Response<Body> {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, &'static str>>(EVENTS_WAITING_MAX);
    let tasks = infra::tasks::Tasks::new();
    tasks.spawn("vendor's stream", async move {
        let ended = tokio::select! {
            () = sender.closed() => return,
            ended = tell(&seen, &steps, counts, &sender) => ended,
        };
        if ended.is_some() {
            ending.sent();
        }
    });
    let events = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (event, receiver))
    });
    let response = Response::builder().header("content-type", "text/event-stream");
    response.body(Body::from_stream(events.boxed())).unwrap()
}

/// Tells the steps; `None` when the client is gone.
async fn tell(
    seen: &Seen,
    steps: &[Step],
    counts: Option<Counts>,
    sender: &mpsc::Sender<Result<Bytes, &'static str>>,
) -> Option<()> {
    let (model, is_anthropic) = (&seen.model, is_anthropic(seen));
    let begin = if is_anthropic { anthropic::begin(model, counts) } else { openai::begin(model) };
    sender.send(Ok(begin.into())).await.ok()?;
    let (mut calls, mut blocks) = (0, 0);
    for step in steps {
        match step {
            Step::Wait(gate) => gate.pass().await,
            Step::Stall => std::future::pending().await,
            Step::Cut => return sender.send(Err("cut")).await.ok(),
            Step::EndEarly => return Some(()),
            Step::Text(_) | Step::Call { .. } | Step::Raw(_) | Step::Full => {
                let events = match is_anthropic {
                    true => anthropic::step(step, &mut blocks),
                    false => openai::step(model, step, &mut calls),
                };
                for event in events {
                    sender.send(Ok(event.into())).await.ok()?;
                }
            }
        }
    }
    let has_calls = steps.iter().filter(|step| matches!(step, Step::Call { .. })).count();
    let end = match is_anthropic {
        true => anthropic::end(has_calls, counts),
        false => openai::end(model, has_calls, counts),
    };
    for event in end {
        sender.send(Ok(event.into())).await.ok()?;
    }
    Some(())
}
