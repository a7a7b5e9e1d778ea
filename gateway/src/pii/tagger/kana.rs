//! How names sound: for words in katakana that are on no list, whether their pieces are rather
//! those of persons' names or of other words. Learned from the lists when the program is built. A
//! hint for the tagger only; it must never decide alone.

use super::table::{PIECE_LETTERS, SOUNDS_LOG, sounds};

/// Classes of sound on either side of the middle, and how many steps each is wide.
const CLASSES_MAX: i32 = 6;
const CLASS_STEPS: i32 = 8;

/// What each piece is worth.
pub(super) struct Sounds {
    cells: &'static [u8],
}

impl Sounds {
    /// Worths as they were learned.
    pub(super) fn of(cells: &'static [u8; 1 << SOUNDS_LOG]) -> Self {
        Self { cells }
    }

    /// The class of a word's sound, from 1 (a thing) to the highest (a person).
    pub(super) fn class(&self, word: &str) -> u64 {
        let (mut sum, mut count) = (0, 0);
        for cell in sounds(word) {
            sum += self.cells.get(cell).map_or(0, |worth| i32::from(worth.cast_signed()));
            count += 1;
        }
        let letters = (count / PIECE_LETTERS.len() as i32).max(1);
        let class = (sum / letters / CLASS_STEPS).clamp(-CLASSES_MAX, CLASSES_MAX);
        (class + CLASSES_MAX + 1).unsigned_abs().into()
    }
}
