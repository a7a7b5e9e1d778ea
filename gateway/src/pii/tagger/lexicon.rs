//! Word lists: which words are known as surnames, given names or places. A word here is a hint
//! for the tagger only; it must never decide alone.

use super::filter::Filter;
use super::kana::Sounds;
use super::table::{self, COMMON_LETTERS, LENGTH_BITS, Word, upper};

/// Longest entry in characters that is looked up.
pub(in crate::pii) const ENTRY_CHARACTERS_MAX: usize = 7;

/// The lists, by the hash of a word.
pub(in crate::pii) struct Lexicon {
    words: &'static [Word],
    filter: Filter,
    lengths: Lengths,
    /// By the code point, as far as kanji and kana are common.
    habits: &'static [[u8; 2]],
    /// The others: a code point of four bytes, then the habits; in their order.
    rare_habits: &'static [[u8; 6]],
    sounds: Sounds,
}

impl Lexicon {
    /// The embedded tables.
    pub(in crate::pii) fn new() -> Self {
        Self {
            words: made!("words").as_chunks().0,
            filter: Filter::of(made!("word_filter")),
            lengths: Lengths { first: made!("first_lengths"), second: made!("second_lengths") },
            habits: made!("habits").as_chunks().0,
            rare_habits: made!("rare_habits").as_chunks().0,
            sounds: Sounds::of(made!("sounds")),
        }
    }

    /// How often a kanji begins or ends surnames and given names: four numbers of four bits.
    pub(in crate::pii) fn habits(&self, letter: char) -> u64 {
        let letter = u32::from(letter);
        if (letter as usize) < COMMON_LETTERS {
            let habits = self.habits.get(letter as usize).copied().unwrap_or_default();
            return u64::from(u16::from_le_bytes(habits));
        }
        let letter_of = |[a, b, c, d, ..]: &[u8; 6]| u32::from_le_bytes([*a, *b, *c, *d]);
        let found = self.rare_habits.binary_search_by_key(&letter, letter_of);
        let rare = found.ok().and_then(|place| self.rare_habits.get(place));
        rare.map_or(0, |[.., low, high]| u64::from(u16::from_le_bytes([*low, *high])))
    }

    /// Whether a word in katakana sounds like a person's name: a class.
    pub(in crate::pii) fn sound(&self, word: &str) -> u64 {
        self.sounds.class(word)
    }

    /// How long the words are that begin with these characters.
    pub(in crate::pii) fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// The lists that a word is on, by its hash.
    pub(in crate::pii) fn lists(&self, hash: u64) -> u16 {
        if !self.filter.may_hold(upper(hash)) {
            return 0;
        }
        table::word_lists(&self.word(hash))
    }

    /// The group of a listed word; 0 is none.
    pub(in crate::pii) fn group(&self, hash: u64) -> u16 {
        table::word_group(&self.word(hash))
    }

    fn word(&self, hash: u64) -> Word {
        self.words.get(table::word_place(self.words, hash)).copied().unwrap_or_default()
    }
}

/// How long listed words are, by how they begin: one bit for each length, the highest for all that
/// are longer. It must never leave out a length that a word has.
pub(in crate::pii) struct Lengths {
    first: &'static [u8],
    second: &'static [u8],
}

impl Lengths {
    /// The bit of a length in characters.
    pub(in crate::pii) fn bit(length: usize) -> u8 {
        table::length_bit(length)
    }

    /// The lengths of words whose first character has this hash.
    pub(in crate::pii) fn after_first(&self, hash: u64) -> u8 {
        self.first.get(table::length_place(hash, LENGTH_BITS[0])).copied().unwrap_or(u8::MAX)
    }

    /// The same for their first two characters.
    pub(in crate::pii) fn after_second(&self, hash: u64) -> u8 {
        self.second.get(table::length_place(hash, LENGTH_BITS[1])).copied().unwrap_or(u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lists::{grouped, listed};
    use super::super::table::{HASH_START, hash, mix};
    use super::{Lengths, Lexicon};

    #[test]
    fn no_word_and_no_length_of_a_word_is_left_out() {
        let lexicon = Lexicon::new();
        let grouped = grouped().map(|(word, _)| (word, super::table::GROUPED));
        for (word, list) in listed().chain(grouped) {
            let bit = Lengths::bit(word.chars().count());
            let begins = |count| {
                let first = word.chars().take(count);
                first.fold(HASH_START, |hash, letter| mix(hash, u64::from(u32::from(letter))))
            };
            assert!(lexicon.lists(hash(word)) & list != 0, "{word}");
            assert!(lexicon.lengths().after_first(begins(1)) & bit != 0, "{word}");
            let one = word.chars().count() == 1;
            assert!(one || lexicon.lengths().after_second(begins(2)) & bit != 0, "{word}");
        }
    }

    #[test]
    fn words_of_a_line_are_of_one_group() {
        let lexicon = Lexicon::new();
        for (word, group) in grouped() {
            assert_eq!(lexicon.group(hash(word)), group, "{word}");
        }
        assert_eq!(lexicon.group(hash("no such word")), 0);
    }

    #[test]
    fn names_sound_unlike_things() {
        let lexicon = Lexicon::new();
        let class = |word: &str| lexicon.sound(word);
        for (person, thing) in
            [("チャイコヴィッチ", "ロギングシステム"), ("ヨハンソン", "ネットビジネス")]
        {
            assert!(class(person) > class(thing), "{person} {thing}");
        }
    }
}
