//! Writes the model as gateway/src/pii/tagger/model.rs reads it, cut into parts. Must never leave
//! out an entry silently: too many are an error.

use std::error::Error;

use super::crf::Trainer;
use super::tagger::model::{LABELS, MAGIC};

const PART_BYTES: usize = 1_040_000;
const PARTS: usize = 2;
/// A weight is at most so many steps.
const STEPS: f32 = 127.0;

/// Writes `tagger_1.bin` and `tagger_2.bin`.
pub(super) fn write(
    folder: &str,
    keys: &[u32],
    kept: &[usize],
    trainer: &Trainer,
) -> Result<(), Box<dyn Error>> {
    let all = kept.iter().flat_map(|index| trainer.weights[*index]);
    let scale = all.fold(0.0_f32, |a, b| a.max(b.abs())) / STEPS;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(scale.to_le_bytes());
    trainer.transitions.iter().flatten().for_each(|value| bytes.extend(value.to_le_bytes()));
    let steps = |weight: f32| (weight / scale).round().clamp(-STEPS, STEPS) as i8;
    let mut rows: Vec<(u32, [i8; LABELS])> =
        kept.iter().map(|index| (keys[*index], trainer.weights[*index].map(steps))).collect();
    rows.retain(|(_, weights)| weights.iter().any(|weight| *weight != 0));
    rows.sort_unstable();
    for (key, weights) in &rows {
        bytes.extend(key.to_le_bytes());
        bytes.extend(weights.map(i8::cast_unsigned));
    }
    let parts: Vec<&[u8]> = bytes.chunks(PART_BYTES).collect();
    if parts.len() > PARTS {
        return Err(format!("{} entries do not fit", rows.len()).into());
    }
    for part in 0..PARTS {
        let bytes = parts.get(part).copied().unwrap_or_default();
        std::fs::write(format!("{folder}/tagger_{}.bin", part + 1), bytes)?;
    }
    eprintln!("{} entries, scale {scale}", rows.len());
    Ok(())
}
