//! A double of a vendor in OpenAI's protocol, in a process of its own: with the load's they could
//! not hold 10,000 connections. Each token is a write of its own, as vendors flush, and carries its
//! number and the time at which it was sent, so that whoever reads it knows how long it was on its
//! way.

use crate::cell::Answer;
use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What it says that a question was long.
pub(crate) const INPUT_TOKENS: u64 = 250;

/// Connections that may wait until they are accepted.
const CONNECTIONS_WAITING_MAX: i32 = 4_096;

/// What makes this program the double.
pub(crate) const FLAG: &str = "--vendor";

type Body = UnsyncBoxBody<Bytes, Infallible>;

#[derive(Deserialize)]
struct Question<'a> {
    model: &'a str,
    #[serde(default)]
    stream: bool,
}

/// The double as a process; it ends with this value.
pub(crate) struct Vendor {
    process: Child,
    /// Where it is.
    pub(crate) address: SocketAddr,
}

impl Vendor {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command.arg(FLAG).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut address = String::new();
        let told = process.stdout.take().unwrap();
        BufReader::new(told).read_line(&mut address).unwrap();
        Self { process, address: address.trim().parse().unwrap() }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is the double, until whoever started it is gone: then its standard input ends.
pub(crate) fn be() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // The standard library's 128 overflow when all of a load's connections come at once, and who
    // was not heard asks again after a second.
    socket2::SockRef::from(&listener).listen(CONNECTIONS_WAITING_MAX).unwrap();
    listener.set_nonblocking(true).unwrap();
    println!("{}", listener.local_addr().unwrap());
    let thread = std::thread::Builder::new().name("vendor".to_owned());
    let serving = thread.spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(async { serve(TcpListener::from_std(listener).unwrap()).await });
    });
    // It serves until the program ends.
    drop(serving.unwrap());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

/// Nanoseconds of the clock that all processes of a machine share.
fn now_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        connections.spawn(async move {
            let http = hyper::server::conn::http1::Builder::new();
            let service = service_fn(answer);
            // A client that has left is no fault.
            let _ = http.serve_connection(TokioIo::new(socket), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let Ok(question) = serde_json::from_slice::<Question<'_>>(&body) else {
        let refusal = r#"{"error":{"message":"not a question","type":"invalid_request_error"}}"#;
        let response = Response::builder().status(400).body(whole(refusal.to_owned())).unwrap();
        return Ok(response);
    };
    let streams = [Answer::Paced, Answer::Slow];
    let named = streams.into_iter().find(|answer| answer.model() == question.model);
    let (kind, body) = if question.stream {
        ("text/event-stream", streamed(named.unwrap_or(Answer::Stream)))
    } else {
        ("application/json", whole(plain()))
    };
    Ok(Response::builder().header("content-type", kind).body(body).unwrap())
}

fn whole(text: String) -> Body {
    Full::new(Bytes::from(text)).boxed_unsync()
}

fn usage(answer: Answer) -> String {
    let tokens = answer.tokens();
    let total = INPUT_TOKENS + tokens;
    format!(
        r#"{{"prompt_tokens":{INPUT_TOKENS},"completion_tokens":{tokens},"total_tokens":{total}}}"#
    )
}

/// The text of a token: its number and when it was sent, in nanoseconds.
fn token(number: u64) -> String {
    format!("w{number}@{} ", now_nanos())
}

/// How long a token was on its way; `None` when it isn't this token.
pub(crate) fn on_its_way(text: &str, number: u64) -> Option<Duration> {
    let (name, at) = text.strip_suffix(' ')?.split_once('@')?;
    let sent: u64 = at.parse().ok()?;
    let is_it = name.strip_prefix('w')?.parse() == Ok(number);
    is_it.then(|| Duration::from_nanos(now_nanos().saturating_sub(sent)))
}

fn plain() -> String {
    let text: String = (0..Answer::Plain.tokens()).map(token).collect();
    let usage = usage(Answer::Plain);
    format!(
        "{{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"bench\",\
         \"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\
         \"finish_reason\":\"stop\"}}],\"usage\":{usage}}}"
    )
}

fn event(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\
         \"model\":\"bench\",\"choices\":[{{\"index\":0,\"delta\":{delta},\
         \"finish_reason\":{finish}}}]}}\n\n"
    )
}

/// The last three events: the reason, the usage, and the end.
fn ending(answer: Answer) -> String {
    let usage = usage(answer);
    let finish = event("{}", "\"stop\"");
    format!(
        "{finish}data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\
         \"model\":\"bench\",\"choices\":[],\"usage\":{usage}}}\n\ndata: [DONE]\n\n"
    )
}

fn streamed(answer: Answer) -> Body {
    let (tokens, pace) = (answer.tokens(), answer.pace());
    let pieces = stream::unfold(0, move |step| async move {
        let text = match step {
            0 => event(r#"{"role":"assistant","content":""}"#, "null"),
            step if step <= tokens => {
                match pace {
                    Some(pace) => tokio::time::sleep(pace).await,
                    // What was written goes out before the next is made.
                    None => tokio::task::yield_now().await,
                }
                let text = token(step - 1);
                event(&format!("{{\"content\":\"{text}\"}}"), "null")
            }
            step if step == tokens + 1 => ending(answer),
            _ => return None,
        };
        Some((Ok(Frame::data(Bytes::from(text))), step + 1))
    });
    StreamBody::new(pieces).boxed_unsync()
}
