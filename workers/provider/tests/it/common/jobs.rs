//! What the tests of this crate share: jobs, and streams put together again. It asserts nothing
//! itself.

use schemas::ids::{AccountId, GatewayId, KeyId, RequestId};
use schemas::job::ChatJob;
use schemas::money::{MicroUsd, PicoUsdPerToken, Price};
use schemas::openai::{AnswerChoice, AnswerMessage, ChatRequest, ChunkChoice};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A job for a model named `model`.
pub(crate) fn job(chat: ChatRequest, stream: bool, output_tokens_max: u64) -> ChatJob {
    let free = PicoUsdPerToken(0);
    ChatJob {
        request: RequestId::fresh(),
        attempt: 1,
        gateway: GatewayId::fresh(),
        account: AccountId::fresh(),
        key: KeyId::fresh(),
        model: "model".into(),
        pool: "cloud".into(),
        deadline_ms: u64::MAX,
        stream,
        takes_complete: false,
        output_tokens_max,
        input_tokens_max: 1000,
        input_tokens_estimate: 12,
        hold: MicroUsd(1),
        price: Price {
            input: free,
            cached_input: free,
            cache_write: free,
            cache_write_hour: None,
            output: free,
        },
        route: None,
        chat,
    }
}

/// Puts a stream's pieces together, as a client does: `None` when a choice lacks its end, or says
/// its role not exactly once and first.
pub(crate) fn reassembled(pieces: &[ChunkChoice]) -> Option<Vec<AnswerChoice>> {
    let mut choices: BTreeMap<u32, Vec<&ChunkChoice>> = BTreeMap::new();
    for piece in pieces {
        choices.entry(piece.index).or_default().push(piece);
    }
    choices.into_iter().map(|(index, pieces)| choice(index, &pieces)).collect()
}

fn choice(index: u32, pieces: &[&ChunkChoice]) -> Option<AnswerChoice> {
    let (last, others) = pieces.split_last()?;
    let roles: Vec<bool> = pieces.iter().map(|piece| piece.delta.role.is_some()).collect();
    let role_is_first = roles[0] && !roles[1..].contains(&true);
    if !role_is_first || others.iter().any(|piece| piece.finish_reason.is_some()) {
        return None;
    }
    let mut message = AnswerMessage { role: "assistant".into(), ..AnswerMessage::default() };
    let mut calls: BTreeMap<u64, Value> = BTreeMap::new();
    let mut thoughts: BTreeMap<u64, Value> = BTreeMap::new();
    for piece in pieces {
        let delta = &piece.delta;
        append(&mut message.content, delta.content.as_deref());
        append(&mut message.refusal, delta.refusal.as_deref());
        append(&mut message.reasoning_content, delta.reasoning_content.as_deref());
        for call in delta.tool_calls.iter().flatten() {
            merge_indexed(&mut calls, call)?;
        }
        for (name, value) in &delta.rest {
            match (name.as_str(), value) {
                ("thinking_blocks", Value::Array(blocks)) => {
                    blocks.iter().try_for_each(|block| merge_indexed(&mut thoughts, block))?;
                }
                _ => merge(message.rest.entry(name.clone()).or_insert(Value::Null), value),
            }
        }
    }
    if !thoughts.is_empty() {
        let thoughts = thoughts.into_values().collect();
        message.rest.insert("thinking_blocks".into(), Value::Array(thoughts));
    }
    message.tool_calls =
        Some(calls.into_values().collect()).filter(|calls: &Vec<_>| !calls.is_empty());
    let logprobs =
        pieces.iter().filter_map(|piece| piece.logprobs.clone()).reduce(|mut all, one| {
            merge(&mut all, &one);
            all
        });
    Some(AnswerChoice { index, message, logprobs, finish_reason: last.finish_reason? })
}

fn append(text: &mut Option<String>, more: Option<&str>) {
    if let Some(more) = more {
        text.get_or_insert_default().push_str(more);
    }
}

/// Adds an entry of a list to the entry with the same `index`.
fn merge_indexed(entries: &mut BTreeMap<u64, Value>, piece: &Value) -> Option<()> {
    let mut piece = piece.as_object()?.clone();
    let index = piece.shift_remove("index")?.as_u64()?;
    let entry = entries.entry(index).or_insert_with(|| Value::Object(Map::new()));
    merge(entry, &Value::Object(piece));
    Some(())
}

/// Texts and lists are joined, objects merged, anything else replaced.
fn merge(all: &mut Value, piece: &Value) {
    match (all, piece) {
        (Value::String(all), Value::String(piece)) => all.push_str(piece),
        (Value::Array(all), Value::Array(piece)) => all.extend(piece.iter().cloned()),
        (Value::Object(all), Value::Object(piece)) => {
            for (name, value) in piece {
                merge(all.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (all, piece) => *all = piece.clone(),
    }
}

/// The same with what may differ between a stream and a whole answer made equal: an empty text is
/// an absent one, and arguments are JSON, whose blanks don't count.
pub(crate) fn comparable(mut choices: Vec<AnswerChoice>) -> Vec<AnswerChoice> {
    for choice in &mut choices {
        let message = &mut choice.message;
        for text in [&mut message.content, &mut message.refusal, &mut message.reasoning_content] {
            *text = text.take().filter(|text| !text.is_empty());
        }
        for call in message.tool_calls.iter_mut().flatten() {
            let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
            call["function"]["arguments"] =
                serde_json::from_str(arguments).unwrap_or_else(|_| Value::from("not JSON"));
        }
    }
    choices
}
