//! The trained weights: a sparse table from the hash of a feature to a weight for each label. The
//! file is written by `tools/pii-train`. It must never be trusted to be whole: a broken file is an
//! error at start, not a wrong answer.

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

/// Weights, in steps of `scale`.
pub(in crate::pii) struct Model {
    keys: Vec<u32>,
    weights: Vec<[i8; LABELS]>,
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
        let (keys, weights) = (vec![0; size], vec![[0; LABELS]; size]);
        let mut model = Self { keys, weights, mask: size - 1, scale, transitions };
        for entry in rest.chunks_exact(ENTRY_BYTES) {
            let (key, values) = entry.split_first_chunk::<4>().ok_or(BrokenModel)?;
            let mut weights = [0_i8; LABELS];
            weights.iter_mut().zip(values).for_each(|(slot, value)| *slot = value.cast_signed());
            model.insert(u32::from_le_bytes(*key), weights);
        }
        Ok(model)
    }

    fn insert(&mut self, key: u32, weights: [i8; LABELS]) {
        let mut slot = key as usize & self.mask;
        while self.keys.get(slot).is_some_and(|found| *found != 0 && *found != key) {
            slot = (slot + 1) & self.mask;
        }
        if let (Some(place), Some(values)) = (self.keys.get_mut(slot), self.weights.get_mut(slot)) {
            (*place, *values) = (key, weights);
        }
    }

    /// Adds a feature's weights to the scores of a token.
    pub(in crate::pii) fn add(&self, hash: u64, scores: &mut [i32; LABELS]) {
        let key = key(hash);
        let mut slot = key as usize & self.mask;
        loop {
            match self.keys.get(slot) {
                Some(found) if *found == key => break,
                Some(0) | None => return,
                Some(_) => slot = (slot + 1) & self.mask,
            }
        }
        let Some(weights) = self.weights.get(slot) else { return };
        scores.iter_mut().zip(weights).for_each(|(score, weight)| *score += i32::from(*weight));
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
