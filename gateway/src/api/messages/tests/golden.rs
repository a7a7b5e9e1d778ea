//! The golden test of the surface, driven by the files in `fixtures/messages/`.
//!
//! | input | expected | what |
//! |---|---|---|
//! | `NAME.request.json` | `NAME.canonical.json` | a request in |
//! | `NAME.answer.json` | `NAME.message.json` | a whole answer out |
//! | `NAME.pieces.json` | `NAME.events.sse` | a stream out; together it is `NAME.message.json` |
//!
//! A mismatch writes what came out into the temporary folder and says where: read it, and copy it
//! over the expected file if it is right.

use super::wire::{reassembled, request_id, written};
use crate::api::messages::version::Version;
use crate::api::messages::{canonical, response};
use crate::chat::{Event, Receipt};
use schemas::anthropic::MessagesRequest;
use schemas::money::MicroUsd;
use schemas::openai::{AnswerChoice, ChunkChoice};
use schemas::usage::Usage;
use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/messages")
}

/// The inputs of a kind, by name and content.
fn inputs(kind: &str) -> Vec<(String, String)> {
    let mut inputs: Vec<(String, String)> = fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_str()?.strip_suffix(kind)?.to_owned();
            Some((name, fs::read_to_string(&path).unwrap()))
        })
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "there is no {kind}");
    inputs
}

/// Compares with the expected file as text: the order of keys counts, prompt caches live by it.
fn check(file: &str, actual: &str, failures: &mut Vec<String>) {
    let expected = fs::read_to_string(folder().join(file)).unwrap_or_default();
    if expected != actual {
        let written = std::env::temp_dir().join("fly-llm-golden-messages");
        fs::create_dir_all(&written).unwrap();
        fs::write(written.join(file), actual).unwrap();
        failures.push(format!("{file} differs from {}", written.join(file).display()));
    }
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

fn receipt(usage: Usage) -> Receipt {
    Receipt { usage, charge: MicroUsd(1) }
}

#[derive(Deserialize)]
struct Answered {
    choices: Vec<AnswerChoice>,
    usage: Usage,
}

#[derive(Deserialize)]
struct Streamed {
    frames: Vec<Vec<ChunkChoice>>,
    usage: Usage,
}

fn message(text: &str) -> Value {
    let answered: Answered = serde_json::from_str(text).unwrap();
    let receipt = receipt(answered.usage);
    let message = response::answer(&request_id(), "m", answered.choices, &receipt).unwrap();
    serde_json::to_value(message).unwrap()
}

#[test]
fn requests_become_the_canonical_form() {
    let mut failures = Vec::new();
    for (name, text) in inputs(".request.json") {
        let request: MessagesRequest = serde_json::from_str(&text).unwrap();
        let chat = canonical(request, Version::June2023).unwrap();
        check(&format!("{name}.canonical.json"), &pretty(&chat), &mut failures);
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn answers_become_messages() {
    let mut failures = Vec::new();
    for (name, text) in inputs(".answer.json") {
        check(&format!("{name}.message.json"), &pretty(&message(&text)), &mut failures);
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn pieces_become_events_that_together_are_the_message() {
    let mut failures = Vec::new();
    for (name, text) in inputs(".pieces.json") {
        let streamed: Streamed = serde_json::from_str(&text).unwrap();
        let mut events: Vec<Event> = streamed.frames.into_iter().map(Event::Pieces).collect();
        events.insert(0, Event::Waiting);
        events.push(Event::Done(receipt(streamed.usage)));
        let stream = written(events);
        check(&format!("{name}.events.sse"), &stream, &mut failures);
        let whole = fs::read_to_string(folder().join(format!("{name}.answer.json"))).unwrap();
        assert_eq!(reassembled(&stream).unwrap(), message(&whole), "{name}");
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
