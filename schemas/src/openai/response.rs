//! The answer, whole or in chunks. Keys that OpenAI's specification requires are always written,
//! as null where there is nothing, because typed clients refuse an answer without them.

use crate::usage::Usage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Why a choice ended. Other values break typed clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model was done, or a stop text came.
    Stop,
    /// The limit of tokens was reached.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// A filter cut it.
    ContentFilter,
    /// A function is to be called (the old name).
    FunctionCall,
}

/// `chat.completion`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// Same as the request's id, in OpenAI's form.
    pub id: String,
    /// Always `chat.completion`.
    pub object: String,
    /// Seconds since 1970.
    pub created: u64,
    /// The model that answered.
    pub model: String,
    /// One entry for each choice asked for.
    pub choices: Vec<AnswerChoice>,
    /// What was consumed.
    pub usage: UsageReport,
}

/// One whole choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerChoice {
    /// Its number, from 0.
    pub index: u32,
    /// What was said.
    pub message: AnswerMessage,
    /// Log probabilities, or null.
    #[serde(default)]
    pub logprobs: Option<Value>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// What the model said.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AnswerMessage {
    /// Always `assistant`.
    pub role: String,
    /// The text, or null.
    #[serde(default)]
    pub content: Option<String>,
    /// The refusal, or null.
    #[serde(default)]
    pub refusal: Option<String>,
    /// The reasoning, where a vendor tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The calls to make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<Value>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// `chat.completion.chunk`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Chunk {
    /// Same in all chunks.
    pub id: String,
    /// Always `chat.completion.chunk`.
    pub object: String,
    /// Same in all chunks: seconds since 1970.
    pub created: u64,
    /// The model that answers.
    pub model: String,
    /// What was added; empty in the usage chunk.
    pub choices: Vec<ChunkChoice>,
    /// Null, or what was consumed, in the last chunk; absent unless asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<UsageReport>>,
}

/// What was added to one choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChunkChoice {
    /// Its number, from 0.
    pub index: u32,
    /// What was added.
    pub delta: DeltaMessage,
    /// Log probabilities, or null.
    #[serde(default)]
    pub logprobs: Option<Value>,
    /// Null until the choice ends.
    #[serde(default)]
    pub finish_reason: Option<FinishReason>,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DeltaMessage {
    /// `assistant`, in the first piece only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// More text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// More refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// More reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// More of the calls, each with its `index`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<Value>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What a choice takes beside its texts, in bytes: about as much as encoded.
const CHOICE_BYTES: usize = 64;

/// About how large texts and values are, encoded.
fn sizes(
    texts: [&Option<String>; 3],
    logprobs: &Option<Value>,
    calls: &Option<Vec<Value>>,
) -> usize {
    let texts: usize = texts.into_iter().flatten().map(String::len).sum();
    let values = logprobs.iter().chain(calls.iter().flatten());
    // Most pieces have neither.
    let values: usize = values.map(|value| value.to_string().len()).sum();
    texts + values + CHOICE_BYTES
}

/// The same of what is passed on as it came.
fn rest_size(rest: &Map<String, Value>) -> usize {
    rest.iter().map(|(name, value)| name.len() + value.to_string().len()).sum()
}

impl AnswerChoice {
    /// About how large it is, encoded, in bytes.
    pub fn text_bytes(&self) -> usize {
        let AnswerMessage { content, refusal, reasoning_content, tool_calls, rest, .. } =
            &self.message;
        sizes([content, refusal, reasoning_content], &self.logprobs, tool_calls) + rest_size(rest)
    }
}

impl ChunkChoice {
    /// About how large it is, encoded, in bytes.
    pub fn text_bytes(&self) -> usize {
        let DeltaMessage { content, refusal, reasoning_content, tool_calls, rest, .. } =
            &self.delta;
        sizes([content, refusal, reasoning_content], &self.logprobs, tool_calls) + rest_size(rest)
    }

    /// A piece of text for a choice.
    pub fn text(index: u32, text: impl Into<String>) -> Self {
        let delta = DeltaMessage { content: Some(text.into()), ..DeltaMessage::default() };
        Self { index, delta, logprobs: None, finish_reason: None }
    }

    /// The end of a choice.
    pub fn finish(index: u32, reason: FinishReason) -> Self {
        Self { index, delta: DeltaMessage::default(), logprobs: None, finish_reason: Some(reason) }
    }
}

/// OpenAI's `usage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsageReport {
    /// All input tokens.
    pub prompt_tokens: u64,
    /// All output tokens.
    pub completion_tokens: u64,
    /// Their sum.
    pub total_tokens: u64,
    /// The part of the input that a cache served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptTokensDetails>,
    /// The part of the output spent on reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens_details: Option<CompletionTokensDetails>,
}

/// Parts of the input.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PromptTokensDetails {
    /// Read from the vendor's prompt cache.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Written to the vendor's prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
}

/// Parts of the output.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CompletionTokensDetails {
    /// Spent on reasoning.
    #[serde(default)]
    pub reasoning_tokens: u64,
}

impl From<Usage> for UsageReport {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens(),
            completion_tokens: usage.completion_tokens(),
            total_tokens: usage.prompt_tokens() + usage.completion_tokens(),
            prompt_tokens_details: usage.cache_read.or(usage.cache_writes()).map(|_| {
                PromptTokensDetails {
                    cached_tokens: usage.cache_read.unwrap_or(0),
                    cache_write_tokens: usage.cache_writes(),
                }
            }),
            completion_tokens_details: usage
                .reasoning
                .map(|reasoning_tokens| CompletionTokensDetails { reasoning_tokens }),
        }
    }
}

impl From<UsageReport> for Usage {
    /// The parts can't be larger than the whole: a vendor that says so is read as far as it makes
    /// sense.
    fn from(report: UsageReport) -> Self {
        let details = report.prompt_tokens_details;
        let cached = details.as_ref().map(|d| d.cached_tokens.min(report.prompt_tokens));
        let uncached = report.prompt_tokens - cached.unwrap_or(0);
        let written = details.and_then(|d| d.cache_write_tokens).map(|n| n.min(uncached));
        let reasoning = report
            .completion_tokens_details
            .map(|d| d.reasoning_tokens.min(report.completion_tokens));
        Self {
            input: uncached - written.unwrap_or(0),
            cache_read: cached,
            cache_write: written,
            cache_write_hour: None,
            output: report.completion_tokens - reasoning.unwrap_or(0),
            reasoning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_survives_both_ways() {
        let (input, output) = (7, 5);
        for cache_read in [None, Some(3)] {
            for reasoning in [None, Some(2)] {
                let usage = Usage { input, cache_read, output, reasoning, ..Usage::default() };
                assert_eq!(Usage::from(UsageReport::from(usage)), usage);
            }
        }
        let reasoning = Some(0);
        let (cache_read, cache_write) = (Some(3), Some(4));
        let plain = Usage { input, output, ..Usage::default() };
        let written = Usage { cache_read, cache_write, reasoning, ..plain };
        let report = UsageReport::from(written);
        assert_eq!((report.prompt_tokens, report.total_tokens), (14, 19));
        assert_eq!(Usage::from(report), written);
    }
}
