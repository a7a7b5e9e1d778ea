//! Between the canonical form (OpenAI's chat JSON) and a vendor's protocol: one trait, which every
//! vendor folder implements with the same files (`request`, `answer`, `stream`, `error`). Pure: it
//! never does I/O, and no key is ever part of what it builds but the key's own header.

use crate::anthropic::Anthropic;
use crate::azure::Azure;
use crate::gemini::Gemini;
use crate::openai;
use crate::problem::{self, Complaint};
use crate::sse;
use crate::upstream::{ApiKey, KeyHeader, Upstream};
use crate::vectors::Vectors;
use bytes::Bytes;
use reqwest::header::{
    ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue,
};
use schemas::catalogue::{Preset, Vendor};
use schemas::error::Problem;
use schemas::job::ChatJob;
use schemas::json;
use schemas::openai::{AnswerChoice, CHOICES_MAX, ChunkChoice};
use schemas::usage::Usage;
use serde::Serialize;

/// The most tool calls, or blocks, that one choice may have.
pub(crate) const CALLS_MAX: usize = 512;

/// A request to a vendor, without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Where to.
    pub url: String,
    /// What it says of itself.
    pub headers: HeaderMap,
    /// The JSON.
    pub body: Bytes,
}

impl Call {
    /// A JSON request that wants a stream or JSON back.
    pub(crate) fn json(url: String, body: &impl Serialize, stream: bool) -> Result<Self, Problem> {
        let accepted = if stream { "text/event-stream" } else { "application/json" };
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static(accepted));
        let body = json::to_vec(body).map_err(|error| {
            tracing::error!(%error, "a request can't be written as JSON");
            problem::failed()
        })?;
        Ok(Self { url, headers, body: body.into() })
    }
}

/// A whole answer in the canonical form.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// One entry for each choice, at least one.
    pub choices: Vec<AnswerChoice>,
    /// What the vendor counted; `None` when it told nothing.
    pub usage: Option<Usage>,
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Something is still missing: an end here is a break.
    Open,
    /// Every choice has its finish reason; only the count or a last word may still come.
    Complete,
    /// The vendor's last word came: nothing follows.
    Over,
}

/// One answer that arrives in events.
pub trait StreamReader: Send {
    /// Reads one event and appends what it adds to the answer. What was appended before an error
    /// is valid.
    ///
    /// # Errors
    /// When the event is an error, or isn't what the protocol says; nothing may be read after it.
    fn read(&mut self, event: &sse::Event, choices: &mut Vec<ChunkChoice>) -> Result<(), Problem>;

    /// How far it has come.
    fn reading(&self) -> Reading;

    /// What the vendor has counted so far. Before [`Reading::Complete`] its output is only a lower
    /// bound.
    fn usage(&self) -> Option<Usage>;
}

/// What a vendor answered instead of 2xx.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Its `retry-after-ms` or `retry-after`, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// Its body, perhaps cut.
    pub body: &'a [u8],
}

/// A vendor's protocol.
pub trait Protocol: Send + Sync {
    /// The job as a request to the vendor. `output_tokens_max` of the job always stands in it.
    ///
    /// # Errors
    /// When the protocol can't say what the job asks for; the problem names the field.
    fn request(&self, job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem>;

    /// The header that carries a key.
    ///
    /// # Errors
    /// When the key has characters that no header may have.
    fn authorize(&self, key: &ApiKey) -> Result<KeyHeader, InvalidHeaderValue>;

    /// A whole answer out of a 2xx body.
    ///
    /// # Errors
    /// When the body is an error, or isn't what the protocol says.
    fn answer(&self, body: &[u8]) -> Result<Whole, Problem>;

    /// A reader for one stream that should bring so many choices.
    fn stream(&self, choices: u32) -> Box<dyn StreamReader>;

    /// A reader for the stream that answers this job.
    fn stream_for(&self, job: &ChatJob, _upstream: &Upstream) -> Box<dyn StreamReader> {
        self.stream(choices_wanted(job))
    }

    /// A job for vectors as a request to the vendor.
    ///
    /// # Errors
    /// When the vendor makes none, or the protocol can't say what the job asks for.
    fn embeddings(&self, _job: &ChatJob, _upstream: &Upstream) -> Result<Call, Problem> {
        Err(problem::cannot(
            "model",
            "このモデルの提供元は埋め込みに対応していません。",
            "This model's vendor makes no embeddings.",
        ))
    }

    /// Vectors out of a 2xx body.
    ///
    /// # Errors
    /// When the body is an error, or isn't what the protocol says.
    fn vectors(&self, _body: &[u8]) -> Result<Vectors, Problem> {
        Err(problem::nonsense())
    }

    /// What the vendor says about a request that it refused.
    fn error(&self, body: &[u8]) -> Complaint;
}

/// The protocol of a vendor, and of a server with known differences; `None` for one that isn't
/// called over HTTP.
pub fn protocol(vendor: Vendor, preset: Option<Preset>) -> Option<&'static dyn Protocol> {
    match vendor {
        Vendor::Openai => Some(openai::itself()),
        Vendor::Compatible => Some(openai::compatible(preset)),
        Vendor::Azure => Some(&Azure),
        Vendor::Gemini => Some(&Gemini),
        Vendor::Anthropic => Some(&Anthropic),
        Vendor::Llama => None,
    }
}

/// The problem that a refusal is to our client.
pub fn refusal(protocol: &dyn Protocol, refusal: &Refusal<'_>) -> Problem {
    let complaint = protocol.error(refusal.body);
    let pause = refusal.retry_after_ms.or(complaint.retry_after_ms);
    problem::refused(refusal.status, &complaint, pause)
}

/// How many choices a job asks for, at least 1.
pub(crate) fn choices_wanted(job: &ChatJob) -> u32 {
    job.chat.n.unwrap_or(1).clamp(1, CHOICES_MAX)
}

/// The limit of one choice in tokens: the job's limit is for all choices together, and the client's
/// own limit is never widened.
///
/// # Errors
/// When not even one token is left for each choice.
pub(crate) fn output_limit(job: &ChatJob) -> Result<u64, Problem> {
    let share = job.output_tokens_max / u64::from(choices_wanted(job));
    let limit = job.chat.answer_tokens_max().map_or(share, |asked| asked.min(share));
    if limit == 0 {
        return Err(problem::cannot(
            "max_tokens",
            "max_tokens は選択肢 1 つにつき 1 以上にしてください。",
            "'max_tokens' must be at least 1 for each choice.",
        ));
    }
    Ok(limit)
}

/// A header with a key, marked as sensitive.
///
/// # Errors
/// When the key has characters that no header may have.
pub(crate) fn key_header(name: HeaderName, value: &str) -> Result<KeyHeader, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(value)?;
    value.set_sensitive(true);
    Ok((name, value))
}
