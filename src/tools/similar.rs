//! `similar`: which questions of a file the cache would take for one another. Pairs that people
//! have judged give its hits and false hits; plain lists give every two that would share an answer.
//! Nothing is sent anywhere.

use super::say;
use crate::command_line::Similar;
use crate::role::{self, Failure};
use gateway::semantic::Reading;
use infra::environment::Environment;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Instant;

/// Names that the columns of public sets have.
const ONE: [&str; 4] = ["sentence1", "question1", "text1", "s1"];
const OTHER: [&str; 4] = ["sentence2", "question2", "text2", "s2"];
const LABEL: [&str; 5] = ["label", "is_duplicate", "score", "gold_label", "similarity"];
const ALONE: [&str; 4] = ["prompt", "question", "text", "sentence"];

/// Two questions, and what people say of them.
struct Pair {
    one: String,
    other: String,
    label: Option<f64>,
}

/// What came of it.
#[derive(Default)]
struct Count {
    pairs: usize,
    same: usize,
    read: usize,
    hits: usize,
    false_hits: Vec<(String, String)>,
    /// What each question took, in order when all are read.
    micros: Vec<f64>,
}

impl Count {
    fn percentile(&self, percent: usize) -> f64 {
        let at = (self.micros.len() * percent / 100).min(self.micros.len().saturating_sub(1));
        self.micros.get(at).copied().unwrap_or_default()
    }
}

/// Judges a file.
pub(super) fn run(arguments: &Similar, environment: &Environment) -> Result<ExitCode, Failure> {
    let config = role::read_config(&arguments.config, environment)?;
    let least = config.cache.semantic_similarity_min;
    let text = std::fs::read_to_string(&arguments.file)
        .map_err(|error| Failure::usage(format!("{}: {error}", arguments.file.display())))?;
    let rows = rows(&text)?;
    if arguments.distinct {
        return list(&rows, least, arguments.json);
    }
    let pairs: Vec<Pair> = rows.iter().filter_map(pair).collect();
    if pairs.is_empty() {
        return Err(Failure::usage("no pairs: name the columns sentence1, sentence2 and label"));
    }
    // Patterns are compiled at the first question, once in a process's life.
    drop(pairs.first().map(|pair| Reading::of(&pair.one)));
    let mut count = Count::default();
    for pair in pairs {
        let begun = Instant::now();
        judge(&mut count, pair, arguments.same, least);
        // Two questions are read, and compared once.
        count.micros.push(begun.elapsed().as_secs_f64() * 1_000_000.0 / 2.0);
    }
    count.micros.sort_by(f64::total_cmp);
    tell(&count, arguments.json)
}

fn judge(count: &mut Count, pair: Pair, same: f64, least: f64) {
    let is_same = pair.label.is_none_or(|label| label >= same);
    let readings = Reading::of(&pair.one).zip(Reading::of(&pair.other));
    let similarity = readings.as_ref().and_then(|(one, other)| one.similarity(other));
    count.pairs += 1;
    count.same += usize::from(is_same);
    count.read += usize::from(readings.is_some());
    if similarity.is_none_or(|similarity| similarity < least) {
        return;
    }
    if is_same {
        count.hits += 1;
    } else {
        count.false_hits.push((pair.one, pair.other));
    }
}

fn tell(count: &Count, as_json: bool) -> Result<ExitCode, Failure> {
    let (wrong, others) = (count.false_hits.len(), count.pairs - count.same);
    let [half, most] = [50, 99].map(|percent| count.percentile(percent));
    if as_json {
        let told = json!({
            "pairs": count.pairs, "same": count.same, "read": count.read, "hits": count.hits,
            "false_hits": count.false_hits, "hit_rate": rate(count.hits, count.same),
            "false_hit_rate": rate(wrong, others), "microseconds": half,
            "microseconds_p99": most,
        });
        say(told.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!("pairs: {}, of them one question: {}", count.pairs, count.same))?;
    say(format!("compared (both are short questions): {}", count.read))?;
    say(format!("hits: {} ({:.2} % of those)", count.hits, 100.0 * rate(count.hits, count.same)))?;
    say(format!("false hits: {wrong} ({:.3} % of the others)", 100.0 * rate(wrong, others)))?;
    say(format!("time: median {half:.1} µs, p99 {most:.1} µs a question"))?;
    for (one, other) in &count.false_hits {
        say(format!("  {one} = {other}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn rate(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Every two different questions of a list that would share an answer.
fn list(rows: &[Value], least: f64, as_json: bool) -> Result<ExitCode, Failure> {
    let texts: Vec<String> = rows.iter().filter_map(|row| word(row, &ALONE)).collect();
    let mut known: HashMap<String, Vec<(&str, Reading)>> = HashMap::new();
    let (mut read, mut shared) = (0_usize, Vec::new());
    let mut seen = std::collections::HashSet::new();
    for text in texts.iter().filter(|text| seen.insert(text.trim())) {
        let Some(reading) = Reading::of(text) else { continue };
        read += 1;
        let alike = known.entry(reading.digest()).or_default();
        let near = |(_, other): &&(&str, Reading)| {
            reading.similarity(other).is_some_and(|similarity| similarity >= least)
        };
        shared.extend(alike.iter().filter(near).map(|(other, _)| (*other, text.as_str())));
        alike.push((text, reading));
    }
    let pairs = read * read.saturating_sub(1) / 2;
    if as_json {
        let told = json!({"texts": seen.len(), "read": read, "pairs": pairs, "shared": shared});
        say(told.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!("texts: {}, of them short questions: {read}, pairs: {pairs}", seen.len()))?;
    say(format!("pairs that would share an answer: {}", shared.len()))?;
    for (one, other) in shared {
        say(format!("  {one} = {other}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn pair(row: &Value) -> Option<Pair> {
    let label = LABEL.iter().find_map(|name| row.get(name)).and_then(|label| match label {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    });
    Some(Pair { one: word(row, &ONE)?, other: word(row, &OTHER)?, label })
}

fn word(row: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| row.get(name)).and_then(Value::as_str).map(str::to_owned)
}

/// The rows of JSON lines, or of a table with tabs whose first line names the columns.
fn rows(text: &str) -> Result<Vec<Value>, Failure> {
    let lines = || text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    if lines().next().is_some_and(|line| line.starts_with('{')) {
        let row = |line: &str| serde_json::from_str(line).map_err(Failure::usage);
        return lines().map(row).collect();
    }
    let mut lines = lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let row = |line: &str| {
        let cells = names.iter().zip(line.split('\t'));
        cells.map(|(name, cell)| ((*name).to_owned(), Value::from(cell))).collect()
    };
    Ok(lines.map(row).collect())
}
