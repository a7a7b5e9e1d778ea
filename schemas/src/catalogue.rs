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
    /// OpenAI's models in Microsoft's cloud.
    Azure,
    /// Google's Gemini API.
    Gemini,
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
            Self::Azure => "azure",
            Self::Gemini => "gemini",
            Self::Compatible => "compatible",
            Self::Llama => "llama",
        }
    }
}

/// A tokenizer that we have: with it the tokens of a text are known before anybody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tokenizer {
    /// OpenAI's since GPT-4o.
    #[serde(rename = "o200k_base")]
    O200kBase,
    /// OpenAI's of GPT-4 and GPT-3.5, and of its embeddings.
    #[serde(rename = "cl100k_base")]
    Cl100kBase,
}

/// A server that speaks OpenAI's protocol with known differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Mistral's own API.
    Mistral,
    /// DeepSeek's own API.
    Deepseek,
    /// Groq.
    Groq,
    /// Together AI.
    Together,
    /// OpenRouter.
    Openrouter,
    /// xAI, which makes Grok.
    Xai,
    /// Ollama on a machine of ours.
    Ollama,
    /// vLLM on a machine of ours.
    Vllm,
    /// llama.cpp's own server on a machine of ours.
    LlamaServer,
    /// A LiteLLM proxy.
    Litellm,
}

impl Preset {
    /// Every preset, for tables and tests.
    pub const ALL: [Self; 10] = [
        Self::Mistral,
        Self::Deepseek,
        Self::Groq,
        Self::Together,
        Self::Openrouter,
        Self::Xai,
        Self::Ollama,
        Self::Vllm,
        Self::LlamaServer,
        Self::Litellm,
    ];

    /// The name in the configuration, in headers and in receipts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mistral => "mistral",
            Self::Deepseek => "deepseek",
            Self::Groq => "groq",
            Self::Together => "together",
            Self::Openrouter => "openrouter",
            Self::Xai => "xai",
            Self::Ollama => "ollama",
            Self::Vllm => "vllm",
            Self::LlamaServer => "llama-server",
            Self::Litellm => "litellm",
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
    /// Sound in messages, or spoken answers.
    Audio,
    /// Files in messages.
    Files,
    /// Vectors of texts.
    Embeddings,
}
