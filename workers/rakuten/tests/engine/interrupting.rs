//! Cancelling in the middle of a pass of llama.cpp: the pass is broken off, and those whose part of
//! it has to be computed again don't see it in their answers.

use std::fmt;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::span;
use worker_rakuten::engine::{Engine, EngineOptions, Event, FinishReason, GenerateRequest};

use crate::support::{content, greedy, options, read, run, wait_idle};

/// How often a cancellation is tried until one has met a pass.
const TRIES_MAX: usize = 40;

/// Lines in which llama.cpp tells of a pass that it could not finish.
static FAILURES_LOGGED: AtomicUsize = AtomicUsize::new(0);

/// Counts them, for this test and all others.
struct Counting;

impl tracing::Subscriber for Counting {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Reading);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Reading;

impl Visit for Reading {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if text.contains("failed to compute graph") || text.contains("removing memory module") {
            FAILURES_LOGGED.fetch_add(1, Relaxed);
        }
    }
}

/// An engine of its own, whose log is read.
fn logged(options: EngineOptions) -> Engine {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Counting).unwrap());
    Engine::load(options).unwrap()
}

/// A prompt that is computed for a while, and that no other begins like.
fn long(engine: &Engine, number: usize, words: usize) -> GenerateRequest {
    let text = format!("{number}: {}", "a long way to go ".repeat(words));
    GenerateRequest { logprobs: Some(0), ..greedy(engine.prompt_of_text(&text).unwrap(), 8) }
}

fn broken_off(engine: &Engine) -> u64 {
    engine.status().broken_off_total
}

/// Nothing runs, nothing has failed, and nothing looks as if it had.
fn assert_well(engine: &Engine) {
    wait_idle(engine);
    let status = engine.status();
    assert_eq!((status.restarts_total, FAILURES_LOGGED.load(Relaxed)), (0, 0));
}

/// The same, and each slot still holds a whole context.
fn assert_whole(engine: &Engine) {
    assert_well(engine);
    let slots = engine.status().slots;
    let requests = (0..slots).map(|number| long(engine, 1_000 + number, 190));
    let streams: Vec<_> = requests.map(|request| engine.generate(request).unwrap()).collect();
    for stream in streams {
        let answer = read(stream);
        assert!(answer.finished.usage.prompt_tokens > 950, "{:?}", answer.finished.usage);
        assert_eq!(answer.finished.reason, FinishReason::Length);
    }
}

#[test]
fn a_cancelled_prompt_is_not_computed_to_its_end() {
    let engine = logged(options());
    let expected = content(run(&engine, long(&engine, 0, 190)));
    let begun = broken_off(&engine);
    let mut frees = Vec::new();
    for number in 1..=8 {
        let request = long(&engine, number, 190);
        let cancel = request.cancel.clone();
        let mut stream = engine.generate(request).unwrap();
        assert!(matches!(stream.blocking_recv(), Some(Event::Started { .. })));
        let cancelled = Instant::now();
        cancel.cancel();
        let finished = read_end(stream);
        frees.push(cancelled.elapsed());
        assert_eq!((finished.0, finished.1), (FinishReason::Cancelled, 0));
        wait_idle(&engine);
    }
    assert!(broken_off(&engine) > begun, "no pass was met");
    // The whole prompt takes a second on two cores.
    frees.sort_unstable();
    assert!(frees[4] < Duration::from_millis(300), "{frees:?}");
    // What was left of the broken passes is not seen by those who come later.
    let prompt = long(&engine, 0, 190);
    assert_eq!(content(run(&engine, prompt)), expected);
    assert_whole(&engine);
}

/// Why an answer ended and how many tokens it had; its beginning may have been read.
fn read_end(mut stream: tokio::sync::mpsc::Receiver<Event>) -> (FinishReason, u32) {
    while let Some(event) = stream.blocking_recv() {
        if let Event::Finished(finished) = event {
            return (finished.reason, finished.usage.completion_tokens);
        }
    }
    panic!("no end");
}

#[test]
fn streams_beside_cancelled_prompts_are_the_streams_alone() {
    let engine = logged(options());
    let ask = |number: usize| GenerateRequest {
        logprobs: Some(0),
        tokens_max: Some(60),
        ..long(&engine, number, 3)
    };
    let alone: Vec<_> = (0..2).map(|number| content(run(&engine, ask(number)))).collect();
    for number in 0..TRIES_MAX {
        let begun = broken_off(&engine);
        let mut streams: Vec<_> = (0..2).map(|n| engine.generate(ask(n)).unwrap()).collect();
        let mut texts = [const { Vec::new() }; 2];
        for round in 0..3 {
            let request = long(&engine, 10 + number * 3 + round, 150);
            let cancel = request.cancel.clone();
            let mut prompt = engine.generate(request).unwrap();
            assert!(matches!(prompt.blocking_recv(), Some(Event::Started { .. })));
            // The streams' tokens come before the prompt's pass begins.
            texts[0].push(streams[0].blocking_recv().unwrap());
            cancel.cancel();
            assert_eq!(read_end(prompt).0, FinishReason::Cancelled);
        }
        let together = streams
            .into_iter()
            .zip(texts)
            .map(|(rest, read_before)| content(crate::support::read_on(read_before, rest)));
        assert_eq!(together.collect::<Vec<_>>(), alone);
        if broken_off(&engine) > begun {
            return assert_well(&engine);
        }
    }
    panic!("no pass was met");
}

#[test]
fn a_prompt_that_is_computed_again_gives_the_same_answer() {
    let engine = logged(options());
    for number in 0..TRIES_MAX {
        let expected = content(run(&engine, long(&engine, number, 60)));
        // Other texts, so that nothing of the survivor is in a slot.
        let flushed = (0..4).map(|n| engine.generate(long(&engine, 500 + n, 9)).unwrap());
        flushed.collect::<Vec<_>>().into_iter().for_each(|stream| drop(read(stream)));
        let begun = broken_off(&engine);
        let request = long(&engine, 100 + number, 150);
        let cancel = request.cancel.clone();
        let cancelled = engine.generate(request).unwrap();
        let mut survivor = engine.generate(long(&engine, number, 60)).unwrap();
        let first = survivor.blocking_recv().unwrap();
        assert!(matches!(first, Event::Started { .. }));
        cancel.cancel();
        assert_eq!(read_end(cancelled).0, FinishReason::Cancelled);
        assert_eq!(content(crate::support::read_on(vec![first], survivor)), expected);
        if broken_off(&engine) > begun {
            return assert_well(&engine);
        }
    }
    panic!("no pass was met");
}

#[test]
fn who_is_beside_a_constant_canceller_is_answered() {
    let engine = logged(EngineOptions { slots: 2, ..options() });
    let ask = || GenerateRequest { tokens_max: Some(60), ..long(&engine, 0, 3) };
    let expected = content(run(&engine, ask()));
    let mut steady = engine.generate(ask()).unwrap();
    let mut events = Vec::new();
    // Each of these writes with the steady one, and half of every pass is its own.
    while !matches!(events.last(), Some(Event::Finished(_))) {
        let request = GenerateRequest { tokens_max: Some(500), ..long(&engine, 1, 3) };
        let cancel = request.cancel.clone();
        let mut other = engine.generate(request).unwrap();
        while !matches!(other.blocking_recv(), Some(Event::Text { .. })) {}
        cancel.cancel();
        assert_eq!(read_end(other).0, FinishReason::Cancelled);
        while let Ok(event) = steady.try_recv() {
            events.push(event);
        }
    }
    assert_eq!(content(crate::support::read_on(events, steady)), expected);
    assert_well(&engine);
}
