//! A small fuzzer for tests on stable Rust: it changes the corpus at random and hands every case to
//! a target, which asserts. The numbers are the same in every run, so that a case found once is
//! found again by its number; a longer run goes on where a short one ends. It needs no nightly
//! compiler and no coverage, and knows nothing of what it is fed to.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends by a panic: that is how it fails"
)]

/// Changes of bytes.
mod bytes;

/// Changes of JSON.
mod tree;

/// The same random numbers in every run.
mod numbers;

pub use numbers::Numbers;

use infra::environment::Environment;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// How many seconds each target runs, instead of its short run.
const FLY_LLM_FUZZ_SECONDS: &str = "FLY_LLM_FUZZ_SECONDS";

/// Cases of a short run: a part of every test run.
const CASES_DEFAULT: u64 = 1_000;

/// Changes that one case may have on top of each other.
const CHANGES_MAX: usize = 4;

/// The largest case, in bytes.
const CASE_BYTES_MAX: usize = 64 * 1024;

/// Files of a folder and those below it whose names end so, in their order.
///
/// # Panics
/// When there is none: a target without a corpus tests nothing.
pub fn corpus(folder: &Path, endings: &[&str]) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no corpus in {}", folder.display());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Runs a target on the corpus and on what is made of it: as many cases as a short run has, or as
/// many seconds as `FLY_LLM_FUZZ_SECONDS` says.
///
/// # Panics
/// When the target does, telling the case.
pub fn run(target: &str, corpus: &[Vec<u8>], check: impl Fn(&[u8])) {
    let seconds = Environment::of_process();
    let seconds = seconds.get(FLY_LLM_FUZZ_SECONDS).map(|text| text.parse().unwrap());
    let time = seconds.map(Duration::from_secs);
    let began = Instant::now();
    let mut number = 0;
    let goes_on = |number| match time {
        Some(time) => began.elapsed() < time,
        None => number < CASES_DEFAULT,
    };
    while number < corpus.len() as u64 || goes_on(number) {
        let case = case(corpus, number);
        if catch_unwind(AssertUnwindSafe(|| check(&case))).is_err() {
            let shown = String::from_utf8_lossy(&case);
            panic!("{target}: case {number} fails: {shown}\nin bytes: {case:?}");
        }
        number += 1;
    }
}

/// The case of a number: the corpus itself first.
fn case(corpus: &[Vec<u8>], number: u64) -> Vec<u8> {
    if let Some(seed) = usize::try_from(number).ok().and_then(|number| corpus.get(number)) {
        return seed.clone();
    }
    let mut numbers = Numbers::new(number);
    let mut case = numbers.one_of(corpus).clone();
    let other = numbers.one_of(corpus);
    for _ in 0..=numbers.below(CHANGES_MAX) {
        let changed = match numbers.below(4) {
            0 => None,
            _ => tree::changed(&case, other, &mut numbers),
        };
        case = changed.unwrap_or_else(|| bytes::changed(case, other, &mut numbers));
        case.truncate(CASE_BYTES_MAX);
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn corpus() -> Vec<Vec<u8>> {
        vec![b"{\"a\": [1, \"x\"], \"b\": {\"c\": null}}".to_vec(), b"data: x\n\n".to_vec()]
    }

    #[test]
    fn a_case_is_found_again_by_its_number() {
        for number in 0..200 {
            assert_eq!(case(&corpus(), number), case(&corpus(), number));
        }
        let all: std::collections::BTreeSet<_> =
            (0..200).map(|number| case(&corpus(), number)).collect();
        assert!(all.len() > 150, "cases differ: {}", all.len());
    }

    #[test]
    fn changes_of_json_stay_json() {
        let mut numbers = Numbers::new(1);
        let corpus = corpus();
        for _ in 0..500 {
            let changed = tree::changed(&corpus[0], &corpus[0], &mut numbers).unwrap();
            assert!(serde_json::from_slice::<serde_json::Value>(&changed).is_ok());
        }
        assert_eq!(tree::changed(&corpus[1], &corpus[0], &mut numbers), None);
    }

    #[test]
    #[should_panic(expected = "planted: case ")]
    fn a_fault_is_found() {
        run("planted", &corpus(), |case| assert!(!case.contains(&0xFF)));
    }

    #[test]
    fn a_short_run_has_its_cases() {
        let count = Cell::new(0);
        run("counted", &corpus(), |_| count.set(count.get() + 1));
        assert!(count.get() > 0);
    }
}
