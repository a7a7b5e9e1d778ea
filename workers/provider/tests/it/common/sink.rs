//! Sinks that tests look into.

use schemas::openai::{AnswerChoice, ChunkChoice};
use std::sync::Arc;
use tokio::sync::Notify;
use worker_provider::{Sink, SinkClosed};

/// Keeps what it is given.
#[derive(Default)]
pub(crate) struct Collected {
    /// One entry for each call.
    pub(crate) calls: Vec<Vec<ChunkChoice>>,
    pub(crate) whole: Vec<AnswerChoice>,
    /// Told of every call.
    pub(crate) told: Arc<Notify>,
    /// Takes so many calls, then is closed.
    pub(crate) open_for: Option<usize>,
    /// Never returns from a call.
    pub(crate) is_stuck: bool,
}

impl Collected {
    /// All texts together.
    pub(crate) fn text(&self) -> String {
        let pieces = self.calls.iter().flatten();
        pieces.filter_map(|piece| piece.delta.content.as_deref()).collect()
    }
}

impl Sink for Collected {
    async fn pieces(&mut self, choices: Vec<ChunkChoice>) -> Result<(), SinkClosed> {
        assert!(!choices.is_empty());
        if self.open_for.is_some_and(|calls| self.calls.len() >= calls) {
            return Err(SinkClosed);
        }
        self.calls.push(choices);
        self.told.notify_one();
        if self.is_stuck {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn whole(&mut self, choices: Vec<AnswerChoice>) -> Result<(), SinkClosed> {
        assert!(self.whole.is_empty());
        self.whole = choices;
        Ok(())
    }
}
