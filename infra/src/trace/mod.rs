//! Traces for OpenTelemetry: one for each request, from the gateway through the queue and a
//! worker to the vendor. Off unless OTEL_EXPORTER_OTLP_ENDPOINT is set. A span tells names of
//! the catalogue, counts and times, and never a word of a prompt or an answer, a key or an
//! account.

/// Where a span stands, as W3C writes it.
mod context;

/// Spans as OTLP writes them.
mod otlp;

/// Spans on their way out.
mod export;

pub use context::Context;
pub use export::{TraceError, finish, start};

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The header that carries a [`Context`], in HTTP and in NATS.
pub const TRACEPARENT: &str = "traceparent";

/// What part a span has in a conversation between processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It answers a caller.
    Server,
    /// It calls somebody and waits.
    Client,
    /// It leaves something for somebody.
    Producer,
    /// It takes what was left.
    Consumer,
}

/// What is told of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A name of a closed set, or one that we made.
    Text(String),
    /// A count.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    context: Context,
    parent: Option<[u8; 8]>,
    name: String,
    kind: Kind,
    began_ns: u64,
    ended_ns: u64,
    attributes: Vec<(&'static str, Value)>,
    failed: bool,
}

/// A span under way. Dropping it ends it. It is nothing at all when tracing is off.
#[derive(Debug, Default)]
pub struct Span(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    record: Record,
    began: Instant,
}

impl Span {
    /// Begins one, below another or at the top. Whether a trace is kept is decided at its top.
    pub fn begin(name: impl Into<String>, kind: Kind, parent: Option<Context>) -> Self {
        let Some(is_kept) = export::sampler() else { return Self::default() };
        let context = match parent {
            Some(parent) => parent.child(),
            None => Context::fresh(is_kept),
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let record = Record {
            context,
            parent: parent.map(|parent| parent.span()),
            name: name.into(),
            kind,
            began_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            ended_ns: 0,
            attributes: Vec::new(),
            failed: false,
        };
        Self(Some(Box::new(Open { record, began: Instant::now() })))
    }

    /// Tells something of it.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(open) = &mut self.0 {
            open.record.attributes.push((key, value.into()));
        }
    }

    /// It went wrong: a code of a closed set.
    pub fn fail(&mut self, code: &str) {
        self.set("error.type", code);
        if let Some(open) = &mut self.0 {
            open.record.failed = true;
        }
    }

    /// Where it stands, for what is below it.
    pub fn context(&self) -> Option<Context> {
        self.0.as_ref().map(|open| open.record.context)
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let Open { mut record, began } = *open;
        let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        record.ended_ns = record.began_ns.saturating_add(took);
        if record.context.is_sampled() {
            export::send(record);
        }
    }
}

tokio::task_local! {
    static CURRENT: Option<Context>;
}

/// Runs a future in which [`current`] is this.
pub fn within<F: Future>(
    context: Option<Context>,
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    CURRENT.scope(context, future)
}

/// The span in which this task runs, if it runs in one.
pub fn current() -> Option<Context> {
    CURRENT.try_with(|context| *context).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_an_endpoint_a_span_is_nothing() {
        let mut span = Span::begin("a", Kind::Server, None);
        span.set("key", "value");
        assert_eq!(span.context(), None);
        let parent = Context::fresh(|_| true);
        assert_eq!(within(Some(parent), async { current() }).await, Some(parent));
        assert_eq!(current(), None);
    }
}
