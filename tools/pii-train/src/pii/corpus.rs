//! Labelled text as features and labels. Features that are seen only once or twice are dropped.
//! Must never keep the text.

use std::collections::HashMap;
use std::error::Error;

use super::shadow::Shadow;
use super::tagger::features::{Features, registers};
use super::tagger::lexicon::Lexicon;
use super::tagger::model::{ADDRESS_BEGINS, PERSON_BEGINS, key};
use super::tagger::tokens::tokenize;

const SEEN_MIN: u32 = 3;

/// One text.
pub(super) struct Sentence {
    /// The features of each token, as indices of keys.
    pub(super) features: Vec<Vec<u32>>,
    /// The label of each token.
    pub(super) labels: Vec<usize>,
}

/// All texts.
pub(super) struct Corpus {
    pub(super) sentences: Vec<Sentence>,
    /// The hash of each feature.
    pub(super) keys: Vec<u32>,
}

#[derive(Default)]
struct Counts(HashMap<u32, (u32, u32)>);

impl Counts {
    fn index(&mut self, key: u32) -> u32 {
        let next = self.0.len() as u32;
        let entry = self.0.entry(key).or_insert((next, 0));
        entry.1 += 1;
        entry.0
    }
}

/// Reads JSONL files.
pub(super) fn read(files: &[String]) -> Result<Corpus, Box<dyn Error>> {
    let lexicon = Lexicon::new();
    let mut counts = Counts::default();
    let mut sentences = Vec::new();
    for file in files {
        for line in std::fs::read_to_string(file)?.lines() {
            let row = serde_json::from_str(line)?;
            sentences.push(sentence(&row, &lexicon, &mut counts).ok_or("a row without spans")?);
        }
    }
    let mut index_of = vec![None; counts.0.len()];
    let mut keys = Vec::new();
    let mut seen: Vec<(u32, u32, u32)> = counts.0.iter().map(|(k, (i, n))| (*i, *k, *n)).collect();
    seen.sort_unstable();
    for (index, key, count) in seen {
        if count >= SEEN_MIN {
            index_of[index as usize] = Some(keys.len() as u32);
            keys.push(key);
        }
    }
    let mut corpus = Corpus { sentences, keys };
    corpus.map(|feature| index_of[feature as usize]);
    Ok(corpus)
}

impl Corpus {
    /// Drops all features but these.
    pub(super) fn keep(&mut self, kept: &[usize]) {
        let mut alive = vec![false; self.keys.len()];
        kept.iter().for_each(|index| alive[*index] = true);
        self.map(|feature| alive[feature as usize].then_some(feature));
    }

    fn map(&mut self, new: impl Fn(u32) -> Option<u32>) {
        for features in self.sentences.iter_mut().flat_map(|s| s.features.iter_mut()) {
            *features = features.iter().filter_map(|feature| new(*feature)).collect();
        }
    }
}

fn sentence(row: &serde_json::Value, lexicon: &Lexicon, counts: &mut Counts) -> Option<Sentence> {
    let text = row["text"].as_str()?;
    let spans = spans(row, text)?;
    let shadow = Shadow::new(text);
    let tokens = tokenize(shadow.text());
    let registers = registers(shadow.text(), &tokens);
    let features = Features::new(shadow.text(), &tokens, &registers, lexicon);
    let mut last = None;
    let mut labels = Vec::with_capacity(tokens.len());
    for token in &tokens {
        let origin = shadow.origin(token.start);
        let found = spans.iter().position(|(start, end, _)| *start <= origin && origin < *end);
        labels.push(found.map_or(0, |span| spans[span].2 + usize::from(last == Some(span))));
        last = found;
    }
    let of = |index| {
        let hashes = features.of(index).into_iter().flatten();
        hashes.map(|hash| counts.index(key(hash))).collect()
    };
    Some(Sentence { features: (0..tokens.len()).map(of).collect(), labels })
}

fn spans(row: &serde_json::Value, text: &str) -> Option<Vec<(usize, usize, usize)>> {
    let bytes: Vec<usize> = text.char_indices().map(|(b, _)| b).chain([text.len()]).collect();
    let mut spans = Vec::new();
    for span in row["spans"].as_array()? {
        let label = match span["type"].as_str()? {
            "PERSON" => PERSON_BEGINS,
            "ADDRESS" => ADDRESS_BEGINS,
            _ => continue,
        };
        let at = |name: &str| bytes.get(usize::try_from(span[name].as_u64()?).ok()?).copied();
        spans.push((at("start")?, at("end")?, label));
    }
    spans.sort_unstable();
    Some(spans)
}
