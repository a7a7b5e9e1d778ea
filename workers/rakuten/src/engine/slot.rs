//! A slot: one sequence of the context, and the answer it is writing.
//!
//! Must never let an answer see tokens of another: what `cached` says is exactly what the
//! context holds for this sequence.

use std::time::Instant;

use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::grammar::Guide;
use super::output::Output;
use super::request::{Event, FinishReason, Finished, GenerateRequest, Timing, Usage};
use super::sampling::Sampler;

/// A request on its way to a slot.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request: GenerateRequest,
    pub(super) output: Output,
    pub(super) queued_at: Instant,
}

impl Job {
    /// True when nobody wants the answer any more.
    pub(super) fn is_unwanted(&self) -> bool {
        self.request.cancel.is_cancelled() || self.output.is_abandoned()
    }

    /// Ends a request that no slot has taken: nothing was computed for it.
    pub(super) fn cancel(self) {
        let queue_seconds = self.queued_at.elapsed().as_secs_f64();
        self.output.finish(Finished {
            reason: FinishReason::Cancelled,
            stop: None,
            usage: Usage::default(),
            timing: Timing { queue_seconds, ..Timing::default() },
        });
    }
}

/// Whether somebody still wants an answer: what another may hold meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    cancel: CancellationToken,
    reader: Sender<Event>,
}

impl Wish {
    pub(super) fn new(cancel: CancellationToken, reader: Sender<Event>) -> Self {
        Self { cancel, reader }
    }

    /// True when nobody wants the answer any more.
    pub(super) fn is_gone(&self) -> bool {
        self.cancel.is_cancelled() || self.reader.is_closed()
    }
}

/// One sequence of the context.
#[derive(Debug)]
pub(super) struct Slot {
    /// The sequence's number in the context.
    pub(super) sequence: i32,
    /// The tokens the context holds for it, by position.
    pub(super) cached: Vec<i32>,
    /// When it was last given a request: the larger the later.
    pub(super) used: u64,
    pub(super) answer: Option<Answer>,
}

impl Slot {
    pub(super) fn new(sequence: i32) -> Self {
        Self { sequence, cached: Vec::new(), used: 0, answer: None }
    }

    /// True when an answer has its first token, and the next is to be computed.
    pub(super) fn is_writing(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.pending.is_some())
    }

    /// Ends the answer, if there is one, and leaves the slot free.
    pub(super) fn finish(&mut self, reason: FinishReason, stop: Option<String>) -> Option<Usage> {
        let answer = self.answer.take()?;
        let finished = answer.summary(reason, stop);
        let usage = finished.usage;
        answer.output.finish(finished);
        Some(usage)
    }
}

/// An answer that is being written.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) prompt: Vec<i32>,
    /// False until it is known what of the prompt is in the context already.
    pub(super) has_begun: bool,
    /// Prompt tokens that are in the context.
    pub(super) computed: usize,
    /// Of these, how many were there already.
    pub(super) reused: usize,
    /// The last token of the answer: chosen, not yet in the context.
    pub(super) pending: Option<i32>,
    pub(super) sampler: Sampler,
    /// Holds the answer to its form.
    pub(super) guide: Option<Guide>,
    pub(super) output: Output,
    pub(super) logprobs: Option<u8>,
    pub(super) shows_calls: bool,
    pub(super) completion_tokens: u32,
    pub(super) completion_tokens_max: u32,
    /// Order of arrival among all requests.
    pub(super) number: u64,
    /// Its last pass was broken off for others' sake: not again, before it has come on.
    pub(super) was_redone: bool,
    cancel: CancellationToken,
    queued_at: Instant,
    started_at: Instant,
    prompted_at: Option<Instant>,
}

impl Answer {
    /// Starts on a request; `context_tokens` is more than the prompt has.
    pub(super) fn new(job: Job, number: u64, context_tokens: usize, suppressed: Vec<i32>) -> Self {
        let Job { request, output, queued_at } = job;
        let prompt = request.prompt.tokens;
        let left = count(context_tokens.saturating_sub(prompt.len()));
        Self {
            sampler: Sampler::new(request.sampling, &prompt, suppressed),
            guide: request.grammar.as_ref().map(Guide::new),
            has_begun: false,
            computed: 0,
            reused: 0,
            prompt,
            pending: None,
            output,
            logprobs: request.logprobs,
            shows_calls: request.shows_calls,
            completion_tokens: 0,
            completion_tokens_max: request.tokens_max.unwrap_or(u32::MAX).min(left),
            number,
            was_redone: false,
            cancel: request.cancel,
            queued_at,
            started_at: Instant::now(),
            prompted_at: None,
        }
    }

    /// Notes that the first `reused` tokens of the prompt need not be computed.
    pub(super) fn begin(&mut self, reused: usize) {
        (self.has_begun, self.computed, self.reused) = (true, reused, reused);
        self.output.start(count(self.prompt.len()), count(reused));
    }

    /// Prompt tokens that are still to be computed.
    pub(super) fn prompt_left(&self) -> usize {
        self.prompt.len() - self.computed
    }

    /// Notes that `tokens` of the prompt are in the context now.
    pub(super) fn prompt_advanced(&mut self, tokens: usize) {
        self.computed += tokens;
        if self.prompt_left() == 0 {
            self.prompted_at = Some(Instant::now());
        }
    }

    /// True when nobody wants the answer any more.
    pub(super) fn is_unwanted(&self) -> bool {
        self.cancel.is_cancelled() || self.output.is_abandoned()
    }

    pub(super) fn wish(&self) -> Wish {
        Wish::new(self.cancel.clone(), self.output.reader())
    }

    fn summary(&self, reason: FinishReason, stop: Option<String>) -> Finished {
        let now = Instant::now();
        let prompted_at = self.prompted_at.unwrap_or(now);
        let seconds = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64();
        Finished {
            reason,
            stop,
            usage: Usage {
                // Of a cancelled prompt only what was worked on is counted.
                prompt_tokens: count(self.computed),
                cached_prompt_tokens: count(self.reused),
                completion_tokens: self.completion_tokens,
            },
            timing: Timing {
                queue_seconds: seconds(self.queued_at, self.started_at),
                prompt_seconds: seconds(self.started_at, prompted_at),
                answer_seconds: seconds(prompted_at, now),
            },
        }
    }
}

/// A number of tokens, which a context keeps far below the type's end.
pub(super) fn count(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}
