//! The sampler against distributions that can be worked out by hand.
//!
//! Needs no model.

use super::*;

/// Everything off but what a test turns on.
fn plain() -> Sampling {
    Sampling {
        temperature: 1.0,
        top_p: 1.0,
        top_k: 0,
        min_p: 0.0,
        seed: Some(7),
        ..Sampling::default()
    }
}

fn draws(sampling: &Sampling, logits: &[f32], count: usize) -> Vec<usize> {
    let mut sampler = Sampler::new(sampling.clone(), &[], Vec::new());
    let mut scratch = Scratch::default();
    let mut times = vec![0; logits.len()];
    for _ in 0..count {
        times[usize::try_from(sampler.choose(logits, None, &mut scratch)).unwrap()] += 1;
    }
    times
}

fn logits_of(shares: &[f32]) -> Vec<f32> {
    shares.iter().map(|share| share.ln()).collect()
}

#[test]
fn shares_are_kept() {
    let times = draws(&plain(), &logits_of(&[0.5, 0.25, 0.15, 0.1]), 20_000);
    for (times, share) in times.iter().zip([0.5, 0.25, 0.15, 0.1]) {
        assert!((*times as f64 / 20_000.0 - share).abs() < 0.02, "{times} of {share}");
    }
}

#[test]
fn the_same_seed_draws_the_same() {
    let logits: Vec<f32> = (0..1000_u16).map(|index| f32::from(index % 37) / 9.0).collect();
    let sequence = |seed| {
        let sampling = Sampling { seed: Some(seed), ..Sampling::default() };
        let mut sampler = Sampler::new(sampling, &[], Vec::new());
        let mut scratch = Scratch::default();
        (0..50).map(|_| sampler.choose(&logits, None, &mut scratch)).collect::<Vec<_>>()
    };
    assert_eq!(sequence(1), sequence(1));
    assert_ne!(sequence(1), sequence(2));
}

#[test]
fn zero_temperature_takes_the_first_of_the_likeliest() {
    let sampling = Sampling { temperature: 0.0, ..plain() };
    assert_eq!(draws(&sampling, &[0.0, 3.0, 3.0, 1.0], 10), [0, 10, 0, 0]);
}

#[test]
fn top_k_top_p_and_min_p_cut_where_they_should() {
    let logits = logits_of(&[0.4, 0.3, 0.2, 0.1]);
    let kept = |sampling: Sampling| {
        draws(&sampling, &logits, 2_000).iter().filter(|times| **times > 0).count()
    };
    assert_eq!(kept(Sampling { top_k: 2, ..plain() }), 2);
    assert_eq!(kept(Sampling { top_p: 0.65, ..plain() }), 2);
    assert_eq!(kept(Sampling { top_p: 0.75, ..plain() }), 3);
    assert_eq!(kept(Sampling { top_p: 0.0, ..plain() }), 1);
    assert_eq!(kept(Sampling { min_p: 0.4, ..plain() }), 3);
    assert_eq!(kept(Sampling { min_p: 1.0, ..plain() }), 1);
    assert_eq!(kept(Sampling { top_k: 1_000_000, ..plain() }), 4);
}

#[test]
fn top_p_is_exact_beyond_its_first_look() {
    let logits = vec![0.0_f32; 5_000];
    let mut candidates: Vec<Candidate> = all(&logits).collect();
    keep_nucleus(&mut candidates, 0.5);
    assert!((2_499..=2_501).contains(&candidates.len()), "{}", candidates.len());
}

#[test]
fn bias_and_suppression_ban_and_force() {
    let logits = [1.0, 1.0, 1.0];
    let forced = Sampling { logit_bias: vec![(2, 100.0)], ..plain() };
    assert_eq!(draws(&forced, &logits, 100)[2], 100);
    let banned = Sampling { logit_bias: vec![(2, -100.0)], ..plain() };
    assert_eq!(draws(&banned, &logits, 100)[2], 0);
    let mut sampler = Sampler::new(plain(), &[], vec![0, 1]);
    assert_eq!(sampler.choose(&logits, None, &mut Scratch::default()), 2);
}

#[test]
fn penalties_change_what_greedy_takes() {
    let choose = |sampling: Sampling, prompt: &[i32], answer: &[i32]| {
        let mut sampler = Sampler::new(sampling, prompt, Vec::new());
        answer.iter().for_each(|token| sampler.accept(*token));
        sampler.choose(&[1.0, 0.9, -1.0], None, &mut Scratch::default())
    };
    let greedy = Sampling::greedy();
    assert_eq!(choose(greedy.clone(), &[], &[0]), 0);
    let presence = Sampling { presence_penalty: 0.2, ..greedy.clone() };
    assert_eq!(choose(presence.clone(), &[], &[0]), 1);
    // What the client wrote is not held against the answer.
    assert_eq!(choose(presence, &[0], &[]), 0);
    let frequency = Sampling { frequency_penalty: 0.06, ..greedy.clone() };
    assert_eq!(choose(frequency.clone(), &[], &[0]), 0);
    assert_eq!(choose(frequency, &[], &[0, 0]), 1);
    let repetition = Sampling { repetition_penalty: 1.5, ..greedy };
    assert_eq!(choose(repetition, &[0], &[]), 1);
}

#[test]
fn impossible_logits_end_in_some_token() {
    for logits in [
        vec![f32::NAN; 4],
        vec![f32::NEG_INFINITY; 4],
        vec![f32::INFINITY; 4],
        vec![f32::NAN, 1.0, f32::NEG_INFINITY, 0.0],
        vec![0.0],
    ] {
        for sampling in [plain(), Sampling::default(), Sampling::greedy()] {
            assert_eq!(draws(&sampling, &logits, 3).iter().sum::<usize>(), 3);
        }
    }
}
