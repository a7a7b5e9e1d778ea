//! The Messages answer, whole or as events, and the error. What a vendor may leave out is optional
//! here: absent is not zero.

use super::request::{Block, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A `message`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessagesAnswer {
    /// Its name, `msg_…`.
    #[serde(default)]
    pub id: String,
    /// Always `message`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Always `assistant`.
    pub role: Role,
    /// The model that answered.
    #[serde(default)]
    pub model: String,
    /// What was said; empty in `message_start`.
    pub content: Vec<Block>,
    /// Why it ended; null in `message_start`.
    #[serde(default)]
    pub stop_reason: Option<StopReason>,
    /// Which text ended it.
    #[serde(default)]
    pub stop_sequence: Option<String>,
    /// What was consumed.
    #[serde(default)]
    pub usage: MessagesUsage,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model was done.
    EndTurn,
    /// The limit of tokens was reached.
    MaxTokens,
    /// A stop text came.
    StopSequence,
    /// Tools are to be called.
    ToolUse,
    /// The vendor's own tools want another round.
    PauseTurn,
    /// The model refused.
    Refusal,
    /// The context is full.
    ModelContextWindowExceeded,
    /// A reason newer than this list.
    #[serde(other)]
    Unknown,
}

/// What was consumed. The input's parts are disjoint. A bucket that nobody counted is null: clients
/// expect the keys.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MessagesUsage {
    /// Input neither read from nor written to the cache.
    #[serde(default)]
    pub input_tokens: Option<u64>,
    /// Input written to the cache.
    #[serde(default)]
    pub cache_creation_input_tokens: Option<u64>,
    /// Input read from the cache.
    #[serde(default)]
    pub cache_read_input_tokens: Option<u64>,
    /// Output, thinking included; in a stream the sum so far.
    #[serde(default)]
    pub output_tokens: Option<u64>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// One event of a stream. The SSE `event:` line repeats its type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The first.
    MessageStart {
        /// The message, still empty.
        message: MessagesAnswer,
    },
    /// A block begins.
    ContentBlockStart {
        /// Its place in `content`, from 0.
        index: u32,
        /// The block, still empty.
        content_block: Block,
    },
    /// A block grows.
    ContentBlockDelta {
        /// Its place in `content`.
        index: u32,
        /// What was added.
        delta: BlockDelta,
    },
    /// A block ends.
    ContentBlockStop {
        /// Its place in `content`.
        index: u32,
    },
    /// The message ends.
    MessageDelta {
        /// Why.
        delta: MessageEnd,
        /// The final count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<MessagesUsage>,
    },
    /// The last.
    MessageStop,
    /// Nothing, so that the connection lives.
    Ping,
    /// It went wrong; nothing follows.
    Error {
        /// What.
        error: ErrorBody,
    },
    /// An event newer than this list; clients ignore it.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// The name on the SSE `event:` line: clients drop an event without it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
            Self::Ping => "ping",
            Self::Error { .. } => "error",
            Self::Unknown => "unknown",
        }
    }
}

/// What was added to a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BlockDelta {
    /// More text.
    TextDelta {
        /// The text.
        text: String,
    },
    /// More of a tool's input.
    InputJsonDelta {
        /// A piece of the object's JSON text.
        partial_json: String,
    },
    /// More thoughts.
    ThinkingDelta {
        /// The thoughts.
        thinking: String,
    },
    /// The thoughts' signature.
    SignatureDelta {
        /// The signature.
        signature: String,
    },
    /// A kind newer than this list.
    #[serde(other)]
    Unknown,
}

/// Why a message ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageEnd {
    /// Why.
    #[serde(default)]
    pub stop_reason: Option<StopReason>,
    /// Which text ended it.
    #[serde(default)]
    pub stop_sequence: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorAnswer {
    /// Always `error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What went wrong.
    pub error: ErrorBody,
    /// Which request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// `invalid_request_error`, `overloaded_error`, …
    #[serde(rename = "type", default)]
    pub kind: String,
    /// For the client.
    #[serde(default)]
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anthropic::KnownBlock;
    use serde_json::json;

    #[test]
    fn what_is_unknown_survives_or_is_ignored() {
        let block: Block =
            serde_json::from_value(json!({"type": "document", "source": {"b": 1, "a": 2}}))
                .unwrap();
        assert!(matches!(block, Block::Other(_)));
        assert_eq!(
            serde_json::to_string(&block).unwrap(),
            r#"{"type":"document","source":{"b":1,"a":2}}"#
        );
        let event: Event = serde_json::from_value(json!({"type": "brand_new", "x": [1]})).unwrap();
        assert_eq!(event, Event::Unknown);
        let delta: BlockDelta =
            serde_json::from_value(json!({"type": "citations_delta", "citation": {}})).unwrap();
        assert_eq!(delta, BlockDelta::Unknown);
        let reason: StopReason = serde_json::from_value(json!("brand_new")).unwrap();
        assert_eq!(reason, StopReason::Unknown);
    }

    #[test]
    fn a_text_block_keeps_its_cache_control() {
        let written =
            json!({"type": "text", "text": "東京", "cache_control": {"type": "ephemeral"}});
        let block: Block = serde_json::from_value(written.clone()).unwrap();
        assert!(matches!(&block, Block::Known(KnownBlock::Text { rest, .. }) if rest.len() == 1));
        assert_eq!(serde_json::to_value(&block).unwrap(), written);
    }
}
