//! The tagger: names and addresses from words and characters, by a small linear-chain model that
//! was trained for this (tools/pii-train). It must never allocate more than a few bytes for each
//! token, and never hold a text.

pub(in crate::pii) mod features;
pub(in crate::pii) mod filter;
mod kana;
pub(in crate::pii) mod lexicon;
mod listed;
pub(in crate::pii) mod model;
pub(in crate::pii) mod tokens;

use features::Features;
use lexicon::Lexicon;
use model::{
    ADDRESS_BEGINS, ADDRESS_GOES_ON, BrokenModel, LABELS, LANES, Model, OUTSIDE, PERSON_BEGINS,
    PERSON_GOES_ON,
};
use tokens::{Token, tokenize};

use super::finding::{Finding, Trust};
use super::kind::Kind;

/// Finds names and addresses.
pub(super) struct Tagger {
    lexicon: Lexicon,
    model: Model,
}

/// The model, in parts: the repository takes no large file.
const MODEL: [&[u8]; 2] =
    [include_bytes!("../data/tagger_1.bin"), include_bytes!("../data/tagger_2.bin")];

/// What the labels of names and addresses get on top: a value that gets through costs more than
/// a word that is masked for nothing.
const FOUND_BONUS: f32 = 0.4;
/// The same for names in texts about something, where fewer signs stand around them.
const NARRATIVE_PERSON_BONUS: f32 = 0.8;
/// And for addresses there, which are hardly anybody's.
const NARRATIVE_ADDRESS_BONUS: f32 = -0.5;

impl Tagger {
    /// Reads the embedded model and lists.
    pub(super) fn new() -> Result<Self, BrokenModel> {
        Self::of(&MODEL.concat())
    }

    /// With other weights than the embedded ones: how the trainer tries what it made.
    pub(super) fn of(model: &[u8]) -> Result<Self, BrokenModel> {
        Ok(Self { lexicon: Lexicon::new(), model: Model::read(model)? })
    }

    /// Adds the names and addresses of a shadow text.
    pub(super) fn find(&self, text: &str, findings: &mut Vec<Finding>) {
        let tokens = tokenize(text);
        let features = Features::new(text, &tokens, &self.lexicon);
        let labels = self.decode(&features, tokens.len());
        let before = findings.len();
        collect(&tokens, &labels, findings);
        let mut index = 0;
        findings.retain(|finding| {
            index += 1;
            let value = text.get(finding.start..finding.end).unwrap_or_default();
            index <= before || !(LABELS_IN_KATAKANA.contains(&value) || is_one_word(value))
        });
    }

    /// The best labels for all tokens (Viterbi). Labels stand side by side with three that are
    /// none, so that all of them are worked out at once.
    fn decode(&self, features: &Features, count: usize) -> Vec<u8> {
        let transitions = self.model.transitions().map(padded);
        let scale = self.model.scale();
        let mut best = [0.0_f32; LANES];
        let mut origins: Vec<[u8; LABELS]> = Vec::with_capacity(count);
        for index in 0..count {
            let bonus = if features.is_narrative(index) { &NARRATIVE_BONUS } else { &BONUS };
            let scores = features.score(index, &self.model);
            let (values, from) = if index == 0 {
                (transitions[OUTSIDE], [0; LANES])
            } else {
                best_origins(&best, &transitions)
            };
            for (label, next) in best.iter_mut().enumerate() {
                *next = values[label] + scores[label] as f32 * scale + bonus[label];
            }
            origins.push(std::array::from_fn(|label| from[label] as u8));
        }
        let best: [f32; LABELS] = std::array::from_fn(|label| best[label]);
        trace_back(&best, &origins)
    }
}

/// A label's bonus.
const BONUS: [f32; LANES] = padded([0.0, FOUND_BONUS, FOUND_BONUS, FOUND_BONUS, FOUND_BONUS]);
/// The same in a text about something.
const NARRATIVE_BONUS: [f32; LANES] = padded([
    0.0,
    NARRATIVE_PERSON_BONUS,
    NARRATIVE_PERSON_BONUS,
    NARRATIVE_ADDRESS_BONUS,
    NARRATIVE_ADDRESS_BONUS,
]);

const fn padded([outside, a, b, c, d]: [f32; LABELS]) -> [f32; LANES] {
    [outside, a, b, c, d, 0.0, 0.0, 0.0]
}

/// For each label the first of the best labels before it, and what both are worth.
fn best_origins(
    best: &[f32; LANES],
    transitions: &[[f32; LANES]; LABELS],
) -> ([f32; LANES], [u32; LANES]) {
    let mut values = [f32::NEG_INFINITY; LANES];
    let mut origins = [0_u32; LANES];
    for (from, (worth, row)) in (0..).zip(best.iter().zip(transitions)) {
        for label in 0..LANES {
            let total = worth + row[label];
            let better = total > values[label];
            values[label] = if better { total } else { values[label] };
            origins[label] = if better { from } else { origins[label] };
        }
    }
    (values, origins)
}

fn trace_back(best: &[f32; LABELS], origins: &[[u8; LABELS]]) -> Vec<u8> {
    let last = (0_u8..).zip(best).max_by(|(_, a), (_, b)| a.total_cmp(b));
    let mut label = last.map_or(0, |(label, _)| label);
    let mut labels = Vec::with_capacity(origins.len());
    for origin in origins.iter().rev() {
        labels.push(label);
        label = origin.get(usize::from(label)).copied().unwrap_or(0);
    }
    labels.reverse();
    labels
}

/// A word of an alphabet in small letters again and again is nobody's name, however often the word
/// is one: "large large large".
fn is_one_word(value: &str) -> bool {
    const AGAIN_MIN: usize = 3;
    let mut words = value.split_whitespace();
    let first = words.next().unwrap_or_default();
    let small = first.starts_with(|letter: char| letter.is_lowercase());
    small && words.clone().count() + 1 >= AGAIN_MIN && words.all(|word| word == first)
}

/// Words of labels, none of them in old dictionaries, that look like names in katakana.
const LABELS_IN_KATAKANA: [&str; 16] = [
    "マイナンバー",
    "フリガナ",
    "パスワード",
    "メールアドレス",
    "クレジットカード",
    "パスポート",
    "フリーダイヤル",
    "アンケート",
    "コメント",
    "アカウント",
    "ログイン",
    "スマホ",
    "キャンセル",
    "クレカ",
    "サイト",
    "アプリ",
];

/// Joins labelled tokens to findings.
fn collect(tokens: &[Token], labels: &[u8], findings: &mut Vec<Finding>) {
    let mut open: Option<Finding> = None;
    for (token, label) in tokens.iter().zip(labels) {
        let label = usize::from(*label);
        let kind = match label {
            PERSON_BEGINS | PERSON_GOES_ON => Some(Kind::Person),
            ADDRESS_BEGINS | ADDRESS_GOES_ON => Some(Kind::Address),
            _ => None,
        };
        let goes_on = label == PERSON_GOES_ON || label == ADDRESS_GOES_ON;
        match (&mut open, kind) {
            (Some(finding), Some(kind)) if goes_on && finding.kind == kind => {
                finding.end = token.end;
            }
            _ => {
                findings.extend(open.take());
                let (start, end, trust) = (token.start, token.end, Trust::Guess);
                open = kind.map(|kind| Finding { start, end, kind, trust });
            }
        }
    }
    findings.extend(open);
}
