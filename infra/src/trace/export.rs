//! Spans on their way out: gathered for a second, posted together. Nobody waits for it: when the
//! collector is away or slow, spans are thrown away and counted.

use super::{Record, Value, otlp};
use crate::environment::{
    Environment, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME,
    OTEL_TRACES_SAMPLER_ARG,
};
use crate::net;
use crate::tasks::Tasks;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Spans that may wait for their post.
const SPANS_WAITING_MAX: usize = 8_192;

/// Spans of one post.
const SPANS_POSTED_MAX: usize = 512;

/// How long spans are gathered.
const GATHER_INTERVAL: Duration = Duration::from_secs(1);

/// How long a post may take.
const POST_SECONDS_MAX: Duration = Duration::from_secs(10);

/// How long the last post may take when the process ends.
const END_SECONDS_MAX: Duration = Duration::from_secs(2);

/// Where collectors take traces, below their address.
const TRACES_PATH: &str = "v1/traces";

/// The process's one way out. Like the log it is the process's, not a role's.
static EXPORTER: OnceLock<Exporter> = OnceLock::new();

/// Why tracing can't be started.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// A variable isn't what it should be.
    #[error("environment variable {0}: {1}")]
    Variable(&'static str, &'static str),
    /// No HTTP.
    #[error("traces can't be sent: {0}")]
    Client(#[from] reqwest::Error),
}

#[derive(Debug)]
struct Exporter {
    words: mpsc::Sender<Word>,
    lost: AtomicU64,
    /// Traces are kept whose name ends below this, of 2⁶⁴; `None` keeps all.
    kept_below: Option<u64>,
}

/// What is said to the task that posts.
#[derive(Debug)]
enum Word {
    Ended(Box<Record>),
    Flush(oneshot::Sender<()>),
}

/// Starts tracing if the environment names a collector. `role` is told with each span.
///
/// # Errors
/// When a variable isn't what it should be.
pub fn start(environment: &Environment, role: &str) -> Result<(), TraceError> {
    let Some(endpoint) = environment.get(OTEL_EXPORTER_OTLP_ENDPOINT) else { return Ok(()) };
    if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
        let hint = "write the collector's address, such as http://HOST:4318";
        return Err(TraceError::Variable(OTEL_EXPORTER_OTLP_ENDPOINT, hint));
    }
    let url = format!("{}/{TRACES_PATH}", endpoint.trim_end_matches('/'));
    let kept_below = kept_below(environment.get(OTEL_TRACES_SAMPLER_ARG))?;
    let headers = headers(environment.get(OTEL_EXPORTER_OTLP_HEADERS).unwrap_or_default())?;
    let name = environment.get(OTEL_SERVICE_NAME).map_or(format!("fly-llm-{role}"), str::to_owned);
    let resource = vec![
        ("service.name", Value::Text(name)),
        ("service.version", env!("CARGO_PKG_VERSION").into()),
        ("service.instance.id", Value::Text(uuid::Uuid::now_v7().to_string())),
    ];
    let client = net::http_client(POST_SECONDS_MAX)?;
    let (words, waiting) = mpsc::channel(SPANS_WAITING_MAX);
    let exporter = Exporter { words, lost: AtomicU64::new(0), kept_below };
    if EXPORTER.set(exporter).is_ok() {
        let post = Post { client, url, headers, resource };
        Tasks::new().spawn("traces", post.run(waiting));
        tracing::info!("traces are sent");
    }
    Ok(())
}

/// Posts what is left, for the end of the process.
pub async fn finish() {
    let Some(exporter) = EXPORTER.get() else { return };
    let (done, is_done) = oneshot::channel();
    let flushed = async {
        if exporter.words.send(Word::Flush(done)).await.is_ok() {
            // Nothing is lost but spans.
            let _ = is_done.await;
        }
    };
    if tokio::time::timeout(END_SECONDS_MAX, flushed).await.is_err() {
        tracing::warn!("the last traces couldn't be sent in time");
    }
}

/// What decides whether a new trace is kept; `None` when tracing is off.
pub(super) fn sampler() -> Option<impl Fn(u64) -> bool> {
    let exporter = EXPORTER.get()?;
    Some(move |end| exporter.kept_below.is_none_or(|below| end < below))
}

/// Hands a span over, if there is room.
pub(super) fn send(record: Record) {
    let Some(exporter) = EXPORTER.get() else { return };
    if exporter.words.try_send(Word::Ended(Box::new(record))).is_err() {
        exporter.lost.fetch_add(1, Ordering::Relaxed);
    }
}

fn kept_below(told: Option<&str>) -> Result<Option<u64>, TraceError> {
    let Some(told) = told else { return Ok(None) };
    let share = told.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    let hint = "write the share of traces to keep, from 0 to 1, such as 0.1";
    let share = share.ok_or(TraceError::Variable(OTEL_TRACES_SAMPLER_ARG, hint))?;
    // In range by the check above.
    Ok((share < 1.0).then_some((share * u64::MAX as f64) as u64))
}

/// `name=value,name=value`, as for every OTLP exporter.
fn headers(told: &str) -> Result<HeaderMap, TraceError> {
    let hint = "write name=value, several with commas between";
    let wrong = || TraceError::Variable(OTEL_EXPORTER_OTLP_HEADERS, hint);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    for pair in told.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
        let mut value: HeaderValue = value.trim().parse().map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The task that posts.
struct Post {
    client: Client,
    url: String,
    headers: HeaderMap,
    resource: Vec<(&'static str, Value)>,
}

impl Post {
    async fn run(self, mut words: mpsc::Receiver<Word>) {
        let mut gathered = Vec::new();
        let mut ticks = tokio::time::interval(GATHER_INTERVAL);
        loop {
            tokio::select! {
                word = words.recv() => match word {
                    Some(Word::Ended(record)) => {
                        gathered.push(*record);
                        if gathered.len() >= SPANS_POSTED_MAX {
                            self.post(&mut gathered).await;
                        }
                    }
                    Some(Word::Flush(done)) => {
                        self.post(&mut gathered).await;
                        // Who asked may have stopped waiting.
                        let _ = done.send(());
                    }
                    None => return self.post(&mut gathered).await,
                },
                _ = ticks.tick() => self.post(&mut gathered).await,
            }
        }
    }

    async fn post(&self, gathered: &mut Vec<Record>) {
        if let Some(lost) = EXPORTER.get().map(|exporter| exporter.lost.swap(0, Ordering::Relaxed))
            && lost > 0
        {
            tracing::warn!(lost, "spans came faster than they could be sent");
        }
        if gathered.is_empty() {
            return;
        }
        let body = otlp::request(&self.resource, gathered);
        let spans = gathered.len();
        gathered.clear();
        let posted = self.client.post(&self.url).headers(self.headers.clone()).body(body).send();
        match posted.await.and_then(reqwest::Response::error_for_status) {
            Ok(_) => {}
            Err(error) => {
                let error = error.without_url();
                tracing::warn!(%error, spans, "traces couldn't be sent; they are gone");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_or_refused_by_name() {
        assert_eq!(kept_below(None).unwrap(), None);
        assert_eq!(kept_below(Some("1")).unwrap(), None);
        assert_eq!(kept_below(Some("0")).unwrap(), Some(0));
        let half = kept_below(Some("0.5")).unwrap().unwrap();
        assert_eq!(half >> 62, 2, "the middle of all names");
        for wrong in ["-1", "2", "often", "NaN"] {
            assert!(kept_below(Some(wrong)).is_err(), "{wrong}");
        }
        let read = headers("authorization=Bearer x, x-team=a").unwrap();
        assert_eq!(
            (&read["authorization"], &read["x-team"]),
            (&"Bearer x".parse().unwrap(), &"a".parse().unwrap())
        );
        assert!(!format!("{read:?}").contains("Bearer"), "{read:?}");
        assert!(headers("nonsense").is_err() && headers("a b=c").is_err());
        let wrong = Environment::of([(OTEL_EXPORTER_OTLP_ENDPOINT, "collector:4318")]);
        let said = start(&wrong, "gateway").unwrap_err().to_string();
        assert!(said.contains(OTEL_EXPORTER_OTLP_ENDPOINT), "{said}");
        start(&Environment::default(), "gateway").unwrap();
    }
}
