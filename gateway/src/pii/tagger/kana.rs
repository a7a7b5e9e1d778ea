//! How names sound: for words in katakana that are on no list, whether their pieces are rather
//! those of persons' names or of other words. Learned from the lists when they are read. A hint
//! for the tagger only; it must never decide alone.

use super::lexicon::{HASH_START, mix};

/// Pieces of so many letters count; the word's ends are letters of their own.
const PIECE_LETTERS: [usize; 3] = [2, 3, 4];
/// Letters of a word that are looked at.
const LETTERS_MAX: usize = 16;
/// Cells of the table: pieces that share one are hardly ever both frequent.
const CELLS_LOG: u32 = 18;
/// What an unknown piece is taken to have been seen.
const UNSEEN: f32 = 0.5;
/// Steps of a piece's worth in one unit.
const STEPS: f32 = 16.0;
/// Classes of sound on either side of the middle, and how many steps each is wide.
const CLASSES_MAX: i32 = 6;
const CLASS_STEPS: i32 = 8;

/// How often each piece was seen in persons' names and in other words.
pub(super) struct Counts {
    cells: Vec<[u32; 2]>,
    words: [u32; 2],
}

impl Counts {
    pub(super) fn new() -> Self {
        Self { cells: vec![[0; 2]; 1 << CELLS_LOG], words: [0; 2] }
    }

    /// Counts a word's pieces, if it is written in katakana.
    pub(super) fn insert(&mut self, word: &str, is_person: bool) {
        if !word.chars().all(|letter| matches!(letter, 'ァ'..='ヺ' | 'ー')) {
            return;
        }
        let side = usize::from(is_person);
        for cell in pieces(word) {
            if let Some(count) = self.cells.get_mut(cell) {
                count[side] += 1;
            }
        }
        self.words[side] += 1;
    }

    pub(super) fn into_sounds(self) -> Sounds {
        let share = |count: u32, words: u32| (count as f32 + UNSEEN) / (words as f32 + 1.0);
        let [others, persons] = self.words;
        let worth = |[other, person]: [u32; 2]| {
            let ratio = share(person, persons) / share(other, others);
            (ratio.ln() * STEPS).round().clamp(-127.0, 127.0) as i8
        };
        let unseen = i32::from(worth([0; 2]));
        let cells = self.cells.into_iter().map(|cell| match cell {
            [0, 0] => 0,
            cell => (i32::from(worth(cell)) - unseen).clamp(-127, 127) as i8,
        });
        Sounds { cells: cells.collect() }
    }
}

/// What each piece is worth.
pub(super) struct Sounds {
    cells: Vec<i8>,
}

impl Sounds {
    /// The class of a word's sound, from 1 (a thing) to the highest (a person).
    pub(super) fn class(&self, word: &str) -> u64 {
        let (mut sum, mut count) = (0, 0);
        for cell in pieces(word) {
            sum += self.cells.get(cell).map_or(0, |worth| i32::from(*worth));
            count += 1;
        }
        let letters = (count / PIECE_LETTERS.len() as i32).max(1);
        let class = (sum / letters / CLASS_STEPS).clamp(-CLASSES_MAX, CLASSES_MAX);
        (class + CLASSES_MAX + 1).unsigned_abs().into()
    }
}

/// The cells of all pieces of a word.
fn pieces(word: &str) -> impl Iterator<Item = usize> {
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
            (hash >> (u64::BITS - CELLS_LOG)) as usize
        })
    })
}
