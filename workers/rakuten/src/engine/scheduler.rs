//! The decode loop's one step: every running answer gets its next token, and what is left of the
//! step goes to prompts.
//!
//! Must never hand llama.cpp a batch it would answer with an abort: more tokens than it was made
//! for, or logits read where none were asked for.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use super::error::EngineError;
use super::logprobs;
use super::model::Model;
use super::request::{FinishReason, TokenLogprob};
use super::reuse::{self, Source};
use super::sampling::Scratch;
use super::slot::{Answer, Job, Slot};
use super::status::Counters;

/// Each token belongs to one sequence.
const SEQUENCES_PER_TOKEN: i32 = 1;

/// After so many tokens of a prompt, looking back at them takes as long as the rest of the work on
/// one. That is of the demo model on two processors; in larger models looking back weighs less, and
/// their later steps are shorter than their first.
const LOOKING_BACK_TOKENS: usize = 1_200;

/// What a slot does in one step.
struct Work {
    slot: usize,
    /// Tokens it puts into the batch.
    tokens: Vec<i32>,
    /// Where in the batch the logits of its next token will be, if this step gives them.
    row: Option<i32>,
    /// The tokens are of the prompt.
    is_prompt: bool,
}

/// The slots and the context they share.
pub(super) struct Scheduler<'model> {
    model: &'model Model,
    context: LlamaContext<'model>,
    batch: LlamaBatch<'static>,
    batch_tokens_max: usize,
    batch_tokens_busy: usize,
    slots: Vec<Slot>,
    waiting: VecDeque<Job>,
    counters: &'model Counters,
    scratch: Scratch,
    started: u64,
}

impl<'model> Scheduler<'model> {
    pub(super) fn new(
        model: &'model Model,
        counters: &'model Counters,
        waiting: VecDeque<Job>,
    ) -> Result<Self, EngineError> {
        let context = model.new_context()?;
        let batch_tokens_max = usize::try_from(context.n_batch()).unwrap_or(0);
        let wanted = usize::try_from(model.options.batch_tokens_busy).unwrap_or(usize::MAX);
        let slots = (0..i32::from(model.options.slots)).map(Slot::new).collect();
        Ok(Self {
            model,
            context,
            batch: LlamaBatch::new(batch_tokens_max, SEQUENCES_PER_TOKEN),
            batch_tokens_max,
            batch_tokens_busy: wanted.min(batch_tokens_max),
            slots,
            waiting,
            counters,
            scratch: Scratch::default(),
            started: 0,
        })
    }

    /// True when there is neither an answer to write nor a request waiting.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.slots.iter().all(|slot| slot.answer.is_none())
    }

    /// Puts a request at the end of the line.
    pub(super) fn enqueue(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// Ends what nobody wants any more, then gives free slots to those who wait.
    pub(super) fn admit(&mut self) -> Result<(), EngineError> {
        self.drop_unwanted();
        while let Some(next) = self.waiting.front() {
            let Some(free) = reuse::place(&self.slots, next.request.prompt.tokens()) else { break };
            let Some(job) = self.waiting.pop_front() else { break };
            self.counters.leave_line();
            self.start(free, job);
        }
        self.begin_prompts()?;
        self.publish_load();
        Ok(())
    }

    fn drop_unwanted(&mut self) {
        for index in 0..self.slots.len() {
            if self.slots[index].answer.as_ref().is_some_and(Answer::is_unwanted) {
                self.finish(index, FinishReason::Cancelled, None);
            }
        }
        let (unwanted, wanted): (VecDeque<Job>, VecDeque<Job>) =
            std::mem::take(&mut self.waiting).into_iter().partition(Job::is_unwanted);
        self.waiting = wanted;
        for job in unwanted {
            self.counters.leave_line();
            self.counters.cancelled.fetch_add(1, Relaxed);
            job.cancel();
        }
    }

    fn start(&mut self, index: usize, job: Job) {
        let suppressed = self.model.suppressed();
        let slot = &mut self.slots[index];
        self.started += 1;
        slot.used = self.started;
        slot.answer = Some(Answer::new(job, self.started, self.model.context_tokens, suppressed));
    }

    /// Gives each prompt that has not begun the beginning that some slot holds; one whose
    /// beginning is being computed for an older request waits for that.
    fn begin_prompts(&mut self) -> Result<(), EngineError> {
        let mut new: Vec<(u64, usize)> = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| slot.answer.as_ref().map(|answer| (index, answer)))
            .filter(|(_, answer)| !answer.has_begun)
            .map(|(index, answer)| (answer.number, index))
            .collect();
        new.sort_unstable();
        for (_, index) in new {
            let tokens = match reuse::source(&self.slots, index) {
                Source::Soon => continue,
                Source::Own(tokens) => tokens,
                Source::Copy { from, tokens } => {
                    self.copy(from, index)?;
                    tokens
                }
            };
            let reused = self.keep(index, tokens)?;
            if let Some(answer) = &mut self.slots[index].answer {
                answer.begin(reused);
            }
        }
        Ok(())
    }

    /// Makes a slot hold what another holds: always all of it, because llama.cpp ends the process
    /// when a part is asked for and each slot has a buffer of its own.
    fn copy(&mut self, from: usize, to: usize) -> Result<(), EngineError> {
        self.keep(to, 0)?;
        let (source, target) = (self.slots[from].sequence, self.slots[to].sequence);
        self.context
            .copy_kv_cache_seq(source, target, None, None)
            .map_err(|error| EngineError::Decode(error.to_string()))?;
        self.slots[to].cached = self.slots[from].cached.clone();
        Ok(())
    }

    /// Drops what a slot holds beyond its first `tokens`; gives how many stay. Models that keep no
    /// token by itself can't be cut: of those nothing stays.
    fn keep(&mut self, index: usize, tokens: usize) -> Result<usize, EngineError> {
        let slot = &mut self.slots[index];
        if slot.cached.len() == tokens {
            return Ok(tokens);
        }
        let first = u32::try_from(tokens).unwrap_or(u32::MAX);
        let cut = self.context.kv_cache_seq_rm(slot.sequence, Some(first), None);
        if tokens > 0 && cut.is_ok() {
            slot.cached.truncate(tokens);
            return Ok(tokens);
        }
        slot.cached.clear();
        self.context
            .kv_cache_seq_rm(slot.sequence, None, None)
            .map_err(|error| EngineError::Decode(error.to_string()))?;
        Ok(0)
    }

    /// One decode of everything that has something to do.
    pub(super) fn step(&mut self) -> Result<(), EngineError> {
        let work = self.plan();
        if work.is_empty() {
            return Ok(());
        }
        self.fill(&work)?;
        self.context
            .decode(&mut self.batch)
            .map_err(|error| EngineError::Decode(error.to_string()))?;
        self.counters.steps.fetch_add(1, Relaxed);
        for work in work {
            let slot = &mut self.slots[work.slot];
            slot.cached.extend_from_slice(&work.tokens);
            if let Some(answer) = &mut slot.answer {
                answer.pending = None;
                if work.is_prompt {
                    answer.prompt_advanced(work.tokens.len());
                }
            }
            if let Some(row) = work.row {
                self.advance(work.slot, row);
            }
        }
        Ok(())
    }

    /// The tokens of the next batch: one for each running answer, then the prompts.
    fn plan(&self) -> Vec<Work> {
        let mut row = 0;
        let mut work = Vec::new();
        for (slot, token) in self.slots.iter().enumerate().filter_map(|(index, slot)| {
            slot.answer.as_ref().and_then(|answer| answer.pending).map(|token| (index, token))
        }) {
            work.push(Work { slot, tokens: vec![token], row: Some(row), is_prompt: false });
            row += 1;
        }
        let left = self.batch_tokens_max - work.len();
        let prompts = self.prompts();
        let budget = if work.is_empty() { left } else { self.busy_budget(&prompts).min(left) };
        for (slot, share) in shares(&prompts, budget) {
            let Some(answer) = &self.slots[slot].answer else { continue };
            let tokens = answer.prompt[answer.computed..answer.computed + share].to_vec();
            row += i32::try_from(share).unwrap_or(0);
            let is_last = share == answer.prompt_left();
            work.push(Work { slot, tokens, row: is_last.then_some(row - 1), is_prompt: true });
        }
        work
    }

    /// Prompt tokens of a step while others are streaming: the more wait for their first token, the
    /// longer a gap is fair, and large steps are cheaper. The deeper in its prompt a token is, the
    /// more it looks back at, so its steps have fewer and take about as long as the first.
    fn busy_budget(&self, prompts: &[(usize, usize)]) -> usize {
        let answers = prompts.iter().filter_map(|(index, _)| self.slots[*index].answer.as_ref());
        let depth = answers.map(|answer| answer.computed).max().unwrap_or(0);
        let widest = self.batch_tokens_busy.max(self.batch_tokens_busy / 2 * prompts.len());
        at_depth(widest, depth)
    }

    /// Slots with a prompt to compute and how much is left of it, the oldest request first.
    fn prompts(&self) -> Vec<(usize, usize)> {
        let mut prompts: Vec<(u64, usize, usize)> = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| slot.answer.as_ref().map(|answer| (index, answer)))
            .filter(|(_, answer)| answer.has_begun && answer.prompt_left() > 0)
            .map(|(index, answer)| (answer.number, index, answer.prompt_left()))
            .collect();
        prompts.sort_unstable();
        prompts.into_iter().map(|(_, index, left)| (index, left)).collect()
    }

    fn fill(&mut self, work: &[Work]) -> Result<(), EngineError> {
        self.batch.clear();
        for work in work {
            let slot = &self.slots[work.slot];
            for (offset, token) in work.tokens.iter().enumerate() {
                let position = i32::try_from(slot.cached.len() + offset)
                    .map_err(|error| EngineError::Decode(error.to_string()))?;
                let wants_logits = work.row.is_some() && offset + 1 == work.tokens.len();
                self.batch
                    .add(LlamaToken(*token), position, &[slot.sequence], wants_logits)
                    .map_err(|error| EngineError::Decode(error.to_string()))?;
            }
        }
        Ok(())
    }

    /// Chooses a slot's next token and shows it, or ends the answer.
    fn advance(&mut self, index: usize, row: i32) {
        let Some(answer) = &mut self.slots[index].answer else { return };
        let logits = self.context.get_logits_ith(row);
        let chosen = choose(self.model, answer, logits, &mut self.scratch);
        let (token, is_complete) = match chosen {
            Ok(chosen) => chosen,
            Err(error) => return self.fail(index, error),
        };
        if self.model.is_end(token) {
            return self.finish(index, FinishReason::Stop, None);
        }
        answer.sampler.accept(token);
        answer.completion_tokens += 1;
        self.counters.completion_tokens.fetch_add(1, Relaxed);
        let bytes = self.model.shown_piece(token, answer.shows_calls);
        let entry = answer.logprobs.map(|top| {
            let (logprob, top) = logprobs::of(logits, token, top);
            let entry = |token, logprob, top| TokenLogprob {
                token,
                bytes: self.model.piece(token),
                logprob,
                top,
            };
            let top = top.into_iter().map(|(token, logprob)| entry(token, logprob, Vec::new()));
            entry(token, logprob, top.collect())
        });
        if let Some(stop) = answer.output.push(&bytes, entry) {
            return self.finish(index, FinishReason::Stop, Some(stop));
        }
        if is_complete {
            return self.finish(index, FinishReason::Stop, None);
        }
        if answer.completion_tokens >= answer.completion_tokens_max {
            return self.finish(index, FinishReason::Length, None);
        }
        answer.pending = Some(token);
        answer.output.flush();
    }

    fn finish(&mut self, index: usize, reason: FinishReason, stop: Option<String>) {
        let counters = self.counters;
        // Counted before the reader can know of the end, so that nobody sees old numbers.
        let busy = self.slots.iter().filter(|slot| slot.answer.is_some()).count();
        counters.slots_busy.store(busy.saturating_sub(1), Relaxed);
        let ended =
            if reason == FinishReason::Cancelled { &counters.cancelled } else { &counters.answers };
        ended.fetch_add(1, Relaxed);
        if let Some(answer) = &self.slots[index].answer {
            let (computed, reused) = (answer.computed as u64, answer.reused as u64);
            counters.prompt_tokens.fetch_add(computed - reused, Relaxed);
            counters.cached_prompt_tokens.fetch_add(reused, Relaxed);
        }
        self.slots[index].finish(reason, stop);
    }

    /// Ends one answer with an error that concerns no other.
    fn fail(&mut self, index: usize, error: EngineError) {
        if let Some(answer) = self.slots[index].answer.take() {
            answer.output.fail(error);
        }
        self.counters.answers.fetch_add(1, Relaxed);
        self.publish_load();
    }

    fn publish_load(&self) {
        let busy = self.slots.iter().filter(|slot| slot.answer.is_some()).count();
        let used = self.slots.iter().map(|slot| slot.cached.len()).sum();
        self.counters.slots_busy.store(busy, Relaxed);
        self.counters.context_tokens_used.store(used, Relaxed);
    }

    /// Ends every answer after a failure and gives back who was still waiting.
    pub(super) fn fail_running(&mut self, error: &EngineError) -> VecDeque<Job> {
        for slot in &mut self.slots {
            if let Some(answer) = slot.answer.take() {
                answer.output.fail(error.clone());
            }
        }
        self.publish_load();
        std::mem::take(&mut self.waiting)
    }

    /// Cancels everything: the engine is being stopped.
    pub(super) fn cancel_all(&mut self) {
        for index in 0..self.slots.len() {
            if self.slots[index].answer.is_some() {
                self.finish(index, FinishReason::Cancelled, None);
            }
        }
        for job in self.waiting.drain(..) {
            self.counters.leave_line();
            self.counters.cancelled.fetch_add(1, Relaxed);
            job.cancel();
        }
        self.publish_load();
    }
}

/// The next token, and whether it completes the form that the answer has to have.
fn choose(
    model: &Model,
    answer: &mut Answer,
    logits: &[f32],
    scratch: &mut Scratch,
) -> Result<(i32, bool), EngineError> {
    let Some(guide) = &mut answer.guide else {
        return Ok((answer.sampler.choose(logits, None, scratch), false));
    };
    let token = answer.sampler.choose(logits, Some(guide.look()?), scratch);
    let is_complete = !model.is_end(token) && guide.accept(token)?;
    Ok((token, is_complete))
}

/// How many tokens, so deep in a prompt, take as long as these at its beginning.
fn at_depth(tokens: usize, depth: usize) -> usize {
    (tokens * LOOKING_BACK_TOKENS / (LOOKING_BACK_TOKENS + depth)).max(1)
}

/// Shares a step's room among prompts (slot, tokens left; the oldest first). Half goes to the
/// oldest, so that a long one always moves; the rest in the order of length, so that a short one
/// does not wait for a long one.
fn shares(prompts: &[(usize, usize)], budget: usize) -> Vec<(usize, usize)> {
    let mut given: Vec<(usize, usize)> = prompts.iter().map(|(slot, _)| (*slot, 0)).collect();
    let mut by_length: Vec<usize> = (0..prompts.len()).collect();
    by_length.sort_by_key(|index| prompts[*index].1);
    let half_first = [(0, budget.div_ceil(2))].into_iter().take(prompts.len());
    let mut left = budget;
    for (index, most) in half_first.chain(by_length.into_iter().map(|index| (index, budget))) {
        let share = (prompts[index].1 - given[index].1).min(most).min(left);
        given[index].1 += share;
        left -= share;
    }
    given.retain(|(_, share)| *share > 0);
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_fewer_tokens_the_deeper_it_is_and_never_none() {
        assert_eq!(at_depth(160, 0), 160);
        assert_eq!(at_depth(160, LOOKING_BACK_TOKENS), 80);
        assert_eq!(at_depth(1, 100_000), 1);
    }

    #[test]
    fn one_prompt_gets_all() {
        assert_eq!(shares(&[(3, 1000)], 128), [(3, 128)]);
        assert_eq!(shares(&[(3, 10)], 128), [(3, 10)]);
        assert!(shares(&[], 128).is_empty());
    }

    #[test]
    fn a_short_one_is_not_behind_a_long_one_and_the_long_one_moves() {
        assert_eq!(shares(&[(0, 1000), (1, 20)], 128), [(0, 108), (1, 20)]);
        assert_eq!(shares(&[(0, 1000), (1, 900), (2, 64)], 128), [(0, 64), (2, 64)]);
        assert_eq!(shares(&[(0, 5), (1, 900)], 128), [(0, 5), (1, 123)]);
    }

    #[test]
    fn never_more_than_there_is() {
        for budget in 0..200 {
            let given = shares(&[(0, 30), (1, 70), (2, 1)], budget);
            let sum: usize = given.iter().map(|(_, share)| share).sum();
            assert_eq!(sum, budget.min(101));
        }
    }
}
