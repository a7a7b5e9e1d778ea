//! From an open response to the sink: a whole answer at once, or pieces as they arrive. It never
//! waits to gather pieces, never gives out an answer's end that the vendor didn't announce, and
//! keeps what the vendor counted even when the answer breaks.

use crate::call::{Limits, Read, Tails, next_read, ready_read, whole_body};
use crate::problem;
use crate::sink::{Ended, Sink};
use crate::sse::Parser;
use crate::translate::{Protocol, Reading, StreamReader};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use schemas::error::Problem;
use schemas::openai::ChunkChoice;
use serde_json::Value;
use tokio::time::timeout;

/// At most so many bytes of an upstream are gathered for one message.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// Text that an answer may have for each token of its limit: several times what the longest words
/// of any tokenizer come to in a text.
const TEXT_BYTES_PER_TOKEN_MAX: u64 = 32;

/// Text that every answer may have.
const TEXT_BYTES_MIN: u64 = 64 * 1024;

/// Reads a whole answer and gives it to the sink.
pub(crate) async fn whole(
    response: Response,
    protocol: &dyn Protocol,
    limits: &Limits,
    sink: &mut impl Sink,
) -> Ended {
    let body = match whole_body(response, limits.whole_bytes_max).await {
        Ok(body) => body,
        Err(problem) => return Ended::failed(problem),
    };
    match protocol.answer(&body) {
        Ok(answer) => {
            let given = sink.whole(answer.choices).await;
            Ended { usage: answer.usage, result: given.map_err(|_| problem::stopped()) }
        }
        Err(problem) => Ended::failed(problem),
    }
}

/// One stream on its way to the sink.
pub(crate) struct Relay {
    response: Response,
    parser: Parser,
    reader: Box<dyn StreamReader>,
    has_given: bool,
    has_ended: bool,
    /// How much more text may come. Nobody pays for what goes on far beyond the answer's limit.
    text_bytes_left: u64,
}

impl Relay {
    /// Begins to relay a response of at most about so many tokens.
    pub(crate) fn new(
        response: Response,
        reader: Box<dyn StreamReader>,
        output_tokens_max: u64,
    ) -> Self {
        let text_bytes_left =
            output_tokens_max.saturating_mul(TEXT_BYTES_PER_TOKEN_MAX).max(TEXT_BYTES_MIN);
        let (parser, has_given, has_ended) = (Parser::new(), false, false);
        Self { response, parser, reader, has_given, has_ended, text_bytes_left }
    }

    /// What the vendor has counted so far, and how it went. The connection is closed unless the
    /// vendor has said its last word.
    pub(crate) fn end(self, result: Result<(), Problem>, tails: &Tails) -> Ended {
        let usage = self.reader.usage();
        if result.is_ok() && self.reader.reading() == Reading::Over {
            tails.hold(self.response);
        }
        Ended { usage, result }
    }

    /// Relays until the stream's end. Dropping it in between is safe: [`Relay::end`] still tells
    /// what was counted.
    ///
    /// # Errors
    /// When the vendor reports an error, goes silent, or breaks off.
    pub(crate) async fn run(
        &mut self,
        limits: &Limits,
        sink: &mut impl Sink,
    ) -> Result<(), Problem> {
        if self.is_not_a_stream() {
            return Err(problem::nonsense());
        }
        match timeout(limits.stream, self.read_on(limits, sink)).await {
            Ok(result) => result,
            Err(_) => Err(problem::timeout()),
        }
    }

    /// A page or an object instead of events; a server that names no type is believed.
    fn is_not_a_stream(&self) -> bool {
        let kind = self.response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_not = kind.is_some_and(|kind| {
            kind.starts_with("text/html") || kind.starts_with("application/json")
        });
        if is_not {
            tracing::warn!("the upstream answered a stream with something else");
        }
        is_not
    }

    async fn read_on(&mut self, limits: &Limits, sink: &mut impl Sink) -> Result<(), Problem> {
        while self.reader.reading() != Reading::Over && !self.has_ended {
            let is_complete = self.reader.reading() == Reading::Complete;
            let idle = if is_complete { limits.stream_tail } else { limits.stream_idle };
            let read = match next_read(&mut self.response, idle).await {
                // The answer was complete: only the vendor's count is lost.
                Err(_) if is_complete => return Ok(()),
                read => read?,
            };
            let mut choices = Vec::new();
            let digested = self.digest(read, &mut choices).await;
            let text_bytes = choices.iter().map(text_bytes).sum();
            if !choices.is_empty() {
                self.has_given = true;
                sink.pieces(choices).await.map_err(|_| problem::stopped())?;
            }
            digested?;
            let left = self.text_bytes_left.checked_sub(text_bytes);
            self.text_bytes_left = left.ok_or_else(problem::endless)?;
        }
        match self.reader.reading() {
            Reading::Open => Err(problem::cut(self.has_given)),
            // An answer that lacks nothing is whole even without the vendor's last word.
            Reading::Complete | Reading::Over => Ok(()),
        }
    }

    /// Parses a read, and those that lie ready behind it, into one message.
    async fn digest(&mut self, first: Read, choices: &mut Vec<ChunkChoice>) -> Result<(), Problem> {
        let mut gathered = 0;
        let mut next = Some(first);
        while let Some(read) = next {
            let Read::Bytes(bytes) = read else {
                self.has_ended = true;
                return Ok(());
            };
            gathered += bytes.len();
            self.parser.push(&bytes);
            while let Some(event) = self.parser.next_event().map_err(oversized)? {
                self.reader.read(&event, choices)?;
            }
            let wants_more =
                gathered < GATHERED_BYTES_MAX && self.reader.reading() != Reading::Over;
            next = if wants_more { ready_read(&mut self.response).await } else { None };
        }
        Ok(())
    }
}

/// How much text a piece has, in whichever field.
fn text_bytes(choice: &ChunkChoice) -> u64 {
    let delta = &choice.delta;
    let texts = [&delta.content, &delta.refusal, &delta.reasoning_content].into_iter().flatten();
    let calls = delta.tool_calls.iter().flatten();
    let arguments = calls.filter_map(|call| call.get("function")?.get("arguments")?.as_str());
    let others = delta.rest.values().filter_map(Value::as_str);
    let all = texts.map(String::as_str).chain(arguments).chain(others);
    all.map(|text| text.len() as u64).sum()
}

fn oversized(error: crate::sse::Oversized) -> Problem {
    tracing::warn!(%error, "the upstream's stream is unreadable");
    problem::nonsense()
}
