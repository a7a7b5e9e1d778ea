//! What a model is, as configuration declares it and as receipts quote it. It knows no vendor's
//! protocol.

use serde::{Deserialize, Serialize};

/// Whose protocol an upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// OpenAI itself.
    Openai,
    /// Anthropic's Messages API.
    Anthropic,
    /// Any server that speaks OpenAI's protocol.
    Compatible,
    /// llama.cpp in our own worker.
    Llama,
}

impl Vendor {
    /// The name in headers, metrics and receipts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Compatible => "compatible",
            Self::Llama => "llama",
        }
    }
}

/// What the auto-router's quality axis means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Cheap and good enough for most.
    Economy,
    /// The usual choice.
    Standard,
    /// For the hard ones.
    Premium,
}

/// What a model can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Chat completions.
    Chat,
    /// Function calling.
    Tools,
    /// Images in messages.
    Vision,
    /// Answers held to a JSON schema.
    JsonSchema,
}
