//! Word lists: which words are known as surnames, given names or places. A word here is a hint
//! for the tagger only; it must never decide alone.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::filter::Filter;
use super::kana::{Counts, Sounds};

/// A set of lists that a word is on.
pub(in crate::pii) type Lists = u16;

/// Japanese surnames, in kanji or kana.
pub(in crate::pii) const SURNAME: Lists = 1;
/// Japanese given names, in kanji or kana.
pub(in crate::pii) const GIVEN: Lists = 2;
/// Municipalities and prefectures of Japan.
pub(in crate::pii) const CITY: Lists = 4;
/// Given names in Latin letters.
pub(in crate::pii) const LATIN_GIVEN: Lists = 8;
/// Surnames in Latin letters.
pub(in crate::pii) const LATIN_SURNAME: Lists = 16;
/// Japanese names in Latin letters.
pub(in crate::pii) const ROMAJI: Lists = 32;
/// Ordinary English words.
pub(in crate::pii) const WORD: Lists = 64;

/// Other persons, mostly from abroad.
pub(in crate::pii) const OTHER_PERSON: Lists = 128;
/// Places of any kind.
pub(in crate::pii) const PLACE: Lists = 256;
/// Organizations.
pub(in crate::pii) const ORGANIZATION: Lists = 512;

/// Common nouns in kanji or katakana.
pub(in crate::pii) const NOUN: Lists = 1024;

/// Surname and given name together, and whole names of other kinds.
pub(in crate::pii) const WHOLE_NAME: Lists = 2048;

/// Words that are in a group of like words.
const GROUPED: Lists = 4096;

/// Letters with a place of their own among the habits: all that have 16 bits.
const COMMON_LETTERS: usize = 1 << 16;

/// Longest entry in characters that is looked up.
pub(in crate::pii) const ENTRY_CHARACTERS_MAX: usize = 7;

const FILES: [(&str, Lists); 14] = [
    (include_str!("../data/surnames.txt"), SURNAME),
    (include_str!("../data/given_names.txt"), GIVEN),
    (include_str!("../data/given_names_more.txt"), GIVEN),
    (include_str!("../data/cities.txt"), CITY),
    (include_str!("../data/latin_given_names.txt"), LATIN_GIVEN),
    (include_str!("../data/latin_surnames.txt"), LATIN_SURNAME),
    (include_str!("../data/romaji.txt"), ROMAJI),
    (include_str!("../data/words.txt"), WORD),
    (include_str!("../data/other_persons.txt"), OTHER_PERSON),
    (include_str!("../data/places.txt"), PLACE),
    (include_str!("../data/organizations.txt"), ORGANIZATION),
    (include_str!("../data/nouns.txt"), NOUN),
    (include_str!("../data/nouns_in_katakana.txt"), NOUN),
    (include_str!("../data/whole_names.txt"), WHOLE_NAME),
];

/// Words that are used alike, a group a line.
const GROUPS: [&str; 2] =
    [include_str!("../data/word_groups_1.txt"), include_str!("../data/word_groups_2.txt")];

/// The lists, by the hash of a word.
pub(in crate::pii) struct Lexicon {
    words: Words,
    filter: Filter,
    lengths: Lengths,
    /// By the code point, as far as kanji and kana are common.
    habits: Vec<u16>,
    rare_habits: HashMap<u64, u64, BuildHasherDefault<Kept>>,
    sounds: Sounds,
}

impl Lexicon {
    /// Reads the embedded lists. Lines that begin with `#` name the source and the licence.
    pub(in crate::pii) fn new() -> Self {
        let mut lists: Map<Lists> = HashMap::default();
        let mut letters = Letters::default();
        let mut lengths = Lengths::new();
        let mut sounds = Counts::new();
        for (file, list) in FILES {
            for word in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
                *lists.entry(hash(word)).or_insert(0) |= list;
                lengths.insert(word);
                if list & (SURNAME | GIVEN) != 0 {
                    count_letters(word, list, &mut letters);
                } else {
                    sounds.insert(word, list & (OTHER_PERSON | WHOLE_NAME) != 0);
                }
            }
        }
        let mut groups: Map<u16> = HashMap::default();
        let lines = GROUPS.iter().flat_map(|file| file.lines());
        for (group, line) in (1..).zip(lines.filter(|line| !line.starts_with('#'))) {
            for word in line.split_ascii_whitespace() {
                groups.insert(hash(word), group);
                *lists.entry(hash(word)).or_insert(0) |= GROUPED;
                lengths.insert(word);
            }
        }
        let mut filter = Filter::new();
        lists.keys().for_each(|hash| filter.insert(upper(*hash)));
        let (mut habits, mut rare_habits) = (vec![0; COMMON_LETTERS], HashMap::default());
        for (letter, counts) in letters {
            let of_letter = habits_of(counts);
            match usize::try_from(letter).ok().and_then(|letter| habits.get_mut(letter)) {
                Some(slot) => *slot = of_letter,
                None => drop(rare_habits.insert(letter, u64::from(of_letter))),
            }
        }
        Self {
            words: Words::new(&lists, &groups),
            filter,
            lengths,
            habits,
            rare_habits,
            sounds: sounds.into_sounds(),
        }
    }

    /// How often a kanji begins or ends surnames and given names: four numbers of four bits.
    pub(in crate::pii) fn habits(&self, letter: char) -> u64 {
        let letter = u32::from(letter);
        match self.habits.get(letter as usize) {
            Some(habits) => u64::from(*habits),
            None => self.rare_habits.get(&u64::from(letter)).copied().unwrap_or(0),
        }
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
    pub(in crate::pii) fn lists(&self, hash: u64) -> Lists {
        if !self.filter.may_hold(upper(hash)) {
            return 0;
        }
        self.words.lists(hash)
    }

    /// The group of a listed word; 0 is none.
    pub(in crate::pii) fn group(&self, hash: u64) -> u16 {
        self.words.groups.get(self.words.place(hash)).copied().unwrap_or(0)
    }
}

/// How long listed words are, by how they begin: one bit for each length, the highest for all that
/// are longer. It must never leave out a length that a word has.
pub(in crate::pii) struct Lengths {
    first: Vec<u8>,
    second: Vec<u8>,
}

impl Lengths {
    const FIRST_BITS: u32 = 14;
    const SECOND_BITS: u32 = 17;

    fn new() -> Self {
        Self { first: vec![0; 1 << Self::FIRST_BITS], second: vec![0; 1 << Self::SECOND_BITS] }
    }

    fn insert(&mut self, word: &str) {
        let length = Self::bit(word.chars().count());
        let mut hashes = word.chars().scan(HASH_START, |hash, character| {
            *hash = mix(*hash, u64::from(u32::from(character)));
            Some(*hash)
        });
        for (cells, bits) in
            [(&mut self.first, Self::FIRST_BITS), (&mut self.second, Self::SECOND_BITS)]
        {
            let Some(hash) = hashes.next() else { return };
            if let Some(cell) = cells.get_mut(upper(hash) as usize >> (u32::BITS - bits)) {
                *cell |= length;
            }
        }
    }

    /// The bit of a length in characters.
    pub(in crate::pii) fn bit(length: usize) -> u8 {
        1 << (length - 1).min(7)
    }

    /// The lengths of words whose first character has this hash.
    pub(in crate::pii) fn after_first(&self, hash: u64) -> u8 {
        let cell = self.first.get(upper(hash) as usize >> (u32::BITS - Self::FIRST_BITS));
        cell.copied().unwrap_or(u8::MAX)
    }

    /// The same for their first two characters.
    pub(in crate::pii) fn after_second(&self, hash: u64) -> u8 {
        let cell = self.second.get(upper(hash) as usize >> (u32::BITS - Self::SECOND_BITS));
        cell.copied().unwrap_or(u8::MAX)
    }
}

fn upper(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or_default()
}

fn habits_of(counts: [u32; 4]) -> u16 {
    counts.into_iter().fold(0, |habits, count| {
        let log = count.checked_ilog2().map_or(0, |log| log + 1).min(15);
        habits << 4 | u16::try_from(log).unwrap_or_default()
    })
}

/// Every word's hash in or behind the place that its upper bits name: half the memory of a map.
struct Words {
    hashes: Vec<u64>,
    lists: Vec<Lists>,
    groups: Vec<u16>,
    shift: u32,
}

impl Words {
    /// At least a quarter of the places stays free; a hash of 0 marks them.
    fn new(all: &Map<Lists>, groups: &Map<u16>) -> Self {
        let size = (all.len() + all.len() / 3 + 1).next_power_of_two();
        let (hashes, lists) = (vec![0; size], vec![0; size]);
        let shift = u64::BITS - size.ilog2();
        let mut words = Self { hashes, lists, groups: vec![0; size], shift };
        for (hash, lists) in all {
            let place = words.place(*hash);
            let cells = words.hashes.get_mut(place).zip(words.lists.get_mut(place));
            cells.into_iter().for_each(|cells| (*cells.0, *cells.1) = (*hash, *lists));
            if let Some((cell, group)) = words.groups.get_mut(place).zip(groups.get(hash)) {
                *cell = *group;
            }
        }
        words
    }

    /// Where a hash stands, or would stand.
    fn place(&self, hash: u64) -> usize {
        let mut place = (hash >> self.shift) as usize;
        while self.hashes.get(place).is_some_and(|found| *found != 0 && *found != hash) {
            place = (place + 1) & (self.hashes.len() - 1);
        }
        place
    }

    fn lists(&self, hash: u64) -> Lists {
        self.lists.get(self.place(hash)).copied().unwrap_or(0)
    }
}

type Map<Value> = HashMap<u64, Value, BuildHasherDefault<Kept>>;

type Letters = HashMap<u64, [u32; 4], BuildHasherDefault<Kept>>;

fn count_letters(word: &str, list: Lists, letters: &mut Letters) {
    let shift = if list == SURNAME { 0 } else { 2 };
    let ends = [word.chars().next(), word.chars().next_back()];
    for (place, letter) in ends.into_iter().enumerate() {
        let Some(letter) = letter else { continue };
        let counts = letters.entry(u64::from(u32::from(letter))).or_default();
        if let Some(count) = counts.get_mut(shift + place) {
            *count += 1;
        }
    }
}

/// The beginning of every hash.
pub(in crate::pii) const HASH_START: u64 = 0xCBF2_9CE4_8422_2325;

/// A hash of a word, character by character.
pub(in crate::pii) fn hash(word: &str) -> u64 {
    word.chars().fold(HASH_START, |hash, character| mix(hash, u64::from(u32::from(character))))
}

/// Adds a value to a hash.
#[inline(always)]
pub(in crate::pii) const fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

/// The keys are hashes already.
#[derive(Default)]
pub(in crate::pii) struct Kept(u64);

impl Hasher for Kept {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = mix(self.0, u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use super::{FILES, GROUPS, HASH_START, Lengths, Lexicon, hash, mix};

    #[test]
    fn no_length_of_a_word_is_left_out() {
        let lexicon = Lexicon::new();
        let lines = FILES.iter().flat_map(|(file, _)| file.lines());
        let listed = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let groups = GROUPS.iter().flat_map(|file| file.lines());
        let groups = groups.filter(|line| !line.starts_with('#'));
        for word in listed.chain(groups.flat_map(str::split_ascii_whitespace)) {
            let bit = Lengths::bit(word.chars().count());
            let begins = |count| {
                let first = word.chars().take(count);
                first.fold(HASH_START, |hash, letter| mix(hash, u64::from(u32::from(letter))))
            };
            assert!(lexicon.lists(hash(word)) != 0, "{word}");
            assert!(lexicon.lengths().after_first(begins(1)) & bit != 0, "{word}");
            let one = word.chars().count() == 1;
            assert!(one || lexicon.lengths().after_second(begins(2)) & bit != 0, "{word}");
        }
    }

    #[test]
    fn words_of_a_line_are_of_one_group() {
        let lexicon = Lexicon::new();
        let lines = GROUPS.iter().flat_map(|file| file.lines());
        for (group, line) in (1..).zip(lines.filter(|line| !line.starts_with('#'))) {
            for word in line.split_ascii_whitespace() {
                assert_eq!(lexicon.group(hash(word)), group, "{word}");
            }
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
