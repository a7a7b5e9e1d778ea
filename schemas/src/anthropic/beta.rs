//! Features of the API that are asked for by name, in the header `anthropic-beta`. The canonical
//! form carries the names as one text, as the header has them.

/// The field of a canonical request that carries the names, with commas between them.
pub const ANTHROPIC_BETA: &str = "anthropic_beta";

/// The model may think between its calls of tools, and its budget may exceed the answer's limit.
pub const INTERLEAVED_THINKING: &str = "interleaved-thinking-2025-05-14";

/// Those that go out: they cost nothing but their tokens, and what they change of an answer or ask
/// of a request is understood here. Every other one may have a price of its own.
const CARRIED: [&str; 19] = [
    INTERLEAVED_THINKING,
    "advanced-tool-use-2025-11-20",
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    // For the tool `memory_…`: edits of the context have a field, which is told as left out.
    "context-management-2025-06-27",
    "effort-2025-11-24",
    // Once written to the cache for an hour, it has its price.
    "extended-cache-ttl-2025-04-11",
    "fine-grained-tool-streaming-2025-05-14",
    "mid-conversation-system-2026-04-07",
    // Done here, for every model.
    "mid-conversation-system-clear-at-2026-08-21",
    "model-context-window-exceeded-2025-08-26",
    "output-128k-2025-02-19",
    "pdfs-2024-09-25",
    "prompt-caching-2024-07-31",
    "structured-outputs-2025-11-13",
    "task-budgets-2026-03-13",
    "token-counting-2024-11-01",
    "token-efficient-tools-2025-02-19",
];

/// The names in such a text.
pub fn beta_names(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// Whether a feature goes out to a model.
pub fn is_carried(name: &str) -> bool {
    CARRIED.contains(&name)
}
