//! What the vendor does with a request, in no vendor's protocol: pieces of an answer and what gets
//! in their way.

use serde_json::Value;
use tokio::sync::watch;

/// A door in a script that the test opens. It stays open.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Gate {
    /// A closed one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everybody through, for good.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn pass(&self) {
        let mut open = self.0.subscribe();
        // It can't be closed while we hold it.
        let _ = open.wait_for(|open| *open).await;
    }
}

/// One step of an answer.
#[derive(Debug, Clone)]
pub enum Step {
    /// More text.
    Text(String),
    /// A tool call whose arguments come in these pieces.
    Call {
        /// The function.
        name: String,
        /// Its arguments, in pieces.
        arguments: Vec<String>,
    },
    /// Bytes as they are, for streams only.
    Raw(String),
    /// Waits until the test opens a gate.
    Wait(Gate),
    /// Says nothing more, and keeps the connection.
    Stall,
    /// Breaks the connection without the answer's end. What was said just before may be lost with
    /// it: let the client read it first, with a gate.
    Cut,
    /// Ends the body in good order, but without the answer's end.
    EndEarly,
    /// The answer is as long as it may be. For whole answers only.
    Full,
}

/// What the vendor counts.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Input tokens, the cached ones included.
    pub input: u64,
    /// Input tokens read from a cache.
    pub cached: Option<u64>,
    /// Output tokens, reasoning included.
    pub output: u64,
}

/// What the vendor does with one request.
#[derive(Debug, Clone)]
pub enum Script {
    /// Answers in steps.
    Steps {
        /// The steps.
        steps: Vec<Step>,
        /// What is counted at the end, if anything.
        counts: Option<Counts>,
    },
    /// Repeats the last message's text in pieces of so many characters.
    Echo {
        /// Characters of a piece.
        characters: usize,
    },
    /// Answers with a status and a body.
    Status {
        /// The status.
        status: u16,
        /// The headers.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// Waits until the test opens a gate, then goes on.
    After(Gate, Box<Script>),
    /// Says nothing at all.
    Silence,
}

impl Script {
    /// An answer in these pieces; 10 tokens in and 5 out are counted.
    pub fn says<const N: usize>(pieces: [&str; N]) -> Self {
        Self::steps(pieces.map(|piece| Step::Text(piece.to_owned())))
    }

    /// An answer in these steps; 10 tokens in and 5 out are counted.
    pub fn steps(steps: impl IntoIterator<Item = Step>) -> Self {
        let counts = Some(Counts { input: 10, cached: None, output: 5 });
        let steps: Vec<Step> = steps.into_iter().collect();
        let text = |step: &Step| match step {
            Step::Text(text) => Some(text.clone()),
            _ => None,
        };
        crate::ears::learn(&steps.iter().filter_map(text).collect::<String>());
        Self::Steps { steps, counts }
    }

    /// The same, with other counts.
    #[must_use]
    pub fn counting(self, input: u64, output: u64) -> Self {
        self.with_counts(Some(Counts { input, cached: None, output }))
    }

    /// The same, with these counts or none.
    #[must_use]
    pub fn with_counts(mut self, wanted: Option<Counts>) -> Self {
        if let Self::Steps { counts, .. } = &mut self {
            *counts = wanted;
        }
        self
    }

    /// An error with OpenAI's (and nearly Anthropic's) error object.
    pub fn refuses(status: u16, message: &str) -> Self {
        let body = serde_json::json!({"type": "error", "error": {
            "message": message, "type": "some_error", "param": null, "code": "some_code",
        }});
        Self::Status { status, headers: vec![json_type()], body: body.to_string() }
    }

    /// The same with `retry-after`.
    #[must_use]
    pub fn retry_after(mut self, seconds: &str) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push(("retry-after", seconds.to_owned()));
        }
        self
    }

    /// A page instead of an answer.
    pub fn page(status: u16) -> Self {
        let headers = vec![("content-type", "text/html; charset=utf-8".to_owned())];
        let body = "<html><body>cdn-secret-page</body></html>".to_owned();
        Self::Status { status, headers, body }
    }

    /// JSON with status 200 that is no answer.
    pub fn json(body: &Value) -> Self {
        Self::Status { status: 200, headers: vec![json_type()], body: body.to_string() }
    }

    /// The same once the test opens a gate.
    #[must_use]
    pub fn after(self, gate: &Gate) -> Self {
        Self::After(gate.clone(), Box::new(self))
    }
}

fn json_type() -> (&'static str, String) {
    ("content-type", "application/json".to_owned())
}
