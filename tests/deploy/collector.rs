//! An OpenTelemetry collector, as far as a test needs one: it keeps every span that is posted,
//! read by a reader of protobuf that shares nothing with what writes it.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

/// A span as it came.
#[derive(Debug, Clone)]
pub(crate) struct SpanSeen {
    pub(crate) service: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Default)]
struct Kept {
    bodies: Mutex<Vec<Bytes>>,
}

/// The collector; it ends with the test.
pub(crate) struct Collector {
    port: u16,
    kept: Arc<Kept>,
    _server: JoinSet<()>,
}

impl Collector {
    /// Starts one.
    pub(crate) async fn start(listens: &str) -> Self {
        let listener = tokio::net::TcpListener::bind((listens, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::new(Kept::default());
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&kept));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, kept, _server: server }
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether a text stands anywhere in what came.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let is_in = |body: &Bytes| body.windows(text.len()).any(|part| part == text.as_bytes());
        self.kept.bodies.lock().unwrap().iter().any(is_in)
    }

    /// The spans of a trace.
    pub(crate) fn spans(&self, trace: &str) -> Vec<SpanSeen> {
        let bodies = self.kept.bodies.lock().unwrap();
        let all = bodies.iter().flat_map(|body| read(body));
        all.filter(|span| span.trace == trace).collect()
    }
}

async fn take(State(kept): State<Arc<Kept>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    kept.bodies.lock().unwrap().push(body);
    StatusCode::OK
}

/// One field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (first, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        shift += 7;
        if first & 0x80 == 0 {
            return number;
        }
    }
}

fn taken<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(u64::from_le_bytes(taken(&mut bytes, 8).try_into().unwrap())),
            5 => Field::Number(u32::from_le_bytes(taken(&mut bytes, 4).try_into().unwrap()).into()),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                Field::Bytes(taken(&mut bytes, length))
            }
            other => panic!("protobuf has no kind {other}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

/// The messages under a number.
fn messages(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let message = |(field, value)| match value {
        Field::Bytes(bytes) if field == number => Some(bytes),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(message).collect()
}

fn text(bytes: &[u8], number: u64) -> String {
    let found = messages(bytes, number);
    found.first().map(|text| String::from_utf8(text.to_vec()).unwrap()).unwrap_or_default()
}

fn hex(bytes: &[u8], number: u64) -> String {
    let found = messages(bytes, number);
    found.first().unwrap_or(&&[][..]).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(bytes: &[u8], number: u64) -> BTreeMap<String, String> {
    let pair = |pair: &[u8]| {
        let any = messages(pair, 2)[0];
        let value = match fields(any).remove(0) {
            (_, Field::Bytes(text)) => String::from_utf8(text.to_vec()).unwrap(),
            (_, Field::Number(number)) => number.to_string(),
        };
        (text(pair, 1), value)
    };
    messages(bytes, number).into_iter().map(pair).collect()
}

fn read(body: &[u8]) -> Vec<SpanSeen> {
    let mut seen = Vec::new();
    for resource_spans in messages(body, 1) {
        let resource = attributes(messages(resource_spans, 1)[0], 1);
        for scope_spans in messages(resource_spans, 2) {
            for span in messages(scope_spans, 2) {
                seen.push(SpanSeen {
                    service: resource["service.name"].clone(),
                    trace: hex(span, 1),
                    id: hex(span, 2),
                    parent: hex(span, 4),
                    name: text(span, 5),
                    attributes: attributes(span, 9),
                });
            }
        }
    }
    seen
}
