//! What the operator may choose about the engine, with defaults and ranges.
//!
//! Must never read a file or the environment: the caller fills this from its configuration.

use std::path::PathBuf;
use std::thread::available_parallelism;

use super::error::EngineError;
use super::kernels::Instructions;

/// Most requests that can be decoded side by side; llama.cpp's own ceiling is higher.
const SLOTS_MAX: u16 = 64;
/// Smallest context of a slot, tokens.
pub(super) const CONTEXT_TOKENS_MIN: u32 = 256;
/// llama.cpp pads a sequence's context to a multiple of this, tokens.
pub(super) const CONTEXT_TOKENS_STEP: u32 = 256;
/// Largest number of tokens in one decode step.
const BATCH_TOKENS_MAX: u32 = 4_096;
/// Longest waiting line, requests.
const QUEUE_REQUESTS_MAX: u16 = 4_096;
/// Most threads one engine may use.
const THREADS_MAX: u16 = 512;

/// How the keys and values of attention are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheType {
    /// Keys in eight-bit blocks, values in sixteen-bit floats: three quarters of the memory of
    /// [`CacheType::F16`], and on a CPU a way whose sums do not depend on who else is being served.
    /// With it a greedy or seeded answer is the same alone, beside others, and on a reused prefix.
    /// A model whose attention heads are no multiple of 32 wide gets [`CacheType::F16`].
    #[default]
    Q8,
    /// Half precision: two bytes a value.
    F16,
}

/// How the slots share the memory of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheLayout {
    /// One buffer a slot: attention reads the slot's own tokens in their order, so its sums do
    /// not depend on who else is being served.
    #[default]
    PerSlot,
    /// One buffer for all slots: a prefix is shared without copying, and one step is one pass
    /// over the weights whatever the mix of prompts and answers. Where a token lies in the buffer
    /// depends on the others, and with it the last bits of every sum.
    Unified,
}

/// How the engine is built. [`EngineOptions::new`] gives the defaults.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The GGUF to serve.
    pub model_file: PathBuf,
    /// Requests decoded side by side, 1 to `SLOTS_MAX`. Default 4.
    pub slots: u16,
    /// Tokens of prompt and answer together that one request may use, from
    /// `CONTEXT_TOKENS_MIN`; rounded up to a multiple of 256 and cut to what the model was
    /// trained on. Default 4096.
    pub context_tokens_per_slot: u32,
    /// Most tokens in one decode step when nobody is streaming, from `slots` to
    /// `BATCH_TOKENS_MAX`. Default 512.
    pub batch_tokens_max: u32,
    /// Most prompt tokens in one decode step while others are streaming, for one or two newcomers
    /// at their beginning, and fewer the deeper they are; half of it for each newcomer when they
    /// are more. Smaller keeps the streams smoother, larger answers a newcomer sooner. 1 to
    /// `batch_tokens_max`. Default 144.
    pub batch_tokens_busy: u32,
    /// Threads of one decode step; `None` takes every core. 1 to `THREADS_MAX`.
    pub threads: Option<u16>,
    /// Requests that may wait for a slot before [`EngineError::Busy`], 1 to
    /// `QUEUE_REQUESTS_MAX`. Default 64.
    pub queue_requests_max: u16,
    /// The instructions to compute with on the CPU; `None` takes the best that the processor has.
    /// One process has one: a second engine is refused another.
    pub instructions: Option<Instructions>,
    /// Layers to put on a GPU, where the build has one; 0 keeps all on the CPU. Default 0.
    pub gpu_layers: u32,
    /// How attention's memory is stored.
    pub cache_type: CacheType,
    /// How attention's memory is shared.
    pub cache_layout: CacheLayout,
    /// A Jinja chat template that replaces the one in the file.
    pub chat_template: Option<String>,
}

impl EngineOptions {
    /// The defaults for one model file.
    #[must_use]
    pub fn new(model_file: impl Into<PathBuf>) -> Self {
        Self {
            model_file: model_file.into(),
            slots: 4,
            context_tokens_per_slot: 4_096,
            batch_tokens_max: 512,
            batch_tokens_busy: 144,
            threads: None,
            queue_requests_max: 64,
            instructions: None,
            gpu_layers: 0,
            cache_type: CacheType::default(),
            cache_layout: CacheLayout::default(),
            chat_template: None,
        }
    }

    /// The number of threads a decode step will use.
    pub(super) fn thread_count(&self) -> i32 {
        let cores = available_parallelism().map_or(1, std::num::NonZero::get);
        let cores = u16::try_from(cores).unwrap_or(THREADS_MAX).min(THREADS_MAX);
        i32::from(self.threads.unwrap_or(cores))
    }

    /// Refuses every value that llama.cpp would answer with an abort or silently change.
    pub(super) fn validate(&self) -> Result<(), EngineError> {
        let slots = u32::from(self.slots);
        within("slots", slots, 1, u32::from(SLOTS_MAX))?;
        within(
            "context_tokens_per_slot",
            self.context_tokens_per_slot,
            CONTEXT_TOKENS_MIN,
            u32::try_from(i32::MAX).unwrap_or(u32::MAX) / u32::from(SLOTS_MAX),
        )?;
        within("batch_tokens_max", self.batch_tokens_max, slots, BATCH_TOKENS_MAX)?;
        within("batch_tokens_busy", self.batch_tokens_busy, 1, self.batch_tokens_max)?;
        within(
            "queue_requests_max",
            u32::from(self.queue_requests_max),
            1,
            u32::from(QUEUE_REQUESTS_MAX),
        )?;
        if let Some(threads) = self.threads {
            within("threads", u32::from(threads), 1, u32::from(THREADS_MAX))?;
        }
        Ok(())
    }
}

fn within(option: &'static str, value: u32, least: u32, most: u32) -> Result<(), EngineError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let reason = format!("must be between {least} and {most}, and is {value}");
    Err(EngineError::InvalidOption { option, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        EngineOptions::new("model.gguf").validate().unwrap();
    }

    #[test]
    fn each_bad_value_is_named() {
        let check = |change: fn(&mut EngineOptions), name: &str| {
            let mut options = EngineOptions::new("model.gguf");
            change(&mut options);
            let text = options.validate().unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
        };
        check(|options| options.slots = 0, "slots");
        check(|options| options.slots = SLOTS_MAX + 1, "slots");
        check(|options| options.context_tokens_per_slot = 1, "context_tokens_per_slot");
        check(|options| options.context_tokens_per_slot = u32::MAX, "context_tokens_per_slot");
        check(|options| options.batch_tokens_max = 3, "batch_tokens_max");
        check(|options| options.batch_tokens_busy = 0, "batch_tokens_busy");
        check(|options| options.threads = Some(0), "threads");
        check(|options| options.queue_requests_max = 0, "queue_requests_max");
    }
}
