//! Anthropic's public Messages JSON (version 2023-06-01), as its API documents it. Blocks and
//! events that we don't know survive as they came. It translates nothing: that is done where a
//! vendor or a surface is.

/// What a client asks.
pub mod request;

/// What it gets, whole or as events.
pub mod response;

pub use request::{
    Block, BlockContent, InputMessage, KnownBlock, MessagesRequest, Metadata, Role, ToolChoice,
};
pub use response::{
    BlockDelta, ErrorAnswer, ErrorBody, Event, MessageEnd, MessagesAnswer, MessagesUsage,
    StopReason,
};
