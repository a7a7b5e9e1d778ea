//! The conversation: the first instructions hoisted, later ones after the human's turn where the
//! model takes them there, messages as turns of blocks, tool results first in the turn that follows
//! the calls. Blank text blocks are never sent: the API refuses them.

use super::{generation, parts, tools};
use crate::problem;
use schemas::anthropic::{
    Block, BlockContent, InputMessage, KnownBlock, Role as Speaker, THINKING_BLOCKS, in_order,
};
use schemas::error::Problem;
use schemas::openai::{Content, Message, Role};
use serde_json::{Map, Value};

/// One side's blocks, until the other side speaks.
struct Turn {
    speaker: Speaker,
    blocks: Vec<Block>,
    /// How many of the first blocks are tool results.
    results: usize,
}

/// The system prompt and the conversation, for the model of that name.
pub(super) fn turns(
    messages: &[Message],
    model: &str,
) -> Result<(Option<BlockContent>, Vec<InputMessage>), Problem> {
    let takes_later = generation::takes_instructions_between_turns(model);
    let (mut system, mut later) = (Vec::new(), Vec::new());
    let mut turns: Vec<Turn> = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let place = format!("messages[{number}]");
        match message.role {
            Role::System | Role::Developer if takes_later && !turns.is_empty() => {
                later.append(&mut said(message, &place)?);
            }
            Role::System | Role::Developer => system.extend(said(message, &place)?),
            Role::User => speak(&mut turns, Speaker::User, said(message, &place)?),
            Role::Assistant => {
                let blocks = assistant(message, &place)?;
                if !blocks.is_empty() {
                    instruct(&mut turns, &mut later);
                }
                speak(&mut turns, Speaker::Assistant, blocks);
            }
            Role::Tool => give_back(&mut turns, tools::result(message, &place)?),
            Role::Function => return Err(problem::old_function(&place)),
        }
    }
    instruct(&mut turns, &mut later);
    system.append(&mut later);
    if turns.is_empty() {
        return Err(problem::cannot(
            "messages",
            "messages に本文のある user メッセージを入れてください。",
            "'messages' needs at least one user message that isn't blank.",
        ));
    }
    let message = |turn: Turn| InputMessage {
        role: turn.speaker,
        content: BlockContent::Blocks(turn.blocks),
        clear_at: None,
    };
    Ok((joined(system), turns.into_iter().map(message).collect()))
}

/// Adds blocks to the turn of this side; blank messages make no turn.
fn speak(turns: &mut Vec<Turn>, speaker: Speaker, mut blocks: Vec<Block>) {
    match turns.last_mut() {
        _ if blocks.is_empty() => {}
        Some(last) if last.speaker == speaker => last.blocks.append(&mut blocks),
        _ => turns.push(Turn { speaker, blocks, results: 0 }),
    }
}

/// Instructions within the conversation stand between the human's turn and the model's, or at the
/// end: the API refuses every other place. What came elsewhere waits for the next such place.
fn instruct(turns: &mut Vec<Turn>, later: &mut Vec<Block>) {
    if turns.last().is_some_and(|last| last.speaker == Speaker::User) {
        speak(turns, Speaker::System, std::mem::take(later));
    }
}

/// Adds a tool's result to the human's turn, before what the human says.
fn give_back(turns: &mut Vec<Turn>, result: Block) {
    match turns.last_mut() {
        Some(last) if last.speaker == Speaker::User => {
            last.blocks.insert(last.results, result);
            last.results += 1;
        }
        _ => turns.push(Turn { speaker: Speaker::User, blocks: vec![result], results: 1 }),
    }
}

/// The instructions as one text, a line feed between them; as blocks where one of them carries
/// more than text (a cache mark).
fn joined(blocks: Vec<Block>) -> Option<BlockContent> {
    if blocks.is_empty() {
        return None;
    }
    let plain = |block: &Block| match block {
        Block::Known(KnownBlock::Text { text, rest }) if rest.is_empty() => Some(text.clone()),
        _ => None,
    };
    let texts: Option<Vec<String>> = blocks.iter().map(plain).collect();
    Some(match texts {
        Some(texts) => BlockContent::Text(texts.join("\n")),
        None => BlockContent::Blocks(blocks),
    })
}

/// What a message says, as blocks.
fn said(message: &Message, place: &str) -> Result<Vec<Block>, Problem> {
    message.content.as_ref().map_or_else(|| Ok(Vec::new()), |content| parts::blocks(content, place))
}

/// Thoughts first, then text, then calls, unless another order was kept: the API wants them back as
/// they came.
fn assistant(message: &Message, place: &str) -> Result<Vec<Block>, Problem> {
    if message.rest.get("function_call").is_some_and(|call| !call.is_null()) {
        return Err(problem::old_function(place));
    }
    let said = message.content.as_ref().map(|content| parts::slots(content, place));
    let mut said = said.transpose()?.unwrap_or_default();
    let refusal = message.rest.get("refusal").and_then(Value::as_str);
    if let Some(refusal) = refusal.filter(|text| !text.trim().is_empty()) {
        said.push(Some(Block::text(refusal)));
    }
    let calls = message.tool_calls.iter().flatten().enumerate();
    let calls = calls
        .map(|(number, call)| tools::call(call, &format!("{place}.tool_calls[{number}]")).map(Some))
        .collect::<Result<_, _>>()?;
    Ok(in_order(&message.rest, thoughts(&message.rest), said, calls))
}

/// Thinking blocks that came from here go back unchanged; without a signature they are worth
/// nothing and the API would refuse them.
fn thoughts(rest: &Map<String, Value>) -> Vec<Option<Block>> {
    let kept = rest.get(THINKING_BLOCKS).and_then(Value::as_array);
    kept.into_iter().flatten().map(thought).collect()
}

fn thought(kept: &Value) -> Option<Block> {
    let text = |name| kept.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let block = match kept.get("type").and_then(Value::as_str)? {
        "thinking" => KnownBlock::Thinking {
            thinking: text("thinking").unwrap_or_default().to_owned(),
            signature: text("signature")?.to_owned(),
        },
        "redacted_thinking" => KnownBlock::RedactedThinking { data: text("data")?.to_owned() },
        _ => return None,
    };
    Some(Block::Known(block))
}

/// What a tool said, for its result: a text, or blocks.
pub(super) fn result_content(
    content: Option<&Content>,
    place: &str,
) -> Result<Option<BlockContent>, Problem> {
    match content {
        None => Ok(None),
        Some(Content::Text(text)) if text.is_empty() => Ok(None),
        Some(Content::Text(text)) => Ok(Some(BlockContent::Text(text.clone()))),
        Some(content) => {
            let blocks = parts::blocks(content, place)?;
            Ok(Some(blocks).filter(|blocks| !blocks.is_empty()).map(BlockContent::Blocks))
        }
    }
}
