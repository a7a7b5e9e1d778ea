//! The conversation: instructions hoisted, messages as turns of parts. A tool's result names its
//! function, which only the call before it tells. Neither carries an id: Gemini pairs the two by
//! their order, so results stand in the order of their calls, whatever the order they came in.

use super::parts;
use super::tools::{self, Called};
use crate::problem;
use schemas::error::Problem;
use schemas::openai::{Message, Role};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The system prompt's parts and the conversation.
pub(super) fn turns(
    messages: &[Message],
    model: &str,
) -> Result<(Vec<Value>, Vec<Value>), Problem> {
    let mut system = Vec::new();
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    let mut called: HashMap<String, Called> = HashMap::new();
    let mut results: Vec<(usize, Vec<Value>)> = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let place = format!("messages[{number}]");
        if message.role != Role::Tool {
            give_back(&mut turns, &mut results);
        }
        match message.role {
            Role::System | Role::Developer => system.extend(said(message, &place)?),
            Role::User => speak(&mut turns, "user", said(message, &place)?),
            Role::Assistant => {
                let mut parts = said(message, &place)?;
                for (number, call) in message.tool_calls.iter().flatten().enumerate() {
                    let place = format!("{place}.tool_calls[{number}]");
                    let (part, id, name) = tools::call(call, number == 0, model, &place)?;
                    called.insert(id, Called { name, number });
                    parts.push(part);
                }
                speak(&mut turns, "model", parts);
            }
            Role::Tool => results.push(tools::result(message, &called, &place)?),
            Role::Function => return Err(problem::old_function(&place)),
        }
    }
    give_back(&mut turns, &mut results);
    if turns.is_empty() {
        return Err(problem::cannot(
            "messages",
            "messages に本文のある user メッセージを入れてください。",
            "'messages' needs at least one user message that isn't blank.",
        ));
    }
    let turn = |(role, parts): (&str, Vec<Value>)| json!({"role": role, "parts": parts});
    Ok((system, turns.into_iter().map(turn).collect()))
}

/// Adds the results that came one after the other, in the order of their calls.
fn give_back(turns: &mut Vec<(&str, Vec<Value>)>, results: &mut Vec<(usize, Vec<Value>)>) {
    results.sort_by_key(|(number, _)| *number);
    for (_, parts) in results.drain(..) {
        speak(turns, "user", parts);
    }
}

/// Adds parts to the turn of this side; blank messages make no turn.
fn speak<'a>(turns: &mut Vec<(&'a str, Vec<Value>)>, role: &'a str, mut parts: Vec<Value>) {
    match turns.last_mut() {
        _ if parts.is_empty() => {}
        Some((last, known)) if *last == role => known.append(&mut parts),
        _ => turns.push((role, parts)),
    }
}

fn said(message: &Message, place: &str) -> Result<Vec<Value>, Problem> {
    message.content.as_ref().map_or_else(|| Ok(Vec::new()), |content| parts::parts(content, place))
}
