//! Everything that can go wrong in the engine, as one closed list.
//!
//! Must never carry a prompt or an answer: these texts end up in logs. A message says what is
//! wrong and what to do about it, so that the operator needs no second look.

use std::path::{Path, PathBuf};

/// Why the engine could not load, or could not serve one request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The model file is not there or cannot be read.
    #[error("model file {path} cannot be read: {reason}", path = .path.display())]
    ModelFileUnreadable {
        /// The file that was asked for.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The model file is not a GGUF this engine can run, or is cut off.
    #[error("model file {path} is not usable: {reason}", path = .path.display())]
    ModelFileInvalid {
        /// The file that was asked for.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// llama.cpp refused to load the file or to make a context; its own log lines say more.
    #[error("llama.cpp could not {step}: {reason}")]
    Llama {
        /// What was tried.
        step: &'static str,
        /// What is known of the cause.
        reason: String,
    },
    /// An option is outside its range.
    #[error("engine option {option} {reason}")]
    InvalidOption {
        /// The field of [`super::EngineOptions`].
        option: &'static str,
        /// The range and the value that was given.
        reason: String,
    },
    /// The model file has no chat template and none is configured.
    #[error("the model file has no chat template: set one in the configuration")]
    NoTemplate,
    /// The chat template cannot be compiled, or refused these messages.
    #[error("chat template: {0}")]
    Template(String),
    /// A parameter of the request is outside its range. A client error (400).
    #[error("{parameter} {reason}")]
    InvalidRequest {
        /// The parameter's name in the OpenAI API.
        parameter: &'static str,
        /// The range and the value that was given.
        reason: String,
    },
    /// The prompt does not fit. A client error (400, `context_length_exceeded`).
    #[error(
        "the prompt has {prompt_tokens} tokens and this model's context holds {context_tokens}, \
         of which one must stay free for the answer"
    )]
    ContextLengthExceeded {
        /// Tokens of the prompt; a lower bound when the text was too long to be counted.
        prompt_tokens: usize,
        /// Tokens one request may use, prompt and answer together.
        context_tokens: usize,
    },
    /// Every slot is taken and the waiting line is full. Retry later.
    #[error("{waiting} requests are waiting already")]
    Busy {
        /// Requests that wait for a slot.
        waiting: usize,
    },
    /// The caller cancelled the request before there was anything of its answer.
    #[error("nobody wants the answer any more")]
    Cancelled,
    /// The engine was stopped, or gave up after repeated failures.
    #[error("the engine has stopped")]
    Stopped,
    /// llama.cpp failed while this request was running; the engine has started afresh.
    #[error("the model failed while it was running: {0}")]
    Decode(String),
}

impl EngineError {
    /// Shorthand for a request parameter outside its range.
    pub(crate) fn request(parameter: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidRequest { parameter, reason: reason.into() }
    }

    /// Weights of which no numbers come: the header of the file is right, and what follows isn't.
    pub(super) fn no_numbers(path: &Path) -> Self {
        let reason = "its weights compute no numbers: the file is damaged, load it again".into();
        Self::ModelFileInvalid { path: path.to_path_buf(), reason }
    }

    /// True when the client has to change the request: sending it again cannot help.
    #[must_use]
    pub fn is_client_error(&self) -> bool {
        matches!(
            self,
            Self::InvalidRequest { .. } | Self::ContextLengthExceeded { .. } | Self::Template(_)
        )
    }
}
