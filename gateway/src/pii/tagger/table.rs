//! What the tagger's tables and their maker (`gateway/build.rs`) must agree on: hashes, and where
//! in a table something lies. Tables are made when the program is built and read in place: a
//! process makes none when it starts, and holds of them what it looks at. It must never need
//! another crate.

/// A set of lists that a word is on.
pub(super) type Lists = u16;

/// Japanese surnames, in kanji or kana.
pub(super) const SURNAME: Lists = 1;
/// Japanese given names, in kanji or kana.
pub(super) const GIVEN: Lists = 2;
/// Municipalities and prefectures of Japan.
pub(super) const CITY: Lists = 4;
/// Given names in Latin letters.
pub(super) const LATIN_GIVEN: Lists = 8;
/// Surnames in Latin letters.
pub(super) const LATIN_SURNAME: Lists = 16;
/// Japanese names in Latin letters.
pub(super) const ROMAJI: Lists = 32;
/// Ordinary English words.
pub(super) const WORD: Lists = 64;
/// Other persons, mostly from abroad.
pub(super) const OTHER_PERSON: Lists = 128;
/// Places of any kind.
pub(super) const PLACE: Lists = 256;
/// Organizations.
pub(super) const ORGANIZATION: Lists = 512;
/// Common nouns in kanji or katakana.
pub(super) const NOUN: Lists = 1024;
/// Surname and given name together, and whole names of other kinds.
pub(super) const WHOLE_NAME: Lists = 2048;
/// Words that are in a group of like words.
pub(super) const GROUPED: Lists = 4096;

/// The beginning of every hash.
pub(super) const HASH_START: u64 = 0xCBF2_9CE4_8422_2325;

/// A hash of a word, character by character.
pub(super) fn hash(word: &str) -> u64 {
    word.chars().fold(HASH_START, |hash, character| mix(hash, u64::from(u32::from(character))))
}

/// Adds a value to a hash.
#[inline(always)]
pub(super) const fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

/// The half of a hash that filters and places are told by.
pub(super) fn upper(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// One line of a table of words: the lower half of the word's hash, its lists and its group. The
/// upper half is told by where it stands, but for the few places that it may have been pushed on.
pub(super) type Word = [u8; 8];

/// The lower half of a word's hash. One that is on no list marks a free place.
pub(super) fn word_half(word: &Word) -> u32 {
    u32::from_le_bytes([word[0], word[1], word[2], word[3]])
}

/// The lists that a word is on.
pub(super) fn word_lists(word: &Word) -> Lists {
    Lists::from_le_bytes([word[4], word[5]])
}

/// The group of a word; 0 is none.
pub(super) fn word_group(word: &Word) -> u16 {
    u16::from_le_bytes([word[6], word[7]])
}

/// Where a hash stands among words, or would stand: a table has free places.
pub(super) fn word_place(words: &[Word], hash: u64) -> usize {
    let mut place = ((u64::from(upper(hash)) * words.len() as u64) >> u32::BITS) as usize;
    let is_other = |word: &Word| word_lists(word) != 0 && word_half(word) != hash as u32;
    while words.get(place).is_some_and(is_other) {
        place = if place + 1 < words.len() { place + 1 } else { 0 };
    }
    place
}

/// The size of every filter: a quarter of a mebibyte, which stays near the processor.
const FILTER_BITS_LOG: u32 = 21;

/// Words of 64 bits in a filter.
pub(super) const FILTER_WORDS: usize = 1 << (FILTER_BITS_LOG - 6);

/// The word of a filter that tells of a hash.
#[inline(always)]
pub(super) fn filter_word(hash: u32) -> usize {
    hash as usize >> (u32::BITS - FILTER_BITS_LOG + 6)
}

/// The bits in it.
#[inline(always)]
pub(super) fn filter_bits(hash: u32) -> u64 {
    1 << (hash & 63) | 1 << (hash >> 6 & 63)
}

/// Whether a word has both of them.
#[inline(always)]
pub(super) fn filter_has(word: u64, hash: u32) -> bool {
    (word >> (hash & 63)) & (word >> (hash >> 6 & 63)) & 1 == 1
}

/// How many bits of a first character's hash tell its lengths, and of the first two characters'.
pub(super) const LENGTH_BITS: [u32; 2] = [14, 17];

/// The bit of a length in characters.
pub(super) fn length_bit(length: usize) -> u8 {
    1 << (length - 1).min(7)
}

/// Where the lengths of words stand that begin with such a hash.
pub(super) fn length_place(hash: u64, bits: u32) -> usize {
    upper(hash) as usize >> (u32::BITS - bits)
}

/// Letters with a place of their own among the habits: all that have 16 bits.
pub(super) const COMMON_LETTERS: usize = 1 << 16;

/// Pieces of so many letters tell how a name sounds; the word's ends are letters of their own.
pub(super) const PIECE_LETTERS: [usize; 3] = [2, 3, 4];

/// Letters of a word that are listened to.
const LETTERS_MAX: usize = 16;

/// Cells of sounds: pieces that share one are hardly ever both frequent.
pub(super) const SOUNDS_LOG: u32 = 18;

/// The cells of all pieces of a word.
pub(super) fn sounds(word: &str) -> impl Iterator<Item = usize> {
    let mut letters = [0_u64; LETTERS_MAX + 2];
    let mut count = 1;
    for (slot, letter) in letters.iter_mut().skip(1).zip(word.chars().take(LETTERS_MAX)) {
        *slot = u64::from(u32::from(letter));
        count += 1;
    }
    PIECE_LETTERS.into_iter().flat_map(move |length| {
        (0..(count + 2_usize).saturating_sub(length)).map(move |start| {
            let piece = letters.iter().skip(start).take(length);
            let hash =
                piece.fold(mix(HASH_START, length as u64), |hash, letter| mix(hash, *letter));
            (hash >> (u64::BITS - SOUNDS_LOG)) as usize
        })
    })
}

/// Labels of the tagger.
pub(super) const LABELS: usize = 5;

/// Marks the format of the trained file.
pub(super) const MAGIC: &[u8; 8] = b"flypii01";

/// Numbers that the trained file begins with: the scale, and what one label after another is worth.
pub(super) const HEAD_FLOATS: usize = 1 + LABELS * LABELS;

/// Bytes of an entry of the trained file: the hash's upper half, then a weight for each label.
pub(super) const TRAINED_BYTES: usize = 4 + LABELS;

/// One line of the table of weights: the lower bits of its key below, a byte for each label above.
/// Where the line stands tells the rest of the key, but for the few places that it may have been
/// pushed on. 0 marks a free one: a line of no weights is not kept.
pub(super) type Line = [u8; 8];

/// How many bits of a key a line has.
pub(super) const KEY_BITS: u32 = u64::BITS - 8 * LABELS as u32;

/// Lines at least: the bits that a line leaves to its place stand for two places or more.
const LINES_MIN: usize = 1 << (u32::BITS - KEY_BITS + 1);

/// Where a key stands among lines, if nothing has pushed it on.
#[inline(always)]
pub(super) fn line_place(lines: usize, key: u32) -> usize {
    ((u64::from(key) * lines as u64) >> u32::BITS) as usize
}

/// Where it stands then.
#[inline(always)]
pub(super) fn line_after(lines: usize, place: usize) -> usize {
    if place + 1 < lines { place + 1 } else { 0 }
}

/// A line.
pub(super) fn line(key: u32, weights: [u8; LABELS]) -> u64 {
    let bytes = weights.iter().rev();
    let weights = bytes.fold(0, |bits, weight| bits << 8 | u64::from(*weight));
    (weights << KEY_BITS) | (u64::from(key) & ((1 << KEY_BITS) - 1))
}

/// Whether a line is that of a key.
#[inline(always)]
pub(super) fn line_has(line: u64, key: u32) -> bool {
    (line ^ u64::from(key)) & ((1 << KEY_BITS) - 1) == 0
}

/// A trained file as tables.
pub(super) struct Laid {
    /// The numbers that it begins with, as they stand there.
    pub(super) head: Vec<u8>,
    pub(super) lines: Vec<u8>,
    pub(super) filter: Vec<u8>,
}

/// Lays a trained file out; nothing when it is broken.
pub(super) fn laid(trained: &[u8]) -> Option<Laid> {
    let rest = trained.strip_prefix(MAGIC)?;
    let (head, rest) = rest.split_at_checked(HEAD_FLOATS * 4)?;
    let (entries, left) = rest.as_chunks::<TRAINED_BYTES>();
    // A third of the places stays free.
    let size = entries.len() + entries.len() / 2;
    if !left.is_empty() || size < LINES_MIN {
        return None;
    }
    let (mut lines, mut filter) = (vec![0_u64; size], vec![0_u64; FILTER_WORDS]);
    // What weighs much is mostly what is often met: it gets the place that is looked at first.
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|[_, _, _, _, weights @ ..]| {
        let weight: u32 = weights.iter().map(|w| u32::from(w.cast_signed().unsigned_abs())).sum();
        std::cmp::Reverse(weight)
    });
    for [a, b, c, d, weights @ ..] in entries {
        let key = u32::from_le_bytes([*a, *b, *c, *d]);
        let mut place = line_place(size, key);
        while lines.get(place).is_some_and(|line| *line != 0 && !line_has(*line, key)) {
            place = line_after(size, place);
        }
        *lines.get_mut(place)? = line(key, *weights);
        *filter.get_mut(filter_word(key))? |= filter_bits(key);
    }
    let bytes = |words: Vec<u64>| words.into_iter().flat_map(u64::to_le_bytes).collect();
    Some(Laid { head: head.to_vec(), lines: bytes(lines), filter: bytes(filter) })
}
