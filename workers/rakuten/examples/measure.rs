//! Measures the engine on one model file and prints tokens per second.
//!
//! For developers: `cargo run --example measure -- FILE`. Must never be part of the product.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a tool for a terminal"
)]

use std::time::Instant;

use tokio::sync::mpsc::Receiver;
use worker_rakuten::engine::{
    CacheLayout, CacheType, Engine, EngineOptions, Event, Finished, GenerateRequest, Sampling,
};

const ANSWER_TOKENS: u32 = 64;

fn request(engine: &Engine, prompt_tokens: usize, number: usize) -> GenerateRequest {
    let text = format!("{number} {}", "word ".repeat(prompt_tokens - 2));
    let prompt = engine.prompt_of_text(&text).unwrap();
    let sampling = Sampling {
        logit_bias: vec![(0, -100.0), (2, -100.0)],
        seed: Some(1),
        ..Sampling::default()
    };
    GenerateRequest { sampling, tokens_max: Some(ANSWER_TOKENS), ..GenerateRequest::new(prompt) }
}

fn end(mut events: Receiver<Event>) -> Finished {
    while let Some(event) = events.blocking_recv() {
        match event {
            Event::Finished(finished) => return finished,
            Event::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
    panic!("no end")
}

fn main() {
    let file = std::env::args().nth(1).unwrap();
    for (layout, kind) in [
        (CacheLayout::Unified, CacheType::F16),
        (CacheLayout::PerSlot, CacheType::F16),
        (CacheLayout::Unified, CacheType::Q8),
        (CacheLayout::PerSlot, CacheType::Q8),
    ] {
        let engine = Engine::load(EngineOptions {
            slots: 8,
            context_tokens_per_slot: 2_048,
            threads: Some(2),
            cache_layout: layout,
            cache_type: kind,
            ..EngineOptions::new(&file)
        })
        .unwrap();
        for (streams, prompt) in [(1, 128), (4, 128), (8, 128), (1, 1_000), (4, 1_000)] {
            let begun = Instant::now();
            let events: Vec<_> = (0..streams)
                .map(|number| engine.generate(request(&engine, prompt, number)).unwrap())
                .collect();
            let ends: Vec<Finished> = events.into_iter().map(end).collect();
            let wall = begun.elapsed().as_secs_f64();
            let prompt_seconds =
                ends.iter().map(|end| end.timing.prompt_seconds).fold(0.0, f64::max);
            let prompt_tokens: u32 = ends.iter().map(|end| end.usage.prompt_tokens).sum();
            let tokens: u32 = ends.iter().map(|end| end.usage.completion_tokens).sum();
            println!(
                "{layout:?} {kind:?} streams {streams} prompt {prompt}: prefill {:.0} tok/s, decode {:.1} tok/s, wall {wall:.2} s",
                f64::from(prompt_tokens) / prompt_seconds,
                f64::from(tokens) / (wall - prompt_seconds),
            );
        }
        engine.stop();
    }
}
