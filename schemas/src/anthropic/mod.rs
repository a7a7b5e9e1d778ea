//! Anthropic's public Messages JSON (version 2023-06-01), as its API documents it. Blocks and
//! events that we don't know survive as they came. It translates nothing: that is done where a
//! vendor or a surface is.

use serde_json::{Map, Value};

/// The field of a canonical message that keeps thinking blocks with their signatures, so that they
/// can go back unchanged: a list of `thinking` and `redacted_thinking` blocks, each with its
/// `index` where it comes in pieces.
pub const THINKING_BLOCKS: &str = "thinking_blocks";

/// The field of a canonical answer that keeps which text ended it; OpenAI's form has no place for
/// it.
pub const STOP_SEQUENCE: &str = "stop_sequence";

/// The field of a canonical answer that keeps a stop reason which OpenAI's form has no word for.
pub const STOP_REASON: &str = "stop_reason";

/// The field of a usage that tells what was written to the cache by how long it is kept.
pub const CACHE_CREATION: &str = "cache_creation";

/// What of it is kept for the usual five minutes.
pub const FIVE_MINUTES: &str = "ephemeral_5m_input_tokens";

/// What of it is kept for an hour.
pub const HOUR: &str = "ephemeral_1h_input_tokens";

/// The field that marks the end of a prefix for the vendor's prompt cache.
pub const CACHE_CONTROL: &str = "cache_control";

/// Fields of a client's own tool that only Anthropic's models know; the canonical form keeps them
/// beside `function`.
pub const TOOL_FIELDS: [&str; 4] =
    ["defer_loading", "allowed_callers", "input_examples", "eager_input_streaming"];

/// Features that are asked for by name.
pub mod beta;

/// In which order an assistant's blocks stand.
pub mod order;

/// What a client asks.
pub mod request;

/// What it gets, whole or as events.
pub mod response;

pub use beta::{ANTHROPIC_BETA, INTERLEAVED_THINKING, beta_names, is_carried};
pub use order::{BLOCK_ORDER, Group, in_order, keep_order};
pub use request::{
    Block, BlockContent, ClearAt, InputMessage, KnownBlock, MessagesRequest, Metadata, Role,
    ToolChoice,
};
pub use response::{
    BlockDelta, ErrorAnswer, ErrorBody, Event, MessageEnd, MessagesAnswer, MessagesUsage,
    StopReason,
};

/// The cache mark among the fields of a part or block, the only one that Anthropic's form and the
/// canonical one both know.
pub fn marks(rest: &Map<String, Value>) -> Map<String, Value> {
    let mark = rest.get(CACHE_CONTROL).filter(|mark| !mark.is_null());
    mark.map(|mark| (CACHE_CONTROL.to_owned(), mark.clone())).into_iter().collect()
}
