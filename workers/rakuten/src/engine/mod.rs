//! The engine: a model file served to many requests at once, without a network.
//!
//! One thread owns the model's context and decodes all running answers together, token by token;
//! requests join and leave between two steps. Everything that crosses to that thread goes through
//! bounded channels. Must know nothing of NATS, jobs or HTTP, and no request may end the process.

mod embedder;
mod error;
mod gguf;
mod grammar;
/// Passes that nobody wants any more.
mod interrupt;
/// Which instructions the CPU computes with.
mod kernels;
mod logprobs;
mod model;
mod options;
mod output;
/// Patterns that one text has to match all at once.
mod pattern_product;
/// What the next step computes.
mod plan;
mod request;
mod reuse;
mod runner;
mod sampling;
mod scheduler;
mod slot;
mod status;
mod stop;
mod text;
mod vocabulary;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use llama_cpp_2::token::LlamaToken;
use serde_json::Value;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

pub use embedder::{Embedder, EmbedderInfo};
pub use error::EngineError;
pub(crate) use grammar::{FORM_BYTES_MAX, FORM_DEPTH_MAX};
pub use grammar::{FORM_TIME_MAX, Form, Grammar};
pub(crate) use grammar::{check_schema, put_style};
pub use kernels::Instructions;
pub use model::ModelInfo;
pub use options::{CacheLayout, CacheType, EngineOptions};
pub use request::{
    Event, FinishReason, Finished, GenerateRequest, Prompt, Sampling, Timing, TokenLogprob, Usage,
};
pub(crate) use request::{TOP_LOGPROBS_MAX, validate_stops};
pub use status::Status;
pub(crate) use stop::{Matched, StopMatcher};

use crate::calls::CallFormat;
use crate::template::PromptOptions;
use model::Model;
use output::Output;
use runner::{Message, Shared};
use slot::Job;
use status::Counters;

/// Stack of the decoding thread, bytes: llama.cpp builds its graphs on it, and forms nest on it.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// A handle on a running engine. Clones are cheap and mean the same engine; when the last is
/// dropped, the thread ends after the answers it is writing.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    messages: SyncSender<Message>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Engine").field("model", &self.shared.model.info).finish()
    }
}

impl Engine {
    /// Loads a model and starts its thread. Blocks while the file is read: seconds for a large
    /// one.
    ///
    /// # Errors
    /// A missing, cut or foreign file, an option outside its range, too little memory, or a
    /// processor that is too old.
    pub fn load(options: EngineOptions) -> Result<Self, EngineError> {
        let queue = usize::from(options.queue_requests_max);
        let model = Model::load(options)?;
        let (counters, stop) = (Counters::default(), Arc::new(AtomicBool::new(false)));
        let shared = Arc::new(Shared { model, counters, stop });
        // One place more than may wait, so that waking the thread never fails for lack of room.
        let (messages, inbox) = sync_channel(queue + 1);
        let (ready, started) = sync_channel(1);
        let theirs = Arc::clone(&shared);
        let thread = Builder::new()
            .name("decode".into())
            .stack_size(STACK_BYTES)
            .spawn(move || runner::run(&theirs, &inbox, &ready))
            .map_err(|error| EngineError::Llama {
                step: "start a thread",
                reason: error.to_string(),
            })?;
        started.recv().map_err(|_| EngineError::Stopped)??;
        let thread = Arc::new(Mutex::new(Some(thread)));
        Ok(Self { shared, messages, thread })
    }

    /// What is known of the model.
    #[must_use]
    pub fn model(&self) -> &ModelInfo {
        &self.shared.model.info
    }

    /// How the model's template writes calls of functions.
    #[must_use]
    pub fn call_format(&self) -> CallFormat {
        let template = self.shared.model.template.as_ref();
        template.map_or(CallFormat::Instructed, |template| template.calls)
    }

    /// What the engine is doing and has done.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.counters.read(self.shared.model.info.slots)
    }

    /// Renders a chat with the model's own template. `messages` and `tools` are in the form of
    /// the OpenAI API; content is a text or a list of text parts. Text of the client can never
    /// become a control token.
    ///
    /// Takes milliseconds for a long chat: call it where blocking is allowed.
    ///
    /// # Errors
    /// [`EngineError::NoTemplate`], [`EngineError::Template`], [`EngineError::InvalidRequest`],
    /// and [`EngineError::ContextLengthExceeded`] before a text is tokenised that cannot fit.
    pub fn prompt(
        &self,
        messages: &[Value],
        tools: Option<&Value>,
        options: &PromptOptions,
    ) -> Result<Prompt, EngineError> {
        let model = &self.shared.model;
        let vocabulary = &model.vocabulary;
        let template = model.template.as_ref().ok_or(EngineError::NoTemplate)?;
        let disarm = |text: &str, mark| vocabulary.disarm(text, mark);
        let rendered = template.render(messages, tools, options, disarm)?;
        self.refuse_hopeless(&rendered.text)?;
        let tokens = vocabulary.tokens_of_rendered(&model.llama, &rendered.text, rendered.mark);
        Ok(Prompt {
            tokens: ids(&tokens),
            answer_starts_with_space: vocabulary.adds_space
                && !rendered.text.ends_with(char::is_whitespace),
        })
    }

    /// A prompt of plain text, to be continued as it stands. Nothing in it is a control token.
    ///
    /// # Errors
    /// [`EngineError::ContextLengthExceeded`] for a text that cannot fit.
    pub fn prompt_of_text(&self, text: &str) -> Result<Prompt, EngineError> {
        let model = &self.shared.model;
        self.refuse_hopeless(text)?;
        let tokens = model.vocabulary.tokens_of_plain(&model.llama, text);
        let tokens = ids(&model.vocabulary.with_beginning(tokens));
        Ok(Prompt { tokens, answer_starts_with_space: false })
    }

    /// A prompt of tokens that were counted before; [`Engine::generate`] refuses foreign ones.
    #[must_use]
    pub fn prompt_of_tokens(&self, tokens: &[i32]) -> Prompt {
        Prompt { tokens: tokens.to_vec(), answer_starts_with_space: false }
    }

    /// Understands what an answer has to look like, for [`GenerateRequest::grammar`]. Takes
    /// milliseconds for a large schema, and [`FORM_TIME_MAX`] at most: call it where blocking is
    /// allowed. It ends soon after `cancel`.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] for a form that can't be followed or takes too long,
    /// [`EngineError::Busy`] where others take too long, [`EngineError::Cancelled`].
    pub fn constrain(
        &self,
        form: Form,
        cancel: &CancellationToken,
    ) -> Result<Grammar, EngineError> {
        let model = &self.shared.model;
        model.grammars.compile(&model.llama, form, cancel)
    }

    /// The number of tokens of a text, without a beginning-of-text token.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        let model = &self.shared.model;
        model.vocabulary.tokens_of_plain(&model.llama, text).len()
    }

    /// Starts an answer. Events come through the returned channel; a reader who is slow gets
    /// several steps in one event and holds up nobody.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`], [`EngineError::ContextLengthExceeded`],
    /// [`EngineError::Busy`] and [`EngineError::Stopped`]; nothing was computed then.
    pub fn generate(&self, request: GenerateRequest) -> Result<Receiver<Event>, EngineError> {
        let model = &self.shared.model;
        request.validate(model.vocabulary.size, model.context_tokens)?;
        if self.shared.stop.load(Relaxed) {
            return Err(EngineError::Stopped);
        }
        let skip_space = request.prompt.answer_starts_with_space;
        let (output, events) = Output::new(request.stop.clone(), skip_space)?;
        let counters = &self.shared.counters;
        let most = usize::from(model.options.queue_requests_max);
        counters.join_line(most).map_err(|waiting| EngineError::Busy { waiting })?;
        let job = Box::new(Job { request, output, queued_at: Instant::now() });
        match self.messages.try_send(Message::Generate(job)) {
            Ok(()) => Ok(events),
            Err(error) => {
                counters.leave_line();
                Err(match error {
                    TrySendError::Full(_) => EngineError::Busy { waiting: most },
                    TrySendError::Disconnected(_) => EngineError::Stopped,
                })
            }
        }
    }

    /// Cancels every answer and ends the thread; returns when it is gone, which takes milliseconds
    /// on a CPU. Call it before the process exits.
    pub fn stop(&self) {
        self.shared.stop.store(true, Relaxed);
        // A full channel means that the thread is awake and will see the flag.
        let _ = self.messages.try_send(Message::Wake);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("decode thread had panicked");
        }
    }

    /// Refuses a text that has more bytes than its context could hold even if every token were
    /// the vocabulary's longest: counting it would only take time.
    fn refuse_hopeless(&self, text: &str) -> Result<(), EngineError> {
        let model = &self.shared.model;
        let (context_tokens, longest) =
            (model.context_tokens, model.vocabulary.longest_piece_bytes);
        let prompt_tokens = text.len() / longest;
        if prompt_tokens > context_tokens {
            return Err(EngineError::ContextLengthExceeded { prompt_tokens, context_tokens });
        }
        Ok(())
    }
}

fn ids(tokens: &[LlamaToken]) -> Vec<i32> {
    tokens.iter().map(|token| token.0).collect()
}
