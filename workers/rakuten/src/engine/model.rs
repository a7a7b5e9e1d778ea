//! A loaded model: llama.cpp's handle, what the engine knows of it, and its chat template.
//!
//! Must never give llama.cpp a file that was not looked at first, and must never start its
//! backend twice in one process.

use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::time::Instant;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::{LogOptions, send_logs_to_tracing};

use super::error::EngineError;
use super::gguf::{FILE_TYPE, Header};
use super::grammar::Grammars;
use super::interrupt;
use super::kernels::{self, Instructions};
use super::options::EngineOptions;
use super::options::{CONTEXT_TOKENS_MIN, CONTEXT_TOKENS_STEP, CacheLayout, CacheType};
use super::vocabulary::Vocabulary;
use crate::template::ChatTemplate;

/// Tokenizers of models that only make vectors, or read and write in two halves.
const TOKENIZERS_REFUSED: [&str; 4] = ["none", "no_vocab", "bert", "t5"];

/// Values that share one scale in an eight-bit block.
const BLOCK_VALUES: u64 = 32;
/// llama.h's LLAMA_FLASH_ATTN_TYPE_DISABLED. On a CPU its flash attention takes one of three ways
/// by the number of tokens in a step, and two of them add in half precision: an answer would then
/// depend on who else is being served.
const FLASH_ATTENTION_OFF: i32 = 0;
/// llama.h's LLAMA_FLASH_ATTN_TYPE_ENABLED. Where keys and values are of two types there is one way
/// only.
const FLASH_ATTENTION_ON: i32 = 1;

/// Multiplications of one operation for each thread: about 14 ms of a core with AVX2.
const OPERATION_PRODUCTS_MAX: u64 = 800_000_000;
/// Fewer tokens than this are not computed at once, however large the model: reading its weights
/// for each piece would weigh more than the work.
const PIECE_TOKENS_MIN: u64 = 64;

/// What is known of a loaded model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// The name inside the file, or the file's name.
    pub name: String,
    /// llama.cpp's name for the architecture, as `llama`.
    pub architecture: String,
    /// Tokens one request may use, prompt and answer together.
    pub context_tokens: usize,
    /// Tokens the model was trained to see at once.
    pub trained_context_tokens: usize,
    /// Tokens of its vocabulary.
    pub vocabulary_tokens: usize,
    /// Number of weights.
    pub parameters: u64,
    /// Size of the weights, bytes.
    pub weight_bytes: u64,
    /// True when chats can be rendered: the file or the configuration has a template.
    pub has_template: bool,
    /// Answers written side by side.
    pub slots: usize,
    /// What it computes with on the CPU; none where there is no choice.
    pub instructions: Option<Instructions>,
    /// Time it took to load, seconds.
    pub load_seconds: f64,
}

/// A loaded model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) llama: LlamaModel,
    pub(super) options: EngineOptions,
    pub(super) vocabulary: Vocabulary,
    pub(super) template: Option<ChatTemplate>,
    /// Tokens of one slot's context.
    pub(super) context_tokens: usize,
    cache_type: CacheType,
    /// Tokens that llama.cpp computes at once.
    piece_tokens: u32,
    pub(super) grammars: Grammars,
    pub(super) info: ModelInfo,
}

impl Model {
    /// Checks the options and the file, then loads it.
    pub(super) fn load(options: EngineOptions) -> Result<Self, EngineError> {
        let begun = Instant::now();
        options.validate()?;
        let header = Header::read(&options.model_file)?;
        let facts = Facts::of(&header, &options)?;
        let instructions = kernels::take(options.instructions, header.number(FILE_TYPE))?;
        let parameters = LlamaModelParams::default().with_n_gpu_layers(options.gpu_layers);
        let llama = LlamaModel::load_from_file(backend()?, &options.model_file, &parameters)
            .map_err(|error| EngineError::Llama {
                step: "load the model file",
                reason: format!("{error} (its log lines say why)"),
            })?;
        let vocabulary = Vocabulary::read(&llama, facts.adds_space);
        let source = options.chat_template.as_deref().or(facts.template.as_deref());
        let template = source
            .map(|source| ChatTemplate::compile(source, &vocabulary.bos_text, &vocabulary.eos_text))
            .transpose()?;
        let trained_context_tokens = usize::try_from(llama.n_ctx_train()).unwrap_or(0);
        let context_tokens = context_tokens(&options, trained_context_tokens);
        let info = ModelInfo {
            name: facts.name,
            architecture: facts.architecture,
            context_tokens,
            trained_context_tokens,
            vocabulary_tokens: vocabulary.size,
            parameters: llama.n_params(),
            weight_bytes: llama.size(),
            has_template: template.is_some(),
            slots: usize::from(options.slots),
            instructions,
            load_seconds: begun.elapsed().as_secs_f64(),
        };
        let cache_type = cache_type(options.cache_type, facts.head_width);
        let piece_tokens = piece_tokens(&options, facts.widest_product);
        let grammars = Grammars::default();
        Ok(Self {
            llama,
            options,
            vocabulary,
            template,
            context_tokens,
            cache_type,
            piece_tokens,
            grammars,
            info,
        })
    }

    /// A fresh context with room for every slot.
    pub(super) fn new_context(&self) -> Result<LlamaContext<'_>, EngineError> {
        let slots = u32::from(self.options.slots);
        let per_slot = u32::try_from(self.context_tokens).unwrap_or(CONTEXT_TOKENS_MIN);
        let batch = self.options.batch_tokens_max.min(per_slot.saturating_mul(slots));
        let threads = self.options.thread_count();
        let (keys, values, flash_attention) = match self.cache_type {
            CacheType::F16 => (KvCacheType::F16, KvCacheType::F16, FLASH_ATTENTION_OFF),
            // Of unlike kinds, so that attention adds in one way only, however many tokens a step
            // has. Values of sixteen bits are multiplied as they are, other small ones unpacked.
            CacheType::Q8 => (KvCacheType::Q8_0, KvCacheType::F16, FLASH_ATTENTION_ON),
        };
        let parameters = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(per_slot.saturating_mul(slots)))
            .with_n_batch(batch)
            .with_n_ubatch(self.piece_tokens.min(batch).max(slots))
            .with_n_seq_max(slots)
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_type_k(keys)
            .with_type_v(values)
            .with_flash_attention_policy(flash_attention)
            .with_kv_unified(self.options.cache_layout == CacheLayout::Unified)
            .with_no_perf(true);
        self.llama.new_context(backend()?, interrupt::arm(parameters)).map_err(|error| {
            EngineError::Llama {
                step: "make a context",
                reason: format!(
                    "{error}: {slots} slots of {per_slot} tokens may need more memory than there is"
                ),
            }
        })
    }

    /// True for every token that ends an answer.
    pub(super) fn is_end(&self, token: i32) -> bool {
        self.llama.vocab().is_eog(LlamaToken(token))
    }

    /// A token's bytes; none for control tokens.
    pub(super) fn piece(&self, token: i32) -> Vec<u8> {
        self.llama.vocab().token_to_piece(LlamaToken(token), false, None)
    }

    /// A token's bytes as its answer shows it; `calls` shows what divides calls of functions.
    pub(super) fn shown_piece(&self, token: i32, calls: bool) -> Vec<u8> {
        let bytes = self.piece(token);
        match self.vocabulary.call_text(token) {
            Some(text) if calls && bytes.is_empty() => text.into(),
            _ => bytes,
        }
    }

    /// Tokens that must never be chosen.
    pub(super) fn suppressed(&self) -> Vec<i32> {
        self.vocabulary.suppressed.iter().map(|token| token.0).collect()
    }
}

/// What the header tells before llama.cpp is asked.
struct Facts {
    name: String,
    architecture: String,
    template: Option<String>,
    adds_space: bool,
    /// Values of one attention head, where the file says.
    head_width: Option<u64>,
    /// Multiplications of one token in the largest single operation, where the file says.
    widest_product: Option<u64>,
}

impl Facts {
    fn of(header: &Header, options: &EngineOptions) -> Result<Self, EngineError> {
        let (name, architecture) = names(header, options)?;
        let tokenizer = header.text("tokenizer.ggml.model").unwrap_or_default();
        if TOKENIZERS_REFUSED.contains(&tokenizer) {
            return Err(EngineError::ModelFileInvalid {
                path: options.model_file.clone(),
                reason: "it is no model that writes text; one that makes vectors is served as \
                         capabilities: [embeddings]"
                    .into(),
            });
        }
        let number = |key: &str| header.number(&format!("{architecture}.{key}"));
        let (width, heads) = (number("embedding_length"), number("attention.head_count"));
        let even_share = width.zip(heads).and_then(|(width, heads)| width.checked_div(heads));
        let experts = number("expert_feed_forward_length").zip(number("expert_used_count"));
        let inner = [number("feed_forward_length"), experts.map(|(inner, used)| inner * used)];
        let inner = inner.into_iter().flatten().max();
        Ok(Self {
            head_width: number("attention.key_length").or(even_share),
            widest_product: inner.zip(width).map(|(inner, width)| inner.saturating_mul(width)),
            name,
            architecture,
            template: header.text("tokenizer.chat_template").map(str::to_owned),
            adds_space: header
                .flag("tokenizer.ggml.add_space_prefix")
                .unwrap_or(tokenizer == "llama"),
        })
    }
}

/// A model's own name and its architecture's, of a file that is whole enough to be loaded.
pub(super) fn names(
    header: &Header,
    options: &EngineOptions,
) -> Result<(String, String), EngineError> {
    let invalid = |reason: &str| EngineError::ModelFileInvalid {
        path: options.model_file.clone(),
        reason: reason.to_owned(),
    };
    let architecture = header.text("general.architecture");
    let architecture = architecture.ok_or_else(|| invalid("it names no architecture"))?;
    if header.text("tokenizer.ggml.model").is_none() {
        return Err(invalid("it has no tokenizer"));
    }
    if header.array_len("tokenizer.ggml.tokens").is_none_or(|tokens| tokens == 0) {
        return Err(invalid("it has no vocabulary"));
    }
    if header.tensors == 0 {
        return Err(invalid("it has a vocabulary and no weights"));
    }
    let file_name =
        || options.model_file.file_stem().map(|name| name.to_string_lossy().into_owned());
    let name = header.text("general.name").map(str::to_owned).or_else(file_name);
    Ok((name.unwrap_or_default(), architecture.to_owned()))
}

/// Eight-bit blocks where a head fills whole blocks, else half precision.
fn cache_type(wanted: CacheType, head_width: Option<u64>) -> CacheType {
    match head_width {
        Some(width) if wanted == CacheType::Q8 && !width.is_multiple_of(BLOCK_VALUES) => {
            tracing::warn!(head_width = width, "keeping attention in half precision");
            CacheType::F16
        }
        _ => wanted,
    }
}

/// How many tokens llama.cpp computes at once: so few that none of its operations, between which it
/// can be interrupted, takes long. A GPU is quick and can't be.
fn piece_tokens(options: &EngineOptions, widest_product: Option<u64>) -> u32 {
    let Some(product) = widest_product.filter(|product| *product > 0 && options.gpu_layers == 0)
    else {
        return options.batch_tokens_max;
    };
    let threads = u64::try_from(options.thread_count()).unwrap_or(1);
    let tokens = (threads * OPERATION_PRODUCTS_MAX / product).max(PIECE_TOKENS_MIN);
    u32::try_from(tokens).unwrap_or(u32::MAX).min(options.batch_tokens_max)
}

/// A slot's context: what was asked for, but not beyond what the model was trained on.
pub(super) fn context_tokens(options: &EngineOptions, trained: usize) -> usize {
    let least = usize::try_from(CONTEXT_TOKENS_MIN).unwrap_or(usize::MAX);
    let step = usize::try_from(CONTEXT_TOKENS_STEP).unwrap_or(1);
    let wanted = usize::try_from(options.context_tokens_per_slot).unwrap_or(least);
    wanted.min(trained.max(least)).next_multiple_of(step)
}

/// llama.cpp's backend, started once and kept as long as the process.
pub(super) fn backend() -> Result<&'static LlamaBackend, EngineError> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    let backend = BACKEND.get_or_init(|| {
        send_logs_to_tracing(LogOptions::default());
        LlamaBackend::init().map_err(|error| error.to_string())
    });
    backend
        .as_ref()
        .map_err(|reason| EngineError::Llama { step: "start its backend", reason: reason.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_operation_of_a_large_model_is_long_and_a_small_one_is_not_cut() {
        let mut options = EngineOptions { threads: Some(2), ..EngineOptions::new("model.gguf") };
        assert_eq!(piece_tokens(&options, Some(8_192 * 2_048)), 95);
        assert_eq!(piece_tokens(&options, Some(1_536 * 576)), options.batch_tokens_max);
        assert_eq!(piece_tokens(&options, Some(u64::MAX)), 64);
        assert_eq!(piece_tokens(&options, None), options.batch_tokens_max);
        options.gpu_layers = 1;
        assert_eq!(piece_tokens(&options, Some(8_192 * 2_048)), options.batch_tokens_max);
    }
}
