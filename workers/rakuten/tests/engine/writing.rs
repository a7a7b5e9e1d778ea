//! One answer at a time: text, usage, stops, sampling, log probabilities.

use worker_rakuten::engine::{FinishReason, GenerateRequest, Sampling};

use crate::support::{chat, engine, greedy, run};

#[test]
fn a_greedy_answer_is_sensible_and_repeatable() {
    let engine = engine();
    let prompt = chat(&engine, "Hello");
    let first = run(&engine, greedy(prompt.clone(), 40));
    assert!(first.text.starts_with("Hello!"), "{:?}", first.text);
    assert_eq!(first.finished.usage.prompt_tokens as usize, prompt.tokens().len());
    let second = run(&engine, greedy(prompt, 40));
    assert_eq!(
        (first.text, first.finished.usage.completion_tokens),
        (second.text, second.finished.usage.completion_tokens,)
    );
}

#[test]
fn usage_is_what_the_tokenizer_counts_and_the_end_token_is_free() {
    let engine = engine();
    let answer = run(&engine, greedy(chat(&engine, "Hello"), 200));
    assert_eq!(answer.finished.reason, FinishReason::Stop, "{:?}", answer.text);
    assert_eq!(answer.finished.usage.completion_tokens as usize, engine.count(&answer.text));
    assert!(!answer.text.contains("<|im_end|>"));
}

#[test]
fn the_number_of_tokens_is_kept_to() {
    let engine = engine();
    for tokens in [1, 2, 7] {
        let answer = run(&engine, greedy(chat(&engine, "Tell me a long story."), tokens));
        assert_eq!(answer.finished.reason, FinishReason::Length);
        assert_eq!(answer.finished.usage.completion_tokens, tokens);
        assert_eq!(engine.count(&answer.text), tokens as usize);
    }
}

#[test]
fn an_answer_ends_where_the_context_ends() {
    let engine = engine();
    let prompt = engine.prompt_of_text(&"word ".repeat(1_000)).unwrap();
    let length = prompt.tokens().len();
    assert!((1_000..1_024).contains(&length), "{length}");
    let ban_the_end = (0..3).map(|token| (token, -100.0)).collect();
    let sampling = Sampling { logit_bias: ban_the_end, ..Sampling::greedy() };
    let answer = run(&engine, GenerateRequest { sampling, ..GenerateRequest::new(prompt) });
    assert_eq!(answer.finished.reason, FinishReason::Length);
    assert_eq!(answer.finished.usage.completion_tokens as usize, 1_024 - length);
}

#[test]
fn a_stop_string_ends_the_answer_whatever_the_token_borders() {
    let engine = engine();
    let prompt = chat(&engine, "What is the capital of France?");
    let whole = run(&engine, greedy(prompt.clone(), 40)).text;
    let characters: Vec<char> = whole.chars().collect();
    for start in 0..characters.len().min(30) {
        for length in [1, 3, 8] {
            let Some(stop) = characters.get(start..start + length) else { continue };
            let stop: String = stop.iter().collect();
            let request =
                GenerateRequest { stop: vec![stop.clone()], ..greedy(prompt.clone(), 40) };
            let answer = run(&engine, request);
            let expected = &whole[..whole.find(&stop).unwrap()];
            assert_eq!(answer.text, expected, "stop {stop:?}");
            assert_eq!(answer.finished.reason, FinishReason::Stop);
            assert_eq!(answer.finished.stop, Some(stop));
        }
    }
}

#[test]
fn the_seed_decides() {
    let engine = engine();
    let _alone = crate::support::alone();
    let prompt = chat(&engine, "Tell me something surprising.");
    let ask = |seed, temperature| {
        let sampling = Sampling { temperature, seed, ..Sampling::default() };
        let request = GenerateRequest {
            sampling,
            tokens_max: Some(24),
            ..GenerateRequest::new(prompt.clone())
        };
        run(&engine, request).text
    };
    assert_eq!(ask(Some(7), 1.0), ask(Some(7), 1.0));
    assert_ne!(ask(Some(7), 1.5), ask(Some(8), 1.5));
    assert_ne!(ask(None, 1.5), ask(None, 1.5));
}

#[test]
fn japanese_comes_whole_across_its_byte_tokens() {
    let engine = engine();
    let prompt = chat(&engine, "日本の首都はどこですか?");
    let request = GenerateRequest { logprobs: Some(0), ..greedy(prompt, 40) };
    let answer = run(&engine, request);
    let bytes: Vec<u8> = answer.logprobs.iter().flat_map(|entry| entry.bytes.clone()).collect();
    assert!(answer.logprobs.iter().any(|entry| std::str::from_utf8(&entry.bytes).is_err()));
    assert!(answer.text.chars().any(|character| character > '\u{3000}'), "{}", answer.text);
    // All bytes are there but for those of a character that the limit cut.
    assert!(bytes.starts_with(answer.text.as_bytes()), "{}", answer.text);
    assert!(bytes.len() - answer.text.len() < 4);
}

#[test]
fn log_probabilities_belong_to_the_text() {
    let engine = engine();
    let prompt = chat(&engine, "What is the capital of France?");
    let request = GenerateRequest { logprobs: Some(3), ..greedy(prompt.clone(), 20) };
    let answer = run(&engine, request);
    assert_eq!(answer.logprobs.len(), answer.finished.usage.completion_tokens as usize);
    let bytes: Vec<u8> = answer.logprobs.iter().flat_map(|entry| entry.bytes.clone()).collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), answer.text);
    for entry in &answer.logprobs {
        assert!(entry.logprob <= 0.0);
        assert_eq!(entry.top.len(), 3);
        // Greedy takes the likeliest.
        assert_eq!((entry.top[0].token, entry.top[0].logprob), (entry.token, entry.logprob));
        assert!(entry.top.windows(2).all(|pair| pair[0].logprob >= pair[1].logprob));
    }
    let none = run(&engine, greedy(prompt, 3));
    assert!(none.logprobs.is_empty());
}

#[test]
fn a_bias_of_100_decides_and_one_of_minus_100_bans() {
    let engine = engine();
    let prompt = chat(&engine, "What is the capital of France?");
    let paris = engine.prompt_of_text(" Paris").unwrap().tokens()[0];
    let only = Sampling { logit_bias: vec![(paris, 100.0)], ..Sampling::greedy() };
    let request = GenerateRequest { sampling: only, ..greedy(prompt.clone(), 3) };
    assert_eq!(run(&engine, request).text, " Paris Paris Paris");
    let never = Sampling { logit_bias: vec![(paris, -100.0)], ..Sampling::greedy() };
    let request = GenerateRequest { sampling: never, ..greedy(prompt, 20) };
    assert!(!run(&engine, request).text.contains(" Paris"));
}
