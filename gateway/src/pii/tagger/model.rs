//! The trained weights: a sparse table from the hash of a feature to a weight for each label. The
//! file is written by `tools/pii-train`. It must never be trusted to be whole: a broken file is an
//! error at start, not a wrong answer.

use super::filter::Filter;

/// Labels of the tagger.
pub(in crate::pii) const LABELS: usize = 5;
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
pub(in crate::pii) const MAGIC: &[u8; 8] = b"flypii01";
/// Bytes of one entry: the hash's upper half, then a weight for each label.
const ENTRY_BYTES: usize = 4 + LABELS;

/// Weights for each label and three times nothing: eight numbers are added at once.
pub(in crate::pii) const LANES: usize = 8;

/// Room for the keys of one token.
const KEYS: usize = 128;

/// The scores of a token's labels, and of nothing.
pub(in crate::pii) type Scores = [i32; LANES];

/// One line of the table: the upper bits of its key below, a byte for each label above. Where the
/// line stands tells the rest of the key, but for the few places that it may have been pushed on.
/// 0 marks a free one: a line of no weights is not kept.
#[derive(Clone, Copy, Default)]
struct Entry(u64);

/// How many bits of a key a line has, and how many it leaves to its place.
const KEY_BITS: u32 = u64::BITS - 8 * LABELS as u32;
const PLACE_BITS: u32 = u32::BITS - KEY_BITS;

impl Entry {
    fn new(key: u32, weights: [u8; LABELS]) -> Self {
        let bytes = weights.iter().rev();
        let weights = bytes.fold(0, |bits, weight| bits << 8 | u64::from(*weight));
        Self(weights << KEY_BITS | u64::from(key >> PLACE_BITS))
    }

    fn is_free(self) -> bool {
        self.0 == 0
    }

    fn has(self, key: u32) -> bool {
        self.0 & ((1 << KEY_BITS) - 1) == u64::from(key >> PLACE_BITS)
    }

    /// A weight for each label, and nothing in the lanes behind them.
    fn weights(self) -> [u8; LANES] {
        (self.0 >> KEY_BITS).to_le_bytes()
    }
}

/// Weights, in steps of `scale`.
pub(in crate::pii) struct Model {
    entries: Vec<Entry>,
    filter: Filter,
    mask: usize,
    scale: f32,
    transitions: [[f32; LABELS]; LABELS],
}

/// The model's file is not what it should be.
#[derive(Debug)]
pub(in crate::pii) struct BrokenModel;

impl Model {
    /// Reads a file.
    pub(in crate::pii) fn read(bytes: &[u8]) -> Result<Self, BrokenModel> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(BrokenModel)?;
        let mut floats = Vec::with_capacity(1 + LABELS * LABELS);
        let mut rest = rest;
        while floats.len() < 1 + LABELS * LABELS {
            let (head, tail) = rest.split_first_chunk::<4>().ok_or(BrokenModel)?;
            floats.push(f32::from_le_bytes(*head));
            rest = tail;
        }
        let mut transitions = [[0.0; LABELS]; LABELS];
        let values = transitions.iter_mut().flatten().zip(floats.iter().skip(1));
        values.for_each(|(slot, value)| *slot = *value);
        let count = rest.len() / ENTRY_BYTES;
        if count == 0 || rest.len() % ENTRY_BYTES != 0 {
            return Err(BrokenModel);
        }
        let size = (count * 2).next_power_of_two();
        let scale = floats.first().copied().unwrap_or(1.0);
        let (entries, filter) = (vec![Entry::default(); size], Filter::new());
        let mut model = Self { entries, filter, mask: size - 1, scale, transitions };
        if size < 1 << PLACE_BITS {
            return Err(BrokenModel);
        }
        for entry in rest.chunks_exact(ENTRY_BYTES) {
            let (key, weights) = entry.split_first_chunk::<4>().ok_or(BrokenModel)?;
            let weights = weights.first_chunk().ok_or(BrokenModel)?;
            model.insert(u32::from_le_bytes(*key), *weights);
        }
        Ok(model)
    }

    fn insert(&mut self, key: u32, weights: [u8; LABELS]) {
        let entry = Entry::new(key, weights);
        let mut slot = key as usize & self.mask;
        while self.entries.get(slot).is_some_and(|e| !e.is_free() && !e.has(key)) {
            slot = (slot + 1) & self.mask;
        }
        if let Some(place) = self.entries.get_mut(slot) {
            *place = entry;
        }
        self.filter.insert(key);
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
        let mut scores = Scores::default();
        for key in keys.iter().take(count) {
            self.add(*key, &mut scores);
        }
        scores
    }

    fn add(&self, key: u32, scores: &mut Scores) {
        let mut slot = key as usize & self.mask;
        while let Some(entry) = self.entries.get(slot) {
            if entry.has(key) {
                for (score, weight) in scores.iter_mut().zip(&entry.weights()) {
                    *score += i32::from(weight.cast_signed());
                }
                return;
            }
            if entry.is_free() {
                return;
            }
            slot = (slot + 1) & self.mask;
        }
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
    use super::{Entry, LABELS, LANES, MAGIC, Model};

    #[test]
    fn a_line_gives_its_weights_back() {
        let entry = Entry::new(0xFEDC_BA98, [1, 255, 0, 128, 127]);
        assert_eq!(entry.weights(), [1, 255, 0, 128, 127, 0, 0, 0]);
        assert!(entry.has(0xFEDC_BA98) && !entry.has(0xFEDD_BA98) && !entry.is_free());
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
