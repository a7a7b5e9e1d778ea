//! A model that makes vectors: one thread owns its context and reads the texts of one request
//! after the other, as many at once as fit into a step.
//!
//! Every kind of GGUF that llama.cpp can pool is served: those that read both ways (BERT and its
//! kin) and those that read forwards. Nothing is kept between two steps.

use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::error::EngineError;
use super::gguf::{FILE_TYPE, Header};
use super::model::{backend, context_tokens, names};
use super::options::EngineOptions;
use super::{STACK_BYTES, kernels};

/// llama.h's LLAMA_POOLING_TYPE_NONE: a vector for each token, which nobody asks for.
const POOLING_NONE: u64 = 0;

/// llama.h's LLAMA_POOLING_TYPE_RANK: such a file judges pairs of texts and has no vectors.
const POOLING_RANK: u64 = 4;

/// What is known of a loaded model.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedderInfo {
    /// The name inside the file, or the file's name.
    pub name: String,
    /// llama.cpp's name for the architecture, as `bert`.
    pub architecture: String,
    /// Numbers of a vector.
    pub width: usize,
    /// Tokens that one text may have.
    pub context_tokens: usize,
    /// Time it took to load, seconds.
    pub load_seconds: f64,
}

/// A handle on a running model. Clones mean the same one.
#[derive(Clone)]
pub struct Embedder {
    model: Arc<Model>,
    messages: SyncSender<Message>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl std::fmt::Debug for Embedder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Embedder").field("model", &self.model.info).finish()
    }
}

struct Model {
    llama: LlamaModel,
    options: EngineOptions,
    pooling: LlamaPoolingType,
    /// Bytes of the longest token's text, at least 1.
    longest_piece_bytes: usize,
    info: EmbedderInfo,
}

/// What the handles tell the thread.
enum Message {
    Embed(Request),
    Stop,
}

/// The texts of one request, and where their vectors go.
struct Request {
    texts: Vec<Vec<LlamaToken>>,
    cancel: CancellationToken,
    answer: oneshot::Sender<Result<Vec<Vec<f32>>, EngineError>>,
}

impl Embedder {
    /// Loads a model and starts its thread. Blocks while the file is read.
    ///
    /// # Errors
    /// As [`super::Engine::load`], and for a file that ranks instead of making vectors.
    pub fn load(options: EngineOptions) -> Result<Self, EngineError> {
        let queue = usize::from(options.queue_requests_max);
        let model = Arc::new(Model::load(options)?);
        let (messages, inbox) = sync_channel(queue);
        let (ready, started) = sync_channel(1);
        let theirs = Arc::clone(&model);
        let thread = Builder::new()
            .name("embed".into())
            .stack_size(STACK_BYTES)
            .spawn(move || theirs.run(&inbox, &ready))
            .map_err(|error| EngineError::Llama {
                step: "start a thread",
                reason: error.to_string(),
            })?;
        started.recv().map_err(|_| EngineError::Stopped)??;
        Ok(Self { model, messages, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// What is known of the model.
    #[must_use]
    pub fn model(&self) -> &EmbedderInfo {
        &self.model.info
    }

    /// A text's tokens, with those that the model wants around it. Nothing in the text becomes a
    /// control token.
    ///
    /// # Errors
    /// [`EngineError::ContextLengthExceeded`].
    pub fn tokens(&self, text: &str) -> Result<Vec<i32>, EngineError> {
        let model = &self.model;
        // Counting what can't fit would only take time.
        model.check_length(text.len() / model.longest_piece_bytes)?;
        let tokens = model.llama.vocab().tokenize(text.as_bytes(), true, false);
        model.check_length(tokens.len())?;
        Ok(tokens.iter().map(|token| token.0).collect())
    }

    /// Vectors of length 1 for texts given by their tokens, in their order; an empty list of texts
    /// has none. `cancel` gives up before the next step.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] for tokens that the model doesn't have,
    /// [`EngineError::ContextLengthExceeded`], [`EngineError::Busy`], [`EngineError::Decode`] when
    /// this request failed, and [`EngineError::Stopped`].
    pub async fn embed(
        &self,
        texts: &[Vec<i32>],
        cancel: &CancellationToken,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        for text in texts {
            self.model.check(text)?;
        }
        let of = |text: &Vec<i32>| text.iter().map(|token| LlamaToken(*token)).collect();
        let (answer, vectors) = oneshot::channel();
        let texts = texts.iter().map(of).collect();
        let request = Request { texts, cancel: cancel.clone(), answer };
        self.messages.try_send(Message::Embed(request)).map_err(|error| match error {
            TrySendError::Full(_) => {
                EngineError::Busy { waiting: usize::from(self.model.options.queue_requests_max) }
            }
            TrySendError::Disconnected(_) => EngineError::Stopped,
        })?;
        vectors.await.unwrap_or(Err(EngineError::Stopped))
    }

    /// Ends the thread after the requests that came before, whoever else has a handle. Blocks until
    /// it is gone.
    pub fn stop(&self) {
        // It is gone already when nobody takes this.
        let _ = self.messages.send(Message::Stop);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the embedding thread had panicked");
        }
    }
}

impl Model {
    fn load(options: EngineOptions) -> Result<Self, EngineError> {
        let begun = Instant::now();
        options.validate()?;
        let header = Header::read(&options.model_file)?;
        let (name, architecture) = names(&header, &options)?;
        kernels::take(options.instructions, header.number(FILE_TYPE))?;
        let pooling = match header.number(&format!("{architecture}.pooling_type")) {
            Some(POOLING_RANK) => {
                return Err(EngineError::ModelFileInvalid {
                    path: options.model_file,
                    reason: "it ranks texts and makes no vectors".into(),
                });
            }
            // llama.cpp does as the file says.
            Some(kind) if kind != POOLING_NONE => LlamaPoolingType::Unspecified,
            _ => LlamaPoolingType::Mean,
        };
        let parameters = LlamaModelParams::default().with_n_gpu_layers(options.gpu_layers);
        let llama = LlamaModel::load_from_file(backend()?, &options.model_file, &parameters)
            .map_err(|error| EngineError::Llama {
                step: "load the model file",
                reason: format!("{error} (its log lines say why)"),
            })?;
        let vocab = llama.vocab();
        let bytes = |token| vocab.token_to_piece(token, false, None).len();
        let longest_piece_bytes = vocab.tokens().map(bytes).max().unwrap_or(1).max(1);
        let trained = usize::try_from(llama.n_ctx_train()).unwrap_or(0);
        let info = EmbedderInfo {
            name,
            architecture,
            width: usize::try_from(llama.n_embd_out()).unwrap_or(0),
            context_tokens: context_tokens(&options, trained).min(trained.max(1)),
            load_seconds: begun.elapsed().as_secs_f64(),
        };
        Ok(Self { llama, options, pooling, longest_piece_bytes, info })
    }

    fn check_length(&self, prompt_tokens: usize) -> Result<(), EngineError> {
        let context_tokens = self.info.context_tokens;
        if prompt_tokens > context_tokens {
            return Err(EngineError::ContextLengthExceeded { prompt_tokens, context_tokens });
        }
        Ok(())
    }

    fn check(&self, text: &[i32]) -> Result<(), EngineError> {
        let size = self.llama.n_vocab();
        if text.is_empty() {
            return Err(EngineError::request("input", "has a text without a token"));
        }
        if text.iter().any(|token| !(0..size).contains(token)) {
            let reason = format!("has a token that is none of this model's {size}");
            return Err(EngineError::request("input", reason));
        }
        self.check_length(text.len())
    }

    /// Tokens of one step: at least one text of any length that is allowed.
    fn step_tokens(&self) -> usize {
        let wanted = usize::try_from(self.options.batch_tokens_max).unwrap_or(usize::MAX);
        wanted.max(self.info.context_tokens)
    }

    /// A text is read in one piece: pooling, and reading both ways, need all of it.
    fn new_context(&self) -> Result<LlamaContext<'_>, EngineError> {
        let step = u32::try_from(self.step_tokens()).unwrap_or(u32::MAX);
        let threads = self.options.thread_count();
        let parameters = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(step))
            .with_n_batch(step)
            .with_n_ubatch(step)
            .with_n_seq_max(u32::from(self.options.slots))
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_kv_unified(true)
            .with_embeddings(true)
            .with_pooling_type(self.pooling)
            .with_no_perf(true);
        self.llama.new_context(backend()?, parameters).map_err(|error| EngineError::Llama {
            step: "make a context",
            reason: format!("{error}: steps of {step} tokens may need more memory than there is"),
        })
    }

    /// The thread's whole life. Reports over `ready` when it can take requests.
    fn run(&self, inbox: &Receiver<Message>, ready: &SyncSender<Result<(), EngineError>>) {
        let mut context = match self.new_context() {
            Ok(context) => context,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let proved = match self.read(&mut context, &[vec![LlamaToken(0)]]) {
            Err(EngineError::Decode(_)) => Err(EngineError::no_numbers(&self.options.model_file)),
            read => read.map(drop),
        };
        let is_fit = proved.is_ok();
        // Who waits for it may have gone.
        let _ = ready.send(proved);
        if !is_fit {
            return;
        }
        while let Ok(Message::Embed(request)) = inbox.recv() {
            // A panic of the binding costs this request only.
            let vectors = catch_unwind(AssertUnwindSafe(|| self.vectors(&mut context, &request)));
            let vectors = vectors.unwrap_or_else(|_| Err(failed("panic in a step")));
            // Who asked may have gone.
            let _ = request.answer.send(vectors);
        }
    }

    fn vectors(
        &self,
        context: &mut LlamaContext<'_>,
        request: &Request,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut vectors = Vec::with_capacity(request.texts.len());
        let mut rest = request.texts.as_slice();
        while !rest.is_empty() {
            if request.cancel.is_cancelled() {
                return Err(failed("cancelled"));
            }
            let (step, later) = rest.split_at(self.step(rest));
            vectors.extend(self.read(context, step)?);
            rest = later;
        }
        Ok(vectors)
    }

    /// How many of these texts go into one step; at least one.
    fn step(&self, texts: &[Vec<LlamaToken>]) -> usize {
        let mut tokens = 0;
        let fits = |text: &&Vec<LlamaToken>| {
            tokens += text.len();
            tokens <= self.step_tokens()
        };
        let count = texts.iter().take(usize::from(self.options.slots)).take_while(fits).count();
        count.max(1)
    }

    fn read(
        &self,
        context: &mut LlamaContext<'_>,
        texts: &[Vec<LlamaToken>],
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        context.clear_kv_cache();
        let mut batch = LlamaBatch::new(texts.iter().map(Vec::len).sum(), 1);
        for (sequence, text) in (0..).zip(texts) {
            batch.add_sequence(text, sequence, true).map_err(failed)?;
        }
        context.decode(&mut batch).map_err(failed)?;
        let vector = |(sequence, _): (i32, _)| {
            let vector = context.embeddings_seq_ith(sequence).map_err(failed)?;
            if vector.iter().any(|number| number.is_nan()) {
                return Err(failed("no numbers came of it"));
            }
            Ok(normalized(vector))
        };
        (0..).zip(texts).map(vector).collect()
    }
}

fn failed(reason: impl ToString) -> EngineError {
    EngineError::Decode(reason.to_string())
}

/// The same direction with length 1, as OpenAI's vectors have; nothing has none.
fn normalized(vector: &[f32]) -> Vec<f32> {
    let square: f64 = vector.iter().map(|number| f64::from(*number).powi(2)).sum();
    let length = square.sqrt();
    if !length.is_normal() {
        return vector.to_vec();
    }
    vector.iter().map(|number| (f64::from(*number) / length) as f32).collect()
}
