//! How many tokens a text has, from its letters alone. It errs on the high side, because what is
//! too long for a model must not be sent there.

use schemas::openai::{ChatRequest, Message};

/// What the frame of one message takes.
const MESSAGE_TOKENS: f64 = 5.0;
/// What an image takes in a usual resolution.
const IMAGE_TOKENS: f64 = 1_105.0;

/// Tokens of all messages and tools.
pub(super) fn estimate(request: &ChatRequest) -> u64 {
    let messages: f64 = request.messages.iter().map(of_message).sum();
    let tools = request.tools.iter().flatten();
    let tools: f64 = tools.map(|tool| of_text(&tool.to_string())).sum();
    (messages + tools).ceil() as u64
}

fn of_message(message: &Message) -> f64 {
    let texts = message.content.iter().flat_map(|content| content.texts());
    let calls = message.tool_calls.iter().flatten().map(|call| of_text(&call.to_string()));
    let images = super::features::images(message) as f64 * IMAGE_TOKENS;
    MESSAGE_TOKENS + texts.map(of_text).sum::<f64>() + calls.sum::<f64>() + images
}

/// Tokens of one text: letters of an alphabet share a token, characters of East Asia do not.
pub(super) fn of_text(text: &str) -> f64 {
    text.chars().map(of_letter).sum()
}

fn of_letter(letter: char) -> f64 {
    match u32::from(letter) {
        0x61..=0x7A | 0x20 => 0.22,
        0x30..=0x39 => 0.4,
        0x41..=0x5A => 0.4,
        0x00..=0x7F => 0.6,
        0x80..=0x24F | 0x370..=0x52F => 0.5,
        0x3041..=0x30FF => 0.8,
        0xAC00..=0xD7AF => 0.8,
        0x3400..=0x9FFF => 1.0,
        _ => 1.0,
    }
}
