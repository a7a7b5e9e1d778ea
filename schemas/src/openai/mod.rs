//! OpenAI's public chat JSON (openapi.yaml of openai/openai-openapi), which is also the canonical
//! form inside: every surface is translated into it, every vendor out of it. Unknown fields survive
//! in `rest`, in their order.

/// What a client asks.
pub mod request;

/// What it gets, whole or in chunks.
pub mod response;

/// The most choices that a request may ask for, and an answer may have; OpenAI's own limit.
pub const CHOICES_MAX: u32 = 128;

/// The most alternatives told for each token; OpenAI's own limit.
pub const TOP_LOGPROBS_MAX: u8 = 20;

/// Where a choice of an answer carries a vector: the base64 of its numbers as 32-bit floats, the
/// lowest byte first.
pub const EMBEDDING: &str = "embedding";

/// The type of a message's part that is a list of token numbers, in its `tokens`.
pub const TOKENS: &str = "tokens";

pub use request::{ChatRequest, Content, Message, Part, Role, Stop, StreamOptions};
pub use response::{
    Answer, AnswerChoice, AnswerMessage, Chunk, ChunkChoice, DeltaMessage, FinishReason,
    UsageReport,
};
