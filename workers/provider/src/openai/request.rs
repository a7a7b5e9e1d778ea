//! The job as OpenAI's request. Texts go out byte for byte and unknown fields as they came; our own
//! fields, and other vendors' fields that OpenAI would refuse, never do.

use crate::problem;
use crate::translate::{Call, output_limit};
use crate::upstream::Upstream;
use schemas::error::Problem;
use schemas::job::ChatJob;
use schemas::openai::{ChatRequest, Content, Message, Role, StreamOptions};
use serde_json::{Map, Value};

/// Anthropic's words that the canonical form carries for Anthropic alone. A signature is worth
/// nothing elsewhere, and strict servers refuse the rest.
const FOREIGN_FIELDS: [&str; 6] = [
    "cache_control",
    "thinking_blocks",
    "output_config",
    "is_error",
    "stop_reason",
    "stop_sequence",
];

/// Fields of a request that other servers know and OpenAI refuses.
const REFUSED_BY_OPENAI: [&str; 2] = ["thinking", "top_k"];

/// A field of an assistant's message that other servers know and OpenAI refuses.
const REASONING: &str = "reasoning_content";

/// Builds the request.
pub(super) fn request(
    job: &ChatJob,
    upstream: &Upstream,
    is_openai_itself: bool,
) -> Result<Call, Problem> {
    let base = upstream.base().ok_or_else(problem::unreachable)?;
    let limit = output_limit(job)?;
    let mut chat = job.chat.clone();
    chat.model.clone_from(&upstream.name);
    chat.user_preferences = None;
    chat.stream = job.stream.then_some(true);
    chat.stream_options = job.stream.then(|| with_usage(chat.stream_options.take()));
    (chat.max_tokens, chat.max_completion_tokens) =
        if is_openai_itself { (None, Some(limit)) } else { (Some(limit), None) };
    strip(&mut chat, is_openai_itself);
    Call::json(format!("{base}/chat/completions"), &chat, job.stream)
}

/// The usage is always asked for: it is what the charge is made from.
fn with_usage(options: Option<StreamOptions>) -> StreamOptions {
    StreamOptions { include_usage: Some(true), ..options.unwrap_or_default() }
}

/// Takes out what this server would refuse or must not see.
fn strip(chat: &mut ChatRequest, is_openai_itself: bool) {
    if is_openai_itself {
        remove(&mut chat.rest, &REFUSED_BY_OPENAI);
    }
    remove(&mut chat.rest, &FOREIGN_FIELDS);
    for message in &mut chat.messages {
        strip_message(message, is_openai_itself);
    }
    for tool in chat.tools.iter_mut().flatten().filter_map(Value::as_object_mut) {
        remove(tool, &FOREIGN_FIELDS);
    }
}

fn strip_message(message: &mut Message, is_openai_itself: bool) {
    remove(&mut message.rest, &FOREIGN_FIELDS);
    if is_openai_itself {
        remove(&mut message.rest, &[REASONING]);
    } else if message.role == Role::Developer {
        // Most other servers' templates know only the older name.
        message.role = Role::System;
    }
    for call in message.tool_calls.iter_mut().flatten().filter_map(Value::as_object_mut) {
        remove(call, &FOREIGN_FIELDS);
    }
    if let Some(Content::Parts(parts)) = &mut message.content {
        for part in parts {
            remove(&mut part.rest, &FOREIGN_FIELDS);
        }
    }
}

/// Removes names and keeps the others' order.
fn remove(fields: &mut Map<String, Value>, names: &[&str]) {
    for name in names {
        fields.shift_remove(*name);
    }
}
