//! Which wordings are one question and which are not: the judged pairs, and what is not read.

use super::{Reading, Vector, last_question};
use schemas::openai::ChatRequest;
use serde_json::{Value, json};

/// As configured when nothing is said.
const SIMILARITY_MIN: f64 = 0.95;

fn is_hit(one: &str, other: &str) -> bool {
    let similarity = || Reading::of(one)?.similarity(&Reading::of(other)?);
    similarity().is_some_and(|it| it >= SIMILARITY_MIN)
}

/// The pairs of one label.
fn pairs(label: &str) -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("judged.tsv").lines().filter(|line| !line.starts_with('#'));
    let rows = lines.map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row[2] == label).map(|row| (row[0], row[1])).collect()
}

#[test]
fn near_misses_never_hit() {
    let pairs = pairs("0");
    assert!(pairs.len() >= 150, "{}", pairs.len());
    let wrong: Vec<_> = pairs.iter().filter(|(a, b)| is_hit(a, b) || is_hit(b, a)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn other_wordings_hit() {
    let pairs = pairs("1");
    assert!(pairs.len() >= 50, "{}", pairs.len());
    let missed: Vec<_> = pairs.iter().filter(|(a, b)| !(is_hit(a, b) && is_hit(b, a))).collect();
    let facts = |text: &str| Reading::of(text).map(|reading| reading.facts);
    let shown: Vec<_> = missed.iter().map(|(a, b)| (facts(a), facts(b))).collect();
    assert!(missed.is_empty(), "{shown:?}");
}

#[test]
fn what_is_no_short_question_is_not_read() {
    let long = "word ".repeat(60);
    for text in [
        "",
        "???",
        "Translate good morning into French",
        "「犬」を英語で",
        "What is 2 + 2?",
        "What does `cat` do?",
        "Explain\nthis",
        "a: b",
        "https://example.com を要約して",
        "文法を直してください",
        long.as_str(),
    ] {
        assert_eq!(Reading::of(text), None, "{text}");
    }
}

#[test]
fn placeholders_are_facts() {
    assert!(is_hit("What is [PERSON_1]'s number?", "Please tell me the [PERSON_1]'s number."));
    assert!(is_hit("[PERSON_1]さんの電話番号は？", "[PERSON_1]さんの電話番号を教えてください"));
    assert!(!is_hit("[PERSON_1]さんの電話番号は？", "[PERSON_2]さんの電話番号は？"));
    assert!(!is_hit("[PERSON_1]さんの電話番号は？", "[EMAIL_1]さんの電話番号は？"));
    assert!(!is_hit(
        "Does [PERSON_1] owe [PERSON_2] money?",
        "Does [PERSON_2] owe [PERSON_1] money?"
    ));
}

#[test]
fn a_vector_survives_its_bytes() {
    let reading = Reading::of("How do I boil the eggs?").unwrap();
    let vector = reading.vector();
    assert_eq!(Vector::from_bytes(&vector.to_bytes()).as_ref(), Some(vector));
    assert_eq!(Vector::from_bytes(&[1, 2]), None);
    assert!((vector.similarity(vector) - 1.0).abs() < 1e-9);
}

fn chat(change: impl FnOnce(&mut Value)) -> ChatRequest {
    let mut body = json!({"model": "m", "messages": [
        {"role": "system", "content": "You help customers."},
        {"role": "user", "content": "How do I reset my password?"},
    ]});
    change(&mut body);
    serde_json::from_value(body).unwrap()
}

#[test]
fn only_a_plain_conversation_has_a_last_question() {
    assert!(last_question(&chat(|_| {})).is_some());
    let changes: [fn(&mut Value); 11] = [
        |body| body["tools"] = json!([{"type": "function", "function": {"name": "f"}}]),
        |body| body["tool_choice"] = json!("auto"),
        |body| body["functions"] = json!([{"name": "f"}]),
        |body| body["web_search_options"] = json!({}),
        |body| body["n"] = json!(2),
        |body| body["logprobs"] = json!(true),
        |body| body["messages"][0]["content"] = json!("Translate what the user says."),
        |body| body["messages"][0]["content"] = json!("ユーザーの文を英訳してください。"),
        |body| body["messages"][1]["role"] = json!("assistant"),
        |body| {
            body["messages"][1]["content"] = json!([
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            ]);
        },
        |body| {
            body["messages"][0] = json!({"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            ]});
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert_eq!(last_question(&chat(change)), None, "{number}");
    }
}
