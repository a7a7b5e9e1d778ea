//! Many words looked for at once, in either case: a few bytes tell at hardly any place of a text
//! that one of them may begin there. It must never leave out a word that is there.

/// Bytes of a word that tell where it may begin.
const HEAD_BYTES: usize = 3;
/// Bits of a head's hash: the filter is 4 KiB.
const HASH_BITS: u32 = 15;
/// Bits of the hash that choose a bucket.
const BUCKET_BITS: u32 = 10;
/// Places that are looked at before any of them is looked at closely.
const BLOCK: usize = u64::BITS as usize;
const FILTER_WORDS: usize = 1 << (HASH_BITS - u64::BITS.ilog2());

/// Words, and a mark for each.
pub(super) struct Words {
    filter: Box<[u64; FILTER_WORDS]>,
    /// Where each bucket of `words` ends.
    ends: Vec<u16>,
    words: Vec<Word>,
    /// Words that are shorter than a head.
    short: Vec<Word>,
}

struct Word {
    /// Its first bytes, and which of them it has: most words are told apart by them.
    begin: u64,
    mask: u64,
    word: Box<[u8]>,
    marks: u128,
}

impl Word {
    fn new(word: Vec<u8>, marks: u128) -> Self {
        let mask = begin(&vec![u8::MAX; word.len()]);
        Self { begin: begin(&word) & mask, mask, word: word.into_boxed_slice(), marks }
    }

    /// Whether a text that begins so begins with the word.
    fn begins(&self, text: &[u8], begin: u64) -> bool {
        let whole = || text.get(..self.word.len());
        begin & self.mask == self.begin
            && whole().is_some_and(|whole| whole.eq_ignore_ascii_case(&self.word))
    }
}

/// The first bytes of a text, the same in either case.
fn begin(text: &[u8]) -> u64 {
    let whole = text.first_chunk().copied();
    let bytes = whole.unwrap_or_else(|| {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(text).for_each(|(slot, byte)| *slot = *byte);
        bytes
    });
    u64::from_le_bytes(bytes) | 0x2020_2020_2020_2020
}

impl Words {
    /// Of words in small letters. None is empty.
    pub(super) fn new(mut listed: Vec<(Vec<u8>, u128)>) -> Self {
        let mut filter = Box::new([0; FILTER_WORDS]);
        let mut mark = |hash: u32| filter[(hash >> u64::BITS.ilog2()) as usize] |= 1 << (hash & 63);
        listed.sort_unstable();
        listed.dedup_by(|(next, more), (word, marks)| {
            let same = word == next;
            *marks |= if same { *more } else { 0 };
            same
        });
        let (mut words, mut short) = (Vec::new(), Vec::new());
        for (word, marks) in listed {
            let shorter = match *word {
                [a, b, c, ..] => {
                    mark(hash([a, b, c]));
                    false
                }
                [a, b] => {
                    (0..=u8::MAX).for_each(|c| mark(hash([a, b, c])));
                    true
                }
                _ => {
                    (0..1 << HASH_BITS).for_each(&mut mark);
                    true
                }
            };
            if shorter { &mut short } else { &mut words }.push(Word::new(word, marks));
        }
        let bucket = |word: &Word| word.word.first_chunk().map_or(0, |head| bucket(*head));
        words.sort_by_key(bucket);
        let end = |number| words.partition_point(|word| bucket(word) <= number) as u16;
        let ends = (0..1 << BUCKET_BITS).map(end).collect();
        Self { filter, ends, words, short }
    }

    /// The marks of the words in a text, as far as they are wanted.
    pub(super) fn marks(&self, text: &[u8], wanted: u128) -> u128 {
        let mut met = 0;
        if self.words.is_empty() && self.short.is_empty() {
            return met;
        }
        // Each place with the byte after its head, which makes one number of four bytes.
        let (whole, mut start) = (text.len().saturating_sub(HEAD_BYTES), 0);
        while start < whole {
            let end = whole.min(start + BLOCK);
            let mut hits = 0;
            let places = text.get(start..end + HEAD_BYTES).unwrap_or_default();
            for (place, window) in places.windows(HEAD_BYTES + 1).enumerate() {
                let head = window.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
                hits |= self.may_begin(head) << place;
            }
            while hits != 0 {
                let at = start + hits.trailing_zeros() as usize;
                hits &= hits - 1;
                met |= self.marks_at(text.get(at..).unwrap_or_default(), wanted & !met);
            }
            start = end;
        }
        for at in whole..text.len() {
            met |= self.marks_at(text.get(at..).unwrap_or_default(), wanted & !met);
        }
        met
    }

    /// Whether a word may begin with a head. The byte behind it counts for nothing.
    #[inline(always)]
    fn may_begin(&self, head: u32) -> u64 {
        let hash = hash_of(head);
        self.filter[(hash >> u64::BITS.ilog2()) as usize] >> (hash & 63) & 1
    }

    /// The wanted marks of the words at the beginning of a text.
    fn marks_at(&self, text: &[u8], wanted: u128) -> u128 {
        let listed = text.first_chunk().and_then(|head| {
            let bucket = bucket(*head);
            let start = bucket.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
            let end = self.ends.get(bucket).copied().unwrap_or_default();
            self.words.get(usize::from(start.unwrap_or_default())..usize::from(end))
        });
        let (mut met, begin) = (0, begin(text));
        for word in listed.unwrap_or_default().iter().chain(&self.short) {
            if word.marks & wanted & !met != 0 && word.begins(text, begin) {
                met |= word.marks;
            }
        }
        met
    }
}

/// The hash of a head: the same in either case.
fn hash([a, b, c]: [u8; HEAD_BYTES]) -> u32 {
    hash_of(u32::from_le_bytes([a, b, c, 0]))
}

#[inline(always)]
fn hash_of(head: u32) -> u32 {
    (head << 8 | 0x2020_2000).wrapping_mul(0x9E37_79B1) >> (u32::BITS - HASH_BITS)
}

fn bucket(head: [u8; HEAD_BYTES]) -> usize {
    (hash(head) >> (HASH_BITS - BUCKET_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn every_word_is_found_wherever_it_is() {
        const WORDS: [&str; 11] =
            ["電話", "電", "tel", "gh", "api_key", "-", "o1", "telephone", "電話番号", "é", "key"];
        const PIECES: [&str; 17] = [
            "電話",
            "番",
            "号",
            "TEL",
            "e",
            "phone",
            "g",
            "H",
            "Api",
            "_Key",
            "-",
            "O",
            "1",
            " ",
            "É",
            "é",
            "電話番号の控え。 a long stretch of prose, in which nothing at all is, goes on and on ",
        ];
        // The sign is looked for by another list: whoever looks for one byte looks everywhere.
        for words in [WORDS.to_vec(), WORDS.into_iter().filter(|word| *word != "-").collect()] {
            let listed = (0..).zip(&words).map(|(at, word)| (word.as_bytes().to_vec(), 1 << at));
            let search = Words::new(listed.collect());
            let mut dice = 7_u64;
            for round in 0..4_000 {
                let mut text = String::new();
                for _ in 0..round % 12 {
                    dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
                    text.push_str(PIECES[usize::try_from(dice >> 33).unwrap() % PIECES.len()]);
                }
                let small = text.to_ascii_lowercase();
                let held = (0..).zip(&words).filter(|(_, word)| small.contains(*word));
                let all = held.fold(0, |all, (at, _)| all | 1_u128 << at);
                assert_eq!(search.marks(text.as_bytes(), u128::MAX), all, "{text:?}");
                assert_eq!(search.marks(text.as_bytes(), 5) & 5, all & 5, "{text:?}");
            }
        }
        assert_eq!(Words::new(Vec::new()).marks(b"anything", u128::MAX), 0);
    }
}
