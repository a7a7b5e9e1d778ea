//! What is measured, cell by cell.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use worker_rakuten::engine::Event;

use crate::ours::Ours;
use crate::server::Server;
use crate::{Cell, Question, Side, Times, burst, median};

/// Words that prompts are made of.
const WORDS: [&str; 8] =
    [" shop", " blue", " price", " order", " today", " small", " train", " book"];

/// Prompts that nobody has seen.
struct Prompts<'a> {
    ours: &'a Ours,
    random: u64,
}

impl Prompts<'_> {
    fn fresh(&mut self, tokens: usize) -> Vec<i32> {
        let mut text = String::new();
        for _ in 0..tokens {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push_str(WORDS[usize::try_from(self.random >> 61).unwrap()]);
        }
        let mut prompt = self.ours.tokens(&text);
        prompt.truncate(tokens);
        prompt
    }
}

fn question(prompt: Vec<i32>, answer_tokens: u32) -> Question {
    Question { prompt, answer_tokens, schema: None }
}

fn firsts(times: &[Times]) -> f64 {
    median(&times.iter().map(Times::first_ms).collect::<Vec<_>>())
}

/// Tokens a second while all streams were writing.
fn decode_rate(times: &[Times]) -> f64 {
    let from = times.iter().filter_map(|each| each.pieces.first()).max().unwrap();
    let to = times.iter().filter_map(|each| each.pieces.last()).min().unwrap();
    let pieces = times.iter().flat_map(|each| &each.pieces);
    let within = pieces.filter(|at| *at > from && *at <= to).count();
    within as f64 / to.saturating_duration_since(*from).as_secs_f64()
}

/// Prompt tokens a second until the last stream's first piece.
fn prompt_rate(questions: &[Question], times: &[Times]) -> f64 {
    let tokens: usize = questions.iter().map(|question| question.prompt.len()).sum();
    let asked = times.iter().filter_map(|each| each.asked).min().unwrap();
    let last = times.iter().filter_map(|each| each.pieces.first()).max().unwrap();
    tokens as f64 / last.duration_since(asked).as_secs_f64()
}

fn total_rate(times: &[Times]) -> f64 {
    let asked = times.iter().filter_map(|each| each.asked).min().unwrap();
    let end = times.iter().filter_map(|each| each.pieces.last()).max().unwrap();
    let tokens: u32 = times.iter().map(|each| each.tokens).sum();
    f64::from(tokens) / end.duration_since(asked).as_secs_f64()
}

/// Gaps of three running streams while a prompt of 1,000 tokens arrives (p95, ms), and that
/// prompt's time to its first token (ms).
fn stall(side: &dyn Side, running: &[Question], long: &Question) -> (f64, f64) {
    let ready = Barrier::new(running.len() + 1);
    let wait = |pieces: usize| {
        if pieces == 20 {
            ready.wait();
        }
    };
    let wait = &wait;
    let (times, newcomer) = std::thread::scope(|scope| {
        let threads: Vec<_> =
            running.iter().map(|each| scope.spawn(move || side.ask(each, wait))).collect();
        ready.wait();
        let newcomer = side.ask(long, &|_| {});
        let times: Vec<Times> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        (times, newcomer)
    });
    let asked = newcomer.asked.unwrap();
    let first = *newcomer.pieces.first().unwrap();
    let mut gaps: Vec<f64> = times
        .iter()
        .flat_map(|each| each.pieces.windows(2))
        .filter(|pair| pair[1] > asked && pair[0] < first)
        .map(|pair| pair[1].duration_since(pair[0]).as_secs_f64() * 1e3)
        .collect();
    gaps.sort_by(f64::total_cmp);
    (gaps[(gaps.len() * 95 / 100).min(gaps.len() - 1)], newcomer.first_ms())
}

/// Milliseconds for each token of an answer, free or by a schema.
fn token_ms(side: &dyn Side, prompt: Vec<i32>, has_form: bool) -> f64 {
    let schema = json!({"type": "array", "items": {"type": "object", "properties": {
        "name": {"type": "string"}, "price": {"type": "number"}},
        "required": ["name", "price"]}, "minItems": 60});
    let question = Question { schema: has_form.then_some(schema), ..question(prompt, 96) };
    let times = side.ask(&question, &|_| {});
    let (first, last) = (times.pieces.first().unwrap(), times.pieces.last().unwrap());
    last.duration_since(*first).as_secs_f64() * 1e3 / f64::from(times.tokens.max(2) - 1)
}

/// From a cancellation to a free slot, ms; ours only. It comes `part` of a step after a token.
fn cancel_ms(ours: &Ours, prompt: Vec<i32>, part: f64) -> f64 {
    let request = ours.request(&question(prompt, 400));
    let cancel = request.cancel.clone();
    let mut events = ours.engine.generate(request).unwrap();
    let heard = std::iter::repeat_with(|| events.blocking_recv().map(|_| Instant::now()));
    let heard: Vec<Instant> = heard.take(6).flatten().collect();
    let (before, last) = (heard[heard.len() - 2], heard[heard.len() - 1]);
    freed_ms(ours, &cancel, events, last + last.duration_since(before).mul_f64(part))
}

/// The same so long after a prompt has begun that is computed in large pieces.
fn cancel_prompt_ms(ours: &Ours, prompt: Vec<i32>, after: Duration) -> f64 {
    let request = ours.request(&question(prompt, 2));
    let cancel = request.cancel.clone();
    let mut events = ours.engine.generate(request).unwrap();
    let started = events.blocking_recv().map(|_| Instant::now()).unwrap();
    freed_ms(ours, &cancel, events, started + after)
}

/// Cancels at a moment. The slot is free before the answer's end is told; whoever waits for it
/// sleeps, because the engine needs the cores.
fn freed_ms(
    ours: &Ours,
    cancel: &CancellationToken,
    mut events: Receiver<Event>,
    moment: Instant,
) -> f64 {
    while Instant::now() < moment {
        std::thread::park_timeout(moment.saturating_duration_since(Instant::now()));
    }
    let begun = Instant::now();
    cancel.cancel();
    while events.blocking_recv().is_some() {}
    let passed = begun.elapsed();
    assert_eq!(ours.engine.status().slots_busy, 0);
    passed.as_secs_f64() * 1e3
}

struct Table {
    cells: Vec<Cell>,
}

impl Table {
    fn add(
        &mut self,
        (name, unit, target): (&str, &'static str, &'static str),
        is_ours: bool,
        number: f64,
    ) {
        let at = self.cells.iter().position(|cell| cell.name == name).unwrap_or_else(|| {
            let (ours, theirs) = (Vec::new(), Vec::new());
            self.cells.push(Cell { name: name.to_owned(), unit, ours, theirs, target });
            self.cells.len() - 1
        });
        let cell = &mut self.cells[at];
        if is_ours { cell.ours.push(number) } else { cell.theirs.push(number) }
    }
}

/// The wanted cells, so many times on both sides.
pub(crate) fn measure(ours: &Ours, server: &Server, rounds: usize, wanted: &str) -> Vec<Cell> {
    let wants = |cells: &str| wanted == cells || (wanted == "all" && cells != "alone");
    let mut prompts = Prompts { ours, random: 7 };
    let mut table = Table { cells: Vec::new() };
    let sides: [&dyn Side; 2] = [ours, server];
    for round in 0..rounds {
        for (number, side) in sides.into_iter().enumerate() {
            eprintln_side(round, side);
            if wants("alone") {
                streams(&[1], side, number == 0, &mut prompts, &mut table);
            }
            if wants("streams") {
                streams(&[1, 4, 8, 16], side, number == 0, &mut prompts, &mut table);
            }
            if wants("prefixes") {
                prefixes(side, number == 0, &mut prompts, &mut table);
            }
            if wants("newcomer") {
                newcomer(side, number == 0, &mut prompts, &mut table);
            }
            if wants("forms") {
                forms(side, number == 0, &mut prompts, &mut table);
            }
        }
        if wants("cancel") {
            let parts = (0..8).map(|eighth| f64::from(eighth) / 8.0);
            let times = parts.map(|part| cancel_ms(ours, prompts.fresh(16), part));
            let longest = times.fold(0.0, f64::max);
            table.add(("cancel to free slot, longest of 8", "ms", "ours ≤ 20"), true, longest);
            let moments = (0..16).map(|number| Duration::from_millis(40 + 37 * number));
            let times = moments.map(|after| cancel_prompt_ms(ours, prompts.fresh(1_000), after));
            let longest = times.fold(0.0, f64::max);
            let name = "cancel in a long prompt, longest of 16";
            table.add((name, "ms", "ours ≤ 20"), true, longest);
        }
    }
    for (number, side) in sides.into_iter().enumerate() {
        table.add(("peak memory", "MiB", "≤ 1.0"), number == 0, side.memory_mib());
    }
    table.cells
}

#[expect(clippy::print_stderr, reason = "progress of a tool for a terminal")]
fn eprintln_side(round: usize, side: &dyn Side) {
    eprintln!("round {round}: {}", side.name());
}

fn streams(
    counts: &[usize],
    side: &dyn Side,
    is_ours: bool,
    prompts: &mut Prompts<'_>,
    table: &mut Table,
) {
    for streams in counts.iter().copied() {
        let asked: Vec<_> = (0..streams).map(|_| question(prompts.fresh(64), 48)).collect();
        let times = burst(side, &asked);
        let name = format!("decode, {streams} streams");
        table.add((&name, "tok/s", "≥ 1.0"), is_ours, decode_rate(&times));
        let name = format!("prompts, {streams} at once");
        table.add((&name, "tok/s", "≥ 1.0"), is_ours, prompt_rate(&asked, &times));
    }
}

fn prefixes(side: &dyn Side, is_ours: bool, prompts: &mut Prompts<'_>, table: &mut Table) {
    let times = burst(side, &with_one_beginning(prompts)[1..]);
    table.add(
        ("cold burst of 8, one prefix: first token", "ms", "≤ 0.25"),
        is_ours,
        firsts(&times),
    );
    let warm = with_one_beginning(prompts);
    side.ask(&warm[0], &|_| {});
    let times = burst(side, &warm[1..]);
    table.add(("warm prefix, 8 streams: first token", "ms", "≤ 0.10"), is_ours, firsts(&times));
    table.add(("warm prefix, 8 streams: all", "tok/s", "≥ 1.9"), is_ours, total_rate(&times));
}

/// Nine questions with 120 tokens in common and eight of their own.
fn with_one_beginning(prompts: &mut Prompts<'_>) -> Vec<Question> {
    let shared = prompts.fresh(120);
    (0..9).map(|_| question([shared.clone(), prompts.fresh(8)].concat(), 16)).collect()
}

fn newcomer(side: &dyn Side, is_ours: bool, prompts: &mut Prompts<'_>, table: &mut Table) {
    let running: Vec<_> = (0..3).map(|_| question(prompts.fresh(32), 160)).collect();
    let (gap, first) = stall(side, &running, &question(prompts.fresh(1_000), 2));
    table.add(("gap beside a 1,000-token prompt, p95", "ms", "≤ 0.15"), is_ours, gap);
    table.add(("that prompt's first token", "ms", "≤ 1.35"), is_ours, first);
}

fn forms(side: &dyn Side, is_ours: bool, prompts: &mut Prompts<'_>, table: &mut Table) {
    let free = token_ms(side, prompts.fresh(32), false);
    let formed = token_ms(side, prompts.fresh(32), true);
    table.add(
        ("a token by a JSON schema / a free one", "×", "ours ≤ 1.02"),
        is_ours,
        formed / free,
    );
}
