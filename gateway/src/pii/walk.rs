//! The walk over every string of a chat request, always in the same order: once to read, once to
//! write. It must never visit what names a thing for the protocol (roles, types, ids of calls,
//! names of functions): a placeholder there would break the request.

use super::media;
use schemas::openai::{ChatRequest, Content, Message, Stop};
use serde_json::{Map, Value};

/// What is done with a string; the label says what it is.
pub(super) trait Visit {
    /// Why the walk stops.
    type Error;
    /// Visits one string.
    fn visit(&mut self, label: &str, string: &mut String) -> Result<(), Self::Error>;
    /// Visits one that tells an end user from others and is no text for the model.
    fn visit_name(&mut self, label: &str, string: &mut String) -> Result<(), Self::Error> {
        self.visit(label, string)
    }
}

/// Fields of a request that tell its end user from others, or their cached prompts.
const USER_NAMES: [&str; 3] = ["user", "safety_identifier", "prompt_cache_key"];

/// Keys whose strings are the protocol's, wherever they stand in a JSON value.
const PROTOCOL_KEYS: [&str; 14] = [
    "type",
    "role",
    "id",
    "tool_call_id",
    "format",
    "detail",
    "cache_control",
    "service_tier",
    "reasoning_effort",
    "model",
    "signature",
    "thought_signature",
    "media_type",
    "anthropic_beta",
];
/// Where the name of a tool, of a function or of a schema stands right within.
const NAMED: [&str; 4] = ["function", "custom", "json_schema", "tools"];
/// The same in a request of the old kind.
const OLD_NAMED: [&str; 2] = ["functions", "function_call"];

/// Longer ones are no names: OpenAI takes 64 characters, others up to 128.
const NAME_BYTES_MAX: usize = 128;
/// JSON deeper than this is not walked but refused by serde long before.
const DEPTH_MAX: usize = 128;

/// Visits every string of the request.
pub(super) fn walk<V: Visit>(request: &mut ChatRequest, visitor: &mut V) -> Result<(), V::Error> {
    for message in &mut request.messages {
        walk_message(message, visitor)?;
    }
    match &mut request.stop {
        Some(Stop::One(text)) => visitor.visit("", text)?,
        Some(Stop::Many(texts)) => {
            for text in texts {
                visitor.visit("", text)?;
            }
        }
        None => {}
    }
    for value in request.tools.iter_mut().flatten().chain(&mut request.response_format) {
        walk_named("", value, visitor, DEPTH_MAX)?;
    }
    for (key, value) in &mut request.rest {
        match value {
            Value::String(name) if USER_NAMES.contains(&key.as_str()) => {
                visitor.visit_name(key, name)?;
            }
            Value::String(_) if PROTOCOL_KEYS.contains(&key.as_str()) => {}
            value if OLD_NAMED.contains(&key.as_str()) => {
                walk_named(key, value, visitor, DEPTH_MAX)?;
            }
            value => walk_value(key, value, visitor, DEPTH_MAX)?,
        }
    }
    Ok(())
}

fn walk_message<V: Visit>(message: &mut Message, visitor: &mut V) -> Result<(), V::Error> {
    if let Some(name) = &mut message.name {
        visitor.visit("", name)?;
    }
    match &mut message.content {
        Some(Content::Text(text)) => visitor.visit("", text)?,
        Some(Content::Parts(parts)) => {
            for part in parts {
                if let Some(text) = &mut part.text {
                    visitor.visit("", text)?;
                }
                walk_map(&part.kind, &mut part.rest, visitor, DEPTH_MAX)?;
            }
        }
        None => {}
    }
    for call in message.tool_calls.iter_mut().flatten() {
        walk_named("", call, visitor, DEPTH_MAX)?;
    }
    walk_map("", &mut message.rest, visitor, DEPTH_MAX)
}

fn walk_map<V: Visit>(
    label: &str,
    map: &mut Map<String, Value>,
    visitor: &mut V,
    depth: usize,
) -> Result<(), V::Error> {
    let is_function = is_function(map);
    let bytes = media::place_of_bytes(label, map);
    for (key, value) in map.iter_mut() {
        let is_protocol = PROTOCOL_KEYS.contains(&key.as_str()) || (is_function && key == "name");
        match value {
            Value::String(_) if is_protocol => {}
            Value::String(text) if bytes == Some(key.as_str()) && media::is_encoded(text) => {}
            value => walk_value(key, value, visitor, depth)?,
        }
    }
    Ok(())
}

fn is_function(map: &Map<String, Value>) -> bool {
    map.contains_key("parameters") || map.contains_key("arguments")
}

/// Whether a text is made as vendors let names of tools and schemas be made.
fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte))
}

/// The same as [`walk_value`], where what it holds has a name of the protocol.
fn walk_named<V: Visit>(
    label: &str,
    value: &mut Value,
    visitor: &mut V,
    depth: usize,
) -> Result<(), V::Error> {
    let Some(inner) = depth.checked_sub(1) else { return Ok(()) };
    let map = match value {
        Value::Object(map) => map,
        Value::Array(items) => {
            return items.iter_mut().try_for_each(|item| walk_named(label, item, visitor, inner));
        }
        value => return walk_value(label, value, visitor, depth),
    };
    let is_function = is_function(map);
    for (key, value) in map.iter_mut() {
        let is_name = |text: &str| key == "name" && (is_function || is_name(text));
        match value {
            Value::String(text) if is_name(text) || PROTOCOL_KEYS.contains(&key.as_str()) => {}
            value if NAMED.contains(&key.as_str()) => walk_named(key, value, visitor, inner)?,
            value => walk_value(key, value, visitor, inner)?,
        }
    }
    Ok(())
}

fn walk_value<V: Visit>(
    label: &str,
    value: &mut Value,
    visitor: &mut V,
    depth: usize,
) -> Result<(), V::Error> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    match value {
        Value::String(text) => visitor.visit(if label == "arguments" { "" } else { label }, text),
        Value::Array(items) => {
            items.iter_mut().try_for_each(|item| walk_value(label, item, visitor, depth))
        }
        Value::Object(map) => walk_map(label, map, visitor, depth),
        _ => Ok(()),
    }
}
