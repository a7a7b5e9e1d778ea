//! How servers that speak OpenAI's protocol differ in what they take, as data. Each entry says what
//! a server's own documentation or its error messages say; nothing here is guessed at run time.

use super::OpenAi;
use schemas::catalogue::Preset;

/// What one kind of server takes otherwise than OpenAI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quirks {
    /// It takes `max_completion_tokens`, and refuses the older `max_tokens`; others know often
    /// only the older name.
    pub(crate) takes_new_token_limit: bool,
    /// It takes messages of role `developer`; others' templates know only `system`.
    pub(crate) takes_developer: bool,
    /// It must be asked for the count of a stream; others refuse the question and count anyway.
    pub(crate) takes_stream_options: bool,
    /// What happens to the thoughts of earlier answers.
    pub(crate) thoughts: Thoughts,
    /// Fields of a request that it calls otherwise: our name, its name.
    pub(crate) renamed: &'static [(&'static str, &'static str)],
    /// The same of a request for vectors.
    pub(crate) renamed_in_embeddings: &'static [(&'static str, &'static str)],
    /// It can write vectors as base64.
    pub(crate) takes_base64: bool,
    /// Fields of a request that it refuses although others know them.
    pub(crate) refused: &'static [&'static str],
    /// Fields of a message that it refuses.
    pub(crate) refused_in_messages: &'static [&'static str],
    /// Longest name of an end user or of a cached prefix, in characters, if it has a limit.
    pub(crate) identifier_chars_max: Option<usize>,
}

/// What happens to the thoughts (`reasoning_content`) of earlier answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thoughts {
    /// They go back as they came.
    Kept,
    /// They must stand beside tool calls, even empty.
    Needed,
    /// The server refuses them.
    Refused,
}

/// A server of which nothing is known but that it speaks the protocol.
const UNKNOWN: Quirks = Quirks {
    takes_new_token_limit: false,
    takes_developer: false,
    takes_stream_options: true,
    thoughts: Thoughts::Kept,
    renamed: &[],
    renamed_in_embeddings: &[],
    takes_base64: false,
    refused: &[],
    refused_in_messages: &[],
    identifier_chars_max: None,
};

/// OpenAI itself, which refuses every field that it doesn't know.
pub(crate) const ITSELF: Quirks = Quirks {
    takes_new_token_limit: true,
    takes_developer: true,
    takes_base64: true,
    thoughts: Thoughts::Refused,
    refused: &["thinking", "top_k"],
    identifier_chars_max: Some(64),
    ..UNKNOWN
};

/// It refuses fields that it doesn't know, and counts every stream.
const MISTRAL: Quirks = Quirks {
    takes_stream_options: false,
    thoughts: Thoughts::Refused,
    renamed: &[("seed", "random_seed")],
    renamed_in_embeddings: &[("dimensions", "output_dimension")],
    refused: &["thinking", "top_k"],
    ..UNKNOWN
};

/// Its thinking models want their thoughts back beside tool calls.
const DEEPSEEK: Quirks = Quirks { thoughts: Thoughts::Needed, ..UNKNOWN };

const GROQ: Quirks = Quirks {
    takes_new_token_limit: true,
    thoughts: Thoughts::Refused,
    refused: &["thinking", "top_k"],
    refused_in_messages: &["name"],
    ..UNKNOWN
};

const OPENROUTER: Quirks = Quirks { takes_new_token_limit: true, takes_developer: true, ..UNKNOWN };

const XAI: Quirks = Quirks { takes_new_token_limit: true, ..UNKNOWN };

/// It translates for its own vendors, so it takes what OpenAI takes.
const LITELLM: Quirks =
    Quirks { takes_new_token_limit: true, takes_developer: true, takes_base64: true, ..UNKNOWN };

const VLLM: Quirks = Quirks { takes_base64: true, ..UNKNOWN };

/// OpenAI.
pub(crate) fn itself() -> &'static OpenAi {
    const { &OpenAi { quirks: ITSELF } }
}

/// A server that speaks OpenAI's protocol.
pub(crate) fn compatible(preset: Option<Preset>) -> &'static OpenAi {
    match preset {
        Some(Preset::Mistral) => const { &OpenAi { quirks: MISTRAL } },
        Some(Preset::Deepseek) => const { &OpenAi { quirks: DEEPSEEK } },
        Some(Preset::Groq) => const { &OpenAi { quirks: GROQ } },
        Some(Preset::Openrouter) => const { &OpenAi { quirks: OPENROUTER } },
        Some(Preset::Xai) => const { &OpenAi { quirks: XAI } },
        Some(Preset::Litellm) => const { &OpenAi { quirks: LITELLM } },
        Some(Preset::Vllm) => const { &OpenAi { quirks: VLLM } },
        Some(Preset::Together | Preset::Ollama | Preset::LlamaServer) | None => {
            const { &OpenAi { quirks: UNKNOWN } }
        }
    }
}
