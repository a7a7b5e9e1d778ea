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

/// The scores of a token's labels.
pub(in crate::pii) type Scores = [i16; LABELS];

/// Room for one token's keys and lines, for one token after another.
pub(in crate::pii) struct Room<const FEATURES: usize> {
    keys: [u32; KEYS],
    lines: [u64; FEATURES],
}

/// Room for the keys of one token.
const KEYS: usize = 128;
/// Features that are looked at without a turn between them.
const STEP: usize = 4;

impl<const FEATURES: usize> Default for Room<FEATURES> {
    fn default() -> Self {
        Self { keys: [0; KEYS], lines: [0; FEATURES] }
    }
}

/// Sums of weights in lanes of 16 bits: of the labels 0, 2 and 4, and of 1 and 3. Weights are taken
/// to be larger than they are by half of what a byte holds, so that none is below nothing.
#[derive(Default)]
struct Sums([u64; 2]);

impl Sums {
    const LANES: u64 = 0x00FF_00FF_00FF;
    const HALF: u64 = 0x80_8080_8080;

    #[inline(always)]
    fn add(&mut self, line: u64) {
        let weights = (line >> KEY_BITS) ^ Self::HALF;
        self.0[0] += weights & Self::LANES;
        self.0[1] += weights >> 8 & Self::LANES;
    }

    /// What so many lines are worth.
    fn of(self, count: usize) -> Scores {
        std::array::from_fn(|label| {
            let lane = self.0[label % 2] >> (label / 2 * 16) & 0xFFFF;
            (lane as i32 - 0x80 * count as i32) as i16
        })
    }
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
    #[inline(always)]
    pub(in crate::pii) fn scores<const FEATURES: usize>(
        &self,
        hashes: &[u64; FEATURES],
        room: &mut Room<FEATURES>,
    ) -> Scores {
        const { assert!(FEATURES * (u8::MAX as usize) < 1 << 16, "a sum has no room in its lane") };
        let mut count = 0;
        let (steps, rest) = hashes.as_chunks::<STEP>();
        let mut look = |hash: &u64| {
            let key = key(*hash);
            room.keys[count % KEYS] = key;
            count += usize::from(self.filter.may_hold(key));
        };
        for [a, b, c, d] in steps {
            look(a);
            look(b);
            look(c);
            look(d);
        }
        rest.iter().for_each(look);
        let (keys, lines) = (room.keys.iter().take(count), room.lines.iter_mut());
        // All are fetched before one is looked at: memory is slow, but many answers come at once.
        for (line, key) in lines.zip(keys) {
            *line = self.line(table::line_place(self.lines.len(), *key));
        }
        let mut sums = Sums::default();
        for (line, key) in room.lines.iter().zip(&room.keys).take(count) {
            sums.add(if table::line_has(*line, *key) { *line } else { self.pushed(*line, *key) });
        }
        sums.of(count)
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
    use super::{LABELS, MAGIC, Model, Room, Sums};

    #[test]
    fn a_line_gives_its_weights_back() {
        let one = line(0xFEDC_BA98, [1, 255, 0, 128, 127]);
        let mut sums = Sums::default();
        sums.add(one);
        assert_eq!(sums.of(1), [1, -1, 0, -128, 127]);
        assert!(line_has(one, 0xFEDC_BA98) && !line_has(one, 0xFEDD_BA98));
        let mut sums = Sums::default();
        for weights in [[128, 127, 0, 255, 1], [128, 127, 1, 3, 255]] {
            (0..40).for_each(|_| sums.add(line(7, weights)));
        }
        sums.add(0);
        assert_eq!(sums.of(81), [-10_240, 10_160, 40, 80, 0]);
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
            let first = i16::from((number as u8 | 1).cast_signed());
            let scores = model.scores(&[u64::from(key) << 32], &mut Room::default());
            assert_eq!(scores, [first, 2, 3, 4, 5], "{key}");
        }
        assert_eq!(model.scores(&[7_u64 << 32], &mut Room::default()), [0; LABELS]);
        assert!(Model::read(&file[..file.len() - 1]).is_err());
    }
}
