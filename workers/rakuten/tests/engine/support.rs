//! Shared by the engine's tests: the demo model, and how to read an answer.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use worker_rakuten::engine::{
    Engine, EngineError, EngineOptions, Event, Finished, GenerateRequest, Instructions, Prompt,
    Sampling, TokenLogprob,
};
use worker_rakuten::template::PromptOptions;

const MODEL: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// The demo model's file.
#[expect(clippy::disallowed_methods, reason = "the environment says where a test's model is")]
pub(crate) fn model_file() -> PathBuf {
    let file = std::env::var_os("FLY_LLM_TEST_MODEL").map_or_else(
        || {
            let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache");
            cache.unwrap_or_else(home).join("fly-llm/models").join(MODEL)
        },
        PathBuf::from,
    );
    assert!(file.exists(), "{} is not there: run make test-tools", file.display());
    file
}

/// Names the instructions that a test shall compute with.
pub(crate) const INSTRUCTIONS: &str = "FLY_LLM_TEST_INSTRUCTIONS";

/// Those that are named.
#[expect(clippy::disallowed_methods, reason = "the environment says what a test is run with")]
pub(crate) fn wanted_instructions() -> Option<Instructions> {
    let name = std::env::var(INSTRUCTIONS).ok()?;
    Some(Instructions::of_name(&name).expect("a set of instructions"))
}

/// Options for a test: small, so that several engines fit into a small machine.
pub(crate) fn options() -> EngineOptions {
    EngineOptions {
        slots: 4,
        context_tokens_per_slot: 1_024,
        threads: Some(2),
        instructions: wanted_instructions(),
        queue_requests_max: 64,
        ..EngineOptions::new(model_file())
    }
}

/// One engine for all tests that do not need their own: a second one per test would only cost
/// memory. Tests that look at its numbers hold [`alone`].
pub(crate) fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::load(options()).expect("the demo model loads")).clone()
}

/// Held by tests that need the engine's slots for themselves.
pub(crate) fn alone() -> std::sync::MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A chat of one user message.
pub(crate) fn chat(engine: &Engine, text: &str) -> Prompt {
    messages(engine, json!([{"role": "user", "content": text}])).expect("a prompt")
}

/// A chat of several messages.
pub(crate) fn messages(engine: &Engine, messages: Value) -> Result<Prompt, EngineError> {
    engine.prompt(messages.as_array().expect("a list"), None, &PromptOptions::default())
}

/// A greedy request for at most `tokens` tokens.
pub(crate) fn greedy(prompt: Prompt, tokens: u32) -> GenerateRequest {
    let sampling = Sampling::greedy();
    GenerateRequest { sampling, tokens_max: Some(tokens), ..GenerateRequest::new(prompt) }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) logprobs: Vec<TokenLogprob>,
    pub(crate) finished: Finished,
    pub(crate) events: usize,
}

/// What must not depend on others: the text, and every probability to the last bit.
pub(crate) fn content(answer: Answer) -> (String, Vec<(i32, u32)>) {
    let bits = answer.logprobs.iter().map(|entry| (entry.token, entry.logprob.to_bits()));
    (answer.text, bits.collect())
}

/// Reads an answer to its end; every answer must begin with `Started` and end with `Finished`.
pub(crate) fn read(events: Receiver<Event>) -> Answer {
    read_on(Vec::new(), events)
}

/// The same of an answer whose first events were read before.
pub(crate) fn read_on(before: Vec<Event>, mut events: Receiver<Event>) -> Answer {
    let (mut text, mut logprobs, mut count) = (String::new(), Vec::new(), 0);
    let mut has_started = false;
    let mut before = before.into_iter();
    while let Some(event) = before.next().or_else(|| events.blocking_recv()) {
        count += 1;
        match event {
            Event::Started { .. } => {
                assert!(!std::mem::replace(&mut has_started, true), "started twice");
            }
            Event::Text { text: more, logprobs: entries } => {
                assert!(has_started, "text before the start");
                assert!(!more.contains(char::REPLACEMENT_CHARACTER), "half a character: {more:?}");
                text.push_str(&more);
                logprobs.extend(entries);
            }
            Event::Finished(finished) => {
                assert!(events.blocking_recv().is_none(), "something after the end");
                return Answer { text, logprobs, finished, events: count };
            }
            Event::Failed(error) => panic!("failed: {error}"),
        }
    }
    panic!("the channel closed without an end");
}

/// Runs one request.
pub(crate) fn run(engine: &Engine, request: GenerateRequest) -> Answer {
    read(engine.generate(request).expect("accepted"))
}

/// Waits until the engine has nothing to do; every test of cancelling ends with it.
pub(crate) fn wait_idle(engine: &Engine) {
    let begun = std::time::Instant::now();
    loop {
        let status = engine.status();
        if status.slots_busy == 0 && status.waiting == 0 {
            return;
        }
        assert!(begun.elapsed().as_secs() < 20, "still busy: {status:?}");
        std::thread::yield_now();
    }
}
