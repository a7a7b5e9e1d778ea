//! The frames of one answer, numbered from 1. It sends what it is given at once, and remembers how
//! much that was; it never holds a piece back. A whole answer that nobody reads before its end
//! waits for that, if its gateway takes both in one.

use crate::patience::Progress;
use infra::bus::Bus;
use infra::bus::near::FrameWay;
use schemas::frame::{Answer, Complete, Delta, FrameBody, FrameV1};
use schemas::job::ChatJob;
use schemas::openai::{AnswerChoice, ChunkChoice};
use schemas::produced::Produced;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The way back to the gateway.
pub struct Reply {
    way: FrameWay,
    attempt: u32,
    delivered: u64,
    number: u32,
    produced: Produced,
    progress: Arc<Progress>,
    first_piece: Option<oneshot::Sender<()>>,
    /// Whether the whole answer is there.
    is_whole: bool,
    /// Whether a whole answer waits for its end.
    waits: bool,
    /// One that does.
    waiting: Option<Vec<AnswerChoice>>,
}

impl Reply {
    pub(crate) fn new(bus: &Bus, job: &ChatJob, delivered: u64) -> Self {
        Self {
            way: bus.frame_way(&job.gateway, &job.request),
            attempt: job.attempt,
            delivered,
            number: 0,
            produced: Produced::default(),
            progress: Arc::default(),
            first_piece: None,
            is_whole: false,
            waits: job.takes_complete && !job.stream,
            waiting: None,
        }
    }

    /// Sends pieces of the answer. They count as produced from now on.
    pub async fn pieces(&mut self, choices: Vec<ChunkChoice>) {
        if choices.is_empty() {
            return;
        }
        self.produced.count_pieces(&choices);
        self.progress.note(&choices, self.produced.is_beyond_text());
        self.release().await;
        self.send(FrameBody::Delta(Delta { choices })).await;
    }

    /// Sends the whole answer, or lets it wait for its end.
    pub async fn whole(&mut self, choices: Vec<AnswerChoice>) {
        self.produced.count_whole(&choices);
        self.is_whole = true;
        self.release().await;
        self.waiting = Some(choices);
        if !self.waits {
            self.release().await;
        }
    }

    /// Sends an answer that waits for its end.
    pub(crate) async fn release(&mut self) {
        if let Some(choices) = self.waiting.take() {
            self.send(FrameBody::Answer(Answer { choices })).await;
        }
    }

    /// Whether an answer waits for its end.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.is_some()
    }

    /// Sends the end, and with it the answer that waits for it. An answer that ends badly comes
    /// before its end: what was produced is the client's to be charged for.
    pub(crate) async fn end(&mut self, end: FrameBody) {
        match (self.waiting.take(), end) {
            (Some(choices), FrameBody::Done(done)) => {
                self.send(FrameBody::Complete(Complete { choices, done })).await;
            }
            (waiting, end) => {
                self.waiting = waiting;
                self.release().await;
                self.send(end).await;
            }
        }
    }

    /// Whether the whole answer is there.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(crate) fn produced(&self) -> &Produced {
        &self.produced
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    pub(crate) fn on_first_piece(&mut self, tell: oneshot::Sender<()>) {
        self.first_piece = Some(tell);
    }

    async fn send(&mut self, body: FrameBody) {
        if let Some(first) = self.first_piece.take() {
            // The receiver is gone only when the job ends, and then nobody needs the word.
            let _ = first.send(());
        }
        self.number += 1;
        let (number, attempt, delivered) = (self.number, self.attempt, self.delivered);
        publish(&self.way, FrameV1 { number, attempt, delivered, body }).await;
    }
}

/// Tells the gateway that a job which it handed over past the queue is alive, and says nothing yet.
pub(crate) async fn sign_of_life(bus: &Bus, job: &ChatJob) {
    let (way, body) = (bus.frame_way(&job.gateway, &job.request), FrameBody::Alive);
    publish(&way, FrameV1 { number: 0, attempt: job.attempt, delivered: 0, body }).await;
}

async fn publish(way: &FrameWay, frame: FrameV1) {
    if let Err(error) = way.send(frame).await {
        // The gap in the numbers tells the gateway.
        tracing::warn!(%error, "a frame couldn't be sent");
    }
}
