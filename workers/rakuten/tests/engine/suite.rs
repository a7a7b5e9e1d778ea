//! The public JSON Schema test suite (draft 2020-12, fixtures/json_schema_suite.json): each of its
//! schemas is followed by a real answer, or refused before any work.

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use worker_rakuten::engine::{
    Engine, EngineError, Event, FinishReason, Form, GenerateRequest, Sampling,
};

use crate::support::{chat, greedy, options, read};

const SUITE: &str = include_str!("../../fixtures/json_schema_suite.json");

/// The suite's schemas, so that none gets lost.
const SCHEMAS: usize = 364;

/// Of these, schemas that are refused because they can't be held to, by what they are about:
/// counting and comparing what was written, conditions, and other documents.
const REFUSED: [(&str, usize); 29] = [
    ("additionalProperties", 2),
    ("allOf", 2),
    ("anyOf", 1),
    ("boolean_schema", 1),
    ("contains", 7),
    ("defs", 1),
    ("dependentRequired", 4),
    ("dependentSchemas", 4),
    ("dynamicRef", 20),
    ("format", 9),
    ("if-then-else", 10),
    ("maxContains", 4),
    ("maxItems", 1),
    ("maxLength", 1),
    ("maxProperties", 1),
    ("minContains", 8),
    ("minItems", 1),
    ("minLength", 1),
    ("minProperties", 1),
    ("multipleOf", 1),
    ("not", 9),
    ("oneOf", 9),
    ("patternProperties", 3),
    ("propertyNames", 3),
    ("ref", 6),
    ("refRemote", 15),
    ("unevaluatedItems", 27),
    ("unevaluatedProperties", 40),
    ("uniqueItems", 6),
];

/// Longest answer: with it nearly all end by themselves.
const ANSWER_TOKENS_MAX: u32 = 48;

/// Most answers that are cut by length: then the others show that schemas are followed.
const CUT_MAX: usize = 40;

/// Makes what ends a text, a list and an object likelier: the model likes long ones.
const END_BIAS: f32 = 6.0;

/// Answers under way at once.
const ANSWERS_AT_ONCE: usize = 8;

/// One schema and the suite's own examples, each with whether it is valid.
#[derive(Deserialize)]
struct Case {
    of: String,
    about: String,
    schema: Value,
    tests: Vec<(Value, bool)>,
}

/// What came of one keyword's schemas.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    followed: usize,
    refused: usize,
    cut: usize,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(SUITE).unwrap()
}

/// A request for an answer of this form, or none where the form is refused as a client's mistake.
fn asked(engine: &Engine, case: &Case) -> Option<GenerateRequest> {
    let grammar =
        match engine.constrain(Form::Schema(case.schema.clone()), &CancellationToken::new()) {
            Ok(grammar) => grammar,
            Err(EngineError::InvalidRequest { parameter: "response_format", .. }) => return None,
            Err(error) => panic!("{}, {}: {error}", case.of, case.about),
        };
    let token = |text: &str| engine.prompt_of_text(text).unwrap().tokens()[0];
    let logit_bias = ["\"", "}", "]", "\"}"].map(|text| (token(text), END_BIAS)).to_vec();
    let sampling = Sampling { temperature: 0.7, seed: Some(5), logit_bias, ..Sampling::default() };
    let prompt = chat(engine, "Give me an example.");
    Some(GenerateRequest { grammar: Some(grammar), sampling, ..greedy(prompt, ANSWER_TOKENS_MAX) })
}

/// Whether a whole answer is valid against its schema; an answer cut by length is only counted.
fn judge(case: &Case, stream: Receiver<Event>, tally: &mut Tally) {
    let answer = read(stream);
    if answer.finished.reason == FinishReason::Length {
        tally.cut += 1;
        return;
    }
    let name = format!("{}, {}: {}", case.of, case.about, answer.text);
    assert_eq!(answer.finished.reason, FinishReason::Stop, "{name}");
    let value: Value = serde_json::from_str(&answer.text).expect(&name);
    let validator = jsonschema::draft202012::new(&case.schema).expect(&name);
    assert!(validator.is_valid(&value), "{name}");
    tally.followed += 1;
}

#[test]
fn every_schema_of_the_public_suite_is_followed_or_refused() {
    // Of its own: others count what the shared one does.
    let engine = Engine::load(options()).unwrap();
    let cases = cases();
    assert_eq!(cases.len(), SCHEMAS);
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut running = VecDeque::new();
    for case in &cases {
        let tally = tallies.entry(case.of.as_str()).or_default();
        match asked(&engine, case) {
            None => tally.refused += 1,
            Some(request) => running.push_back((case, engine.generate(request).unwrap())),
        }
        if running.len() >= ANSWERS_AT_ONCE {
            let (case, stream) = running.pop_front().unwrap();
            judge(case, stream, tallies.entry(case.of.as_str()).or_default());
        }
    }
    for (case, stream) in running {
        judge(case, stream, tallies.entry(case.of.as_str()).or_default());
    }
    let refused: Vec<(&str, usize)> =
        tallies.iter().map(|(of, tally)| (*of, tally.refused)).filter(|(_, n)| *n > 0).collect();
    assert_eq!(refused, REFUSED);
    let cut: usize = tallies.values().map(|tally| tally.cut).sum();
    assert!(cut <= CUT_MAX, "{tallies:#?}");
    let followed: usize = tallies.values().map(|tally| tally.followed).sum();
    let refused: usize = REFUSED.iter().map(|(_, schemas)| schemas).sum();
    assert_eq!(followed + cut + refused, SCHEMAS);
    assert_eq!(engine.status().restarts_total, 0);
    engine.stop();
}

/// What the suite calls wrong where the judge does not, or the other way round: it compares
/// objects in the order of their keys, and does not know a dialect that was taken out.
const JUDGED_OTHERWISE: [(&str, usize); 3] = [("const", 1), ("uniqueItems", 2), ("vocabulary", 1)];

/// Schemas that name documents which nobody has here.
const WITHOUT_JUDGE: [(&str, usize); 2] = [("dynamicRef", 5), ("refRemote", 15)];

/// The judge of the test above is no blind one: of the suite's own examples it says what the
/// suite says, and all that it can't judge is refused.
#[test]
fn the_judge_agrees_with_the_suite() {
    let (mut otherwise, mut without) = (BTreeMap::new(), BTreeMap::new());
    let cases = cases();
    for case in &cases {
        let Ok(validator) = jsonschema::draft202012::new(&case.schema) else {
            *without.entry(case.of.as_str()).or_insert(0) += 1;
            continue;
        };
        for (value, is_valid) in &case.tests {
            if validator.is_valid(value) != *is_valid {
                *otherwise.entry(case.of.as_str()).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(otherwise, BTreeMap::from(JUDGED_OTHERWISE));
    assert_eq!(without, BTreeMap::from(WITHOUT_JUDGE));
}
