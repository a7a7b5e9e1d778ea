//! OpenAI's models in Microsoft's cloud. Bodies and streams are OpenAI's with remarks of a content
//! filter added; the address, the key's header and some errors are not.

mod answer;
mod error;
mod request;
mod stream;

use crate::problem::Complaint;
use crate::translate::{Call, Protocol, StreamReader, Whole, key_header};
use crate::upstream::{ApiKey, KeyHeader, Upstream};
use crate::vectors::Vectors;
use reqwest::header::{HeaderName, InvalidHeaderValue};
use schemas::error::Problem;
use schemas::job::ChatJob;

/// The protocol.
pub(crate) struct Azure;

impl Protocol for Azure {
    fn request(&self, job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem> {
        request::request(job, upstream)
    }

    fn authorize(&self, key: &ApiKey) -> Result<KeyHeader, InvalidHeaderValue> {
        key_header(HeaderName::from_static("api-key"), key.reveal())
    }

    fn answer(&self, body: &[u8]) -> Result<Whole, Problem> {
        answer::answer(body)
    }

    fn stream(&self, choices: u32) -> Box<dyn StreamReader> {
        stream::stream(choices)
    }

    fn embeddings(&self, job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem> {
        request::embeddings(job, upstream)
    }

    fn vectors(&self, body: &[u8]) -> Result<Vectors, Problem> {
        answer::vectors(body)
    }

    fn error(&self, body: &[u8]) -> Complaint {
        error::complaint(body)
    }
}
