//! What a choice keeps whatever happens: hard limits, preferences, and a reason fit for a header.

use super::{Numbers, asks, candidate, catalogue, read, settings};
use crate::routing::{Candidate, Features, NoCandidate, Preferences, choose, weigh};
use schemas::catalogue::{Capability, Tier};
use schemas::money::MicroUsd;

const PROMPTS: [&str; 12] = [
    "Hi there, how are you?",
    "Prove that the sum of the reciprocals of the primes diverges, and give every step.",
    "楽天で母の日に喜ばれるギフトを5000円以内で教えて",
    "日本の首都はどこですか？",
    "Write a Rust function that merges overlapping intervals:\n```rust\nfn merge() {}\n```",
    "Translate into Japanese: the meeting was moved to Friday.",
    "春をテーマにした俳句を三つ作って",
    "…",
    "Konnichiwa, kono shouhin no zaiko wa arimasu ka?",
    "Why is the sky blue?",
    "次の式を計算してください: 12 × (7 + 5) ÷ 3 = ?",
    "Summarise the following contract in five bullet points and list every deadline.",
];

fn some_candidates(numbers: &mut Numbers) -> Vec<Candidate> {
    let tiers = [Tier::Economy, Tier::Standard, Tier::Premium];
    (0..numbers.below(7))
        .map(|at| {
            let price = numbers.below(60_000) as i64;
            let tier = tiers[numbers.below(3) as usize];
            Candidate {
                local: numbers.below(4) == 0,
                healthy: numbers.below(5) != 0,
                expected_wait_ms: numbers.below(60_000),
                context: [1_000, 4_096, 128_000][numbers.below(3) as usize],
                default: at == 0,
                pinned: numbers.below(8) == 0,
                disliked: numbers.below(8) == 0,
                capabilities: if numbers.flip() {
                    vec![Capability::Chat]
                } else {
                    vec![Capability::Chat, Capability::Tools]
                },
                ..candidate("model", tier, price)
            }
        })
        .collect()
}

/// Reading costs more than choosing, so each prompt is read once.
fn read_prompts() -> Vec<Features> {
    PROMPTS.into_iter().map(read).collect()
}

fn some_features(numbers: &mut Numbers, known: &[Features]) -> Features {
    let mut features = known[numbers.below(known.len() as u64) as usize].clone();
    features.prompt_tokens_estimate = numbers.below(5_000);
    features.needs.tools = numbers.below(4) == 0;
    features
}

#[test]
fn hard_limits_are_never_broken() {
    let mut numbers = Numbers(1);
    let known = read_prompts();
    for _ in 0..20_000 {
        let (features, candidates) =
            (some_features(&mut numbers, &known), some_candidates(&mut numbers));
        let limit =
            |numbers: &mut Numbers| numbers.flip().then(|| MicroUsd(numbers.below(40_000) as i64));
        let preferences = Preferences {
            prefer_quality: [None, Some(true), Some(false)][numbers.below(3) as usize],
            prefer_local: numbers.flip(),
            max_cost: limit(&mut numbers),
            credit: limit(&mut numbers),
        };
        let Ok(choice) = choose(&features, &preferences, &candidates, &settings()) else {
            continue;
        };
        for at in &choice.ordered {
            let chosen = &candidates[*at];
            assert!(preferences.max_cost.is_none_or(|most| chosen.price <= most));
            assert!(preferences.credit.is_none_or(|most| chosen.price <= most));
            assert!(chosen.healthy && chosen.context >= features.prompt_tokens_estimate);
            assert!(!features.needs.tools || chosen.capabilities.contains(&Capability::Tools));
        }
        let mut seen = choice.ordered.clone();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), choice.ordered.len(), "no candidate twice");
        assert!(choice.reason.len() < 200);
        assert!(choice.reason.bytes().all(|byte| byte.is_ascii_graphic()), "{}", choice.reason);
    }
}

#[test]
fn prefer_local_is_honoured_where_a_local_model_is_eligible() {
    let mut numbers = Numbers(2);
    let known = read_prompts();
    for _ in 0..20_000 {
        let (features, candidates) =
            (some_features(&mut numbers, &known), some_candidates(&mut numbers));
        let preferences = Preferences {
            prefer_local: true,
            prefer_quality: numbers.flip().then_some(true),
            ..Preferences::default()
        };
        let Ok(choice) = choose(&features, &preferences, &candidates, &settings()) else {
            continue;
        };
        let eligible = choice.ordered.iter().map(|at| &candidates[*at]);
        let ready = eligible.filter(|c| c.expected_wait_ms <= settings().local_wait_ms_max);
        if ready.clone().any(|candidate| candidate.local) {
            assert!(candidates[choice.ordered[0]].local);
        }
    }
}

#[test]
fn a_stronger_wish_for_quality_never_ends_at_a_weaker_model() {
    let mut numbers = Numbers(3);
    let known = read_prompts();
    for _ in 0..20_000 {
        let (features, candidates) =
            (some_features(&mut numbers, &known), some_candidates(&mut numbers));
        let mut last = 0.0;
        for prefer_quality in [Some(false), None, Some(true)] {
            let preferences = Preferences { prefer_quality, ..Preferences::default() };
            if let Ok(choice) = choose(&features, &preferences, &candidates, &settings()) {
                let first = &candidates[choice.ordered[0]];
                let quality = features.quality.of(first.tier, first.local);
                assert!(quality >= last, "{features:?} {candidates:?}");
                last = quality;
            }
        }
    }
}

#[test]
fn each_limit_that_leaves_nobody_is_named() {
    let features = read("hello there");
    let refused = |features: &Features, preferences: &Preferences, candidates: &[Candidate]| {
        choose(features, preferences, candidates, &settings()).unwrap_err()
    };
    let any = Preferences::default();
    assert_eq!(refused(&features, &any, &[]), NoCandidate::None);
    let mut long = features.clone();
    long.prompt_tokens_estimate = 1_000_000;
    assert_eq!(refused(&long, &any, &catalogue()), NoCandidate::Context);
    let mut seeing = features.clone();
    seeing.needs.vision = true;
    assert_eq!(refused(&seeing, &any, &catalogue()[4..]), NoCandidate::Capabilities);
    let nobody = [Candidate { healthy: false, ..candidate("a", Tier::Economy, 1) }];
    assert_eq!(refused(&features, &any, &nobody), NoCandidate::Unhealthy);
    let cheap = Preferences { max_cost: Some(MicroUsd(1)), ..any };
    assert_eq!(refused(&features, &cheap, &catalogue()), NoCandidate::MaxCost);
    let poor = Preferences { credit: Some(MicroUsd(1)), ..any };
    assert_eq!(refused(&features, &poor, &catalogue()), NoCandidate::Credit);
}

#[test]
fn rules_of_the_house() {
    let name = |text: &str, preferences: Preferences| {
        let candidates = catalogue();
        let choice = choose(&read(text), &preferences, &candidates, &settings()).unwrap();
        (candidates[choice.ordered[0]].name.clone(), choice.reason)
    };
    let any = Preferences::default();
    let (model, reason) = name("楽天で母の日に喜ばれるギフトを5000円以内で教えて", any);
    assert_eq!(model, "rakuten-llm");
    assert!(reason.starts_with("auto;lang=ja;task=ecommerce;score=0."), "{reason}");
    assert!(reason.ends_with(";tier=economy;why=local_shopping"), "{reason}");
    let (model, reason) = name("??", any);
    assert_eq!((model.as_str(), reason.ends_with("why=unsure_default")), ("gpt-4o-mini", true));
    let poor = Preferences { credit: Some(MicroUsd(700)), prefer_quality: Some(true), ..any };
    let (model, reason) = name("Prove Fermat's little theorem step by step.", poor);
    assert_eq!(model, "gpt-4o-mini");
    assert!(reason.ends_with("prefer=quality;budget=credit"), "{reason}");
}

#[test]
fn a_pinned_model_keeps_its_conversation() {
    let mut candidates = catalogue();
    candidates[3].pinned = true;
    let choice = choose(
        &read("What about the second one then?"),
        &Preferences::default(),
        &candidates,
        &settings(),
    );
    let choice = choice.unwrap();
    assert_eq!(choice.ordered[0], 3);
    assert!(choice.reason.ends_with("why=pinned"));
}

#[test]
fn what_is_hardly_shopping_does_not_go_to_the_local_model() {
    let mut features = read("楽天で母の日に喜ばれるギフトを5000円以内で教えて");
    let first = |features: &Features, candidates: &[Candidate]| {
        let choice = choose(features, &Preferences::default(), candidates, &settings()).unwrap();
        (candidates[choice.ordered[0]].local, choice.reason)
    };
    assert!(first(&features, &catalogue()).0);
    features.task_confidence = 0.35;
    let (is_local, reason) = first(&features, &catalogue());
    assert!(!is_local && reason.contains("task=ecommerce"), "only who answers changes: {reason}");
}

#[test]
fn a_turn_about_shopping_stays_with_the_model_of_its_conversation() {
    let mut candidates = catalogue();
    candidates[3].pinned = true;
    let features = read("送料無料のコーヒーメーカーを楽天で探して");
    let choice = choose(&features, &Preferences::default(), &candidates, &settings()).unwrap();
    assert_eq!(choice.ordered[0], 3, "{}", choice.reason);
}

#[test]
fn a_discontented_user_gets_a_better_model_if_there_is_one() {
    let mut candidates = catalogue();
    candidates[0].disliked = true;
    candidates[0].pinned = true;
    let first = |candidates: &[Candidate], preferences: Preferences| {
        let features = read("What about the second one then?");
        let choice = choose(&features, &preferences, candidates, &settings()).unwrap();
        (choice.ordered[0], choice.reason.split("why=").nth(1).unwrap().to_owned())
    };
    let any = Preferences::default();
    let (at, why) = first(&candidates, any);
    assert_ne!(candidates[at].tier, Tier::Economy);
    assert_eq!(why, "escalated");
    let poor = Preferences { max_cost: Some(MicroUsd(1_000)), ..any };
    assert_eq!(first(&candidates, poor), (0, "pinned".to_owned()), "nothing better is affordable");
}

#[test]
fn what_is_weighed_is_what_decides() {
    let features = read("Prove that the square root of two is irrational.");
    let preferences = Preferences { max_cost: Some(MicroUsd(12_000)), ..Preferences::default() };
    let candidates = catalogue();
    let weighed = |at: usize| weigh(&features, &preferences, &candidates[at], &settings());
    let choice = choose(&features, &preferences, &candidates, &settings()).unwrap();
    assert_eq!(weighed(2).left_out, Some(NoCandidate::MaxCost));
    assert!(!choice.ordered.contains(&2));
    let values = choice.ordered.iter().map(|at| weighed(*at).value);
    assert!(values.is_sorted_by(|a, b| a >= b), "{}", choice.reason);
}

#[test]
fn a_long_wait_spills_to_another_model() {
    let mut candidates = catalogue();
    candidates[4].expected_wait_ms = 600_000;
    let preferences = Preferences { prefer_local: true, ..Preferences::default() };
    let choice = choose(&read("こんにちは、元気ですか"), &preferences, &candidates, &settings());
    assert_ne!(choice.unwrap().ordered[0], 4);
}

#[test]
fn an_empty_request_is_no_accident() {
    let request = schemas::openai::ChatRequest::default();
    let features = crate::routing::features(&request, None);
    assert!(features.unsure);
    assert!(crate::routing::features(&asks(""), Some("ja-JP")).unsure);
}
