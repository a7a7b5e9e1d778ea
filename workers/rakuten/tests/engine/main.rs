//! The engine on real model files: the demo GGUF, and a tiny one made here in the shape of
//! RakutenAI-2.0-mini.
//!
//! Must never skip: a machine without the demo model fails with the command that fetches it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod batching;
mod bound;
mod cancelling;
mod embedding;
mod forms;
mod gguf;
mod instructions;
mod interrupting;
mod limits;
mod loading;
mod prompts;
mod reusing;
mod suite;
mod support;
mod tiny;
mod writing;
