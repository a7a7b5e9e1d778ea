//! The learned weights: one file inside the binary, made by tools/router-train and checked when it
//! is first read. It holds no text, only numbers under hashes.

use super::words::{hash, mix, start};
use serde::Deserialize;
use std::sync::LazyLock;

const FILE: &[u8] = include_bytes!("weights.bin");
const MAGIC: &[u8] = b"FLYROUT2";
/// Kinds of work, in the order of the weights.
pub(super) const TASKS: usize = 6;
/// A piece's row: one number for each kind of work and one for the score.
pub(super) const PIECE_COLUMNS: usize = TASKS + 1;
/// Values that describe the shape of a prompt.
pub(super) const SHAPE: usize = 15;
const PIECE_LETTERS_MAX: usize = 16;
const SEED_START: u32 = 201;
const SEED_WITHIN: u32 = 202;
/// Slots of the index of pieces: a power of two, at least twice the pieces.
const SLOTS: usize = 1 << 16;
/// Upper halves of the hashes in one file of known words.
const KNOWN_BUCKETS: usize = 1 << 15;
const KNOWN: [&[u8]; 2] = [include_bytes!("known_1.bin"), include_bytes!("known_2.bin")];

/// What stands in the file's header.
#[derive(Deserialize)]
pub(super) struct Header {
    pieces: usize,
    piece_steps: [f32; PIECE_COLUMNS],
    hash_bits: u32,
    hash_steps: [f32; TASKS],
    language_bits: u32,
    pub(super) language_columns: usize,
    pub(super) language_step: f32,
    known_checksums: [String; 2],
    known_first: f32,
    known_step: f32,
    pub(super) task_bias: [f32; TASKS],
    pub(super) task_structure: [[f32; SHAPE]; TASKS],
    pub(super) route_bias: f32,
    pub(super) route_structure: [f32; SHAPE],
    pub(super) route_task: [f32; TASKS],
    pub(super) quantiles: Vec<f32>,
    checksum: String,
}

/// The weights, ready to be looked up.
pub(super) struct Weights {
    pub(super) header: Header,
    /// Where a piece's row is, by its hash; 0 is an empty slot.
    slots: Vec<u16>,
    piece_hashes: Vec<u32>,
    piece_rows: Vec<i16>,
    hash_rows: &'static [u8],
    language_rows: &'static [u8],
    /// By the highest bit of the hash.
    known: [KnownWords; 2],
}

/// How frequent the known words of one half are in each language, by the words' hashes: where the
/// entries of an upper half start, then the lower halves and, a byte each, language and level.
struct KnownWords {
    starts: Vec<u32>,
    lower: &'static [[u8; 2]],
    languages: &'static [u8],
}

impl KnownWords {
    fn read(file: &'static [u8], stored: &str) -> Option<Self> {
        let (counts, blob) = file.split_at_checked(KNOWN_BUCKETS)?;
        let words = blob.len() / 3;
        let (lower, languages) = blob.split_at_checked(words * 2)?;
        let mut starts = vec![0; 1];
        let mut sum = 0;
        starts.extend(counts.iter().map(|count| {
            sum += u32::from(*count);
            sum
        }));
        let fits = sum as usize == words && languages.len() == words;
        let is_whole = u64::from_str_radix(stored, 16).ok()? == checksum(file);
        let lower = lower.as_chunks().0;
        (fits && is_whole).then_some(Self { starts, lower, languages })
    }

    /// The language's number and the level for each language that knows the word.
    fn of(&self, hash: u32) -> impl Iterator<Item = (usize, u8)> {
        let bucket = (hash >> 16) as usize % KNOWN_BUCKETS;
        let range = self.starts[bucket] as usize..self.starts[bucket + 1] as usize;
        let lower = (hash as u16).to_le_bytes();
        let pairs = self.lower[range.clone()].iter().zip(&self.languages[range]);
        pairs
            .filter(move |(half, _)| **half == lower)
            .map(|(_, byte)| (usize::from(byte & 31), byte >> 5))
    }
}

static WEIGHTS: LazyLock<Option<Weights>> = LazyLock::new(|| Weights::read(FILE));

/// The weights; `None` when the file is not what this code was written for, which a test excludes.
pub(super) fn weights() -> Option<&'static Weights> {
    WEIGHTS.as_ref()
}

impl Weights {
    fn read(file: &'static [u8]) -> Option<Self> {
        let rest = file.strip_prefix(MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (text, blob) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let header: Header = serde_json::from_slice(text).ok()?;
        let stored = u64::from_str_radix(&header.checksum, 16).ok()?;
        let fits = header.pieces * 2 <= SLOTS && header.quantiles.len() >= 2;
        if !fits || checksum(blob) != stored {
            return None;
        }
        let (hashes, blob) = blob.split_at_checked(header.pieces * 4)?;
        let (piece_rows, blob) = blob.split_at_checked(header.pieces * PIECE_COLUMNS * 2)?;
        let (hash_rows, blob) = blob.split_at_checked((1 << header.hash_bits) * TASKS)?;
        let halves = header.language_columns.div_ceil(2);
        let (language_rows, _) = blob.split_at_checked((1 << header.language_bits) * halves)?;
        let [first, second] = &header.known_checksums;
        let known = [KnownWords::read(KNOWN[0], first)?, KnownWords::read(KNOWN[1], second)?];
        let (hashes, _) = hashes.as_chunks::<4>();
        let piece_hashes: Vec<u32> = hashes.iter().copied().map(u32::from_le_bytes).collect();
        let (rows, _) = piece_rows.as_chunks::<2>();
        let piece_rows = rows.iter().copied().map(i16::from_le_bytes).collect();
        let slots = index(&piece_hashes);
        Some(Self { header, slots, piece_hashes, piece_rows, hash_rows, language_rows, known })
    }

    fn piece(&self, hash: u32) -> Option<&[i16]> {
        let mut slot = hash as usize % SLOTS;
        loop {
            let at = usize::from(self.slots[slot]).checked_sub(1)?;
            if self.piece_hashes[at] == hash {
                return self.piece_rows.get(at * PIECE_COLUMNS..(at + 1) * PIECE_COLUMNS);
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// Adds the rows of a word's pieces, the longest known ones from the left; returns how many.
    pub(super) fn add_pieces(&self, word: &[char], sums: &mut [i32; PIECE_COLUMNS]) -> u32 {
        let (mut at, mut found) = (0, 0);
        while at < word.len() {
            let rest = &word[at..word.len().min(at + PIECE_LETTERS_MAX)];
            let mut value = start(if at == 0 { SEED_START } else { SEED_WITHIN });
            let mut longest = None;
            for (size, letter) in (1..).zip(rest) {
                value = mix(value, *letter);
                if let Some(row) = self.piece(value) {
                    longest = Some((size, row));
                }
            }
            let Some((size, row)) = longest else {
                at += 1;
                continue;
            };
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += i32::from(*value);
            }
            found += 1;
            at += size;
        }
        found
    }

    /// The mean of pieces' rows.
    pub(super) fn piece_mean(
        &self,
        sums: &[i32; PIECE_COLUMNS],
        found: u32,
    ) -> [f32; PIECE_COLUMNS] {
        let count = found.max(1) as f32;
        std::array::from_fn(|at| sums[at] as f32 * self.header.piece_steps[at] / count)
    }

    /// Where a hashed feature stands in the table of kinds of work.
    pub(super) fn hash_place(&self, letters: &[char], seed: u32) -> u32 {
        self.hash_place_of(hash(letters, seed))
    }

    /// The same for a hash that is already there.
    pub(super) fn hash_place_of(&self, hash: u32) -> u32 {
        hash >> (u32::BITS - self.header.hash_bits)
    }

    /// Adds up rows of the table of kinds of work.
    pub(super) fn hash_sum(&self, places: &[u32]) -> [f32; TASKS] {
        let mut sums = [0_i32; TASKS];
        for place in places {
            let row = self.hash_rows.iter().skip(*place as usize * TASKS);
            for (sum, byte) in sums.iter_mut().zip(row) {
                *sum += i32::from(byte.cast_signed());
            }
        }
        let scale = (places.len().max(1) as f32).sqrt();
        std::array::from_fn(|at| sums[at] as f32 * self.header.hash_steps[at] / scale)
    }

    /// Adds a row of the table of languages, four bits a weight.
    pub(super) fn add_language(&self, hash: u32, sums: &mut [i32]) {
        let halves = self.header.language_columns.div_ceil(2);
        let first = (hash >> (u32::BITS - self.header.language_bits)) as usize * halves;
        let row = self.language_rows.get(first..first + halves).unwrap_or_default();
        for (pair, byte) in sums.chunks_mut(2).zip(row) {
            for (sum, half) in pair.iter_mut().zip([byte & 15, byte >> 4]) {
                *sum += i32::from(half) - 8;
            }
        }
    }

    /// The column and the level of each language that knows a word.
    pub(super) fn known_levels(&self, hash: u32) -> impl Iterator<Item = (usize, u8)> {
        self.known[(hash >> 31) as usize].of(hash)
    }

    /// Adds how frequent a word is in each language that knows it.
    pub(super) fn add_known(&self, hash: u32, share: f32, sums: &mut [f32]) {
        for (language, level) in self.known[(hash >> 31) as usize].of(hash) {
            if let Some(sum) = sums.get_mut(language) {
                let header = &self.header;
                *sum += share * (header.known_first + f32::from(level) * header.known_step);
            }
        }
    }
}

/// Open addressing: a lookup touches one or two slots instead of fifteen steps of a search.
fn index(hashes: &[u32]) -> Vec<u16> {
    let mut slots = vec![0_u16; SLOTS];
    for (number, hash) in (1_u16..).zip(hashes) {
        let mut slot = *hash as usize % SLOTS;
        while slots[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = number;
    }
    slots
}

/// FNV-1a over words of eight bytes, the last one filled with zeros.
fn checksum(data: &[u8]) -> u64 {
    let mut value = 0xCBF2_9CE4_8422_2325_u64;
    for chunk in data.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        value = (value ^ u64::from_le_bytes(word)).wrapping_mul(0x100_0000_01B3);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_whole_and_small() {
        assert!(weights().is_some());
        assert!(FILE.len() < 1024 * 1024);
    }

    #[test]
    fn a_changed_file_is_refused() {
        let mut file = FILE.to_vec();
        let last = file.len() - 1;
        file[last] ^= 1;
        assert!(Weights::read(file.leak()).is_none());
        assert!(Weights::read(&FILE[..FILE.len() / 2]).is_none());
        assert!(Weights::read(b"FLYROUT2").is_none());
    }
}
