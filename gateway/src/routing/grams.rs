//! Which of the languages of one script a text is in, by learned pieces of words and by how
//! frequent known words are. It is asked only where several languages share a script.

use super::language::Language;
use super::weights::{Weights, weights};
use super::words::{fold, mix, start};

const WORD_LETTERS_MAX: usize = 24;
/// More words than this add nothing but time.
const WORDS_MAX: usize = 64;
const PIECE_LETTERS_MAX: usize = 5;
const HAN_PIECE_LETTERS_MAX: usize = 3;
/// Evidence for English before anything is read: short names are mostly English, and on single
/// words of all languages this costs nothing.
const ENGLISH_WEIGHT: f32 = 0.75;
/// The hash of a whole word starts at another place than those of its pieces.
const WHOLE_WORD: u32 = 50;
/// Chinese characters stand without blanks: every run of up to this many may be a known word.
const HAN_WORD_LETTERS_MAX: usize = 4;
/// Such runs overlap, so each counts for less.
const HAN_SHARE: f32 = 0.5;

use Language as L;

/// A script that several languages share, with them in the order of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Latin,
    Cyrillic,
    Arabic,
    Han,
}

const LATIN: [Language; 19] = [
    L::English,
    L::Japanese,
    L::Vietnamese,
    L::Indonesian,
    L::Tagalog,
    L::German,
    L::French,
    L::Spanish,
    L::Portuguese,
    L::Italian,
    L::Dutch,
    L::Swedish,
    L::Danish,
    L::Polish,
    L::Czech,
    L::Hungarian,
    L::Romanian,
    L::Turkish,
    L::Finnish,
];
const CYRILLIC: [Language; 3] = [L::Russian, L::Ukrainian, L::Bulgarian];
const ARABIC: [Language; 2] = [L::Arabic, L::Persian];
const HAN: [Language; 2] = [L::Japanese, L::Chinese];

impl Script {
    fn languages(self) -> &'static [Language] {
        match self {
            Self::Latin => &LATIN,
            Self::Cyrillic => &CYRILLIC,
            Self::Arabic => &ARABIC,
            Self::Han => &HAN,
        }
    }

    fn seed(self) -> u32 {
        match self {
            Self::Latin => 101,
            Self::Cyrillic => 102,
            Self::Arabic => 103,
            Self::Han => 104,
        }
    }

    fn has(self, letter: char) -> bool {
        let code = u32::from(letter);
        match self {
            Self::Latin => {
                matches!(code, 0x61..=0x7A | 0xC0..=0x24F | 0x1E00..=0x1EFF)
                    && !matches!(code, 0xD7 | 0xF7)
            }
            Self::Cyrillic => matches!(code, 0x0400..=0x052F),
            Self::Arabic => matches!(code, 0x0620..=0x06FF | 0x0750..=0x077F | 0xFB50..=0xFEFC),
            Self::Han => matches!(code, 0x3005 | 0x3400..=0x9FFF),
        }
    }
}

/// The evidence for each language of a script; empty when the text has no word in it.
pub(super) fn evidence(text: &str, script: Script) -> Vec<(Language, f32)> {
    let Some(weights) = weights() else { return Vec::new() };
    let mut sums = vec![0; weights.header.language_columns];
    let mut known = vec![0.0; weights.header.language_columns];
    let mut count = 0;
    for word in words(text, script) {
        let word = &word[..word.len().min(WORD_LETTERS_MAX)];
        for hash in hashes(word, script) {
            weights.add_language(hash, &mut sums);
            count += 1;
        }
        add_known(weights, word, script, &mut known);
    }
    if count == 0 {
        return Vec::new();
    }
    let scale = weights.header.language_step / (count as f32).sqrt();
    let languages = script.languages().iter().copied();
    let before = |language| if language == L::English { ENGLISH_WEIGHT } else { 0.0 };
    let sums = sums.into_iter().zip(known).map(|(sum, known)| sum as f32 * scale + known);
    languages.zip(sums).map(|(l, sum)| (l, before(l) + sum)).collect()
}

/// The column of a language that is written in Latin letters.
pub(super) fn latin_column(language: Language) -> Option<usize> {
    // Japanese in Latin letters is few words beside those of others.
    let known = |known: &Language| *known == language && language != L::Japanese;
    LATIN.iter().position(known)
}

/// The column and the level of each language that knows a word of Latin letters.
pub(super) fn known_levels(weights: &Weights, word: &[char]) -> impl Iterator<Item = (usize, u8)> {
    weights.known_levels(whole(&spaced(word), Script::Latin))
}

/// The words of a text that a language written in Latin letters knows at least so well.
pub(super) fn words_at_level(
    text: &str,
    (column, level_min): (usize, u8),
) -> impl Iterator<Item = Vec<char>> {
    let is_known = move |word: &Vec<char>| {
        let is = |(known, level): (usize, u8)| known == column && level >= level_min;
        weights().is_some_and(|weights| known_levels(weights, word).any(is))
    };
    words(text, Script::Latin).into_iter().filter(is_known)
}

/// Adds what is known of a word, or of the words that Chinese characters may be.
fn add_known(weights: &Weights, word: &[char], script: Script, known: &mut [f32]) {
    if script != Script::Han {
        return weights.add_known(whole(&spaced(word), script), 1.0, known);
    }
    for size in 1..=word.len().min(HAN_WORD_LETTERS_MAX) {
        let share = HAN_SHARE * size as f32 / word.len() as f32;
        for part in word.windows(size) {
            weights.add_known(whole(part, script), share, known);
        }
    }
}

/// A word with the blanks around it, which tell its ends from its middle.
fn spaced(word: &[char]) -> Vec<char> {
    [&[' '], word, &[' ']].concat()
}

fn whole(letters: &[char], script: Script) -> u32 {
    let first = start(script.seed() + WHOLE_WORD);
    letters.iter().fold(first, |value, letter| mix(value, *letter))
}

/// Runs of letters of one script, in small letters.
fn words(text: &str, script: Script) -> Vec<Vec<char>> {
    let mut words = Vec::new();
    let mut word = Vec::new();
    for letter in text.chars().map(fold) {
        if script.has(letter) {
            word.push(letter);
            continue;
        }
        // A mark that stands above the letter before it does not end a word.
        let is_mark = matches!(u32::from(letter), 0x300..=0x36F);
        if !is_mark && !word.is_empty() {
            words.push(std::mem::take(&mut word));
            if words.len() == WORDS_MAX {
                return words;
            }
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The hashes of all pieces of a word and of the word itself.
fn hashes(word: &[char], script: Script) -> Vec<u32> {
    let (letters, most) = match script {
        Script::Han => (word.to_vec(), HAN_PIECE_LETTERS_MAX),
        _ => (spaced(word), PIECE_LETTERS_MAX),
    };
    let mut hashes = Vec::with_capacity(letters.len() * most + 1);
    for at in 0..letters.len() {
        let mut value = start(script.seed());
        for letter in &letters[at..letters.len().min(at + most)] {
            value = mix(value, *letter);
            hashes.push(value);
        }
    }
    hashes.push(whole(&letters, script));
    hashes
}
