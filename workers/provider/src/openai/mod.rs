//! OpenAI's Chat Completions, and every server that speaks them. The canonical form is theirs, so
//! this is a normalisation: what servers do differently is made equal, and nothing is invented.

mod answer;
mod embeddings;
mod error;
mod identifiers;
mod quirks;
mod request;
mod stream;

use crate::problem::{self, Complaint};
use crate::translate::{Call, Protocol, StreamReader, Whole, key_header};
use crate::upstream::{ApiKey, KeyHeader, Upstream};
use crate::vectors::Vectors;
use reqwest::header::{AUTHORIZATION, InvalidHeaderValue};
use schemas::error::Problem;
use schemas::job::ChatJob;

pub(crate) use embeddings::body as embeddings_body;
pub(crate) use quirks::{ITSELF, Quirks, compatible, itself};
pub(crate) use request::body as request_body;

/// The protocol, as one kind of server speaks it.
pub(crate) struct OpenAi {
    pub(crate) quirks: Quirks,
}

impl Protocol for OpenAi {
    fn request(&self, job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem> {
        let base = upstream.base().ok_or_else(problem::unreachable)?;
        let url = format!("{base}/chat/completions");
        Call::json(url, &request::body(job, &upstream.name, &self.quirks)?, job.stream)
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

    fn embeddings(&self, job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem> {
        let base = upstream.base().ok_or_else(problem::unreachable)?;
        let body = embeddings::body(job, &upstream.name, &self.quirks);
        Call::json(format!("{base}/embeddings"), &body, false)
    }

    fn vectors(&self, body: &[u8]) -> Result<Vectors, Problem> {
        embeddings::vectors(body)
    }

    fn error(&self, body: &[u8]) -> Complaint {
        error::complaint(body)
    }
}
