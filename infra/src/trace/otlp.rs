//! Spans in OTLP's protobuf: `ExportTraceServiceRequest` with one resource and one scope.
//! Written by hand, because six small messages need no code generator; a recorded request of
//! the official library is held against it.

use super::{Kind, Record, Value};

/// Bytes of one message.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            // The lowest seven bits, and a mark that more follows.
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn key(&mut self, field: u64, kind: u64) {
        self.varint((field << 3) | kind);
    }

    fn number(&mut self, field: u64, number: u64) {
        self.key(field, 0);
        self.varint(number);
    }

    fn fixed64(&mut self, field: u64, number: u64) {
        self.key(field, 1);
        self.0.extend(number.to_le_bytes());
    }

    fn fixed32(&mut self, field: u64, number: u32) {
        self.key(field, 5);
        self.0.extend(number.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn attribute(&mut self, field: u64, key: &str, value: &Value) {
        self.message(field, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, |any| match value {
                Value::Text(text) => any.bytes(1, text.as_bytes()),
                Value::Flag(flag) => any.number(2, u64::from(*flag)),
                // Two's complement, as protobuf has negative numbers.
                Value::Number(number) => any.number(3, *number as u64),
            });
        });
    }

    fn span(&mut self, record: &Record) {
        self.bytes(1, &record.context.trace());
        self.bytes(2, &record.context.span());
        if let Some(parent) = record.parent {
            self.bytes(4, &parent);
        }
        self.bytes(5, record.name.as_bytes());
        self.number(6, kind(record.kind));
        self.fixed64(7, record.began_ns);
        self.fixed64(8, record.ended_ns);
        for (key, value) in &record.attributes {
            self.attribute(9, key, value);
        }
        if record.failed {
            self.message(15, |status| status.number(3, ERROR));
        }
        self.fixed32(16, SAMPLED);
    }
}

/// `STATUS_CODE_ERROR`.
const ERROR: u64 = 2;

/// The flag of a kept trace.
const SAMPLED: u32 = 1;

fn kind(kind: Kind) -> u64 {
    match kind {
        Kind::Server => 2,
        Kind::Client => 3,
        Kind::Producer => 4,
        Kind::Consumer => 5,
    }
}

/// What is posted.
pub(super) fn request(resource: &[(&'static str, Value)], records: &[Record]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |spans| {
        spans.message(1, |told| {
            for (key, value) in resource {
                told.attribute(1, key, value);
            }
        });
        spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| scope.bytes(1, b"fly-llm"));
            for record in records {
                scope_spans.message(2, |span| span.span(record));
            }
        });
    });
    request.0
}

#[cfg(test)]
mod tests {
    use super::super::Context;
    use super::*;

    /// Made by the Python package `opentelemetry-proto` from the same values.
    const RECORDED: &[u8] = include_bytes!("fixtures/request.bin");

    #[test]
    fn the_official_library_writes_the_same_bytes() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let child = "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01";
        let (parent, child) = (Context::read(parent).unwrap(), Context::read(child).unwrap());
        let top = Record {
            context: parent,
            parent: None,
            name: "POST /v1/chat/completions".into(),
            kind: Kind::Server,
            began_ns: 1_700_000_000_123_456_789,
            ended_ns: 1_700_000_001_000_000_000,
            attributes: vec![
                ("http.route", "/v1/chat/completions".into()),
                ("http.response.status_code", 200_u64.into()),
                ("fly_llm.stream", true.into()),
            ],
            failed: false,
        };
        let below = Record {
            context: child,
            parent: Some(parent.span()),
            name: "chat gpt-4o-mini".into(),
            kind: Kind::Client,
            attributes: vec![
                ("gen_ai.usage.input_tokens", 300_u64.into()),
                ("a.negative.number", Value::Number(-5)),
                ("error.type", "upstream_error".into()),
            ],
            failed: true,
            ..top.clone()
        };
        let resource =
            [("service.name", "fly-llm-gateway".into()), ("service.version", "0.1.0".into())];
        assert_eq!(request(&resource, &[top, below]), RECORDED);
    }
}
