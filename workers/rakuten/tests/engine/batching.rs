//! Many answers at once: the same texts as alone, and nobody waits for anybody.

use std::time::Instant;

use worker_rakuten::engine::{Engine, EngineError, Event, FinishReason};

use crate::support::{alone, chat, content, engine, greedy, options, read, run, wait_idle};

#[test]
fn sixteen_chats_at_once_are_the_chats_alone() {
    let engine = engine();
    let _alone = alone();
    let questions: Vec<String> = (0..16)
        .map(|number| match number % 4 {
            0 => format!("What is {number} plus {number}?"),
            1 => format!("Write a sentence about a cat named Number{number}."),
            2 => format!("日本の首都はどこですか? {number}"),
            _ => format!("{}Summarise this in a few words.", "The sky is blue. ".repeat(number)),
        })
        .collect();
    let ask = |text: &String| worker_rakuten::engine::GenerateRequest {
        logprobs: Some(0),
        ..greedy(chat(&engine, text), 24)
    };
    let before = engine.status().steps_total;
    let one_by_one: Vec<_> =
        questions.iter().map(|text| content(run(&engine, ask(text)))).collect();
    let between = engine.status().steps_total;
    let streams: Vec<_> =
        questions.iter().map(|text| engine.generate(ask(text)).unwrap()).collect();
    let together: Vec<_> = streams.into_iter().map(|stream| content(read(stream))).collect();
    let after = engine.status().steps_total;
    assert_eq!(one_by_one, together);
    // Decoded side by side: about a quarter of the steps, on four slots.
    assert!((after - between) * 2 < between - before, "{before} {between} {after}");
    wait_idle(&engine);
}

#[test]
fn a_newcomer_joins_while_others_write() {
    let engine = engine();
    let _alone = alone();
    let mut long = engine.generate(greedy(chat(&engine, "Tell a long story."), 200)).unwrap();
    for _ in 0..5 {
        assert!(long.blocking_recv().is_some());
    }
    let short = run(&engine, greedy(chat(&engine, "Hi"), 3));
    assert_eq!(short.finished.usage.completion_tokens, 3);
    assert!(engine.status().slots_busy >= 1, "the long one is still being written");
    drop(long);
    wait_idle(&engine);
}

#[test]
fn a_long_prompt_does_not_stop_a_stream() {
    let engine =
        Engine::load(worker_rakuten::engine::EngineOptions { batch_tokens_busy: 32, ..options() })
            .unwrap();
    let mut stream = engine.generate(greedy(chat(&engine, "Tell a long story."), 400)).unwrap();
    for _ in 0..3 {
        assert!(stream.blocking_recv().is_some());
    }
    let long = "Lorem ipsum dolor sit amet. ".repeat(80);
    let mut newcomer = engine.generate(greedy(chat(&engine, &long), 2)).unwrap();
    let mut meanwhile = 0;
    let prompt_tokens = loop {
        if let Ok(Event::Started { prompt_tokens, .. }) = newcomer.try_recv() {
            break prompt_tokens;
        }
        assert!(stream.blocking_recv().is_some());
    };
    while newcomer.try_recv().is_err() {
        assert!(stream.blocking_recv().is_some(), "the stream goes on");
        meanwhile += 1;
    }
    // One token of the stream for every 32 tokens of the prompt.
    assert!(meanwhile >= prompt_tokens / 32 / 2, "{meanwhile} beside {prompt_tokens}");
    engine.stop();
}

#[test]
fn a_reader_who_does_not_read_holds_up_nobody() {
    let engine = engine();
    let _alone = alone();
    let lazy: Vec<_> = (0..3)
        .map(|_| engine.generate(greedy(chat(&engine, "Tell a long story."), 150)).unwrap())
        .collect();
    let answer = run(&engine, greedy(chat(&engine, "Tell a long story."), 150));
    wait_idle(&engine);
    for stream in lazy {
        let late = read(stream);
        assert_eq!(late.text, answer.text);
        assert!(late.events <= 64, "joined: {}", late.events);
    }
}

#[test]
fn a_full_line_is_busy_and_nothing_is_lost() {
    let engine = Engine::load(worker_rakuten::engine::EngineOptions {
        slots: 1,
        queue_requests_max: 3,
        ..options()
    })
    .unwrap();
    let prompt = chat(&engine, "Tell a long story.");
    let mut streams = Vec::new();
    let begun = Instant::now();
    let error = loop {
        match engine.generate(greedy(prompt.clone(), 8)) {
            Ok(stream) => streams.push(stream),
            Err(error) => break error,
        }
        assert!(begun.elapsed().as_secs() < 20);
    };
    assert!(matches!(error, EngineError::Busy { waiting: 3 }), "{error}");
    for stream in streams {
        assert_eq!(read(stream).finished.reason, FinishReason::Length);
    }
    wait_idle(&engine);
    engine.stop();
    assert_eq!(engine.generate(greedy(prompt, 1)).unwrap_err(), EngineError::Stopped);
}
