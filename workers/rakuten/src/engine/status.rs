//! What the engine has done and is doing, in numbers that anybody may read at any time.
//!
//! Must never block the thread that decodes: atomics only.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// A look at the engine. Numbers that end in `_total` only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Slots there are.
    pub slots: usize,
    /// Slots that are writing an answer or reading its prompt.
    pub slots_busy: usize,
    /// Requests that wait for a slot.
    pub waiting: usize,
    /// Tokens held in the context by all slots, idle ones included.
    pub context_tokens_used: usize,
    /// Prompt tokens that were computed.
    pub prompt_tokens_total: u64,
    /// Prompt tokens that did not have to be computed.
    pub cached_prompt_tokens_total: u64,
    /// Tokens of answers.
    pub completion_tokens_total: u64,
    /// Decode steps.
    pub steps_total: u64,
    /// Answers that ended by themselves, by length or by a stop string.
    pub answers_total: u64,
    /// Answers that were cancelled or abandoned.
    pub cancelled_total: u64,
    /// Passes that were broken off because nobody wanted most of them any more.
    pub broken_off_total: u64,
    /// Times the context was made anew after a failure.
    pub restarts_total: u64,
}

/// The shared side of [`Status`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) slots_busy: AtomicUsize,
    pub(super) waiting: AtomicUsize,
    pub(super) context_tokens_used: AtomicUsize,
    pub(super) prompt_tokens: AtomicU64,
    pub(super) cached_prompt_tokens: AtomicU64,
    pub(super) completion_tokens: AtomicU64,
    pub(super) steps: AtomicU64,
    pub(super) answers: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) broken_off: AtomicU64,
    pub(super) restarts: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self, slots: usize) -> Status {
        Status {
            slots,
            slots_busy: self.slots_busy.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            context_tokens_used: self.context_tokens_used.load(Relaxed),
            prompt_tokens_total: self.prompt_tokens.load(Relaxed),
            cached_prompt_tokens_total: self.cached_prompt_tokens.load(Relaxed),
            completion_tokens_total: self.completion_tokens.load(Relaxed),
            steps_total: self.steps.load(Relaxed),
            answers_total: self.answers.load(Relaxed),
            cancelled_total: self.cancelled.load(Relaxed),
            broken_off_total: self.broken_off.load(Relaxed),
            restarts_total: self.restarts.load(Relaxed),
        }
    }

    /// Takes a place in the waiting line, or says how long the line is.
    pub(super) fn join_line(&self, most: usize) -> Result<(), usize> {
        let joined = self
            .waiting
            .fetch_update(Relaxed, Relaxed, |waiting| (waiting < most).then_some(waiting + 1));
        joined.map(drop)
    }

    /// Gives the place back.
    pub(super) fn leave_line(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }
}
