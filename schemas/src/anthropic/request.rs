//! The Messages request. Fields that we read are typed; all others are kept as they came.

use crate::openai::request::UserPreferences;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `POST /v1/messages`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessagesRequest {
    /// The model asked for.
    #[schemars(length(min = 1))]
    pub model: String,
    /// Limit of the answer in tokens, thinking included, at least 1.
    #[schemars(range(min = 1))]
    pub max_tokens: u64,
    /// The operator's instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<BlockContent>,
    /// The conversation, at least one message.
    #[schemars(length(min = 1))]
    pub messages: Vec<InputMessage>,
    /// Texts that end the answer, none of them blank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_sequences: Option<Vec<String>>,
    /// Whether to stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// At least 1.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    /// Tools: a client's own (name, description, input_schema) or the vendor's, by their type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Value>>,
    /// Which of them must be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Whether and how long to think.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Value>,
    /// Who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Our own: how `auto` should choose. It never reaches a vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_preferences: Option<UserPreferences>,
    /// Everything else, as it came and in its order.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Metadata {
    /// An opaque name of the end user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InputMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: BlockContent,
    /// How long the operator's instructions count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_at: Option<ClearAt>,
}

/// How long instructions within the conversation count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClearAt {
    /// Until the human speaks again.
    NextUserMessage,
    /// As long as the conversation.
    Never,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MessagesRole")]
pub enum Role {
    /// The human, and the results of tools.
    User,
    /// The model.
    Assistant,
    /// The operator, from here on; never the first to speak.
    System,
}

/// A text, or blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BlockContent {
    /// A text.
    Text(String),
    /// Blocks.
    Blocks(Vec<Block>),
}

/// One block of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Block {
    /// A block of a kind that we read.
    Known(KnownBlock),
    /// Any other: documents, search results, the vendor's own tools.
    Other(Map<String, Value>),
}

/// The blocks that we read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum KnownBlock {
    /// A text.
    Text {
        /// The text.
        text: String,
        /// Everything else, such as `cache_control` and `citations`.
        #[serde(flatten)]
        rest: Map<String, Value>,
    },
    /// An image.
    Image {
        /// `base64` with its `media_type` and `data`, or `url`.
        source: Value,
        /// Everything else.
        #[serde(flatten)]
        rest: Map<String, Value>,
    },
    /// The model calls a tool.
    ToolUse {
        /// Names the call.
        id: String,
        /// Which tool.
        name: String,
        /// An object that fits the tool's schema.
        input: Value,
        /// Everything else.
        #[serde(flatten)]
        rest: Map<String, Value>,
    },
    /// What a tool gave back.
    ToolResult {
        /// The call that it answers.
        tool_use_id: String,
        /// The result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<BlockContent>,
        /// Whether the tool failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
        /// Everything else.
        #[serde(flatten)]
        rest: Map<String, Value>,
    },
    /// What the model thought.
    Thinking {
        /// The thoughts.
        thinking: String,
        /// Proves that the model thought them; they go back with it unchanged.
        #[serde(default)]
        signature: String,
    },
    /// What the model thought, not readable.
    RedactedThinking {
        /// Opaque; goes back unchanged.
        data: String,
    },
}

impl KnownBlock {
    /// Their types: a block of one of these that isn't well formed is read as any other.
    pub const TYPES: [&str; 6] =
        ["text", "image", "tool_use", "tool_result", "thinking", "redacted_thinking"];
}

impl Block {
    /// A plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Known(KnownBlock::Text { text: text.into(), rest: Map::new() })
    }
}

/// Which tools must be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToolChoice {
    /// As the model likes.
    Auto {
        /// At most one call in an answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disable_parallel_tool_use: Option<bool>,
    },
    /// At least one.
    Any {
        /// At most one call in an answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disable_parallel_tool_use: Option<bool>,
    },
    /// That one.
    Tool {
        /// Which.
        name: String,
        /// At most one call in an answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disable_parallel_tool_use: Option<bool>,
    },
    /// None.
    None,
}
