//! Letters, words and their hashes, the same on this side and in tools/router-train/features.py.
//! It uses ranges of code points, never Unicode tables, which differ between versions.

/// Mixes a hash. An odd number with well spread bits.
const MULTIPLIER: u32 = 0x9E37_79B1;
/// How much of each end of a text counts as its edge: what is asked for stands there.
const EDGE_CHARS: usize = 160;

/// What a run of letters is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Letters and digits.
    Letters,
    /// Chinese characters and kana, which stand without blanks.
    East,
}

/// A run of letters of one kind.
pub(super) struct Word<'a> {
    pub(super) letters: &'a [char],
    pub(super) kind: Kind,
}

/// One character in small letters and in its usual width.
pub(super) fn fold(letter: char) -> char {
    let letter = match u32::from(letter) {
        code @ 0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).unwrap_or(letter),
        0x3000 => ' ',
        _ => letter,
    };
    if letter.is_ascii() {
        return letter.to_ascii_lowercase();
    }
    letter.to_lowercase().next().unwrap_or(letter)
}

/// Whether a character is one of East Asia that is written without blanks.
pub(super) fn is_east(code: u32) -> bool {
    matches!(code,
        0x3005 | 0x3006 | 0x3041..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

fn is_letter(code: u32) -> bool {
    match code {
        0x00..=0x7F => matches!(code, 0x30..=0x39 | 0x41..=0x5A | 0x61..=0x7A),
        0x80..=0xBF => matches!(code, 0xAA | 0xB5 | 0xBA),
        0xD7 | 0xF7 | 0x2000..=0x2BFF | 0x3000..=0x3040 => false,
        0xFE00..=0xFE6F | 0xFF00..=0xFF65 | 0xE000..=0xF8FF | 0x1F000..=0x1FAFF => false,
        _ => true,
    }
}

fn kind(letter: char) -> Option<Kind> {
    let code = u32::from(letter);
    if is_east(code) { Some(Kind::East) } else { is_letter(code).then_some(Kind::Letters) }
}

/// The words of a folded text.
pub(super) fn words(folded: &[char]) -> impl Iterator<Item = Word<'_>> {
    folded.chunk_by(|a, b| kind(*a) == kind(*b)).filter_map(|letters| {
        let kind = kind(*letters.first()?)?;
        Some(Word { letters, kind })
    })
}

/// The two ends of a folded text.
pub(super) fn edges(folded: &[char]) -> Vec<char> {
    if folded.len() <= 2 * EDGE_CHARS {
        return folded.to_vec();
    }
    let mut ends = folded[..EDGE_CHARS].to_vec();
    ends.push(' ');
    ends.extend_from_slice(&folded[folded.len() - EDGE_CHARS..]);
    ends
}

/// Where a hash starts. Seeds are spread first: close ones would meet again after one character.
pub(super) fn start(seed: u32) -> u32 {
    seed.wrapping_mul(MULTIPLIER)
}

/// Takes one more character into a hash.
pub(super) fn mix(value: u32, letter: char) -> u32 {
    let value = (value ^ u32::from(letter)).wrapping_mul(MULTIPLIER);
    value ^ (value >> 15)
}

/// The hash of some letters; the seed says what they are.
pub(super) fn hash(letters: &[char], seed: u32) -> u32 {
    letters.iter().fold(start(seed), |value, letter| mix(value, *letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_mixed_scripts_stand_apart() {
        let folded: Vec<char> = "Ｐｙｔｈｏｎで書いて、OK?".chars().map(fold).collect();
        let words: Vec<String> = words(&folded).map(|w| w.letters.iter().collect()).collect();
        assert_eq!(words, ["python", "で書いて", "ok"]);
    }

    #[test]
    fn a_hash_is_the_one_that_training_computed() {
        // features.hash_of("ab", 1)
        assert_eq!(hash(&['a', 'b'], 1), 0x2A62_561B);
    }
}
