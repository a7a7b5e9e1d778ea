//! A streamed answer: OpenAI's. It begins with an event about the prompt that has no choice, and
//! has events that only remark on a text already told; neither adds anything.

use crate::openai::itself;
use crate::translate::{Protocol, StreamReader};

/// A reader for one stream.
pub(super) fn stream(choices: u32) -> Box<dyn StreamReader> {
    itself().stream(choices)
}
