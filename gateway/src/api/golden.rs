//! What the surfaces' golden and property tests share: fixtures below `fixtures/`, and numbers and
//! texts that are the same in every run.

use crate::chat::{Event, Receipt};
use schemas::money::MicroUsd;
use schemas::openai::{AnswerChoice, ChunkChoice, DeltaMessage};
use schemas::usage::Usage;
use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn folder(surface: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(surface)
}

/// A fixture; nothing, if there is none.
pub(super) fn read(surface: &str, file: &str) -> String {
    fs::read_to_string(folder(surface).join(file)).unwrap_or_default()
}

/// The fixtures of a kind, by name and content.
pub(super) fn inputs(surface: &str, kind: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder(surface)).unwrap();
    let names = entries.filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(kind).map(ToOwned::to_owned)
    });
    let mut inputs: Vec<(String, String)> = names
        .map(|name| {
            let text = read(surface, &format!("{name}{kind}"));
            (name, text)
        })
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "there is no {kind}");
    inputs
}

/// Compares what becomes of each input with the expected file, as text: the order of keys counts,
/// prompt caches live by it. A mismatch writes what came out into the temporary folder and says
/// where: read it, and copy it over the expected file if it is right.
pub(super) fn compare(surface: &str, from: &str, to: &str, becomes: impl Fn(&str) -> String) {
    let mut failures = Vec::new();
    for (name, text) in inputs(surface, from) {
        let file = format!("{name}{to}");
        let actual = becomes(&text);
        if read(surface, &file) != actual {
            let written = std::env::temp_dir().join(format!("fly-llm-golden-{surface}"));
            fs::create_dir_all(&written).unwrap();
            fs::write(written.join(&file), actual).unwrap();
            failures.push(format!("{file} differs from {}", written.join(&file).display()));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

pub(super) fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

pub(super) fn receipt(usage: Usage) -> Receipt {
    Receipt { usage, charge: MicroUsd(1) }
}

/// A whole answer, as a fixture tells it.
#[derive(Deserialize)]
pub(super) struct Answered {
    pub(super) choices: Vec<AnswerChoice>,
    pub(super) usage: Usage,
}

/// A stream, as a fixture tells it.
#[derive(Deserialize)]
pub(super) struct Streamed {
    frames: Vec<Vec<ChunkChoice>>,
    usage: Usage,
}

impl Streamed {
    pub(super) fn events(self) -> Vec<Event> {
        let mut events: Vec<Event> = self.frames.into_iter().map(Event::Pieces).collect();
        events.insert(0, Event::Waiting);
        events.push(Event::Done(receipt(self.usage)));
        events
    }
}

/// A piece of the first choice, that says this.
pub(super) fn delta(delta: Value) -> ChunkChoice {
    let delta: DeltaMessage = serde_json::from_value(delta).unwrap();
    ChunkChoice { index: 0, delta, logprobs: None, finish_reason: None }
}

const TEXTS: [&str; 4] = ["東京は🇯🇵の首都です。", "x", "a \"quoted\" \\ text\n", "👩‍👩‍👧‍👦絵文字"];

/// What an answer has used.
pub(super) const USAGE: Usage = Usage {
    input: 7,
    cache_read: Some(2),
    cache_write: None,
    cache_write_hour: None,
    output: 5,
    reasoning: None,
};

/// Numbers that are the same in every run.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    pub(super) fn text(&mut self) -> &'static str {
        TEXTS[self.below(TEXTS.len())]
    }

    /// A text cut at random places.
    pub(super) fn cut(&mut self, text: &str) -> Vec<String> {
        let mut pieces = vec![String::new()];
        for character in text.chars() {
            if self.below(3) == 0 {
                pieces.push(String::new());
            }
            pieces.last_mut().unwrap().push(character);
        }
        pieces
    }

    /// Pieces gathered at random, with signs of life between them.
    pub(super) fn gather(&mut self, pieces: Vec<ChunkChoice>) -> Vec<Event> {
        let mut gathered = vec![Event::Waiting];
        for piece in pieces {
            match gathered.last_mut() {
                Some(Event::Pieces(last)) if self.below(3) == 0 => last.push(piece),
                _ => gathered.push(Event::Pieces(vec![piece])),
            }
            if self.below(9) == 0 {
                gathered.push(Event::Waiting);
            }
        }
        gathered
    }
}
