//! The trained weights: a sparse table from the hash of a feature to a weight for each label. The
//! file is written by `tools/pii-train`. It must never be trusted to be whole: a broken file is an
//! error of the build, not a wrong answer.

use super::filter::Filter;
use super::table::{self, HEAD_FLOATS, KEY_BITS, Laid, Line};

/// Labels of the tagger.
pub(in crate::pii) const LABELS: usize = table::LABELS;
/// Nothing.
pub(in crate::pii) const OUTSIDE: usize = 0;
/// A person's name begins.
pub(in crate::pii) const PERSON_BEGINS: usize = 1;
/// A person's name goes on.
pub(in crate::pii) const PERSON_GOES_ON: usize = 2;
/// An address begins.
pub(in crate::pii) const ADDRESS_BEGINS: usize = 3;
/// An address goes on.
pub(in crate::pii) const ADDRESS_GOES_ON: usize = 4;

/// Marks the format of the file.
#[allow(dead_code, reason = "the trainer writes it")]
pub(in crate::pii) const MAGIC: &[u8; 8] = table::MAGIC;

/// Weights for each label and three times nothing: eight numbers are added at once.
pub(in crate::pii) const LANES: usize = 8;

/// Room for the keys of one token.
const KEYS: usize = 128;

/// The scores of a token's labels, and of nothing.
pub(in crate::pii) type Scores = [i32; LANES];

/// A weight for each label of a line, and nothing in the lanes behind them.
fn weights(line: u64) -> [u8; LANES] {
    (line >> KEY_BITS).to_le_bytes()
}

/// Weights, in steps of `scale`.
pub(in crate::pii) struct Model {
    lines: &'static [Line],
    filter: Filter,
    scale: f32,
    transitions: [[f32; LABELS]; LABELS],
}

/// The model's file is not what it should be.
#[derive(Debug)]
pub(in crate::pii) struct BrokenModel;

impl Model {
    /// The embedded model.
    pub(in crate::pii) fn new() -> Self {
        let (lines, filter) = (made!("model").as_chunks().0, Filter::of(made!("model_filter")));
        Self::of(made!("model_head"), lines, filter)
    }

    /// Reads a trained file. It stays in memory as long as the process lives.
    #[allow(dead_code, reason = "the trainer tries what it made")]
    pub(in crate::pii) fn read(trained: &[u8]) -> Result<Self, BrokenModel> {
        let Laid { head, lines, filter } = table::laid(trained).ok_or(BrokenModel)?;
        let head = head.try_into().map_err(|_| BrokenModel)?;
        let filter: &'static [u8] = filter.leak();
        let filter = Filter::of(filter.try_into().map_err(|_| BrokenModel)?);
        let lines: &'static [u8] = lines.leak();
        Ok(Self::of(&head, lines.as_chunks().0, filter))
    }

    fn of(head: &[u8; HEAD_FLOATS * 4], lines: &'static [Line], filter: Filter) -> Self {
        let mut floats = head.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let scale = floats.next().unwrap_or(1.0);
        let mut transitions = [[0.0; LABELS]; LABELS];
        let values = transitions.iter_mut().flatten().zip(floats);
        values.for_each(|(slot, value)| *slot = value);
        Self { lines, filter, scale, transitions }
    }

    /// The sum of the features' weights. Two passes: the first takes no turn that the processor
    /// would have to guess, and leaves little to the second.
    pub(in crate::pii) fn scores<const FEATURES: usize>(&self, hashes: &[u64; FEATURES]) -> Scores {
        let mut keys = [0_u32; KEYS];
        let mut count = 0;
        for hash in hashes {
            let key = key(*hash);
            keys[count % KEYS] = key;
            count += usize::from(self.filter.may_hold(key));
        }
        // All are fetched before one is looked at: memory is slow, but many answers come at once.
        let mut lines = [0_u64; FEATURES];
        for (line, key) in lines.iter_mut().zip(&keys).take(count) {
            *line = self.line(table::line_place(self.lines.len(), *key));
        }
        let mut scores = Scores::default();
        for (line, key) in lines.iter().zip(&keys).take(count) {
            let line = if table::line_has(*line, *key) { *line } else { self.pushed(*line, *key) };
            for (score, weight) in scores.iter_mut().zip(&weights(line)) {
                *score += i32::from(weight.cast_signed());
            }
        }
        scores
    }

    /// The line at a place.
    #[inline(always)]
    fn line(&self, place: usize) -> u64 {
        self.lines.get(place).map_or(0, |line| u64::from_le_bytes(*line))
    }

    /// The line of a key that another stands in the place of; none where that place is free.
    fn pushed(&self, mut line: u64, key: u32) -> u64 {
        let mut place = table::line_place(self.lines.len(), key);
        while line != 0 && !table::line_has(line, key) {
            place = table::line_after(self.lines.len(), place);
            line = self.line(place);
        }
        line
    }

    /// What one step of a weight is worth.
    pub(in crate::pii) fn scale(&self) -> f32 {
        self.scale
    }

    /// The worth of one label after another.
    pub(in crate::pii) fn transitions(&self) -> &[[f32; LABELS]; LABELS] {
        &self.transitions
    }
}

/// The part of a hash that is kept; never 0, which marks a free slot.
pub(in crate::pii) fn key(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::table::{line, line_has};
    use super::{LABELS, LANES, MAGIC, Model, weights};

    #[test]
    fn a_line_gives_its_weights_back() {
        let line = line(0xFEDC_BA98, [1, 255, 0, 128, 127]);
        assert_eq!(weights(line), [1, 255, 0, 128, 127, 0, 0, 0]);
        assert!(line_has(line, 0xFEDC_BA98) && !line_has(line, 0xFEDD_BA98));
    }

    #[test]
    fn every_line_of_a_file_is_found_again() {
        let mut file = MAGIC.to_vec();
        file.extend([1.0_f32; 1 + LABELS * LABELS].into_iter().flat_map(f32::to_le_bytes));
        let keys = || (1..2_000_u32).map(|number| number.wrapping_mul(0x9E37_79B9));
        for (number, key) in keys().enumerate() {
            file.extend(key.to_le_bytes());
            file.extend([number as u8 | 1, 2, 3, 4, 5]);
        }
        let model = Model::read(&file).unwrap();
        for (number, key) in keys().enumerate() {
            let first = i32::from((number as u8 | 1).cast_signed());
            let scores = model.scores(&[u64::from(key) << 32]);
            assert_eq!(scores, [first, 2, 3, 4, 5, 0, 0, 0], "{key}");
        }
        assert_eq!(model.scores(&[7_u64 << 32]), [0; LANES]);
        assert!(Model::read(&file[..file.len() - 1]).is_err());
    }
}
