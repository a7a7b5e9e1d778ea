//! The conversation as canonical messages. Tool results become messages of their own before what
//! the human says; thoughts stay beside the assistant's message, where only Anthropic's models see
//! them; blocks that have no counterpart survive as opaque parts.

use schemas::anthropic::{
    Block, BlockContent, CACHE_CONTROL, ClearAt, Group, InputMessage, KnownBlock, Role as Speaker,
    THINKING_BLOCKS, keep_order, marks,
};
use schemas::openai::{Content, Message, Part, Role};
use serde_json::{Map, Value, json};

/// All messages, the operator's instructions first and at the places where later ones stand.
pub(super) fn messages(system: Option<BlockContent>, messages: Vec<InputMessage>) -> Vec<Message> {
    let mut canonical = Vec::with_capacity(messages.len() + 1);
    instruct(system, &mut canonical);
    let last_of_human = messages.iter().rposition(|turn| turn.role == Speaker::User);
    for (place, turn) in messages.into_iter().enumerate() {
        match (turn.role, turn.content) {
            // The human has spoken since: it isn't shown to the model any more.
            (Speaker::System, _)
                if turn.clear_at == Some(ClearAt::NextUserMessage)
                    && last_of_human > Some(place) => {}
            (Speaker::System, content) => instruct(Some(content), &mut canonical),
            (Speaker::User, BlockContent::Blocks(blocks)) => user(blocks, &mut canonical),
            (Speaker::Assistant, BlockContent::Blocks(blocks)) => {
                canonical.push(assistant(blocks));
            }
            (Speaker::User, BlockContent::Text(text)) => {
                canonical.push(Message::text(Role::User, text));
            }
            (Speaker::Assistant, BlockContent::Text(text)) => {
                canonical.push(Message::text(Role::Assistant, text));
            }
        }
    }
    canonical
}

/// The operator's instructions; an empty text instructs nobody, and some vendors refuse it.
fn instruct(system: Option<BlockContent>, canonical: &mut Vec<Message>) {
    let said = system.filter(|system| *system != BlockContent::Text(String::new()));
    canonical.extend(said.and_then(content).map(|content| message(Role::System, Some(content))));
}

fn message(role: Role, content: Option<Content>) -> Message {
    Message { content, ..Message::text(role, "") }
}

/// The human's turn: results first, because they must follow the calls.
fn user(blocks: Vec<Block>, canonical: &mut Vec<Message>) {
    let mut said = Vec::new();
    for block in blocks {
        match block {
            Block::Known(KnownBlock::ToolResult { tool_use_id, content, is_error, rest }) => {
                let content = content.and_then(self::content);
                let content = content.unwrap_or_else(|| Content::Text(String::new()));
                let mut result = message(Role::Tool, Some(content));
                result.tool_call_id = Some(tool_use_id);
                result.rest = marks(&rest);
                if let Some(is_error) = is_error {
                    result.rest.insert("is_error".into(), is_error.into());
                }
                canonical.push(result);
            }
            other => said.push(other),
        }
    }
    if let Some(content) = content(BlockContent::Blocks(said)) {
        canonical.push(message(Role::User, Some(content)));
    }
}

fn assistant(blocks: Vec<Block>) -> Message {
    let (mut said, mut calls, mut thoughts) = (Vec::new(), Vec::new(), Vec::new());
    let mut order = Vec::with_capacity(blocks.len());
    for block in blocks {
        order.push(group(&block));
        match block {
            Block::Known(KnownBlock::ToolUse { id, name, input, rest }) => {
                let function = json!({"name": name, "arguments": input.to_string()});
                let mut call = json!({"id": id, "type": "function", "function": function});
                if let Some(call) = call.as_object_mut() {
                    call.extend(marks(&rest));
                }
                calls.push(call);
            }
            Block::Known(KnownBlock::Thinking { thinking, signature }) => thoughts.push(json!({
                "type": "thinking", "thinking": thinking, "signature": signature
            })),
            Block::Known(KnownBlock::RedactedThinking { data }) => {
                thoughts.push(json!({"type": "redacted_thinking", "data": data}));
            }
            other => said.push(other),
        }
    }
    // A message says something, or it calls tools: vendors refuse one that does neither.
    let nothing = calls.is_empty().then(|| Content::Text(String::new()));
    let content = content(BlockContent::Blocks(said)).or(nothing);
    let mut message = message(Role::Assistant, content);
    message.tool_calls = Some(calls).filter(|calls| !calls.is_empty());
    if !thoughts.is_empty() {
        message.rest.insert(THINKING_BLOCKS.into(), Value::Array(thoughts));
    }
    keep_order(&order, &mut message.rest);
    message
}

fn group(block: &Block) -> Group {
    match block {
        Block::Known(KnownBlock::Thinking { .. } | KnownBlock::RedactedThinking { .. }) => {
            Group::Thinking
        }
        Block::Known(KnownBlock::ToolUse { .. }) => Group::ToolUse,
        _ => Group::Text,
    }
}

/// A text where there is nothing but one, else parts; `None` when there is nothing.
fn content(content: BlockContent) -> Option<Content> {
    let blocks = match content {
        BlockContent::Text(text) => return Some(Content::Text(text)),
        BlockContent::Blocks(blocks) => blocks,
    };
    let mut parts: Vec<Part> = blocks.into_iter().map(part).collect();
    let is_plain = |part: &Part| part.kind == "text" && part.rest.is_empty();
    match parts.as_mut_slice() {
        [] => None,
        [only] if is_plain(only) => Some(Content::Text(only.text.take().unwrap_or_default())),
        _ => Some(Content::Parts(parts)),
    }
}

fn part(block: Block) -> Part {
    match block {
        Block::Known(KnownBlock::Text { text, rest }) => {
            Part { kind: "text".into(), text: Some(text), rest: marks(&rest) }
        }
        Block::Known(KnownBlock::Image { source, rest }) => image(source, rest),
        Block::Known(other) => opaque(fields(&other)),
        Block::Other(block) => document(&block).unwrap_or_else(|| opaque(block)),
    }
}

fn fields(block: &KnownBlock) -> Map<String, Value> {
    match serde_json::to_value(block) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// An image with its bytes or its address; a source of another kind is Anthropic's own.
fn image(source: Value, rest: Map<String, Value>) -> Part {
    let field = |name| source.get(name).and_then(Value::as_str);
    let url = match (field("type"), field("media_type"), field("data"), field("url")) {
        (Some("base64"), Some(kind), Some(data), _) => format!("data:{kind};base64,{data}"),
        (Some("url"), _, _, Some(url)) => url.to_owned(),
        _ => return opaque(fields(&KnownBlock::Image { source, rest })),
    };
    let mut fields = Map::new();
    fields.insert("image_url".into(), json!({"url": url}));
    fields.extend(marks(&rest));
    Part { kind: "image_url".into(), text: None, rest: fields }
}

/// A PDF with its bytes is a file to every vendor, unless it carries what only Anthropic knows.
fn document(block: &Map<String, Value>) -> Option<Part> {
    let is_known = |name: &String| {
        ["type", "source", "title", CACHE_CONTROL].contains(&name.as_str())
            || block.get(name).is_some_and(Value::is_null)
    };
    if block.get("type")? != "document" || !block.keys().all(is_known) {
        return None;
    }
    let source = block.get("source")?;
    let is_pdf = source.get("media_type")?.as_str()?.eq_ignore_ascii_case("application/pdf");
    if source.get("type")? != "base64" || !is_pdf {
        return None;
    }
    let mut file = Map::new();
    if let Some(title) = block.get("title").filter(|title| title.is_string()) {
        file.insert("filename".into(), title.clone());
    }
    let data = source.get("data")?.as_str()?;
    file.insert("file_data".into(), format!("data:application/pdf;base64,{data}").into());
    let mut fields = Map::new();
    fields.insert("file".into(), Value::Object(file));
    fields.extend(marks(block));
    Some(Part { kind: "file".into(), text: None, rest: fields })
}

/// A block that only Anthropic's models understand, as it came.
fn opaque(mut block: Map<String, Value>) -> Part {
    let kind = match block.shift_remove("type") {
        Some(Value::String(kind)) => kind,
        _ => String::new(),
    };
    let is_text = block.get("text").is_some_and(Value::is_string);
    let text = if is_text { block.shift_remove("text") } else { None };
    let text = text.and_then(|text| text.as_str().map(ToOwned::to_owned));
    Part { kind, text, rest: block }
}
