//! A stream's events as a client sees them: comments, data, `[DONE]`, and a connection that broke.
//! The bytes are kept as they came, so that a test can look at them as well.

use super::error_code;
use crate::wait::within;
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A comment, which no client reads.
    Comment(String),
    /// JSON.
    Data(Value),
    /// `[DONE]`.
    Done,
    /// The connection broke before the body's end.
    Broken,
}

impl Event {
    /// The text that it adds to the first choice, if it adds any.
    pub fn content(&self) -> Option<&str> {
        match self {
            Self::Data(data) => data["choices"][0]["delta"]["content"].as_str(),
            _ => None,
        }
    }
}

/// A stream that is being read. Dropping it hangs up.
#[derive(Debug)]
pub struct EventStream {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    response: Response,
    bytes: Vec<u8>,
    read: usize,
    events: Vec<Event>,
}

impl EventStream {
    pub(super) async fn open(request: RequestBuilder) -> Self {
        super::learn(&request);
        let response = within("a stream's headers", request.send()).await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, response, bytes: Vec::new(), read: 0, events: Vec::new() }
    }

    /// A header's value; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The next event; `None` after the body's end.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.parsed() {
                self.events.push(event.clone());
                return Some(event);
            }
            match within("more of a stream", self.response.chunk()).await {
                Ok(Some(bytes)) => self.bytes.extend_from_slice(&bytes),
                Ok(None) => {
                    let rest = String::from_utf8_lossy(&self.bytes[self.read..]);
                    assert_eq!(rest, "", "the stream ended within an event");
                    return None;
                }
                Err(_) => {
                    self.events.push(Event::Broken);
                    return Some(Event::Broken);
                }
            }
        }
    }

    fn parsed(&mut self) -> Option<Event> {
        let rest = &self.bytes[self.read..];
        let end = rest.windows(2).position(|pair| pair == b"\n\n")?;
        let event = std::str::from_utf8(&rest[..end]).expect("an event is UTF-8").to_owned();
        self.read += end + 2;
        if let Some(comment) = event.strip_prefix(':') {
            return Some(Event::Comment(comment.trim().to_owned()));
        }
        // Some surfaces name each event on a line of its own; its data has the name as well.
        let named = event.strip_prefix("event: ").and_then(|named| named.split_once('\n'));
        let data = named.map_or(event.as_str(), |(_, data)| data).strip_prefix("data: ");
        let data = data.unwrap_or_else(|| panic!("neither a comment nor data: {event}"));
        if data == "[DONE]" {
            return Some(Event::Done);
        }
        Some(Event::Data(serde_json::from_str(data).expect("data is JSON")))
    }

    /// Reads until an event with text, and gives the text.
    ///
    /// # Panics
    /// When the stream ends before.
    pub async fn next_text(&mut self) -> String {
        loop {
            let event = self.next().await.expect("more text before the end");
            assert_ne!(event, Event::Broken, "more text before the end");
            if let Some(text) = event.content().filter(|text| !text.is_empty()) {
                return text.to_owned();
            }
        }
    }

    /// Reads to the end.
    pub async fn rest(&mut self) {
        while let Some(event) = self.next().await {
            if event == Event::Broken {
                break;
            }
        }
    }

    /// All events read so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// All JSON events read so far.
    pub fn data(&self) -> impl Iterator<Item = &Value> {
        self.events.iter().filter_map(|event| match event {
            Event::Data(data) => Some(data),
            _ => None,
        })
    }

    /// The text of the first choice read so far.
    pub fn text(&self) -> String {
        self.events.iter().filter_map(Event::content).collect()
    }

    /// Whether `[DONE]` was read, as the last event.
    pub fn is_done(&self) -> bool {
        let dones = self.events.iter().filter(|event| **event == Event::Done).count();
        assert!(dones <= 1, "[DONE] came {dones} times");
        let last = self.events.last() == Some(&Event::Done);
        assert_eq!(last, dones == 1, "[DONE] is last: {:?}", self.events);
        last
    }

    /// The code of the `error` event that ended the stream, if one did.
    pub fn error_code(&self) -> Option<String> {
        let errors: Vec<&Value> = self.data().filter(|data| data.get("error").is_some()).collect();
        assert!(errors.len() <= 1, "one error ends a stream: {errors:?}");
        errors.first().map(|error| error_code(error))
    }

    /// The body of an answer that turned out to be no stream.
    pub async fn body(mut self) -> Value {
        while let Ok(Some(bytes)) = within("a whole body", self.response.chunk()).await {
            self.bytes.extend_from_slice(&bytes);
        }
        serde_json::from_slice(&self.bytes).expect("a JSON body")
    }

    /// The bytes as they came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
