//! The job as OpenAI's request. Texts go out byte for byte and unknown fields as they came; our own
//! fields, and other vendors' fields that OpenAI would refuse, never do.

use super::identifiers;
use super::quirks::{Quirks, Thoughts};
use crate::translate::output_limit;
use schemas::error::Problem;
use schemas::job::ChatJob;
use schemas::openai::{ChatRequest, Content, Message, Role, StreamOptions};
use serde_json::{Map, Value};

/// Anthropic's words that the canonical form carries for Anthropic alone. A signature is worth
/// nothing elsewhere, and strict servers refuse the rest.
const FOREIGN_FIELDS: [&str; 7] = [
    "cache_control",
    "thinking_blocks",
    "block_order",
    "output_config",
    "is_error",
    "stop_reason",
    "stop_sequence",
];

/// The thoughts of an assistant's message.
const THOUGHTS: &str = "reasoning_content";

/// Where a tool call carries Gemini's signature of a thought.
const SIGNATURE: &str = "extra_content";

/// The body for a server of this kind.
pub(crate) fn body(job: &ChatJob, model: &str, quirks: &Quirks) -> Result<ChatRequest, Problem> {
    let limit = output_limit(job)?;
    let mut chat = job.chat.clone();
    model.clone_into(&mut chat.model);
    chat.user_preferences = None;
    chat.stream = job.stream.then_some(true);
    let is_asked = job.stream && quirks.takes_stream_options;
    chat.stream_options = is_asked.then(|| with_usage(chat.stream_options.take()));
    (chat.max_tokens, chat.max_completion_tokens) =
        if quirks.takes_new_token_limit { (None, Some(limit)) } else { (Some(limit), None) };
    strip(&mut chat, quirks);
    identifiers::shorten(&mut chat.rest, quirks);
    for (ours, theirs) in quirks.renamed {
        rename(&mut chat, ours, theirs);
    }
    Ok(chat)
}

/// Moves a field to the name that the server gives it.
fn rename(chat: &mut ChatRequest, ours: &str, theirs: &str) {
    let value = match ours {
        "seed" => chat.seed.take().map(Value::from),
        _ => chat.rest.shift_remove(ours),
    };
    if let Some(value) = value {
        chat.rest.insert(theirs.to_owned(), value);
    }
}

/// The usage is always asked for: it is what the charge is made from.
fn with_usage(options: Option<StreamOptions>) -> StreamOptions {
    StreamOptions { include_usage: Some(true), ..options.unwrap_or_default() }
}

/// Takes out what this server would refuse or must not see.
fn strip(chat: &mut ChatRequest, quirks: &Quirks) {
    remove(&mut chat.rest, quirks.refused);
    remove(&mut chat.rest, &FOREIGN_FIELDS);
    for message in &mut chat.messages {
        strip_message(message, quirks);
    }
    for tool in chat.tools.iter_mut().flatten().filter_map(Value::as_object_mut) {
        remove(tool, &FOREIGN_FIELDS);
    }
}

fn strip_message(message: &mut Message, quirks: &Quirks) {
    remove(&mut message.rest, &FOREIGN_FIELDS);
    remove(&mut message.rest, quirks.refused_in_messages);
    if quirks.refused_in_messages.contains(&"name") {
        message.name = None;
    }
    match quirks.thoughts {
        Thoughts::Refused => remove(&mut message.rest, &[THOUGHTS]),
        Thoughts::Needed if message.tool_calls.is_some() => {
            message.rest.entry(THOUGHTS).or_insert_with(|| "".into());
        }
        Thoughts::Needed | Thoughts::Kept => {}
    }
    if message.role == Role::Developer && !quirks.takes_developer {
        message.role = Role::System;
    }
    for call in message.tool_calls.iter_mut().flatten().filter_map(Value::as_object_mut) {
        remove(call, &FOREIGN_FIELDS);
        if quirks.thoughts == Thoughts::Refused {
            remove(call, &[SIGNATURE]);
        }
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
