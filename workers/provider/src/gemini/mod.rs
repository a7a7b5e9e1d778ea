//! Google's Gemini API: `generateContent` and its stream. The canonical form is OpenAI's, so this
//! is a translation both ways; what can't be said is refused with the field's name.

mod answer;
mod config;
mod embeddings;
mod error;
mod parts;
mod request;
mod stream;
mod tools;
mod turns;

use crate::problem::Complaint;
use crate::translate::{Call, Protocol, StreamReader, Whole, key_header};
use crate::upstream::{ApiKey, KeyHeader, Upstream};
use crate::vectors::Vectors;
use reqwest::header::{HeaderName, InvalidHeaderValue};
use schemas::error::Problem;
use schemas::job::ChatJob;

/// The protocol.
pub(crate) struct Gemini;

impl Protocol for Gemini {
    fn request(&self, job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem> {
        request::request(job, upstream)
    }

    fn authorize(&self, key: &ApiKey) -> Result<KeyHeader, InvalidHeaderValue> {
        key_header(HeaderName::from_static("x-goog-api-key"), key.reveal())
    }

    fn answer(&self, body: &[u8]) -> Result<Whole, Problem> {
        answer::answer(body)
    }

    fn stream(&self, choices: u32) -> Box<dyn StreamReader> {
        Box::new(stream::Stream::new(choices))
    }

    fn embeddings(&self, job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem> {
        embeddings::request(job, upstream)
    }

    fn vectors(&self, body: &[u8]) -> Result<Vectors, Problem> {
        embeddings::vectors(body)
    }

    fn error(&self, body: &[u8]) -> Complaint {
        error::complaint(body)
    }
}
