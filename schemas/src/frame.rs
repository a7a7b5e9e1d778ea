//! Worker → gateway: the numbered frames of an answer. Numbers start at 1 without a gap in one
//! attempt; exactly one last frame (`Complete`, `Done` or `Failed`) ends it. A frame never carries
//! a vendor's raw error text: that stays in the worker's log.

use crate::error::Problem;
use crate::ids::RequestId;
use crate::ledger::Outcome;
use crate::money::MicroUsd;
use crate::openai::{AnswerChoice, ChunkChoice};
use crate::usage::{TokenSource, Usage};
use serde::{Deserialize, Serialize};

/// A frame. The version is the variant's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// A frame.
    V1(FrameV1),
}

/// One message on a request's frame subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameV1 {
    /// Its number in this attempt, from 1.
    pub number: u32,
    /// Which try of the request it belongs to.
    pub attempt: u32,
    /// Which handing-out of that try by the queue, from 1; 0 when it went past the queue. Two
    /// workers may have been given the same job: only the one that was told to go is heard.
    pub delivered: u64,
    /// What it says.
    pub body: FrameBody,
}

/// What a part of a frame takes beside its texts, in bytes: about as much as encoded.
const PART_BYTES: usize = 64;

impl FrameV1 {
    /// About how large it is, encoded, in bytes.
    pub fn text_bytes(&self) -> usize {
        match &self.body {
            FrameBody::Delta(Delta { choices }) => {
                choices.iter().map(ChunkChoice::text_bytes).sum::<usize>() + PART_BYTES
            }
            FrameBody::Answer(Answer { choices })
            | FrameBody::Complete(Complete { choices, .. }) => {
                choices.iter().map(AnswerChoice::text_bytes).sum::<usize>() + PART_BYTES
            }
            FrameBody::Alive | FrameBody::Done(_) | FrameBody::Failed(_) => PART_BYTES,
        }
    }
}

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameBody {
    /// A piece of the answer, in order.
    Delta(Delta),
    /// The whole answer at once, for a request that isn't streamed.
    Answer(Answer),
    /// The whole answer and its end in one: everything is said here and its charge is durable. Only
    /// for a job that says that its gateway takes it.
    Complete(Complete),
    /// A sign of life of a job that was handed past the queue and has said nothing yet. It counts
    /// as no frame: its number is 0.
    Alive,
    /// The end: everything was said and its charge is durable.
    Done(Done),
    /// The end: it went wrong.
    Failed(Failed),
}

/// A piece of the answer: OpenAI's streamed choices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// One entry for each choice that grew.
    pub choices: Vec<ChunkChoice>,
}

/// The whole answer: OpenAI's choices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// One entry for each choice asked for.
    pub choices: Vec<AnswerChoice>,
}

/// The whole answer, settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Complete {
    /// One entry for each choice asked for.
    pub choices: Vec<AnswerChoice>,
    /// Its end.
    pub done: Done,
}

/// The settled end of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What was consumed.
    pub usage: Usage,
    /// Who counted it.
    pub source: TokenSource,
    /// What was charged; durable in the ledger before this frame was sent.
    pub charge: MicroUsd,
    /// How it ended.
    pub outcome: Outcome,
}

/// The failed end of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// What to tell the client.
    pub problem: Problem,
    /// What was charged for the part produced; absent when nothing was produced, and then no
    /// ledger event exists yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Done>,
}

/// Gateway → worker: the client has left, stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancel {
    /// A cancellation.
    V1 {
        /// Which request.
        request: RequestId,
        /// Up to which attempt: a later one runs on.
        attempt: u32,
        /// Up to which handing-out of that attempt: a later one runs on.
        delivered: u64,
        /// Another execution takes its place: this one charges nothing.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        replaced: bool,
    },
}
