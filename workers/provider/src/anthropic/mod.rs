//! Anthropic's Messages API, version 2023-06-01. The canonical form is OpenAI's, so this is a
//! translation both ways; what can't be said is refused with the field's name, never dropped
//! where the answer would differ.

mod answer;
mod answer_tool;
mod error;
mod generation;
mod parts;
mod request;
mod stream;
mod thinking;
mod tools;
mod turns;

use crate::problem::Complaint;
use crate::translate::{Call, Protocol, StreamReader, Whole, key_header};
use crate::upstream::{ApiKey, KeyHeader, Upstream};
use reqwest::header::{HeaderName, InvalidHeaderValue};
use schemas::error::Problem;
use schemas::job::ChatJob;

/// The version of the protocol that this folder speaks.
const VERSION: &str = "2023-06-01";

/// The protocol.
pub(crate) struct Anthropic;

impl Protocol for Anthropic {
    fn request(&self, job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem> {
        request::request(job, upstream)
    }

    fn authorize(&self, key: &ApiKey) -> Result<KeyHeader, InvalidHeaderValue> {
        key_header(HeaderName::from_static("x-api-key"), key.reveal())
    }

    fn answer(&self, body: &[u8]) -> Result<Whole, Problem> {
        answer::answer(body)
    }

    fn stream(&self, _choices: u32) -> Box<dyn StreamReader> {
        Box::new(stream::Stream::default())
    }

    fn stream_for(&self, job: &ChatJob, upstream: &Upstream) -> Box<dyn StreamReader> {
        match answer_tool::wanted(&job.chat, upstream) {
            Ok(Some(_)) => Box::new(stream::Stream::by_tool()),
            _ => Box::new(stream::Stream::default()),
        }
    }

    fn error(&self, body: &[u8]) -> Complaint {
        error::complaint(body)
    }
}
