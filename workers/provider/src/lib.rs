//! The provider worker: everything between a chat job and the pieces of its answer. It knows HTTP
//! and vendors; queue, claims and ledger are `worker-job`'s, and only `worker` here touches them.
//!
//! The way of one answer: [`provider`] conducts, [`translate`] asks the vendor's folder for the
//! request, `call` sends it, `relay` reads [`sse`] events back through the same folder into the
//! [`sink`].

mod anthropic;
mod azure;
mod call;
mod deployments;
mod gemini;
mod keys;
mod media;
mod openai;
mod pace;
mod problem;
mod relay;
mod vectors;

/// The models and the way of one answer.
pub mod provider;

/// Where an answer goes.
pub mod sink;

/// Server-sent events out of bytes.
pub mod sse;

/// The one trait of all vendors.
pub mod translate;

/// What an upstream is.
pub mod upstream;

/// The worker as a process runs it.
mod worker;

pub use call::Limits;
pub use deployments::CoolDown;
pub use problem::Complaint;
pub use provider::{CalledFor, Provider, StartError};
pub use sink::{Ended, Sink, SinkClosed};
pub use upstream::{ApiKey, Upstream};
pub use vectors::Vectors;
pub use worker::{Given, RunError, check, nothing_to_serve, run, run_until_retired};
