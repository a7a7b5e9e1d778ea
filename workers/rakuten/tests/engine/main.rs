//! The engine on real model files: the demo GGUF, and a tiny one made here in the shape of
//! RakutenAI-2.0-mini.
//!
//! Must never skip: a machine without the demo model fails with the command that fetches it.
//!
//! Each module is marked `cfg(test)`, which changes nothing here: Clippy lets a test panic only
//! below such a mark.

#[cfg(test)]
mod batching;
#[cfg(test)]
mod bound;
#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod embedding;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod gguf;
#[cfg(test)]
mod instructions;
#[cfg(test)]
mod interrupting;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod prompts;
#[cfg(test)]
mod reusing;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tiny;
#[cfg(test)]
mod writing;
