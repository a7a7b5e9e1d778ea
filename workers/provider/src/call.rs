//! HTTP to the vendors: one client per process, bounded in time and size, keys in turn. It follows
//! no redirect, reads no proxy from the environment, and never repeats a request that a vendor may
//! have begun to answer.

use crate::deployments::CoolDown;
use crate::keys::{InUse, KeyHeader, KeyRing};
use crate::problem;
use crate::translate::{Call, Protocol, Refusal, refusal};
use bytes::Bytes;
use futures::FutureExt;
use infra::trace;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url};
use schemas::error::Problem;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::timeout;

/// How long a connection may take, TLS included.
const CONNECT_SECONDS_MAX: u64 = 10;

/// How long a vendor may take until a stream's headers.
const FIRST_BYTE_SECONDS_MAX: u64 = 120;

/// How long a stream may be silent; reasoning models are, for minutes.
const STREAM_IDLE_SECONDS_MAX: u64 = 300;

/// How long a stream may be silent once its answer is complete and only the count is missing.
const STREAM_TAIL_SECONDS_MAX: u64 = 10;

/// How long one stream may take.
const STREAM_SECONDS_MAX: u64 = 3600;

/// How long a whole answer may take.
const WHOLE_SECONDS_MAX: u64 = 600;

/// The largest whole answer: what one message of the bus can carry.
const WHOLE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The largest answer with vectors: they are given on a few at a time.
const VECTORS_BYTES_MAX: usize = 128 * 1024 * 1024;

/// How much of an error's body is read.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// How long reading an error's body may take.
const ERROR_SECONDS_MAX: u64 = 10;

/// The longest pause that a vendor can ask for; what is longer is cut to it.
const RETRY_AFTER_MS_MAX: f64 = 3_600_000.0;

/// So many streams that are over are held until their connection is free.
const TAILS_MAX: usize = 64;

/// Idle connections kept for each vendor.
const IDLE_CONNECTIONS_MAX: usize = 1024;

/// Addresses that are remembered; further ones are read each time.
const ADDRESSES_MAX: usize = 4_096;

/// How long an idle connection is kept. Vendors' load balancers close theirs later.
const IDLE_CONNECTION_SECONDS: u64 = 50;

/// How often a silent connection is probed, so that a dead one is noticed.
const KEEPALIVE_SECONDS: u64 = 30;

/// The limits of all calls. The defaults are this file's constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may take, TLS included.
    pub connect: Duration,
    /// How long a vendor may take until a stream's headers.
    pub first_byte: Duration,
    /// How long a stream may be silent.
    pub stream_idle: Duration,
    /// How long it may be silent once its answer is complete and only the count is missing.
    pub stream_tail: Duration,
    /// How long one stream may take.
    pub stream: Duration,
    /// How long a whole answer may take.
    pub whole: Duration,
    /// The largest whole answer, in bytes.
    pub whole_bytes_max: usize,
    /// The largest answer with vectors, in bytes.
    pub vectors_bytes_max: usize,
    /// When one of a model's deployments is left alone.
    pub cool_down: CoolDown,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(CONNECT_SECONDS_MAX),
            first_byte: Duration::from_secs(FIRST_BYTE_SECONDS_MAX),
            stream_idle: Duration::from_secs(STREAM_IDLE_SECONDS_MAX),
            stream_tail: Duration::from_secs(STREAM_TAIL_SECONDS_MAX),
            stream: Duration::from_secs(STREAM_SECONDS_MAX),
            whole: Duration::from_secs(WHOLE_SECONDS_MAX),
            whole_bytes_max: WHOLE_BYTES_MAX,
            vectors_bytes_max: VECTORS_BYTES_MAX,
            cool_down: CoolDown::default(),
        }
    }
}

/// The process's client, and the addresses that it has called: they are few, and reading one takes
/// as long as writing a request.
pub(crate) struct Caller {
    client: Client,
    addresses: RwLock<HashMap<String, Url>>,
}

impl Caller {
    /// Builds it.
    ///
    /// # Errors
    /// When the system has no root certificates, or another of its parts can't be set up.
    pub(crate) fn new(limits: &Limits) -> reqwest::Result<Self> {
        Ok(Self { client: client(limits)?, addresses: RwLock::default() })
    }

    fn post(&self, address: &str) -> RequestBuilder {
        let known = self.addresses.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(url) = known.get(address).cloned() {
            return self.client.post(url);
        }
        drop(known);
        if let Ok(url) = Url::parse(address) {
            self.remember(address, &url);
        }
        // Of what can't be read the client says why.
        self.client.post(address)
    }

    fn remember(&self, address: &str, url: &Url) {
        let mut known = self.addresses.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < ADDRESSES_MAX {
            known.entry(address.to_owned()).or_insert_with(|| url.clone());
        }
    }
}

/// An answer that isn't packed.
const PLAIN: HeaderValue = HeaderValue::from_static("identity");

fn client(limits: &Limits) -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("fly-llm/", env!("CARGO_PKG_VERSION")))
        // Without it any coding is acceptable (RFC 9110 §12.5.3), and nobody here unpacks one.
        .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, PLAIN)]))
        // One connection for each call: over HTTP/2 all calls to a vendor would share one, wait for
        // its stream limit (about 100) without a word, and stall together.
        .http1_only()
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(KEEPALIVE_SECONDS))
        .connect_timeout(limits.connect)
        .pool_idle_timeout(Duration::from_secs(IDLE_CONNECTION_SECONDS))
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .redirect(Policy::none())
        .referer(false)
        .no_proxy()
        .build()
}

/// Sends a call with the next key, and with the keys after it while the vendor refuses one or holds
/// it to its limit. The answer is a 2xx with its body unread; its key is busy as long as whoever
/// reads it keeps what comes with it.
///
/// # Errors
/// The vendor's refusal, or that it couldn't be reached in time. When several keys were tried, a
/// limit counts before a refused key, because it says when to come back.
pub(crate) async fn open<'a>(
    caller: &Caller,
    protocol: &dyn Protocol,
    call: &Call,
    keys: &'a KeyRing,
    wait: Duration,
) -> Result<(Response, InUse<'a>), Problem> {
    let mut first: Option<Problem> = None;
    for key in keys.turn() {
        let call_with_key = key.begin();
        let response = send(caller, call, key.header(), wait).await?;
        let status = response.status();
        if status.is_success() {
            call_with_key.taken();
            return Ok((response, call_with_key));
        }
        let (problem, is_about_key) = refused(protocol, response).await;
        if !matches!(status.as_u16(), 401 | 429) && !is_about_key {
            return Err(problem);
        }
        call_with_key.refused(status.as_u16(), problem.retry_after_ms);
        first = Some(match first {
            Some(earlier) if earlier.code.status() >= problem.code.status() => earlier,
            _ => problem,
        });
    }
    Err(first.unwrap_or_else(problem::failed))
}

async fn send(
    caller: &Caller,
    call: &Call,
    key: Option<&KeyHeader>,
    wait: Duration,
) -> Result<Response, Problem> {
    let mut request = caller.post(&call.url).headers(call.headers.clone()).body(call.body.clone());
    if let Some((name, value)) = key {
        request = request.header(name, value);
    }
    if let Some(span) = trace::current() {
        request = request.header(trace::TRACEPARENT, span.header());
    }
    let response = timeout(wait, request.send()).await.map_err(|_| problem::timeout())?;
    response.map_err(|error| {
        let error = error.without_url();
        let cause = cause(&error);
        tracing::warn!(%error, %cause, "the upstream can't be reached");
        if error.is_timeout() { problem::timeout() } else { problem::unreachable() }
    })
}

/// The innermost reason of an error.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Reads what a vendor says about its refusal, as far as it says it soon; and whether it says that
/// the key is wrong, which not every vendor's status does.
async fn refused(protocol: &dyn Protocol, mut response: Response) -> (Problem, bool) {
    let status = response.status().as_u16();
    let retry_after_ms = retry_after_ms(response.headers());
    let mut body = Vec::new();
    let reading = read_up_to(&mut response, &mut body, ERROR_BYTES_MAX);
    let is_whole = timeout(Duration::from_secs(ERROR_SECONDS_MAX), reading).await;
    let is_whole = matches!(is_whole, Ok(Ok(true)));
    let complaint = protocol.error(&body);
    // Not its words: they may quote the prompt, or a part of the key.
    tracing::warn!(
        status, is_whole,
        code = %problem::short(&complaint.code), kind = %problem::short(&complaint.kind),
        "upstream refused"
    );
    let problem = refusal(protocol, &Refusal { status, retry_after_ms, body: &body });
    (problem, complaint.is_about_key())
}

/// Reads on until the end or the limit; whether the end came.
async fn read_up_to(
    response: &mut Response,
    body: &mut Vec<u8>,
    bytes_max: usize,
) -> reqwest::Result<bool> {
    while let Some(bytes) = response.chunk().await? {
        let room = bytes_max - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads a whole body.
///
/// # Errors
/// When it breaks off or is larger than allowed.
pub(crate) async fn whole_body(
    mut response: Response,
    bytes_max: usize,
) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    match read_up_to(&mut response, &mut body, bytes_max).await {
        Ok(true) => Ok(body),
        Ok(false) => {
            tracing::warn!(bytes_max, "the upstream's answer is too large");
            Err(problem::nonsense())
        }
        Err(error) => {
            tracing::warn!(error = %error.without_url(), "the upstream's answer broke off");
            Err(problem::failed())
        }
    }
}

/// Streams whose answer is over but whose HTTP body may not be: its last few bytes often come a
/// moment after the vendor's last word. Held here, the connection reads them by itself and serves
/// the next call; dropped at once, it would be closed. Nobody waits.
#[derive(Debug, Default)]
pub(crate) struct Tails(Mutex<VecDeque<Response>>);

impl Tails {
    /// Holds a response until enough others have come after it.
    pub(crate) fn hold(&self, response: Response) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.truncate(TAILS_MAX - 1);
        held.push_front(response);
    }
}

/// What a read of a stream brought.
pub(crate) enum Read {
    /// More of it.
    Bytes(Bytes),
    /// Its end, or its break: which of the two, the stream itself has said or not.
    End,
}

/// The next read of a stream.
///
/// # Errors
/// When nothing comes for too long.
pub(crate) async fn next_read(response: &mut Response, idle: Duration) -> Result<Read, Problem> {
    match timeout(idle, response.chunk()).await {
        Ok(chunk) => Ok(read_of(chunk)),
        Err(_) => {
            tracing::warn!("the upstream's stream has been silent for too long");
            Err(problem::timeout())
        }
    }
}

/// A read that lies ready; `None` when there is none yet. The connection hands over one chunk at a
/// time, however many it has received: it is let run once, but the network is never waited for.
pub(crate) async fn ready_read(response: &mut Response) -> Option<Read> {
    if let Some(chunk) = response.chunk().now_or_never() {
        return Some(read_of(chunk));
    }
    tokio::task::yield_now().await;
    response.chunk().now_or_never().map(read_of)
}

fn read_of(chunk: reqwest::Result<Option<Bytes>>) -> Read {
    match chunk {
        Ok(Some(bytes)) => Read::Bytes(bytes),
        Ok(None) => Read::End,
        Err(error) => {
            tracing::warn!(error = %error.without_url(), "the upstream's stream broke off");
            Read::End
        }
    }
}

/// `retry-after-ms`, or `retry-after` in seconds; dates aren't read, no vendor sends them.
fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let milliseconds = number("retry-after-ms")
        .or_else(|| number("retry-after").map(|seconds| seconds * 1000.0))
        .filter(|milliseconds| milliseconds.is_finite() && *milliseconds >= 0.0)?;
    // In range by the cut: no sign, no fraction, no overflow.
    Some(milliseconds.min(RETRY_AFTER_MS_MAX).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn pauses_are_read_in_both_forms() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            retry_after_ms(&headers)
        };
        assert_eq!(read(&[("retry-after", "7")]), Some(7000));
        assert_eq!(read(&[("retry-after", "0.5")]), Some(500));
        assert_eq!(read(&[("retry-after", "7"), ("retry-after-ms", "1250.2")]), Some(1251));
        assert_eq!(read(&[("retry-after", "1e300")]), Some(3_600_000));
        for bad in ["-1", "NaN", "inf", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(read(&[("retry-after", bad)]), None, "{bad}");
        }
        assert_eq!(read(&[]), None);
    }
}
