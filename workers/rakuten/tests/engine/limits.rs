//! No request ends the process, whatever it asks.

use worker_rakuten::engine::{Engine, EngineError, EngineOptions, GenerateRequest, Sampling};

use crate::support::{chat, engine, greedy, messages, options, run};

#[test]
fn a_prompt_that_does_not_fit_is_refused_before_any_work() {
    let engine = engine();
    let list = serde_json::json!([{"role": "user", "content": "word ".repeat(1_100)}]);
    let prompt = messages(&engine, list).unwrap();
    let length = prompt.tokens().len();
    let error = engine.generate(GenerateRequest::new(prompt)).unwrap_err();
    let context_tokens = 1_024;
    assert_eq!(error, EngineError::ContextLengthExceeded { prompt_tokens: length, context_tokens });
    assert!(error.is_client_error());
    assert_eq!(engine.status().waiting, 0);
}

#[test]
fn a_prompt_of_another_model_is_refused() {
    let engine = engine();
    let folder = tempfile::tempdir().unwrap();
    let tiny = crate::tiny::engine(folder.path());
    let error = tiny.generate(greedy(chat(&engine, "Hello"), 1)).unwrap_err();
    assert!(error.to_string().contains("another model"), "{error}");
    tiny.stop();
}

#[test]
fn a_fuzz_of_parameters_never_ends_the_process() {
    let engine = engine();
    let mut random = 99_u64;
    let mut next = |most: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % most
    };
    let odd = [
        0.0,
        -0.0,
        1.0,
        0.5,
        -1.0,
        2.0,
        1e-30,
        1e30,
        100.0,
        -100.0,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MIN_POSITIVE,
        f32::EPSILON,
    ];
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..400 {
        let mut value = |ordinary: f32| {
            if next(3) > 0 { ordinary } else { odd[usize::try_from(next(15)).unwrap()] }
        };
        let sampling = Sampling {
            temperature: value(0.7),
            top_p: value(0.9),
            min_p: value(0.1),
            presence_penalty: value(0.5),
            frequency_penalty: value(-0.5),
            repetition_penalty: value(1.1),
            top_k: [0, 1, 2, 40, 49_151, 49_152, 49_153, u32::MAX]
                [usize::try_from(next(8)).unwrap()],
            seed: [None, Some(0), Some(u64::MAX)][usize::try_from(next(3)).unwrap()],
            logit_bias: (0..next(4))
                .map(|_| (i32::try_from(next(60_000)).unwrap() - 1, 50.0))
                .collect(),
        };
        let request = GenerateRequest {
            sampling,
            stop: (0..next(3))
                .map(|_| ["", "a", "の", " the"][usize::try_from(next(4)).unwrap()].into())
                .collect(),
            tokens_max: [None, Some(0), Some(1), Some(3)][usize::try_from(next(4)).unwrap()]
                .or(Some(2)),
            logprobs: [None, Some(0), Some(20), Some(255)][usize::try_from(next(4)).unwrap()],
            ..GenerateRequest::new(chat(&engine, "Hi"))
        };
        match engine.generate(request) {
            Ok(stream) => {
                crate::support::read(stream);
                accepted += 1;
            }
            Err(error) => {
                assert!(error.is_client_error(), "{error}");
                refused += 1;
            }
        }
    }
    assert!(accepted > 10 && refused > 10, "{accepted} {refused}");
    assert_eq!(engine.status().restarts_total, 0);
}

#[test]
fn odd_shapes_of_the_engine_work() {
    for (slots, batch, busy, context) in [(1, 1, 1, 256), (4, 4, 1, 300), (8, 4_096, 1_000, 256)] {
        let engine = Engine::load(EngineOptions {
            slots,
            batch_tokens_max: batch,
            batch_tokens_busy: busy,
            context_tokens_per_slot: context,
            threads: Some(1),
            ..options()
        })
        .unwrap();
        let streams: Vec<_> =
            (0..6).map(|_| engine.generate(greedy(chat(&engine, "Hello"), 3)).unwrap()).collect();
        let texts: Vec<String> =
            streams.into_iter().map(|stream| crate::support::read(stream).text).collect();
        assert!(texts.iter().all(|text| *text == texts[0] && !text.is_empty()), "{texts:?}");
        engine.stop();
    }
}

#[test]
fn every_way_to_keep_the_context_writes_the_same() {
    use worker_rakuten::engine::{CacheLayout, CacheType};
    // An answer that the last bits of a sum don't turn: eight bits and sixteen differ in those.
    let question = "What is the capital of France? Answer in one word.";
    let expected = run(&engine(), greedy(chat(&engine(), question), 8));
    for (cache_layout, cache_type) in [
        (CacheLayout::PerSlot, CacheType::F16),
        (CacheLayout::Unified, CacheType::Q8),
        (CacheLayout::PerSlot, CacheType::Q8),
    ] {
        let engine = Engine::load(EngineOptions { cache_layout, cache_type, ..options() }).unwrap();
        let request = || greedy(chat(&engine, question), 8);
        let streams: Vec<_> = (0..4).map(|_| engine.generate(request()).unwrap()).collect();
        for stream in streams {
            let text = crate::support::read(stream).text;
            assert_eq!(text, expected.text, "{cache_layout:?}, {cache_type:?}");
        }
        engine.stop();
    }
}
