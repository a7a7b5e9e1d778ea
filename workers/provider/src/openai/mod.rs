//! OpenAI's Chat Completions, and every server that speaks them. The canonical form is theirs, so
//! this is a normalisation: what servers do differently is made equal, and nothing is invented.

mod answer;
mod error;
mod request;
mod stream;

use crate::problem::Complaint;
use crate::translate::{Call, Protocol, StreamReader, Whole, key_header};
use crate::upstream::{ApiKey, KeyHeader, Upstream};
use reqwest::header::{AUTHORIZATION, InvalidHeaderValue};
use schemas::error::Problem;
use schemas::job::ChatJob;

/// The protocol.
pub(crate) struct OpenAi {
    /// OpenAI refuses fields that it doesn't know and the old name of the token limit; other
    /// servers know fields of their own and often only the old name.
    pub(crate) is_openai_itself: bool,
}

impl Protocol for OpenAi {
    fn request(&self, job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem> {
        request::request(job, upstream, self.is_openai_itself)
    }

    fn authorize(&self, key: &ApiKey) -> Result<KeyHeader, InvalidHeaderValue> {
        key_header(AUTHORIZATION, &format!("Bearer {}", key.reveal()))
    }

    fn answer(&self, body: &[u8]) -> Result<Whole, Problem> {
        answer::answer(body)
    }

    fn stream(&self, choices: u32) -> Box<dyn StreamReader> {
        Box::new(stream::Stream::new(choices))
    }

    fn error(&self, body: &[u8]) -> Complaint {
        error::complaint(body)
    }
}
