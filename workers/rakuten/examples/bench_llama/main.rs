//! Our engine beside llama.cpp's own server: the same model file, threads and questions, one after
//! the other in each cell. Prints one JSON line for each cell, then a Markdown table.
//!
//! For `scripts/bench-llama`:
//! `bench_llama MODEL SERVER THREADS [ROUNDS [CELLS [CACHE [INSTRUCTIONS]]]]`. CELLS are `streams`,
//! `alone` (one of these), `prefixes`, `newcomer`, `forms`, `cancel` or `all`; CACHE is `q8`, our
//! default, or `f16`; INSTRUCTIONS are those of `llama.instructions`. Never part of the product.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a tool for a terminal"
)]

mod cells;
mod ours;
mod server;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;
use worker_rakuten::engine::{CacheType, Instructions};

/// Slots of both sides.
const SLOTS: u16 = 16;
/// Tokens of each slot's context.
const CONTEXT_TOKENS: u32 = 1_536;

/// One question: the prompt's tokens, and how the answer goes.
#[derive(Clone)]
struct Question {
    prompt: Vec<i32>,
    answer_tokens: u32,
    schema: Option<serde_json::Value>,
}

/// When the pieces of an answer came.
#[derive(Default, Clone)]
struct Times {
    asked: Option<Instant>,
    pieces: Vec<Instant>,
    tokens: u32,
}

impl Times {
    fn first_ms(&self) -> f64 {
        let (Some(asked), Some(first)) = (self.asked, self.pieces.first()) else { return f64::NAN };
        first.duration_since(asked).as_secs_f64() * 1e3
    }
}

/// What answers questions: ours or the other.
trait Side: Sync {
    fn name(&self) -> &'static str;
    /// Answers one question and notes the times; blocks.
    fn ask(&self, question: &Question, heard: &(dyn Fn(usize) + Sync)) -> Times;
    /// The highest resident memory so far, MiB.
    fn memory_mib(&self) -> f64;
    /// Tokens of a text.
    fn tokens(&self, text: &str) -> Vec<i32>;
}

/// Asks all at once.
fn burst(side: &dyn Side, questions: &[Question]) -> Vec<Times> {
    std::thread::scope(|scope| {
        let running: Vec<_> = questions
            .iter()
            .map(|question| scope.spawn(move || side.ask(question, &|_| {})))
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// A measured number of both sides.
struct Cell {
    name: String,
    unit: &'static str,
    ours: Vec<f64>,
    theirs: Vec<f64>,
    /// What the ratio of ours to theirs should be.
    target: &'static str,
}

fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Cell {
    fn ratio(&self) -> f64 {
        median(&self.ours) / median(&self.theirs)
    }

    fn print(&self) {
        let line = json!({
            "cell": self.name, "unit": self.unit, "ours": self.ours, "llama_server": self.theirs,
            "ratio": self.ratio(), "target": self.target,
        });
        println!("{line}");
    }

    fn row(&self) -> String {
        let (ours, theirs) = (median(&self.ours), median(&self.theirs));
        format!(
            "| {} | {ours:.1} | {theirs:.1} | {:.2} | {} |",
            format_args!("{}, {}", self.name, self.unit),
            self.ratio(),
            self.target
        )
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, model, program, threads, rest @ ..] = arguments.as_slice() else {
        panic!("bench_llama MODEL SERVER THREADS [ROUNDS [CELLS [CACHE [INSTRUCTIONS]]]]")
    };
    let (model, threads) = (PathBuf::from(model), threads.parse().unwrap());
    let rounds = rest.first().map_or(2, |rounds| rounds.parse().unwrap());
    let wanted = rest.get(1).map_or("all", String::as_str);
    let cache_type = match rest.get(2).map_or("q8", String::as_str) {
        "q8" => CacheType::Q8,
        "f16" => CacheType::F16,
        other => panic!("CACHE is q8 or f16, not {other}"),
    };
    let instructions = match rest.get(3).map_or("auto", String::as_str) {
        "auto" => None,
        name => Some(Instructions::of_name(name).expect("a set of instructions")),
    };
    let ours = ours::Ours::load(&model, threads, cache_type, instructions);
    let server = server::Server::start(program, &model, threads);
    let measured = cells::measure(&ours, &server, rounds, wanted);
    measured.iter().for_each(Cell::print);
    println!("\n| cell | ours | llama-server | ratio | target |\n|---|---|---|---|---|");
    measured.iter().for_each(|cell| println!("{}", cell.row()));
}
