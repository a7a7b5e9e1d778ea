//! What is known of the servers behind `preset:`: where they are. How their protocol differs is the
//! provider worker's to know.

use schemas::catalogue::Preset;

/// Where a preset's server is when the configuration doesn't say; `None` for one that everybody
/// runs on a machine of their own.
pub(super) fn api_base(preset: Preset) -> Option<&'static str> {
    match preset {
        Preset::Mistral => Some("https://api.mistral.ai/v1"),
        Preset::Deepseek => Some("https://api.deepseek.com/v1"),
        Preset::Groq => Some("https://api.groq.com/openai/v1"),
        Preset::Together => Some("https://api.together.xyz/v1"),
        Preset::Openrouter => Some("https://openrouter.ai/api/v1"),
        Preset::Xai => Some("https://api.x.ai/v1"),
        Preset::Ollama => Some("http://127.0.0.1:11434/v1"),
        Preset::Vllm | Preset::LlamaServer | Preset::Litellm => None,
    }
}
