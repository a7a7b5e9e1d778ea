//! What the model said of sentences that were seen before: a conversation sends all that was said
//! with every turn. A sentence is known again by a keyed hash of itself and of what the model sees
//! around it; kept are that hash and numbers, never a letter.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::features::{CONTEXT_TOKENS, Register, WINDOW, WORDS_AROUND};
use super::lexicon::ENTRY_CHARACTERS_MAX;
use super::model::LABELS;
use super::secrets::Secrets;
use super::tokens::{Class, Token};

/// What each label of a token is worth. The sum of all its features' weights has room in it.
pub(super) type Worth = [i16; LABELS];

/// Tokens of one generation of what is kept, about 4 MB: of two there are never more.
const GENERATION_TOKENS_MAX: usize = 256 * 1024;

/// What a sentence takes besides its tokens, in tokens' room.
const SENTENCE_TOKENS: usize = 8;

/// A sentence that goes on for longer is none, and is not kept.
const SENTENCE_TOKENS_MAX: usize = 1024;

/// A full stop after fewer tokens ends no sentence: "Mr."
const SENTENCE_TOKENS_MIN: usize = 8;

/// Cuts the tokens where neither a word nor a run goes on: at ends of lines and sentences.
pub(super) fn sentences(text: &str, tokens: &[Token]) -> Vec<Range<usize>> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (index, token) in tokens.iter().enumerate() {
        let ends = match token.class {
            Class::Line => true,
            Class::Sign if index + 1 - start >= SENTENCE_TOKENS_MIN => {
                let sign = text.get(token.start..token.end);
                matches!(sign, Some("。" | "." | "!" | "?"))
            }
            _ => false,
        };
        if ends {
            sentences.push(start..index + 1);
            start = index + 1;
        }
    }
    if start < tokens.len() {
        sentences.push(start..tokens.len());
    }
    sentences
}

/// A sentence with the tokens around it that the model may see. Both ends lie where no listed
/// word goes on, so that it is cut into the same words whatever stands farther away; but where a
/// word could go on for very long, it ends behind all that can be seen.
pub(super) fn around(text: &str, tokens: &[Token], sentence: &Range<usize>) -> Range<usize> {
    let goes_on = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        let both = before.zip(tokens.get(at)).filter(|(_, token)| !token.spaced);
        both.is_some_and(|(before, token)| may_join(text, before) && may_join(text, token))
    };
    let mut start = sentence.start;
    let mut seen = Seen::default();
    while start > 0 && !seen.is_enough() {
        start -= 1;
        seen.add(!goes_on(start));
    }
    let mut end = sentence.end;
    let mut seen = Seen::default();
    while end < tokens.len() && !seen.is_enough() && end - sentence.end < CONTEXT_TOKENS {
        end += 1;
        seen.add(!goes_on(end));
    }
    start..end
}

/// Whether a token may be a part of a listed word of several.
fn may_join(text: &str, token: &Token) -> bool {
    match token.class {
        Class::Kanji | Class::Hiragana | Class::Katakana => true,
        Class::Sign => text.get(token.start..token.end) == Some("・"),
        _ => false,
    }
}

/// What the model sees on one side, at least.
#[derive(Default)]
struct Seen {
    tokens: usize,
    words: usize,
    /// Tokens of a stretch that is not over.
    open: usize,
}

impl Seen {
    fn add(&mut self, is_over: bool) {
        self.tokens += 1;
        self.open += 1;
        if is_over {
            self.words += self.open.div_ceil(ENTRY_CHARACTERS_MAX);
            self.open = 0;
        }
    }

    fn is_enough(&self) -> bool {
        self.open == 0 && self.tokens >= WINDOW && self.words >= WORDS_AROUND
    }
}

/// By what a sentence between its neighbours is known again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(u128);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64((self.0 >> u64::BITS) as u64);
    }
}

/// Keys are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type Kept = HashMap<Key, Box<[Worth]>, BuildHasherDefault<AsItIs>>;

/// Two generations: what was of use in the last one is of the newer.
#[derive(Default)]
struct Generations {
    young: Kept,
    old: Kept,
    young_tokens: usize,
}

impl Generations {
    fn insert(&mut self, key: Key, worths: Box<[Worth]>) {
        let tokens = worths.len() + SENTENCE_TOKENS;
        if self.young_tokens + tokens > GENERATION_TOKENS_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_tokens = 0;
        }
        if self.young.insert(key, worths).is_none() {
            self.young_tokens += tokens;
        }
    }
}

/// What is kept, and the secrets of its keys.
#[derive(Default)]
pub(super) struct Memory {
    secrets: Secrets,
    kept: Mutex<Generations>,
}

impl Memory {
    /// A key for each sentence; none for one of too many bytes. The realm keeps what different
    /// accounts send apart: how long their requests take tells them nothing of each other.
    pub(super) fn keys(
        &self,
        (text, tokens): (&str, &[Token]),
        sentences: &[Range<usize>],
        registers: &[Register],
        realm: &str,
    ) -> Vec<Option<Key>> {
        let realm = self.secrets.realm(realm);
        let end = |count: usize| match count.checked_sub(1).and_then(|last| tokens.get(last)) {
            Some(token) => token.end,
            None => 0,
        };
        let key = |sentence: &Range<usize>| {
            let around = around(text, tokens, sentence);
            let start = end(around.start);
            let seen = text.get(start..end(around.end)).unwrap_or_default();
            let register = registers.get(sentence.start).copied().unwrap_or_default();
            let place = [sentence.start, sentence.end].map(|at| (end(at) - start) as u64);
            let beside = [u64::from(register), place[0], place[1]];
            let sum = self.secrets.sum(seen.as_bytes(), beside);
            sum.map(|sum| Key(sum.wrapping_add(realm)))
        };
        sentences.iter().map(key).collect()
    }

    /// Puts what is known of the sentences where it belongs, and names those that are not known.
    pub(super) fn recall(
        &self,
        keys: &[Option<Key>],
        sentences: &[Range<usize>],
        worths: &mut [Worth],
    ) -> Vec<usize> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing = Vec::new();
        for (index, (key, sentence)) in keys.iter().zip(sentences).enumerate() {
            if let Some((key, aged)) = key.and_then(|key| Some((key, kept.old.remove(&key)?))) {
                kept.insert(key, aged);
            }
            let slots = worths.get_mut(sentence.clone());
            match key.and_then(|key| kept.young.get(&key)).zip(slots) {
                Some((known, slots)) if known.len() == slots.len() => slots.copy_from_slice(known),
                _ => missing.push(index),
            }
        }
        missing
    }

    /// Keeps what was worked out for the sentences that were missing.
    pub(super) fn keep(
        &self,
        missing: &[usize],
        keys: &[Option<Key>],
        sentences: &[Range<usize>],
        worths: &[Worth],
    ) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for index in missing {
            let key = keys.get(*index).copied().flatten();
            let worths = sentences.get(*index).and_then(|sentence| worths.get(sentence.clone()));
            if let Some((key, worths)) = key.zip(worths)
                && worths.len() <= SENTENCE_TOKENS_MAX
            {
                kept.insert(key, worths.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokenize;
    use super::*;

    #[test]
    fn every_token_is_in_one_sentence_and_what_is_seen_around_has_an_end() {
        let text = "山田花子です。\n\n東京都に住んでいます。Mr. Smith lives in London. Is it so?";
        let tokens = tokenize(text);
        let sentences = sentences(text, &tokens);
        let mut end = 0;
        for sentence in &sentences {
            assert_eq!(sentence.start, end);
            end = sentence.end;
        }
        assert_eq!(end, tokens.len());
        let seen = |text: &str, own: &Range<usize>| {
            let tokens = tokenize(text);
            let around = around(text, &tokens, own);
            text[tokens[around.start].start..tokens[around.end - 1].end].to_owned()
        };
        assert_eq!(seen(text, &sentences[0]), "山田花子です。\n\n東京都に住んでいます。");
        assert_eq!(seen("a b 、c d、e f g。h", &(9..10)), "c d、e f g。h");
        let long = "あ".repeat(2 * CONTEXT_TOKENS);
        let text = format!("a。{long}。b{long}");
        let own = 2 * CONTEXT_TOKENS + 3..2 * CONTEXT_TOKENS + 4;
        let end = "あ".repeat(CONTEXT_TOKENS);
        assert_eq!(seen(&text, &own), format!("{long}。b{end}"));
    }

    #[test]
    fn no_more_than_two_generations_are_kept() {
        let mut kept = Generations::default();
        let sentence = || vec![[0; LABELS]; 100].into_boxed_slice();
        let per_generation = GENERATION_TOKENS_MAX / (100 + SENTENCE_TOKENS);
        for number in 0..5 * per_generation as u64 {
            kept.insert(Key(u128::from(number)), sentence());
            assert!(kept.young.len() + kept.old.len() <= 2 * per_generation);
        }
        let last = Key(5 * per_generation as u128 - 1);
        assert!(kept.young.contains_key(&last));
    }
}
