//! The bound that credit is held with, against a real tokenizer: no text has more tokens than
//! bytes, be it Japanese, emoji, code or none of them, and no template adds more than is allowed.

use schemas::usage::token_upper_bound;

use crate::support::{chat, engine};
use crate::tiny;
use worker_rakuten::engine::Engine;

/// What the gateway allows a template to add: around all messages, and around one.
const TEMPLATE_TOKENS_MAX: u64 = 512 + 32;

/// Some vocabularies put a space in front of a text.
const SPACE: u64 = 1;

/// Texts of each kind that are drawn.
const TEXTS: usize = 200;

/// Longest text, in pieces.
const PIECES_MAX: u64 = 120;

/// What texts are made of: the rarer a letter, the more tokens it takes.
const KINDS: [&[&str]; 6] = [
    &["あ", "ー", "漢", "。", "１", "楽天", "ｶﾞ", "が", "\u{3099}", "髙", "𠮷", "㍻", "〒"],
    &["🙂", "👩‍👩‍👧", "🇯🇵", "🏳️‍🌈", "\u{fe0f}", "1️⃣", "\u{200d}", "🫠"],
    &["fn ", "(", ")", "{\n\t", "=>", "0x1F", "_a", "\"", "\\n", "<|im_end|>", "</s>", "    "],
    &["the ", "naïve", "ß", "Ω", "ก็", "ا", "ש", "क्षि", "ﷺ", "e\u{301}"],
    &["\0", "\u{7f}", "\u{fffd}", "\u{10ffff}", "\u{e000}", "\r\n", "\u{feff}", "\u{2028}"],
    &[" ", "\n", "a", "1", "-", "\t"],
];

/// The same texts every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
        usize::try_from((self.0 >> 33) % sides).unwrap()
    }

    fn text(&mut self, kind: usize) -> String {
        let mut text = String::new();
        for _ in 0..=self.roll(PIECES_MAX) {
            // One in eight is of another kind.
            let kind = if self.roll(8) == 0 { self.roll(KINDS.len() as u64) } else { kind };
            text.push_str(KINDS[kind][self.roll(KINDS[kind].len() as u64)]);
        }
        text
    }
}

/// How near a text of each kind comes to the bound, in thousandths.
fn nearest(engine: &Engine, texts: usize) -> [u64; KINDS.len()] {
    let mut dice = Dice(20_261_125);
    let mut nearest = [0; KINDS.len()];
    for (kind, nearest) in nearest.iter_mut().enumerate() {
        for _ in 0..texts {
            let text = dice.text(kind);
            let (tokens, bound) = (engine.count(&text) as u64, token_upper_bound(&text));
            assert!(tokens <= bound + SPACE, "{tokens} tokens, {bound} allowed: {text:?}");
            let whole = chat(engine, &text).tokens().len() as u64;
            assert!(whole <= bound + TEMPLATE_TOKENS_MAX, "{whole} tokens with the template");
            *nearest = (*nearest).max(tokens * 1_000 / bound);
        }
    }
    nearest
}

#[test]
fn no_text_has_more_tokens_than_the_bound() {
    let nearest = nearest(&engine(), TEXTS);
    // The bound isn't far from some texts: a much smaller one would be under the truth.
    assert!(nearest.iter().any(|share| *share > 800), "{nearest:?}");
}

#[test]
fn nor_under_a_vocabulary_that_falls_back_to_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let nearest = nearest(&tiny::engine(folder.path()), TEXTS);
    assert!(nearest.iter().all(|share| *share > 800), "{nearest:?}");
}
