//! Answers that follow a form: always JSON, always what the schema says, and nobody else is
//! touched.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use worker_rakuten::engine::{
    Engine, EngineError, FORM_TIME_MAX, FinishReason, Form, GenerateRequest, Sampling,
};

use crate::support::{Answer, chat, engine, greedy, read, run};

/// A request for an answer of this form, as wild as a client may ask for.
fn asked(engine: &Engine, text: &str, form: Form, temperature: f32) -> GenerateRequest {
    GenerateRequest {
        grammar: Some(engine.constrain(form, &CancellationToken::new()).unwrap()),
        sampling: Sampling { temperature, seed: Some(3), ..Sampling::default() },
        ..greedy(chat(engine, text), 160)
    }
}

fn parsed(answer: &Answer) -> Value {
    assert_eq!(answer.finished.reason, FinishReason::Stop, "{}", answer.text);
    serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {}", answer.text))
}

fn product() -> Value {
    json!({
        "type": "object",
        "properties": {
            "名前": {"type": "string", "maxLength": 12},
            "price": {"type": "integer", "minimum": 1, "maximum": 99_999},
            "sizes": {"type": "array", "items": {"enum": ["S", "M", "L"]}, "minItems": 1,
                "maxItems": 3},
            "in_stock": {"type": "boolean"},
        },
        "required": ["名前", "price", "sizes", "in_stock"],
        "additionalProperties": false,
    })
}

#[test]
fn a_schema_is_followed_at_every_temperature() {
    let engine = engine();
    for temperature in [0.0, 0.8, 2.0] {
        let request =
            asked(&engine, "Describe a shirt as JSON.", Form::Schema(product()), temperature);
        let value = parsed(&run(&engine, request));
        let object = value.as_object().unwrap();
        let keys: Vec<&str> = object.keys().map(String::as_str).collect();
        assert_eq!(keys, ["名前", "price", "sizes", "in_stock"]);
        assert!(value["名前"].as_str().unwrap().chars().count() <= 12);
        assert!((1..=99_999).contains(&value["price"].as_i64().unwrap()));
        let sizes = value["sizes"].as_array().unwrap();
        assert!((1..=3).contains(&sizes.len()) && sizes.iter().all(|size| size.is_string()));
        assert!(value["in_stock"].is_boolean());
    }
}

#[test]
fn what_is_cut_by_length_says_so() {
    let engine = engine();
    let form = Form::Schema(json!({"type": "string", "minLength": 200}));
    let request = GenerateRequest {
        tokens_max: Some(9),
        ..asked(&engine, "Write a long string.", form, 0.0)
    };
    let answer = run(&engine, request);
    assert_eq!(answer.finished.reason, FinishReason::Length);
    assert_eq!(answer.finished.usage.completion_tokens, 9);
    assert!(answer.text.starts_with('"'));
}

#[test]
fn no_bias_and_no_penalty_break_the_form() {
    let engine = engine();
    let brace = engine.prompt_of_text("{").unwrap().tokens()[0];
    let form = Form::Schema(json!({
        "type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"],
        "additionalProperties": false, "x-guidance": {"lenient": true},
    }));
    for bias in [-100.0, 100.0] {
        let mut request = asked(&engine, "Hi", form.clone(), 1.0);
        request.sampling.logit_bias = (0..3).map(|token| (token, bias)).collect();
        request.sampling.logit_bias.push((brace, bias));
        request.sampling.frequency_penalty = -2.0;
        request.sampling.repetition_penalty = 10.0;
        assert!(parsed(&run(&engine, request))["a"].is_u64());
    }
}

#[test]
fn who_has_no_form_is_not_touched_by_one_who_has() {
    let engine = engine();
    let free = || greedy(chat(&engine, "What is the capital of France?"), 24);
    let alone = run(&engine, free()).text;
    let form = || asked(&engine, "Describe a shirt as JSON.", Form::Schema(product()), 1.0);
    let mixed: Vec<_> = [form(), free(), form(), free()]
        .into_iter()
        .map(|request| engine.generate(request).unwrap())
        .collect();
    let answers: Vec<Answer> = mixed.into_iter().map(read).collect();
    assert_eq!((&answers[1].text, &answers[3].text), (&alone, &alone));
    assert_eq!(parsed(&answers[0]), parsed(&answers[2]), "one seed, one answer");
}

#[test]
fn a_form_that_can_not_be_followed_is_refused_before_any_work() {
    let engine = engine();
    let nested = |levels| {
        (0..levels).fold(
            json!({"type": "integer"}),
            |inner, _| json!({"type": "object", "properties": {"a": inner}, "required": ["a"]}),
        )
    };
    assert!(
        engine.constrain(Form::Schema(nested(30)), &CancellationToken::new()).is_ok(),
        "deep is not wrong"
    );
    for form in [
        Form::Schema(nested(33)),
        Form::Schema(nested(300)),
        Form::Schema(json!({"$ref": "#"})),
        Form::Schema(json!({"allOf": [{"$ref": "#"}]})),
        Form::Schema(json!({"type": "string", "pattern": "(".repeat(20_000)})),
        Form::Schema(json!({"type": "nothing"})),
        Form::Schema(json!({"$ref": "#/missing"})),
        Form::Schema(json!({"$ref": "https://example.com/schema.json"})),
        Form::Schema(json!({"type": "string", "pattern": "("})),
        Form::Schema(json!({"type": "integer", "minimum": 3, "maximum": 2})),
        Form::Schema(json!({"enum": ["x".repeat(300_000)]})),
        Form::Schema(json!({"not": {"type": "string"}})),
        Form::Lark("start: nothing".into()),
    ] {
        let shown: String = format!("{form:?}").chars().take(80).collect();
        match engine.constrain(form, &CancellationToken::new()) {
            Err(EngineError::InvalidRequest { parameter, reason }) => {
                assert_eq!(parameter, "response_format");
                assert!(!reason.contains("panic"), "{shown}: {reason}");
            }
            other => panic!("{shown}: {other:?}"),
        }
    }
    // What is only expensive may fail on its way, and then only its own answer.
    for pattern in ["(a{999}){999}{999}", "(a|b|ab)*c{1,9999}(a|ab){5000}"] {
        let form = Form::Schema(json!({"type": "string", "pattern": pattern}));
        if let Ok(grammar) = engine.constrain(form, &CancellationToken::new()) {
            let request =
                GenerateRequest { grammar: Some(grammar), ..greedy(chat(&engine, "a"), 6) };
            let mut events = engine.generate(request).unwrap();
            while events.blocking_recv().is_some() {}
        }
    }
    assert_eq!(engine.status().restarts_total, 0);
}

#[test]
fn a_small_schema_is_no_endless_work() {
    let engine = engine();
    let searching = |letter| json!({"type": "string", "pattern": format!(".*{letter}.*")});
    let many: Vec<Value> = "abcdefghijklmnopqrst".chars().map(searching).collect();
    let begun = std::time::Instant::now();
    let form = Form::Schema(json!({"allOf": many}));
    let error = engine.constrain(form, &CancellationToken::new()).unwrap_err();
    assert!(error.is_client_error(), "{error}");
    assert!(begun.elapsed() < FORM_TIME_MAX, "{:?}", begun.elapsed());
}

#[test]
fn the_forms_that_clients_use_are_followed() {
    let engine = engine();
    let cases = [
        (json!({"type": "object"}), "object"),
        (
            json!({"type": "array", "items": {"type": "null"}, "minItems": 2, "maxItems": 2}),
            "nulls",
        ),
        (json!({"const": {"a": [1, "二"]}}), "const"),
        (json!({"type": ["string", "null"], "maxLength": 3}), "types"),
        (json!({"anyOf": [{"const": 1}, {"const": "a"}]}), "anyOf"),
        (json!({"oneOf": [{"type": "boolean"}, {"type": "null"}]}), "oneOf"),
        (json!({"allOf": [{"type": "integer", "minimum": 5}, {"maximum": 7}]}), "allOf"),
        (json!({"type": "string", "pattern": "^[0-9]{3}-[0-9]{4}$"}), "pattern"),
        (json!({"type": "string", "format": "date"}), "format"),
        (
            json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1, "multipleOf": 0.25}),
            "number",
        ),
        (
            json!({"$defs": {"n": {"type": "object", "properties": {"next": {"anyOf": [
            {"$ref": "#/$defs/n"}, {"type": "null"}]}}, "required": ["next"],
            "additionalProperties": false}}, "$ref": "#/$defs/n"}),
            "recursive",
        ),
        (
            json!({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": false,
            "minItems": 2}),
            "tuple",
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "integer", "maximum": 9,
            "minimum": 0}, "maxProperties": 2}),
            "map",
        ),
    ];
    for (schema, name) in cases {
        let form = Form::Schema(schema);
        let answer = run(&engine, asked(&engine, "Give me an example.", form, 0.7));
        let whole: Result<Value, _> = serde_json::from_str(&answer.text);
        let cut = answer.finished.reason == FinishReason::Length;
        assert!(cut || whole.is_ok(), "{name}: {}", answer.text);
        if let Ok(value) = whole {
            assert!(holds(name, &value), "{name}: {value}");
        }
    }
}

/// What each case's value must be.
fn holds(name: &str, value: &Value) -> bool {
    let integer = |value: &Value, least: i64, most: i64| {
        value.as_i64().is_some_and(|number| (least..=most).contains(&number))
    };
    match name {
        "object" | "recursive" => value.is_object(),
        "nulls" => *value == json!([null, null]),
        "const" => *value == json!({"a": [1, "二"]}),
        "types" => value.is_null() || value.as_str().is_some_and(|text| text.chars().count() < 4),
        "anyOf" => *value == json!(1) || *value == json!("a"),
        "oneOf" => value.is_boolean() || value.is_null(),
        "allOf" => integer(value, 5, 7),
        "pattern" => {
            value.as_str().is_some_and(|text| text.len() == 8 && text.as_bytes()[3] == b'-')
        }
        "format" => value.as_str().is_some_and(|text| text.len() == 10),
        "number" => value
            .as_f64()
            .is_some_and(|number| number > 0.0 && number <= 1.0 && (number * 4.0).fract() == 0.0),
        "tuple" => *value == json!([1, 2]),
        "map" => value
            .as_object()
            .is_some_and(|map| map.len() < 3 && map.values().all(|value| integer(value, 0, 9))),
        _ => false,
    }
}
