//! The choice of the next token, in plain Rust over the model's logits.
//!
//! llama.cpp's own sampler chain ends the process when it is put together wrongly; nothing in
//! here can. Must give the same token for the same seed and logits on every machine.
//!
//! The order is llama.cpp's: bias, penalties, top-k, top-p, min-p, temperature, choice.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use llguidance::toktrie::SimpleVob;

use super::request::Sampling;

/// The repetition penalty looks this many tokens back, prompt included.
const REPETITION_TOKENS_MAX: usize = 64;
/// Top-p looks at this many of the likeliest first, and at more only where they do not suffice.
const NUCLEUS_TOKENS_FIRST: usize = 256;
/// Growth of that number at each further look.
const NUCLEUS_GROWTH: usize = 8;

/// A token that may still be chosen.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    token: i32,
    logit: f32,
}

/// Room that one thread's samplers share, so that a step allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    logits: Vec<f32>,
    candidates: Vec<Candidate>,
}

/// The sampling state of one answer.
#[derive(Debug)]
pub(super) struct Sampler {
    sampling: Sampling,
    random: Random,
    /// How often the answer has each token.
    answered: HashMap<i32, u32>,
    /// The last tokens of prompt and answer, for the repetition penalty.
    recent: VecDeque<i32>,
    /// Tokens that must never be produced.
    suppressed: Vec<i32>,
}

impl Sampler {
    pub(super) fn new(sampling: Sampling, prompt: &[i32], suppressed: Vec<i32>) -> Self {
        let seed = sampling.seed.unwrap_or_else(|| RandomState::new().hash_one(prompt.len()));
        let recent = prompt[prompt.len().saturating_sub(REPETITION_TOKENS_MAX)..].iter().copied();
        let (random, recent) = (Random(seed), recent.collect());
        Self { sampling, random, answered: HashMap::new(), recent, suppressed }
    }

    /// Remembers a token of the answer.
    pub(super) fn accept(&mut self, token: i32) {
        *self.answered.entry(token).or_insert(0) += 1;
        if self.recent.len() >= REPETITION_TOKENS_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(token);
    }

    /// Chooses the next token among those that are `allowed`, or among all. `logits` must not be
    /// empty.
    pub(super) fn choose(
        &mut self,
        logits: &[f32],
        allowed: Option<&SimpleVob>,
        scratch: &mut Scratch,
    ) -> i32 {
        let token = self.choose_of(logits, allowed, scratch);
        match allowed {
            // A bias or a logit that is no number may leave nothing: the form has the last word.
            Some(allowed) if !is_allowed(allowed, token) => {
                allowed.first_bit_set().and_then(|token| i32::try_from(token).ok()).unwrap_or(token)
            }
            _ => token,
        }
    }

    fn choose_of(
        &mut self,
        logits: &[f32],
        allowed: Option<&SimpleVob>,
        scratch: &mut Scratch,
    ) -> i32 {
        let greedy = self.sampling.temperature <= 0.0;
        if greedy && allowed.is_none() && !self.changes_logits() {
            return likeliest(logits);
        }
        let Scratch { logits: changed, candidates } = scratch;
        changed.clear();
        match allowed {
            None => changed.extend_from_slice(logits),
            Some(allowed) => {
                changed.resize(logits.len(), f32::NEG_INFINITY);
                allowed.iter_set_entries(|token| {
                    if let (Some(changed), Some(logit)) =
                        (changed.get_mut(token), logits.get(token))
                    {
                        *changed = *logit;
                    }
                });
            }
        }
        self.change(changed);
        if greedy || !likeliest_logit(changed).is_finite() {
            return likeliest(changed);
        }
        self.truncate(changed, candidates);
        self.pick(candidates)
    }

    fn changes_logits(&self) -> bool {
        let sampling = &self.sampling;
        !sampling.logit_bias.is_empty()
            || !self.suppressed.is_empty()
            || sampling.presence_penalty != 0.0
            || sampling.frequency_penalty != 0.0
            || sampling.repetition_penalty != 1.0
    }

    /// Applies bias and penalties.
    fn change(&self, logits: &mut [f32]) {
        let index = |token: i32| usize::try_from(token).unwrap_or(usize::MAX);
        for (token, bias) in &self.sampling.logit_bias {
            if let Some(logit) = logits.get_mut(index(*token)) {
                *logit += bias;
            }
        }
        let repetition = self.sampling.repetition_penalty;
        if repetition != 1.0 {
            let seen: std::collections::HashSet<i32> = self.recent.iter().copied().collect();
            for token in seen {
                if let Some(logit) = logits.get_mut(index(token)) {
                    // Dividing a negative logit would make the token likelier.
                    *logit = if *logit > 0.0 { *logit / repetition } else { *logit * repetition };
                }
            }
        }
        let (presence, frequency) =
            (self.sampling.presence_penalty, self.sampling.frequency_penalty);
        if presence != 0.0 || frequency != 0.0 {
            for (token, count) in &self.answered {
                if let Some(logit) = logits.get_mut(index(*token)) {
                    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^24")]
                    let times = *count as f32;
                    *logit -= presence + frequency * times;
                }
            }
        }
        for token in &self.suppressed {
            if let Some(logit) = logits.get_mut(index(*token)) {
                *logit = f32::NEG_INFINITY;
            }
        }
    }

    /// Leaves in `candidates`, the likeliest first where it matters, what top-k, top-p and min-p
    /// let through: at least one.
    fn truncate(&self, logits: &[f32], candidates: &mut Vec<Candidate>) {
        let Sampling { top_k, top_p, min_p, .. } = self.sampling;
        let top_k = usize::try_from(top_k).unwrap_or(usize::MAX);
        // min-p is a threshold on the logit, whatever else is set: applied first it spares work
        // and drops nothing that would have stayed, because it drops only from the end.
        let least = if min_p > 0.0 { likeliest_logit(logits) + min_p.ln() } else { f32::MIN };
        candidates.clear();
        if top_k == 0 || top_p < 1.0 || top_k >= logits.len() {
            candidates.extend(all(logits).filter(|candidate| candidate.logit > f32::NEG_INFINITY));
        } else {
            candidates.extend(all(logits).filter(|candidate| candidate.logit >= least));
        }
        if top_k > 0 && top_k < candidates.len() {
            candidates.select_nth_unstable_by(top_k - 1, by_likelihood);
            candidates.truncate(top_k);
        }
        if top_p < 1.0 {
            keep_nucleus(candidates, top_p);
        }
        if min_p > 0.0 {
            candidates.retain(|candidate| candidate.logit >= least);
        }
        // The order decides which token a random number means, so it must not hang on the
        // selection above.
        candidates.sort_unstable_by(by_likelihood);
    }

    fn pick(&mut self, candidates: &[Candidate]) -> i32 {
        let Some(first) = candidates.first() else { return 0 };
        let temperature = f64::from(self.sampling.temperature);
        let weight =
            |candidate: &Candidate| (f64::from(candidate.logit - first.logit) / temperature).exp();
        let total: f64 = candidates.iter().map(weight).sum();
        let mut left = self.random.next() * total;
        for candidate in candidates {
            left -= weight(candidate);
            if left < 0.0 {
                return candidate.token;
            }
        }
        candidates.last().unwrap_or(first).token
    }
}

fn is_allowed(allowed: &SimpleVob, token: i32) -> bool {
    usize::try_from(token).is_ok_and(|token| token < allowed.len() && allowed.get(token))
}

/// Keeps the likeliest candidates that together reach `share` of the whole: at least one.
fn keep_nucleus(candidates: &mut Vec<Candidate>, share: f32) {
    let top = candidates.iter().map(|candidate| candidate.logit).fold(f32::MIN, f32::max);
    let weight = |candidate: &Candidate| f64::from(candidate.logit - top).exp();
    let wanted: f64 = candidates.iter().map(weight).sum::<f64>() * f64::from(share);
    let mut looked_at = NUCLEUS_TOKENS_FIRST;
    loop {
        let all = looked_at >= candidates.len();
        if !all {
            candidates.select_nth_unstable_by(looked_at - 1, by_likelihood);
        }
        let end = looked_at.min(candidates.len());
        candidates[..end].sort_unstable_by(by_likelihood);
        let mut sum = 0.0;
        let reached = candidates[..end].iter().position(|candidate| {
            sum += weight(candidate);
            sum >= wanted
        });
        match reached {
            Some(position) => return candidates.truncate(position + 1),
            None if all => return,
            None => looked_at *= NUCLEUS_GROWTH,
        }
    }
}

fn all(logits: &[f32]) -> impl Iterator<Item = Candidate> {
    (0..).zip(logits).map(|(token, logit)| Candidate { token, logit: *logit })
}

/// The likelier first; of two alike the lower token.
fn by_likelihood(left: &Candidate, right: &Candidate) -> std::cmp::Ordering {
    right.logit.total_cmp(&left.logit).then(left.token.cmp(&right.token))
}

/// The highest logit; NaN counts as nothing.
fn likeliest_logit(logits: &[f32]) -> f32 {
    logits.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The token with the highest logit, of two alike the lower.
fn likeliest(logits: &[f32]) -> i32 {
    let highest = likeliest_logit(logits);
    let position = logits.iter().position(|logit| *logit >= highest).unwrap_or(0);
    i32::try_from(position).unwrap_or(0)
}

/// SplitMix64: small, and the same on every machine and in every version.
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// A number from 0 up to, not including, 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let fraction = (bits >> 11) as f64;
        fraction / 9_007_199_254_740_992.0
    }
}

#[cfg(test)]
mod tests;
