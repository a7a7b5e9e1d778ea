//! Checks the request against what Anthropic's specification allows, as far as the way of a chat
//! doesn't check it anyway. A wrong field is named with its place; nothing is mended silently.

use super::version::Version;
use crate::problems::{not_offered, wrong};
use schemas::anthropic::{Block, BlockContent, InputMessage, KnownBlock, MessagesRequest, Role};
use schemas::error::{ErrorCode, Problem};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Texts that end an answer: as many as the canonical form has.
const STOP_SEQUENCES_MAX: usize = 4;

/// The place of the message that begins the conversation.
const FIRST: &str = "messages[0]";

/// Checks.
pub(super) fn check(request: &MessagesRequest, version: Version) -> Result<(), Problem> {
    if request.messages.is_empty() {
        return Err(wrong("messages", "1件以上のメッセージ", "one message or more"));
    }
    if request.max_tokens == 0 {
        return Err(wrong("max_tokens", "1 以上の整数", "a whole number from 1"));
    }
    sampling(request, version)?;
    stop_sequences(request)?;
    if let Some(BlockContent::Blocks(blocks)) = &request.system {
        for (number, block) in blocks.iter().enumerate() {
            let place = format!("system[{number}]");
            well_formed(block, &place)?;
            instructs(block, &place)?;
        }
    }
    let last = request.messages.len() - 1;
    for (number, message) in request.messages.iter().enumerate() {
        check_message(message, &format!("messages[{number}]"), number == last, version)?;
    }
    only_offered(&request.rest)
}

fn sampling(request: &MessagesRequest, version: Version) -> Result<(), Problem> {
    let given = [
        ("temperature", request.temperature.is_some()),
        ("top_p", request.top_p.is_some()),
        ("top_k", request.top_k.is_some()),
    ];
    for (field, is_given) in given {
        if is_given && version == Version::October2026 {
            return Err(Problem::new(
                ErrorCode::InvalidRequest,
                format!("{field} は anthropic-version 2026-10-21 では使えません。外してください。"),
                format!(
                    "'{field}' is not supported by anthropic-version 2026-10-21: leave it out."
                ),
            )
            .at(field));
        }
    }
    for (field, value) in [("temperature", request.temperature), ("top_p", request.top_p)] {
        if value.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
            return Err(wrong(field, "0〜1の数", "a number in 0 – 1"));
        }
    }
    Ok(())
}

fn stop_sequences(request: &MessagesRequest) -> Result<(), Problem> {
    let texts = request.stop_sequences.as_deref().unwrap_or_default();
    if texts.len() > STOP_SEQUENCES_MAX {
        return Err(wrong("stop_sequences", "4個までの文字列", "up to four texts"));
    }
    match texts.iter().position(|text| text.trim().is_empty()) {
        Some(number) => Err(wrong(
            &format!("stop_sequences[{number}]"),
            "空白だけではない文字列",
            "a text that isn't blank",
        )),
        None => Ok(()),
    }
}

fn check_message(
    message: &InputMessage,
    place: &str,
    is_last: bool,
    version: Version,
) -> Result<(), Problem> {
    speaks_in_turn(message, place)?;
    let is_empty = match &message.content {
        BlockContent::Text(text) => text.is_empty(),
        BlockContent::Blocks(blocks) => blocks.is_empty(),
    };
    let may_be_empty = is_last && message.role == Role::Assistant;
    if is_empty && !may_be_empty {
        let place = format!("{place}.content");
        return Err(wrong(&place, "空ではない内容", "content that isn't empty"));
    }
    let BlockContent::Blocks(blocks) = &message.content else { return Ok(()) };
    for (number, block) in blocks.iter().enumerate() {
        let place = format!("{place}.content[{number}]");
        well_formed(block, &place)?;
        fits_role(block, message.role, &place)?;
        if version == Version::October2026 {
            fits_october(block, message.role, &place)?;
        }
        if let Block::Known(KnownBlock::ToolResult {
            content: Some(BlockContent::Blocks(inner)),
            ..
        }) = block
        {
            for (number, block) in inner.iter().enumerate() {
                well_formed(block, &format!("{place}.content[{number}]"))?;
            }
        }
    }
    Ok(())
}

/// The operator's first instructions stand in `system`, and only the operator's may be cleared.
fn speaks_in_turn(message: &InputMessage, place: &str) -> Result<(), Problem> {
    if message.role == Role::System && place == FIRST {
        let field = format!("{place}.role");
        return Err(wrong(
            &field,
            "user か assistant（最初の指示は system）",
            "user or assistant (the first instructions stand in 'system')",
        ));
    }
    if message.role != Role::System && message.clear_at.is_some() {
        let field = format!("{place}.clear_at");
        return Err(wrong(
            &field,
            "role: system のメッセージにだけ clear_at",
            "clear_at in a message of role system only",
        ));
    }
    Ok(())
}

/// The operator's instructions are texts.
fn instructs(block: &Block, place: &str) -> Result<(), Problem> {
    match block {
        Block::Known(KnownBlock::Text { .. }) => Ok(()),
        _ => Err(wrong(place, "type: text のブロック", "a block of type text")),
    }
}

/// A block names its type, and one of a type that we read has that type's fields.
fn well_formed(block: &Block, place: &str) -> Result<(), Problem> {
    match block {
        Block::Known(KnownBlock::Text { text, .. }) if text.is_empty() => {
            Err(wrong(&format!("{place}.text"), "空ではない文字列", "a text that isn't empty"))
        }
        Block::Known(KnownBlock::ToolUse { input, .. }) if !input.is_object() => {
            Err(wrong(&format!("{place}.input"), "オブジェクト", "an object"))
        }
        Block::Known(_) => Ok(()),
        Block::Other(fields) => {
            let kind = fields.get("type").and_then(Value::as_str);
            let Some(kind) = kind.filter(|kind| !kind.is_empty()) else {
                return Err(wrong(&format!("{place}.type"), "ブロックの種類", "a block's type"));
            };
            if !KnownBlock::TYPES.contains(&kind) {
                return Ok(());
            }
            // Read again, for what is wrong with it.
            match KnownBlock::deserialize(Value::Object(fields.clone())) {
                Ok(_) => Ok(()),
                Err(error) => {
                    let cause: String = error.to_string().chars().take(300).collect();
                    Err(wrong(
                        place,
                        &format!("正しい {kind} ブロック（{cause}）"),
                        &format!("a well-formed {kind} block ({cause})"),
                    ))
                }
            }
        }
    }
}

/// Who may say what.
fn fits_role(block: &Block, role: Role, place: &str) -> Result<(), Problem> {
    if role == Role::System {
        return instructs(block, place);
    }
    let Block::Known(block) = block else { return Ok(()) };
    let (kind, owner) = match block {
        KnownBlock::ToolUse { .. } => ("tool_use", Role::Assistant),
        KnownBlock::Thinking { .. } => ("thinking", Role::Assistant),
        KnownBlock::RedactedThinking { .. } => ("redacted_thinking", Role::Assistant),
        KnownBlock::ToolResult { .. } => ("tool_result", Role::User),
        KnownBlock::Text { .. } | KnownBlock::Image { .. } => return Ok(()),
    };
    if owner == role {
        return Ok(());
    }
    let owner = if owner == Role::User { "user" } else { "assistant" };
    Err(Problem::new(
        ErrorCode::InvalidRequest,
        format!("{place}: {kind} ブロックは {owner} のメッセージにだけ入れられます。"),
        format!("{place}: a {kind} block may only stand in a message of role {owner}."),
    )
    .at(place))
}

/// What the newer version refuses.
fn fits_october(block: &Block, role: Role, place: &str) -> Result<(), Problem> {
    match (block, role) {
        (Block::Other(fields), Role::Assistant)
            if fields.get("type") == Some(&"document".into()) =>
        {
            Err(Problem::new(
                ErrorCode::InvalidRequest,
                format!(
                    "{place}: 2026-10-21 では assistant に document ブロックを入れられません。"
                ),
                format!(
                    "{place}: in 2026-10-21 no document block may stand in an assistant's message."
                ),
            )
            .at(place))
        }
        (Block::Known(KnownBlock::Text { rest, .. }), Role::User) if has_citations(rest) => {
            let place = format!("{place}.citations");
            Err(Problem::new(
                ErrorCode::InvalidRequest,
                format!("{place}: 2026-10-21 では user の text に citations を付けられません。"),
                format!("{place}: in 2026-10-21 a user's text block may have no citations."),
            )
            .at(place))
        }
        _ => Ok(()),
    }
}

fn has_citations(rest: &Map<String, Value>) -> bool {
    match rest.get("citations") {
        None | Some(Value::Null) => false,
        Some(Value::Array(citations)) => !citations.is_empty(),
        Some(_) => true,
    }
}

/// What would silently give another answer, or give it in another place, than the one asked for.
fn only_offered(rest: &Map<String, Value>) -> Result<(), Problem> {
    let asks = |field: &str| match rest.get(field) {
        None | Some(Value::Null) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(value) => value != "global",
    };
    match ["container", "mcp_servers", "inference_geo"].into_iter().find(|field| asks(field)) {
        Some(field) => Err(not_offered(field)),
        None => Ok(()),
    }
}
