//! Beginnings that are computed once: the same answers as without, and the work really saved.

use serde_json::{Value, json};
use worker_rakuten::engine::{CacheLayout, Engine, EngineOptions, Event, FinishReason};

use crate::support::{Answer, greedy, messages, options, read, run, wait_idle};

const SYSTEM: &str = "You are the assistant of a Japanese shop. You know everything about sizes, \
    colours, delivery, returns, gift wrapping and payment, you answer in one short sentence, and \
    you never promise what the shop can't keep. Orders before noon leave the same day. Returns \
    are free for thirty days. 送料は五千円以上で無料です。";

fn engine(slots: u16) -> Engine {
    Engine::load(EngineOptions { slots, ..options() }).unwrap()
}

fn conversation(turns: &[&str]) -> Value {
    let mut list = vec![json!({"role": "system", "content": SYSTEM})];
    for (number, turn) in turns.iter().enumerate() {
        let role = if number % 2 == 0 { "user" } else { "assistant" };
        list.push(json!({"role": role, "content": turn}));
    }
    Value::from(list)
}

fn ask(engine: &Engine, turns: &[&str]) -> worker_rakuten::engine::GenerateRequest {
    let prompt = messages(engine, conversation(turns)).unwrap();
    worker_rakuten::engine::GenerateRequest { logprobs: Some(0), ..greedy(prompt, 16) }
}

/// The answer of an engine that holds nothing of it.
fn afresh(engine: &Engine, turns: &[&str]) -> Answer {
    // The only slot forgets what it holds.
    run(engine, greedy(engine.prompt_of_text("~").unwrap(), 1));
    let answer = run(engine, ask(engine, turns));
    assert_eq!(answer.finished.usage.cached_prompt_tokens, 0);
    answer
}

fn content(answer: &Answer) -> (&str, Vec<i32>) {
    (&answer.text, answer.logprobs.iter().map(|entry| entry.token).collect())
}

#[test]
fn a_growing_chat_computes_only_what_is_new() {
    let (engine, alone) = (engine(2), engine(1));
    let first = run(&engine, ask(&engine, &["Do you ship to Osaka?"]));
    let reply = first.text.clone();
    let turns = ["Do you ship to Osaka?", &reply, "And how long does it take?"];
    let before = first.finished.usage;
    let second = run(&engine, ask(&engine, &turns));
    let usage = second.finished.usage;
    assert!(usage.cached_prompt_tokens >= before.prompt_tokens - 1, "{usage:?} {before:?}");
    assert!(usage.cached_prompt_tokens < usage.prompt_tokens);
    assert_eq!(content(&second), content(&afresh(&alone, &turns)));
    // Asked again, all but the last token is there, and the answer is the same.
    let again = run(&engine, ask(&engine, &turns));
    assert_eq!(again.finished.usage.cached_prompt_tokens, usage.prompt_tokens - 1);
    assert_eq!(content(&again), content(&second));
    assert_eq!(engine.status().restarts_total, 0);
    engine.stop();
    alone.stop();
}

#[test]
fn a_cold_burst_with_one_beginning_computes_it_once() {
    let (engine, alone) = (engine(8), engine(1));
    let questions: Vec<String> = (0..8).map(|number| format!("{number} items, please?")).collect();
    let requests: Vec<_> = questions.iter().map(|text| ask(&engine, &[text])).collect();
    let lengths: Vec<usize> = requests.iter().map(|each| each.prompt.tokens().len()).collect();
    let shared = engine.count(SYSTEM);
    assert!(shared > 64, "{shared}");
    let streams: Vec<_> =
        requests.into_iter().map(|request| engine.generate(request).unwrap()).collect();
    let answers: Vec<Answer> = streams.into_iter().map(read).collect();
    for (question, answer) in questions.iter().zip(&answers) {
        assert_eq!(content(answer), content(&afresh(&alone, &[question])), "{question}");
    }
    wait_idle(&engine);
    let computed = usize::try_from(engine.status().prompt_tokens_total).unwrap();
    let most = lengths.iter().map(|length| length - shared).sum::<usize>() + shared;
    assert!(computed <= most, "{computed} of {most}, {lengths:?}");
    engine.stop();
    alone.stop();
}

#[test]
fn a_running_answer_lends_its_beginning_and_is_not_disturbed() {
    for cache_layout in [CacheLayout::PerSlot, CacheLayout::Unified] {
        let engine = Engine::load(EngineOptions { cache_layout, slots: 2, ..options() }).unwrap();
        let long = || worker_rakuten::engine::GenerateRequest {
            tokens_max: Some(60),
            ..ask(&engine, &["Tell me all about your shop, as long as you can."])
        };
        let expected = run(&engine, long());
        let mut running = engine.generate(long()).unwrap();
        let mut heard = vec![running.blocking_recv().unwrap(), running.blocking_recv().unwrap()];
        let newcomer = run(&engine, ask(&engine, &["Is wrapping free?"]));
        let shared = u32::try_from(engine.count(SYSTEM)).unwrap();
        assert!(newcomer.finished.usage.cached_prompt_tokens >= shared);
        while let Some(event) = running.blocking_recv() {
            heard.push(event);
        }
        let text: String = heard
            .iter()
            .filter_map(|event| match event {
                Event::Text { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        // With one buffer for all, sums depend on where a token lies: said so in the options.
        if cache_layout == CacheLayout::PerSlot {
            assert_eq!(text, expected.text);
        }
        assert!(!text.is_empty() && engine.status().restarts_total == 0);
        engine.stop();
    }
}

#[test]
fn who_waits_for_a_beginning_goes_on_when_the_other_is_cancelled() {
    let engine = engine(4);
    let expected = run(&engine, ask(&engine, &["Is wrapping free?"])).text;
    for round in 0..12 {
        let mut first = ask(&engine, &["first"]);
        // Another beginning in every round, so that nobody holds it yet.
        let text = format!("{round} {SYSTEM} {round}");
        first.prompt = engine.prompt_of_text(&format!("{text} a")).unwrap();
        let cancel = first.cancel.clone();
        let mut second = first.clone();
        second.cancel = tokio_util::sync::CancellationToken::new();
        second.prompt = engine.prompt_of_text(&format!("{text} b")).unwrap();
        let leading = engine.generate(first).unwrap();
        let following = engine.generate(second).unwrap();
        cancel.cancel();
        assert_eq!(read(following).finished.reason, FinishReason::Length);
        drop(leading);
    }
    assert_eq!(run(&engine, ask(&engine, &["Is wrapping free?"])).text, expected);
    wait_idle(&engine);
    engine.stop();
}
