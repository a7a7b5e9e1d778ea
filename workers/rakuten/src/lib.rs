//! The Rakuten worker: a local model behind llama.cpp, served like any other provider.
//!
//! Two halves. [`engine`] and [`template`] know llama.cpp and nothing of the gateway: a model
//! file goes in, token streams come out. The worker's own half (pull → claim → template → decode
//! → reply → meter → settle) knows NATS and nothing of llama.cpp. Neither may ever see personal
//! data: it was masked before a job left the gateway.

/// Calls of functions: offered, written, read.
pub mod calls;

/// A job in the engine's words.
mod translate;

/// A job's answer out of the engine.
mod decode;

/// A job's texts into vectors.
mod embed;

/// The engine's figures, for metrics.
mod figures;

/// The worker as a process runs it.
mod worker;

pub use worker::{RunError, Served, run};

/// The chat template of the model: messages to text.
pub mod template;

/// Many requests, one model: text to tokens to text.
pub mod engine;
