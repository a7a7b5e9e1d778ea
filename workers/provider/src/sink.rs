//! Where an answer goes, and how it ended: the border to whoever runs jobs. It knows no queue.

use schemas::error::Problem;
use schemas::openai::{AnswerChoice, ChunkChoice};
use schemas::usage::{TokenSource, Usage};
use std::future::Future;

/// Nobody takes the answer any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody takes the answer any more")]
pub struct SinkClosed;

/// Takes an answer. What waits here holds the vendor's stream back, so that nothing piles up.
pub trait Sink: Send {
    /// Takes what was added to the answer: never empty, in order, one call for each network read.
    ///
    /// # Errors
    /// [`SinkClosed`] ends the upstream call.
    fn pieces(
        &mut self,
        choices: Vec<ChunkChoice>,
    ) -> impl Future<Output = Result<(), SinkClosed>> + Send;

    /// Takes the whole answer of a job that isn't streamed: at least one choice, once.
    ///
    /// # Errors
    /// [`SinkClosed`] is told in the result.
    fn whole(
        &mut self,
        choices: Vec<AnswerChoice>,
    ) -> impl Future<Output = Result<(), SinkClosed>> + Send;
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What the vendor counted, `None` when it told nothing. It is complete when the result is
    /// `Ok`; otherwise it is what had been told until then: the input as it is, the output a lower
    /// bound.
    pub usage: Option<Usage>,
    /// `Ok` only when the vendor ended the answer itself. After a stop, or a closed sink, it is
    /// [`schemas::error::ErrorCode::StreamInterrupted`].
    pub result: Result<(), Problem>,
}

impl Ended {
    /// The count and who is its author: the vendor only when it is complete. An estimate's output
    /// is at least this, and at least what the sink was given.
    pub fn counted(&self) -> Option<(Usage, TokenSource)> {
        let source = if self.result.is_ok() { TokenSource::Vendor } else { TokenSource::Estimated };
        self.usage.map(|usage| (usage, source))
    }

    /// An end before anything was counted.
    pub(crate) fn failed(problem: Problem) -> Self {
        Self { usage: None, result: Err(problem) }
    }
}
