//! One pass over a prompt with the learned weights: the kind of work and the score. It does not
//! decide anything.

use super::prompt::Prompt;
use super::shape::{Counts, shape};
use super::weights::{PIECE_COLUMNS, SHAPE, TASKS, Weights, weights};
use super::words::{Kind, Word, edges, mix, start, words};

/// Seeds say what a hashed feature is: a word, the start of a word, a pair, pieces of East Asia.
const SEED_WORD: u32 = 1;
const SEED_STEM: u32 = 2;
const SEED_PAIR: u32 = 3;
const SEED_EAST: u32 = 10;
const STEM_LETTERS: usize = 5;
const EAST_LETTERS_MAX: usize = 3;

/// What the weights say of a prompt.
pub(super) struct Reading {
    /// How likely each kind of work is.
    pub(super) chances: [f32; TASKS],
    /// How much a stronger model would gain, as a share of known prompts that gain less, 0 to 1.
    pub(super) difficulty: f32,
}

/// Reads a prompt; without weights nothing is known of it.
pub(super) fn read(prompt: &Prompt) -> Reading {
    let Some(weights) = weights() else {
        return Reading { chances: [1.0 / TASKS as f32; TASKS], difficulty: 0.5 };
    };
    let (logits, shape, whole) = evidence(weights, prompt);
    let chances = softmax(&logits);
    let score = score(weights, &shape, &chances) + whole;
    Reading { chances, difficulty: quantile(&weights.header.quantiles, score) }
}

/// The evidence for each kind of work, the shape, and what all words add to the score.
fn evidence(weights: &Weights, prompt: &Prompt) -> ([f32; TASKS], [f32; SHAPE], f32) {
    let (counts, whole) = whole(weights, &prompt.folded);
    let shape = shape(prompt, &counts);
    (logits(weights, &prompt.folded, &shape), shape, whole)
}

fn score(weights: &Weights, shape: &[f32; SHAPE], chances: &[f32; TASKS]) -> f32 {
    let header = &weights.header;
    header.route_bias + dot(&header.route_structure, shape) + dot(&header.route_task, chances)
}

/// Counts of words, and what the pieces of the whole text add to the score.
fn whole(weights: &Weights, folded: &[char]) -> (Counts, f32) {
    let mut counts = Counts::default();
    let mut sums = [0; PIECE_COLUMNS];
    for word in words(folded) {
        counts.words += 1;
        if word.kind == Kind::Letters {
            counts.words_of_letters += 1;
            counts.letters += word.letters.len() as u32;
        }
        counts.pieces += weights.add_pieces(word.letters, &mut sums);
    }
    let score = weights.piece_mean(&sums, counts.pieces)[TASKS];
    (counts, score)
}

fn logits(weights: &Weights, folded: &[char], shape: &[f32; SHAPE]) -> [f32; TASKS] {
    let edges = edges(folded);
    let (mut sums, mut found) = ([0; PIECE_COLUMNS], 0);
    for word in words(&edges) {
        found += weights.add_pieces(word.letters, &mut sums);
    }
    let pieces = weights.piece_mean(&sums, found);
    let hashed = weights.hash_sum(&places(weights, words(&edges)));
    let header = &weights.header;
    std::array::from_fn(|task| {
        header.task_bias[task]
            + dot(&header.task_structure[task], shape)
            + pieces[task]
            + hashed[task]
    })
}

/// The places of words, pairs, stems and pieces of East Asian characters, each once.
fn places<'a>(weights: &Weights, words: impl Iterator<Item = Word<'a>>) -> Vec<u32> {
    let mut places = Vec::new();
    let mut before: Option<&[char]> = None;
    for word in words {
        let letters = word.letters;
        if word.kind == Kind::East {
            for size in 1..=EAST_LETTERS_MAX {
                let seed = SEED_EAST + size as u32;
                places.extend(letters.windows(size).map(|piece| weights.hash_place(piece, seed)));
            }
            before = None;
            continue;
        }
        places.push(weights.hash_place(letters, SEED_WORD));
        if letters.len() > STEM_LETTERS {
            places.push(weights.hash_place(&letters[..STEM_LETTERS], SEED_STEM));
        }
        if let Some(before) = before {
            let pair = before.iter().chain(&[' ']).chain(letters);
            places.push(
                weights.hash_place_of(pair.fold(start(SEED_PAIR), |value, c| mix(value, *c))),
            );
        }
        before = Some(letters);
    }
    places.sort_unstable();
    places.dedup();
    places
}

fn dot<const N: usize>(a: &[f32; N], b: &[f32; N]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Logits as chances.
fn softmax<const N: usize>(logits: &[f32; N]) -> [f32; N] {
    let top = logits.iter().copied().fold(f32::MIN, f32::max);
    let powers = logits.map(|logit| (logit - top).exp());
    let sum: f32 = powers.iter().sum();
    powers.map(|power| power / sum)
}

/// Where a value lies among quantiles that stand at equal steps, 0 to 1.
fn quantile(quantiles: &[f32], value: f32) -> f32 {
    let above = quantiles.partition_point(|quantile| *quantile < value);
    let steps = (quantiles.len().max(2) - 1) as f32;
    match (above.checked_sub(1).and_then(|at| quantiles.get(at)), quantiles.get(above)) {
        (None, _) => 0.0,
        (_, None) => 1.0,
        (Some(low), Some(high)) => {
            let within = (value - low) / (high - low).max(f32::EPSILON);
            ((above - 1) as f32 + within.clamp(0.0, 1.0)) / steps
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn quantiles_are_interpolated() {
        let quantiles = [-1.0, 0.0, 3.0];
        for (value, share) in [(-9.0, 0.0), (-0.5, 0.25), (0.0, 0.5), (1.5, 0.75), (9.0, 1.0)] {
            assert!((quantile(&quantiles, value) - share).abs() < 1e-6, "{value}");
        }
    }

    /// What tools/router-train computed for the same prompts, before its weights were rounded.
    #[test]
    fn training_and_serving_read_the_same() {
        let golden = include_str!("golden/readings.jsonl");
        let mut rows = 0;
        for line in golden.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let prompt = row["prompt"].as_str().unwrap();
            let weights = weights().unwrap();
            let (logits, shape, whole) = evidence(weights, &Prompt::of_text(prompt));
            let score = score(weights, &shape, &softmax(&logits)) + whole;
            let near = |a: f32, b: &Value| (f64::from(a) - b.as_f64().unwrap()).abs() < 0.15;
            for (at, logit) in logits.iter().enumerate() {
                assert!(near(*logit, &row["task"][at]), "{prompt}: {logits:?}");
            }
            assert!(near(score, &row["score"]), "{prompt}: {score}");
            rows += 1;
        }
        assert_eq!(rows, 80);
    }
}
