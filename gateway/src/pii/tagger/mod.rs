//! The tagger: names and addresses from words and characters, by a small linear-chain model that
//! was trained for this (tools/pii-train). It must never allocate more than a few bytes for each
//! token, and never hold a text.

pub(in crate::pii) mod features;
pub(in crate::pii) mod filter;
pub(in crate::pii) mod lexicon;
pub(in crate::pii) mod model;
pub(in crate::pii) mod tokens;

use features::Features;
use lexicon::Lexicon;
use model::{
    ADDRESS_BEGINS, ADDRESS_GOES_ON, BrokenModel, LABELS, Model, OUTSIDE, PERSON_BEGINS,
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
        Ok(Self { lexicon: Lexicon::new(), model: Model::read(&MODEL.concat())? })
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
            index <= before || !LABELS_IN_KATAKANA.contains(&value)
        });
    }

    /// The best labels for all tokens (Viterbi).
    fn decode(&self, features: &Features, count: usize) -> Vec<u8> {
        let transitions = self.model.transitions();
        let mut best = [0.0_f32; LABELS];
        let mut origins: Vec<[u8; LABELS]> = Vec::with_capacity(count);
        for index in 0..count {
            let narrative = features.is_narrative(index);
            let scores = features.of(index).map(|hashes| self.model.scores(&hashes));
            let mut next = [0.0_f32; LABELS];
            let mut origin = [0_u8; LABELS];
            for (label, score) in scores.unwrap_or_default().iter().take(LABELS).enumerate() {
                let (from, value) = best_origin(&best, transitions, label, index == 0);
                let worth = *score as f32 * self.model.scale();
                next[label] = value + worth + bonus(label, narrative);
                origin[label] = from;
            }
            best = next;
            origins.push(origin);
        }
        trace_back(&best, &origins)
    }
}

fn bonus(label: usize, narrative: bool) -> f32 {
    match (label, narrative) {
        (OUTSIDE, _) => 0.0,
        (_, false) => FOUND_BONUS,
        (PERSON_BEGINS | PERSON_GOES_ON, true) => NARRATIVE_PERSON_BONUS,
        (_, true) => NARRATIVE_ADDRESS_BONUS,
    }
}

fn best_origin(
    best: &[f32; LABELS],
    transitions: &[[f32; LABELS]; LABELS],
    label: usize,
    first: bool,
) -> (u8, f32) {
    if first {
        return (0, transitions[OUTSIDE][label]);
    }
    let mut chosen = (0, f32::NEG_INFINITY);
    for (from, (value, row)) in (0_u8..).zip(best.iter().zip(transitions)) {
        let total = value + row[label];
        if total > chosen.1 {
            chosen = (from, total);
        }
    }
    chosen
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
