//! What the tagger sees of a token: hashed features of the words, signs and lists around it. The
//! trainer uses this very code, so a change here needs a new model. It must never see farther
//! than its window: tagging stays linear.

use super::lexicon::{ENTRY_CHARACTERS_MAX, Lexicon};
use super::listed::{Longest, PERSON_BITS, Word, places};
use super::model::{Model, Room, Scores};
use super::table::{HASH_START, Lists, mix};
use super::tokens::{Class, Token};

/// What is known of a token apart from its neighbours.
#[derive(Clone, Copy, Default)]
struct Seen {
    word: u64,
    shape: u64,
    start: u64,
    tail: u64,
    tail2: u64,
    lists: u64,
    register: u64,
    habits: u64,
    sound: u64,
    /// Which word the token is in, and where in it.
    word_index: u32,
    place: u32,
    run: Run,
}

impl Seen {
    /// Where the token stands in listed names of persons.
    fn names(&self) -> u64 {
        self.lists & PERSON_BITS
    }

    /// Where it stands in other listed words.
    fn others(&self) -> u64 {
        self.lists & !PERSON_BITS
    }
}

/// How many words to each side of its own a token looks at.
pub(in crate::pii) const WORDS_AROUND: usize = 4;

/// The stretch of kanji, or of katakana joined by `・`, that a token is in.
#[derive(Clone, Copy, Default)]
struct Run {
    length: u64,
    place: u64,
    before: u64,
    last: u64,
    after: u64,
    whole: u64,
    parts: u64,
    group_before: u64,
    group_after: u64,
}

/// How far a token looks to each side.
pub(in crate::pii) const WINDOW: usize = 6;

/// Tokens beyond which nothing on either side changes a token's features: four listed words, and
/// one that covers the last token of the window.
pub(in crate::pii) const CONTEXT_TOKENS: usize = (WORDS_AROUND + 1) * ENTRY_CHARACTERS_MAX;

/// How a line speaks.
pub(in crate::pii) type Register = u8;

/// How many features a token has.
pub(in crate::pii) const FEATURES: usize = 78;

/// How many of them are about words.
const WORD_FEATURES: usize = 15;

/// How many are about shapes, lists and words farther away.
const SIGN_FEATURES: usize = 35;

/// The register of whole plain sentences about something, not of a message to somebody.
pub(in crate::pii) const NARRATIVE: Register = 2;

/// All tokens of a text, ready to give features.
pub(in crate::pii) struct Features {
    seen: Vec<Seen>,
    words: Vec<Word>,
}

impl Features {
    /// Looks at every token once. The registers are those of the same tokens.
    pub(in crate::pii) fn new(
        text: &str,
        tokens: &[Token],
        registers: &[Register],
        lexicon: &Lexicon,
    ) -> Self {
        let mut seen = vec![Seen::default(); tokens.len() + 2 * WINDOW];
        let (places, longest) = places(text, tokens, lexicon);
        for (index, token) in tokens.iter().enumerate() {
            let word = text.get(token.start..token.end).unwrap_or_default();
            let listed = places.get(index).copied().unwrap_or(0);
            if let Some(slot) = seen.get_mut(index + WINDOW) {
                *slot = look(word, *token, listed, lexicon);
                slot.register = registers.get(index).copied().unwrap_or(0).into();
            }
        }
        let words = find_words(&longest, &mut seen);
        find_runs(text, tokens, &words, lexicon, &mut seen);
        Self { seen, words }
    }

    /// What the labels of the token at this index are worth, in the model's steps.
    pub(in crate::pii) fn score(
        &self,
        index: usize,
        model: &Model,
        room: &mut Room<FEATURES>,
    ) -> Scores {
        self.of(index).map(|hashes| model.scores(&hashes, room)).unwrap_or_default()
    }

    /// The hash of each feature of the token at this index.
    #[inline(always)]
    pub(in crate::pii) fn of(&self, index: usize) -> Option<[u64; FEATURES]> {
        let near: &Near = self.seen.get(index..)?.first_chunk()?;
        let words = self.words.get(near[WINDOW].word_index as usize..)?.first_chunk()?;
        let mut all = [0; FEATURES];
        let (letters, rest) = all.split_at_mut(WORD_FEATURES);
        let (signs, lists) = rest.split_at_mut(SIGN_FEATURES);
        letters.copy_from_slice(&word_features(near));
        signs.copy_from_slice(&sign_features(near));
        lists.copy_from_slice(&list_features(near, words));
        Some(all)
    }
}

/// A token and what stands around it.
type Near = [Seen; 2 * WINDOW + 1];

/// What the words and their letters say.
fn word_features([_, _, _, b3, b2, b1, this, a1, a2, a3, _, _, _]: &Near) -> [u64; WORD_FEATURES] {
    let (b1_ends, this_ends) = (b1.habits & 0xFF00, this.habits & 0xF0F0);
    let (this_starts, a1_starts) = (this.habits & 0x00FF, a1.habits & 0x0F0F);
    [
        fold(1, [b3.word]),
        fold(2, [b2.word]),
        fold(3, [b1.word]),
        fold(4, [this.word]),
        fold(5, [a1.word]),
        fold(6, [a2.word]),
        fold(7, [a3.word]),
        fold(8, [b1.word, this.word]),
        fold(9, [this.word, a1.word]),
        fold(15, [this.habits]),
        fold(16, [b1.habits, this.habits]),
        fold(17, [this_ends, a1_starts, b1.shape]),
        fold(18, [b1_ends, this_starts, a1.shape]),
        fold(19, [this.habits, a1.word]),
        fold(20, [this.tail2, this.shape]),
    ]
}

/// What shapes, lists, the run and the register say, and words farther away.
fn sign_features(near: &Near) -> [u64; SIGN_FEATURES] {
    let [b6, b5, b4, b3, b2, b1, this, a1, a2, a3, a4, a5, a6] = near;
    let run = this.run;
    [
        fold(25, [this.shape]),
        fold(26, [b1.shape, this.shape]),
        fold(27, [this.shape, a1.shape]),
        fold(28, [b1.shape, this.shape, a1.shape]),
        fold(32, [this.start, this.shape]),
        fold(33, [this.tail, this.shape]),
        fold(34, [this.lists, this.shape]),
        fold(35, [b1.lists, this.lists, this.shape]),
        fold(36, [this.lists, a1.lists, this.shape]),
        fold(37, [b1.lists, this.lists, a1.lists]),
        fold(39, [b1.word, this.lists, this.shape]),
        fold(40, [a1.word, this.lists, this.shape]),
        fold(41, [b1.word, this.lists, a1.word]),
        fold(42, [b2.word, b1.word, this.lists, this.shape]),
        fold(43, [a1.word, a2.word, this.lists, this.shape]),
        fold(44, [run.length, run.place, this.shape]),
        fold(45, [run.last, this.shape]),
        fold(46, [run.after, run.length]),
        fold(47, [run.before, run.length]),
        fold(48, [run.last, run.after]),
        fold(49, [run.place, run.length, this.lists]),
        fold(50, [this.register, this.shape]),
        fold(51, [this.register, this.lists, this.shape]),
        fold(52, [this.register, b1.word, this.shape]),
        fold(53, [this.register, a1.word, this.shape]),
        fold(54, [b6.word, this.shape]),
        fold(54, [b5.word, this.shape]),
        fold(54, [b4.word, this.shape]),
        fold(54, [b3.word, this.shape]),
        fold(54, [b2.word, this.shape]),
        fold(55, [a2.word, this.shape]),
        fold(55, [a3.word, this.shape]),
        fold(55, [a4.word, this.shape]),
        fold(55, [a5.word, this.shape]),
        fold(55, [a6.word, this.shape]),
    ]
}

/// What whole words say, and each kind of list by itself.
fn list_features(
    near: &Near,
    words: &[Word; 2 * WORDS_AROUND + 1],
) -> [u64; FEATURES - WORD_FEATURES - SIGN_FEATURES] {
    let [_, _, _, _, _, b1, this, a1, ..] = near;
    let [w4, w3, w2, w1, word, v1, v2, v3, v4] = words;
    let (run, place) = (this.run, u64::from(this.place));
    [
        fold(56, [this.names(), this.shape]),
        fold(57, [this.others(), this.shape]),
        fold(60, [word.hash, place]),
        fold(61, [word.group, place, this.shape]),
        fold(62, [word.lists, place, this.shape]),
        fold(63, [w1.hash, place, this.shape]),
        fold(64, [v1.hash, place, this.shape]),
        fold(65, [w1.group, place, word.lists]),
        fold(66, [v1.group, place, word.lists]),
        fold(67, [w1.group, v1.group, word.lists, place]),
        fold(71, [w2.hash, w1.hash, this.shape]),
        fold(72, [v1.hash, v2.hash, this.shape]),
        fold(73, [run.group_after, run.length, place]),
        fold(74, [run.group_before, run.length, place]),
        fold(76, [run.whole, run.length, this.shape]),
        fold(77, [run.parts, run.length, this.shape]),
        fold(78, [w2.group, this.shape]),
        fold(78, [w3.group, this.shape]),
        fold(78, [w4.group, this.shape]),
        fold(79, [v2.group, this.shape]),
        fold(79, [v3.group, this.shape]),
        fold(79, [v4.group, this.shape]),
        fold(83, [this.sound, this.lists, this.shape]),
        fold(84, [this.sound, a1.word]),
        fold(85, [this.sound, b1.word]),
        fold(86, [this.sound, run.group_after]),
        fold(87, [this.sound, run.length, run.place]),
        fold(88, [word.group, word.lists, place]),
    ]
}

/// Joins the parts of a feature; the number keeps features of equal parts apart. The shapes of the
/// fold are the trained model's: a change needs a new model.
#[inline(always)]
fn fold<const PARTS: usize>(number: u64, parts: [u64; PARTS]) -> u64 {
    parts.iter().fold(mix(HASH_START, number), |hash, part| mix(hash, *part))
}

fn look(word: &str, token: Token, listed: u64, lexicon: &Lexicon) -> Seen {
    match token.class {
        Class::Digits => {
            let count = word.chars().count() as u64;
            let year =
                u64::from(word.len() == 4 && (word.starts_with("19") || word.starts_with("20")));
            let length = mix(mix(HASH_START, count.min(12)), 77 + year);
            let shape = shape(token, 1, count);
            Seen { word: length, shape, start: 1, tail: 1, ..Seen::default() }
        }
        Class::Latin => look_at_letters(word, token, lexicon),
        Class::Katakana => {
            let (start, word_hash, count) = beginning(word);
            let lists = u64::from(lexicon.lists(word_hash));
            let (tail, tail2) = (ending(word, 3), ending(word, 2));
            let shape = shape(token, 1, count);
            let sound = lexicon.sound(word);
            Seen { word: word_hash, shape, start, tail, tail2, lists, sound, ..Seen::default() }
        }
        Class::Jumble => Seen { word: 5, shape: 5, start: 1, tail: 1, ..Seen::default() },
        Class::Line => Seen { word: 3, shape: 3, start: 1, tail: 1, ..Seen::default() },
        Class::Kanji | Class::Hiragana | Class::Sign => {
            let letter = word.chars().next().unwrap_or_default();
            let folded = lower(letter);
            let case = if folded == letter { 1 } else { 2 };
            let word = mix(HASH_START, u64::from(u32::from(folded)));
            let (shape, habits) = (shape(token, case, 1), lexicon.habits(letter));
            Seen { word, shape, start: 1, tail: 1, lists: listed, habits, ..Seen::default() }
        }
    }
}

/// A word of an alphabet: its letters count in small, and where it has capitals is its shape.
fn look_at_letters(word: &str, token: Token, lexicon: &Lexicon) -> Seen {
    let mut lower_hash = HASH_START;
    let mut capitals = 0_u64;
    let mut count = 0_u64;
    let mut first_capital = false;
    let mut start = HASH_START;
    for character in word.chars() {
        let folded = lower(character);
        first_capital |= count == 0 && folded != character;
        capitals += u64::from(folded != character);
        count += 1;
        lower_hash = mix(lower_hash, u64::from(u32::from(folded)));
        if count <= 3 {
            start = lower_hash;
        }
    }
    let case = match (first_capital, capitals) {
        (true, capitals) if count > 1 && capitals == count => 3,
        (true, 1) => 2,
        (false, 0) => 1,
        _ => 4,
    };
    let possessive = word.strip_suffix("'s");
    let bare = possessive.map_or(lower_hash, |bare| super::table::hash(&bare.to_lowercase()));
    let tail = word
        .chars()
        .rev()
        .take(3)
        .fold(HASH_START, |hash, character| mix(hash, u64::from(u32::from(lower(character)))));
    Seen {
        word: lower_hash,
        shape: shape(token, case, count),
        start,
        tail,
        tail2: ending(word, 2),
        lists: u64::from(lexicon.lists(bare)),
        ..Seen::default()
    }
}

/// The hash of the first three characters, of all, and how many they are.
fn beginning(word: &str) -> (u64, u64, u64) {
    let (mut start, mut hash, mut count) = (HASH_START, HASH_START, 0);
    for character in word.chars() {
        hash = mix(hash, u64::from(u32::from(character)));
        count += 1;
        if count <= 3 {
            start = hash;
        }
    }
    (start, hash, count)
}

/// The hash of the last characters, from the last on.
fn ending(word: &str, count: usize) -> u64 {
    let last = word.chars().rev().take(count);
    last.fold(HASH_START, |hash, character| mix(hash, u64::from(u32::from(character))))
}

fn shape(token: Token, case: u64, count: u64) -> u64 {
    let kind = mix(mix(HASH_START, token.class as u64), case);
    mix(mix(kind, count.min(6)), u64::from(token.spaced))
}

/// The small letter, or the first of what a capital becomes. Most of what is written in Japanese
/// lies where no letter has a case.
fn lower(character: char) -> char {
    match character {
        '\0'..='\x7F' => character.to_ascii_lowercase(),
        WITHOUT_CASE_FIRST..=WITHOUT_CASE_LAST => character,
        _ => character.to_lowercase().next().unwrap_or(character),
    }
}

/// From the radicals of kanji to the syllables of Yi.
const WITHOUT_CASE_FIRST: char = '\u{2E80}';
const WITHOUT_CASE_LAST: char = '\u{A48F}';

/// Tells every token of a run how long the run is and what stands around it.
fn find_runs(text: &str, tokens: &[Token], words: &[Word], lexicon: &Lexicon, seen: &mut [Seen]) {
    const LENGTH_MAX: usize = 7;
    let kind = |token: &Token| match token.class {
        Class::Kanji => 1,
        Class::Katakana => 2,
        Class::Sign if text.get(token.start..token.end) == Some("・") => 2,
        _ => 0,
    };
    let mut start = 0;
    while let Some(first) = tokens.get(start) {
        let of = kind(first);
        let follows = |token: &&Token| of != 0 && !token.spaced && kind(token) == of;
        let rest = tokens.get(start + 1..).unwrap_or_default();
        let end = start + 1 + rest.iter().take_while(follows).count();
        if of != 0 {
            let word = |index: usize| seen.get(index + WINDOW).map_or(0, |seen| seen.word);
            let before = seen.get(start + WINDOW - 1).map_or(0, |seen| seen.word);
            let (last, after) = (word(end - 1), word(end));
            let length = (end - start).min(LENGTH_MAX) as u64;
            let (whole, parts) = lists_of_run(text, tokens.get(start..end), lexicon);
            let index = |token: usize| seen.get(token + WINDOW).map_or(0, |seen| seen.word_index);
            let group = |place: u32| words.get(place as usize).map_or(0, |word| word.group);
            let group_before = group(index(start) + WORDS_AROUND as u32 - 1);
            let group_after = group(index(end - 1) + WORDS_AROUND as u32 + 1);
            let slots = seen.iter_mut().skip(start + WINDOW).take(end - start);
            for (place, slot) in slots.enumerate() {
                let place = place.min(LENGTH_MAX) as u64;
                let (length, place) = (length, place);
                slot.run = Run {
                    length,
                    place,
                    before,
                    last,
                    after,
                    whole,
                    parts,
                    group_before,
                    group_after,
                };
            }
        }
        start = end;
    }
}

/// The lists that a whole run is on, and those that all of its parts between `・` are on.
fn lists_of_run(text: &str, run: Option<&[Token]>, lexicon: &Lexicon) -> (u64, u64) {
    let (mut whole, mut part, mut shared) = (HASH_START, HASH_START, Lists::MAX);
    let bytes = run.and_then(|run| Some(run.first()?.start..run.last()?.end)).unwrap_or_default();
    for character in text.get(bytes).unwrap_or_default().chars() {
        whole = mix(whole, u64::from(u32::from(character)));
        if character == '・' {
            shared &= lexicon.lists(part);
            part = HASH_START;
        } else {
            part = mix(part, u64::from(u32::from(character)));
        }
    }
    (u64::from(lexicon.lists(whole)), u64::from(shared & lexicon.lists(part)))
}

/// Cuts the text into the longest words from its beginning on.
fn find_words(longest: &[Longest], seen: &mut [Seen]) -> Vec<Word> {
    let mut words = vec![Word::default(); WORDS_AROUND];
    let mut start = 0;
    while let Some(found) = longest.get(start) {
        let length = found.tokens.max(1);
        let index = (words.len() - WORDS_AROUND) as u32;
        let mut word = found.word;
        let slots = seen.iter_mut().skip(start + WINDOW).take(length);
        for (offset, slot) in slots.enumerate() {
            if found.tokens == 0 {
                word = Word { hash: slot.word, group: 0, lists: slot.lists };
            }
            slot.word_index = index;
            slot.place = (offset.min(3) * 4 + (length - 1 - offset).min(3)) as u32;
        }
        words.push(word);
        start += length;
    }
    words.extend([Word::default(); WORDS_AROUND]);
    words
}

/// How each token's line speaks: 1 to somebody (polite, asking, labelled), 2 about something
/// (whole plain sentences), 0 unknown. Who is spoken about is named differently in each.
pub(in crate::pii) fn registers(text: &str, tokens: &[Token]) -> Vec<Register> {
    const SPEAKING: [&str; 14] = [
        "です",
        "ます",
        "ください",
        "教えて",
        "して。",
        "?",
        ":",
        "さん",
        "様",
        "[",
        "{",
        "ません",
        "直して",
        "して",
    ];
    const LONG_BYTES: usize = 45;
    let mut registers = Vec::with_capacity(tokens.len());
    let mut line_end = 0;
    let mut register = 0;
    for token in tokens {
        if token.start >= line_end {
            let rest = text.get(token.start..).unwrap_or_default();
            let line = rest.split('\n').next().unwrap_or_default();
            line_end = token.start + line.len() + 1;
            register = if SPEAKING.iter().any(|word| line.contains(word)) {
                1
            } else {
                NARRATIVE * u8::from(line.contains('。') && line.len() > LONG_BYTES)
            };
        }
        registers.push(register);
    }
    registers
}

#[cfg(test)]
mod tests {
    use super::{WITHOUT_CASE_FIRST, WITHOUT_CASE_LAST};

    #[test]
    fn between_the_alphabets_no_letter_has_a_case() {
        for character in WITHOUT_CASE_FIRST..=WITHOUT_CASE_LAST {
            assert!(character.to_lowercase().eq([character]), "{character:?}");
        }
    }
}
