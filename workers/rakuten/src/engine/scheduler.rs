//! The decode loop's one step: every running answer gets its next token, and what is left of the
//! step goes to prompts. A pass that mostly nobody wants any more is broken off.
//!
//! Must never hand llama.cpp a batch it would answer with an abort: more tokens than it was made
//! for, or logits read where none were asked for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use super::error::EngineError;
use super::interrupt::{self, Pass, Watch};
use super::logprobs;
use super::model::Model;
use super::options::CacheLayout;
use super::plan::{Steps, Work};
use super::request::{FinishReason, TokenLogprob};
use super::reuse::{self, Source};
use super::runner::Shared;
use super::sampling::Scratch;
use super::slot::{Answer, Job, Slot};
use super::status::Counters;

/// Each token belongs to one sequence.
const SEQUENCES_PER_TOKEN: i32 = 1;

/// The slots and the context they share.
pub(super) struct Scheduler<'model> {
    model: &'model Model,
    context: LlamaContext<'model>,
    batch: LlamaBatch<'static>,
    steps: Steps,
    /// What a sequence holds can be cut at any token.
    can_be_cut: bool,
    slots: Vec<Slot>,
    waiting: VecDeque<Job>,
    counters: &'model Counters,
    scratch: Scratch,
    started: u64,
    stop: Arc<AtomicBool>,
    /// Prompts were broken off before answers had their turn: the next step is theirs.
    owes_answers: bool,
}

impl<'model> Scheduler<'model> {
    pub(super) fn new(shared: &'model Shared, waiting: VecDeque<Job>) -> Result<Self, EngineError> {
        let model = &shared.model;
        let context = model.new_context()?;
        let tokens_max = usize::try_from(context.n_batch()).unwrap_or(0);
        let wanted = usize::try_from(model.options.batch_tokens_busy).unwrap_or(usize::MAX);
        let steps = Steps {
            tokens_max,
            prompt_tokens_busy: wanted.min(tokens_max),
            // With a buffer for each slot llama.cpp would take two passes for one batch.
            in_one_pass: model.options.cache_layout == CacheLayout::Unified,
        };
        let slots = (0..i32::from(model.options.slots)).map(Slot::new).collect();
        Ok(Self {
            model,
            context,
            batch: LlamaBatch::new(tokens_max, SEQUENCES_PER_TOKEN),
            steps,
            can_be_cut: !model.llama.is_recurrent() && !model.llama.is_hybrid(),
            slots,
            waiting,
            counters: &shared.counters,
            scratch: Scratch::default(),
            started: 0,
            stop: Arc::clone(&shared.stop),
            owes_answers: false,
        })
    }

    /// Computes one token and looks whether numbers come of it: a damaged file would answer with
    /// any words.
    pub(super) fn prove(&mut self) -> Result<(), EngineError> {
        let failed = |reason: String| EngineError::Llama { step: "compute a token", reason };
        self.batch.clear();
        self.batch.add(LlamaToken(0), 0, &[0], true).map_err(|error| failed(error.to_string()))?;
        self.context.decode(&mut self.batch).map_err(|error| failed(error.to_string()))?;
        if self.context.get_logits_ith(0).iter().any(|logit| logit.is_nan()) {
            return Err(EngineError::no_numbers(&self.model.options.model_file));
        }
        self.context.clear_kv_cache();
        Ok(())
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
        if self.slots[index].cached.len() == tokens {
            return Ok(tokens);
        }
        self.cut(index, tokens)
    }

    /// The same where the context may hold more than `cached` says.
    fn cut(&mut self, index: usize, tokens: usize) -> Result<usize, EngineError> {
        let slot = &mut self.slots[index];
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

    /// Everything that has something to do comes on: prompts, then the answers, if there were any
    /// before. Fresh answers let a burst's other prompts pass them once, and go on together.
    pub(super) fn step(&mut self) -> Result<(), EngineError> {
        let is_writing = self.slots.iter().any(Slot::is_writing);
        if !(std::mem::take(&mut self.owes_answers) && is_writing) {
            let pass = self.steps.prompts(&self.slots);
            if self.come_on(pass)? == Pass::BrokenOff {
                // Slots have become free: what comes next is planned anew.
                self.owes_answers = is_writing && !self.steps.in_one_pass;
                return Ok(());
            }
        }
        if is_writing {
            let pass = self.steps.answers(&self.slots);
            if self.come_on(pass)? == Pass::BrokenOff {
                return Ok(());
            }
        }
        self.counters.steps.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Computes a pass, if there is something in it, and what follows from it.
    fn come_on(&mut self, pass: Vec<Work>) -> Result<Pass, EngineError> {
        if pass.is_empty() {
            return Ok(Pass::Done);
        }
        let end = self.compute(&pass)?;
        match end {
            Pass::BrokenOff => self.undo(&pass)?,
            Pass::Done => pass.into_iter().for_each(|work| self.take_over(work)),
        }
        Ok(end)
    }

    fn compute(&mut self, pass: &[Work]) -> Result<Pass, EngineError> {
        self.fill(pass)?;
        let answers = pass.iter().filter_map(|work| {
            self.slots[work.slot].answer.as_ref().map(|answer| (answer, work.tokens.len()))
        });
        let spared = !self.can_be_cut || answers.clone().any(|(answer, _)| answer.was_redone);
        let shares = answers.map(|(answer, tokens)| (answer.wish(), tokens)).collect();
        let watch = Watch::new(shares, spared, Arc::clone(&self.stop));
        interrupt::watched(watch, || self.context.decode(&mut self.batch))
            .map_err(|error| EngineError::Decode(error.to_string()))
    }

    /// Takes back what a pass that was broken off has left in the context.
    fn undo(&mut self, pass: &[Work]) -> Result<(), EngineError> {
        self.counters.broken_off.fetch_add(1, Relaxed);
        for work in pass {
            let held = self.slots[work.slot].cached.len();
            self.cut(work.slot, held)?;
            let slot = &self.slots[work.slot];
            let held = self.context.kv_cache_seq_pos_max(slot.sequence) + 1;
            debug_assert_eq!(usize::try_from(held).ok(), Some(slot.cached.len()));
            if let Some(answer) = &mut self.slots[work.slot].answer {
                answer.was_redone = !answer.is_unwanted();
            }
        }
        Ok(())
    }

    /// A slot's tokens are in the context.
    fn take_over(&mut self, work: Work) {
        let slot = &mut self.slots[work.slot];
        slot.cached.extend_from_slice(&work.tokens);
        if let Some(answer) = &mut slot.answer {
            answer.pending = None;
            answer.was_redone = false;
            if work.is_prompt {
                answer.prompt_advanced(work.tokens.len());
            }
        }
        if let Some(row) = work.row {
            self.advance(work.slot, row);
        }
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
        if logits.first().is_some_and(|logit| logit.is_nan()) {
            return self.fail(index, EngineError::Decode("no numbers came of a step".into()));
        }
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
