//! Cancelling at any moment: the slot is free within a step, and nothing is left. What becomes of
//! the step is in interrupting.rs.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;
use worker_rakuten::engine::{Engine, Event, FinishReason, Finished, Usage};

use crate::support::{alone, chat, engine, greedy, options, read, wait_idle};

/// Random cancels of the long test.
const CANCELS: usize = 1_000;

/// The end of an answer whose beginning may have been read.
fn end_of(mut stream: Receiver<Event>) -> Finished {
    let mut last = None;
    while let Some(event) = stream.blocking_recv() {
        last = Some(event);
    }
    match last {
        Some(Event::Finished(finished)) => finished,
        other => panic!("no end but {other:?}"),
    }
}

#[test]
fn cancelling_ends_an_answer_with_what_it_has() {
    let engine = engine();
    let _alone = alone();
    let request = greedy(chat(&engine, "Tell a long story."), 500);
    let cancel = request.cancel.clone();
    let mut stream = engine.generate(request).unwrap();
    for _ in 0..6 {
        assert!(stream.blocking_recv().is_some());
    }
    let begun = Instant::now();
    cancel.cancel();
    let finished = end_of(stream);
    assert_eq!(finished.reason, FinishReason::Cancelled);
    assert!(finished.usage.completion_tokens >= 5);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    wait_idle(&engine);
}

#[test]
fn a_dropped_reader_and_a_cancelled_waiter_cost_nothing() {
    let engine = engine();
    let _alone = alone();
    let long = || engine.generate(greedy(chat(&engine, "Tell a long story."), 500)).unwrap();
    let running: Vec<_> = (0..4).map(|_| long()).collect();
    let request = greedy(chat(&engine, "Hi"), 5);
    let cancel = request.cancel.clone();
    let mut waiting = engine.generate(request).unwrap();
    cancel.cancel();
    // It never started: the first and only event is its end, with nothing to pay.
    let first = waiting.blocking_recv().unwrap();
    let Event::Finished(finished) = first else { panic!("it had started: {first:?}") };
    assert_eq!(finished.reason, FinishReason::Cancelled);
    assert_eq!(finished.usage, Usage::default());
    drop(running);
    wait_idle(&engine);
}

#[test]
fn a_thousand_random_cancels_leave_no_slot_busy() {
    // Of its own: its numbers are compared exactly, and other tests use the shared one.
    let engine = Engine::load(options()).unwrap();
    let before = engine.status();
    let mut random = 12_345_u64;
    let mut next = |most: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from((random >> 33) % most).unwrap()
    };
    // Short ones: what is tested are the moments, and there are a thousand of them.
    let texts = ["Hi", "Tell a long story.", &"a b c ".repeat(7)];
    let prompts = texts.map(|text| engine.prompt_of_text(text).unwrap());
    let mut streams = Vec::new();
    let mut sent = 0;
    while sent < CANCELS {
        let prompt = prompts[next(3)].clone();
        let request = greedy(prompt, 1 + u32::try_from(next(8)).unwrap());
        let cancel = request.cancel.clone();
        if next(8) == 0 {
            cancel.cancel();
        }
        if let Ok(stream) = engine.generate(request) {
            sent += 1;
            streams.push((cancel, stream));
        }
        // With many under way: read a little of one, so that time passes, then end another.
        while streams.len() > 20 {
            let (reads, index) = (next(4), next(20));
            for _ in 0..reads {
                streams[index].1.blocking_recv();
            }
            let (cancel, stream) = streams.swap_remove(next(20));
            match next(3) {
                0 => drop(stream),
                1 => cancel.cancel(),
                _ => {
                    cancel.cancel();
                    let mut stream = stream;
                    while stream.blocking_recv().is_some() {}
                }
            }
        }
    }
    drop(streams);
    wait_idle(&engine);
    let after = engine.status();
    let ended = after.answers_total + after.cancelled_total;
    assert_eq!(ended - before.answers_total - before.cancelled_total, CANCELS as u64);
    assert_eq!(after.restarts_total, 0);
    // No cell of the context is lost: each slot still holds a whole one.
    let long = "a long way to go ".repeat(200);
    let streams: Vec<_> = (0..after.slots)
        .map(|number| {
            let prompt = engine.prompt_of_text(&format!("{number} {long}")).unwrap();
            engine.generate(greedy(prompt, 9)).unwrap()
        })
        .collect();
    for stream in streams {
        let usage = read(stream).finished.usage;
        assert!(usage.prompt_tokens + usage.completion_tokens > 1_000, "{usage:?}");
    }
    engine.stop();
}

#[test]
fn stopping_ends_everything_at_once() {
    let engine = Engine::load(options()).unwrap();
    let streams: Vec<_> = (0..8)
        .map(|_| engine.generate(greedy(chat(&engine, "Tell a long story."), 500)).unwrap())
        .collect();
    let begun = Instant::now();
    engine.stop();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    for stream in streams {
        assert_eq!(end_of(stream).reason, FinishReason::Cancelled);
    }
    engine.stop();
    assert_eq!(engine.status().slots_busy, 0);
}

#[test]
fn the_thread_ends_with_the_last_handle_and_the_answer_is_finished_first() {
    let engine = Engine::load(options()).unwrap();
    let stream = engine.generate(greedy(chat(&engine, "Tell a long story."), 12)).unwrap();
    drop(engine);
    assert_eq!(read(stream).finished.usage.completion_tokens, 12);
}
