//! Gateway → worker: the job on the queue, the claim that precedes any work, the cancellation.
//! A job never holds an unmasked text: masking happens before it is built.

use crate::ids::{AccountId, GatewayId, KeyId, RequestId, WorkerId};
use crate::money::{MicroUsd, Price};
use crate::openai::ChatRequest;
use serde::{Deserialize, Serialize};

/// A message on the work queue. The version is the variant's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// A chat.
    V1(ChatJob),
    /// Texts to be embedded, one in each user message of its `chat`. The answer has one choice for
    /// each, with the vector in its [`crate::openai::EMBEDDING`].
    EmbeddingsV1(ChatJob),
}

/// What a job asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// An answer.
    Chat,
    /// Vectors.
    Embeddings,
}

impl Job {
    /// A job of this kind, as it is written today.
    pub fn new(kind: JobKind, job: ChatJob) -> Self {
        match kind {
            JobKind::Chat => Self::V1(job),
            JobKind::Embeddings => Self::EmbeddingsV1(job),
        }
    }

    /// What it asks for, and of what.
    pub fn open(self) -> (JobKind, ChatJob) {
        match self {
            Self::V1(job) => (JobKind::Chat, job),
            Self::EmbeddingsV1(job) => (JobKind::Embeddings, job),
        }
    }
}

/// One chat to be answered by one model, or texts to be embedded by one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatJob {
    /// Which request.
    pub request: RequestId,
    /// Which try of it: 1, 2, … A frame of an older try is ignored.
    pub attempt: u32,
    /// Who waits for the answer.
    pub gateway: GatewayId,
    /// Who pays.
    pub account: AccountId,
    /// With which key.
    pub key: KeyId,
    /// The model's name in our catalogue.
    pub model: String,
    /// The pool that it was queued for.
    pub pool: String,
    /// Not to be begun, nor continued, after this: milliseconds since 1970 by the gateway's clock.
    pub deadline_ms: u64,
    /// Whether the client reads a stream. A worker may answer a plain request in one frame.
    pub stream: bool,
    /// Whether the gateway reads a whole answer that comes together with its end
    /// ([`crate::frame::FrameBody::Complete`]). Gateways before this field don't.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_complete: bool,
    /// What all choices of the answer together may produce at most, in tokens.
    pub output_tokens_max: u64,
    /// The upper bound of the prompt that the hold was made with, in tokens.
    pub input_tokens_max: u64,
    /// What the prompt probably counts, in tokens: charged when a cut stream told no count.
    pub input_tokens_estimate: u64,
    /// The credit held: no charge may be higher.
    pub hold: MicroUsd,
    /// The price in force when the hold was made.
    pub price: Price,
    /// Why the auto-router chose the model, if it did: the worker writes it beside the charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// What the model is asked, masked.
    pub chat: ChatRequest,
}

/// Worker → gateway, before any work: may I? And when an answer broke: does mine still count?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// A claim.
    V1(ClaimV1),
    /// An execution has ended otherwise than well, and would settle what it produced.
    EndV1(EndClaimV1),
}

/// What a worker says of itself and the job it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimV1 {
    /// The job's request.
    pub request: RequestId,
    /// The job's attempt.
    pub attempt: u32,
    /// How often the queue has delivered it, from 1.
    pub delivered: u64,
    /// Who asks.
    pub worker: WorkerId,
    /// The subject that acknowledges the delivery: with it the gateway can hand the job to another
    /// worker when this one dies before the first token.
    pub acknowledge: String,
}

/// The execution that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndClaimV1 {
    /// The job's request.
    pub request: RequestId,
    /// The job's attempt.
    pub attempt: u32,
    /// Which delivery of it; 0 past the queue.
    pub delivered: u64,
}

/// The gateway's answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimAnswer {
    /// Begin.
    Go {
        /// How much time is left, in milliseconds: clocks of two machines may differ.
        left_ms: u64,
    },
    /// The client has left; the job is void.
    Cancelled,
    /// Too late; the client has been told.
    PastDeadline,
    /// No such request waits here (any more).
    Unknown,
    /// Another execution has begun to answer.
    AlreadyRunning,
    /// The execution that has ended is the one that counts, and no other will begin.
    Settle,
}

impl ClaimAnswer {
    /// The label in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Go { .. } => "go",
            Self::Cancelled => "cancelled",
            Self::PastDeadline => "past_deadline",
            Self::Unknown => "unknown",
            Self::AlreadyRunning => "already_running",
            Self::Settle => "settle",
        }
    }
}
