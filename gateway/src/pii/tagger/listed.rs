//! Which listed words stand where in a text: for every token of kanji or kana the lists whose words
//! begin, go on and end there, and the longest word that begins there. It must never look at more
//! tokens than the longest listed word has.

use super::lexicon::{ENTRY_CHARACTERS_MAX, Lengths, Lexicon};
use super::table::{
    CITY, GIVEN, HASH_START, Lists, NOUN, ORGANIZATION, OTHER_PERSON, PLACE, SURNAME, WHOLE_NAME,
    mix,
};
use super::tokens::{Class, Token};

/// The longest listed word at a place, or one token that begins none.
#[derive(Clone, Copy, Default)]
pub(super) struct Word {
    pub(super) hash: u64,
    pub(super) group: u64,
    pub(super) lists: u64,
}

/// The longest listed word that begins at a token; of no tokens where none does.
#[derive(Clone, Copy, Default)]
pub(super) struct Longest {
    pub(super) tokens: usize,
    pub(super) word: Word,
}

/// For kanji and kana: which listed words begin, go on and end at each token.
pub(super) fn places(text: &str, tokens: &[Token], lexicon: &Lexicon) -> (Vec<u64>, Vec<Longest>) {
    let mut places = vec![0_u64; tokens.len()];
    let mut longest = vec![Longest::default(); tokens.len()];
    for start in 0..tokens.len() {
        let mut hash = HASH_START;
        let mut characters = 0;
        let mut lengths = u8::MAX;
        for (length, token) in tokens.iter().skip(start).take(ENTRY_CHARACTERS_MAX).enumerate() {
            let is_letter = matches!(token.class, Class::Kanji | Class::Hiragana | Class::Katakana);
            let is_dot = length > 0 && text.get(token.start..token.end) == Some("・");
            let joined = (is_letter || is_dot) && (length == 0 || !token.spaced);
            if !joined {
                break;
            }
            for character in text.get(token.start..token.end).unwrap_or_default().chars() {
                hash = mix(hash, u64::from(u32::from(character)));
                characters += 1;
                match characters {
                    1 => lengths = lexicon.lengths().after_first(hash),
                    2 => lengths &= lexicon.lengths().after_second(hash),
                    _ => {}
                }
            }
            let bit = Lengths::bit(characters);
            if lengths & bit != 0 {
                let lists = lexicon.lists(hash);
                if lists != 0 {
                    mark(&mut places, start, length, lists);
                    if let Some(slot) = longest.get_mut(start) {
                        let group = u64::from(lexicon.group(hash));
                        let word = Word { hash, group, lists: u64::from(lists) };
                        *slot = Longest { tokens: length + 1, word };
                    }
                }
            }
            // All that are longer share the last bit.
            if lengths <= bit && bit >> 7 == 0 {
                break;
            }
        }
    }
    (places, longest)
}

/// The bits of surnames, given names, other persons and whole names.
pub(super) const PERSON_BITS: u64 = 0xF000_F0FF;

/// Bits for each list: begins here (one or longer), is inside, ends here.
fn mark(places: &mut [u64], start: usize, length: usize, lists: Lists) {
    for (list, shift) in [
        (SURNAME, 0),
        (GIVEN, 4),
        (CITY, 8),
        (OTHER_PERSON, 12),
        (PLACE, 16),
        (ORGANIZATION, 20),
        (NOUN, 24),
        (WHOLE_NAME, 28),
    ] {
        if lists & list == 0 {
            continue;
        }
        for (offset, place) in places.iter_mut().skip(start).take(length + 1).enumerate() {
            let bits = match (offset, length) {
                (0, 0) => 1,
                (0, _) => 2,
                (offset, length) if offset == length => 4,
                _ => 8,
            };
            *place |= bits << shift;
        }
    }
}
