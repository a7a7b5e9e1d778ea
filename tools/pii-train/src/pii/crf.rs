//! A linear-chain conditional random field, trained by AdaGrad with an L1 penalty. In each step
//! half of a token's features are left out, so that no rare feature carries a name alone. Must
//! give the same weights for the same text: every seed is fixed.

use super::corpus::Sentence;
use super::tagger::model::{
    ADDRESS_BEGINS, ADDRESS_GOES_ON, LABELS, PERSON_BEGINS, PERSON_GOES_ON,
};

const RATE: f32 = 0.25;
const PENALTY: f32 = 0.008;
/// Out of 256.
const KEPT: u64 = 128;
/// A gradient below this is not worth an update.
const GRADIENT_MIN: f32 = 1e-3;
/// The worth of what can't be.
const NEVER: f32 = -1e4;

type Row = [f32; LABELS];

/// The weights while they are learned.
pub(super) struct Trainer {
    pub(super) weights: Vec<Row>,
    pub(super) transitions: [Row; LABELS],
    sums: Vec<Row>,
    transition_sums: [Row; LABELS],
    penalty: f32,
    seed: u64,
}

fn next(seed: u64) -> u64 {
    seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}

fn is_kept(seed: u64) -> bool {
    (seed >> 40) & 255 < KEPT
}

fn log_sum(values: Row) -> f32 {
    let largest = values.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    largest + values.iter().map(|value| (value - largest).exp()).sum::<f32>().ln()
}

impl Trainer {
    /// No weight yet; a name can't go on where none began.
    pub(super) fn new(count: usize) -> Self {
        let mut transitions = [[0.0; LABELS]; LABELS];
        for (from, row) in transitions.iter_mut().enumerate() {
            let in_person = from == PERSON_BEGINS || from == PERSON_GOES_ON;
            let in_address = from == ADDRESS_BEGINS || from == ADDRESS_GOES_ON;
            row[PERSON_GOES_ON] = if in_person { 0.0 } else { NEVER };
            row[ADDRESS_GOES_ON] = if in_address { 0.0 } else { NEVER };
        }
        Self {
            weights: vec![[0.0; LABELS]; count],
            transitions,
            sums: vec![[1e-3; LABELS]; count],
            transition_sums: [[1.0; LABELS]; LABELS],
            penalty: PENALTY,
            seed: 42,
        }
    }

    /// So many passes in an order that is shuffled anew for each.
    pub(super) fn train(&mut self, sentences: &[Sentence], epochs: usize) {
        let mut order: Vec<usize> = (0..sentences.len()).collect();
        let mut seed = 7;
        for epoch in 0..epochs {
            for index in (1..order.len()).rev() {
                seed = next(seed);
                order.swap(index, (seed >> 33) as usize % (index + 1));
            }
            let loss: f64 = order.iter().map(|index| self.step(&sentences[*index])).sum();
            eprintln!("epoch {epoch}: loss {loss:.1}");
        }
    }

    /// The features of the largest weights, largest first.
    pub(super) fn heaviest(&self, count: usize) -> Vec<usize> {
        let weight =
            |index: &usize| self.weights[*index].iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        let mut order: Vec<usize> = (0..self.weights.len()).filter(|i| weight(i) > 0.0).collect();
        order.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
        order.truncate(count);
        order
    }

    /// From here on weights are only tuned.
    pub(super) fn stop_shrinking(&mut self) {
        self.penalty = 0.0;
    }

    fn step(&mut self, sentence: &Sentence) -> f64 {
        if sentence.labels.is_empty() {
            return 0.0;
        }
        let start = self.seed;
        let emitted = self.emit(sentence);
        let (forward, backward, total) = self.pass(&emitted);
        let gold = self.learn_transitions(sentence, &emitted, &forward, &backward, total);
        let mut seed = start;
        for (index, features) in sentence.features.iter().enumerate() {
            let mut gradient: Row =
                std::array::from_fn(|l| (forward[index][l] + backward[index][l] - total).exp());
            gradient[sentence.labels[index]] -= 1.0;
            let idle = gradient.iter().all(|value| value.abs() < GRADIENT_MIN);
            for feature in features {
                seed = next(seed);
                if !idle && is_kept(seed) {
                    self.learn(*feature as usize, &gradient);
                }
            }
        }
        f64::from(total - gold)
    }

    fn emit(&mut self, sentence: &Sentence) -> Vec<Row> {
        let share = KEPT as f32 / 256.0;
        let mut emitted = vec![[0.0; LABELS]; sentence.labels.len()];
        for (scores, features) in emitted.iter_mut().zip(&sentence.features) {
            for feature in features {
                self.seed = next(self.seed);
                if is_kept(self.seed) {
                    let weights = &self.weights[*feature as usize];
                    scores.iter_mut().zip(weights).for_each(|(s, w)| *s += w / share);
                }
            }
        }
        emitted
    }

    fn pass(&self, emitted: &[Row]) -> (Vec<Row>, Vec<Row>, f32) {
        let count = emitted.len();
        let t = &self.transitions;
        let mut forward = vec![[0.0; LABELS]; count];
        let mut backward = vec![[0.0; LABELS]; count];
        for l in 0..LABELS {
            forward[0][l] = t[0][l] + emitted[0][l];
        }
        for i in 1..count {
            for l in 0..LABELS {
                let from: Row = std::array::from_fn(|f| forward[i - 1][f] + t[f][l]);
                forward[i][l] = log_sum(from) + emitted[i][l];
            }
        }
        for i in (0..count - 1).rev() {
            for l in 0..LABELS {
                backward[i][l] = log_sum(std::array::from_fn(|to| {
                    t[l][to] + emitted[i + 1][to] + backward[i + 1][to]
                }));
            }
        }
        let total = log_sum(forward[count - 1]);
        (forward, backward, total)
    }

    fn learn_transitions(
        &mut self,
        sentence: &Sentence,
        emitted: &[Row],
        forward: &[Row],
        backward: &[Row],
        total: f32,
    ) -> f32 {
        let t = self.transitions;
        let mut gradient = [[0.0_f32; LABELS]; LABELS];
        let mut gold = 0.0;
        let mut before = 0;
        for (i, label) in sentence.labels.iter().enumerate() {
            gold += t[before][*label] + emitted[i][*label];
            gradient[before][*label] -= 1.0;
            for l in 0..LABELS {
                if i == 0 {
                    gradient[0][l] += (forward[0][l] + backward[0][l] - total).exp();
                    continue;
                }
                for f in 0..LABELS {
                    let score = forward[i - 1][f] + t[f][l] + emitted[i][l] + backward[i][l];
                    gradient[f][l] += (score - total).exp();
                }
            }
            before = *label;
        }
        for f in 0..LABELS {
            for l in 0..LABELS {
                if t[f][l] > NEVER / 2.0 {
                    self.transition_sums[f][l] += gradient[f][l] * gradient[f][l];
                    let rate = RATE / self.transition_sums[f][l].sqrt();
                    self.transitions[f][l] -= rate * gradient[f][l];
                }
            }
        }
        gold
    }

    fn learn(&mut self, feature: usize, gradient: &Row) {
        let (weights, sums) = (&mut self.weights[feature], &mut self.sums[feature]);
        for ((weight, sum), slope) in weights.iter_mut().zip(sums).zip(gradient) {
            *sum += slope * slope;
            let rate = RATE / (sum.sqrt() + 0.5);
            let moved = *weight - rate * slope;
            *weight = moved.signum() * (moved.abs() - rate * self.penalty).max(0.0);
        }
    }
}
