//! Mistakes as an operator wants them told: all of them, each with its line and what to write
//! instead. What can't be read is cut out of a copy of the text, so that the rest is looked at.

use super::check::check;
use super::file::File;
use super::load::Mistake;
use crate::environment::Environment;

/// Mistakes told at most.
const MISTAKES_MAX: usize = 50;

/// Letters by which a word may differ from the one that was meant.
const TYPING_ERRORS_MAX: usize = 2;

/// Everything that is wrong with a text.
pub(super) fn all(text: &str, environment: &Environment) -> Vec<Mistake> {
    let mut lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    while found.len() < MISTAKES_MAX {
        let rest = lines.join("\n");
        let error = match serde_saphyr::from_str::<File>(&rest) {
            Ok(file) => {
                let is_cut = !found.is_empty();
                let more = check(file, environment).err().unwrap_or_default();
                // A model that was cut out is missing for nobody but us.
                let counts = |mistake: &Mistake| !is_cut || !mistake.1.contains("models: ");
                found.extend(placed(text, more).into_iter().filter(counts));
                return found;
            }
            Err(error) => error,
        };
        let mistake = unreadable(&error);
        // What was cut out is missing for nobody but us, and so is what stood below a key.
        let is_ours = !found.is_empty()
            && (mistake.1.contains("missing field")
                || mistake.1.contains("end of input")
                || is_empty_key(&lines, mistake.0));
        let is_cut = cut(&mut lines, mistake.0);
        if !is_ours {
            found.push(mistake);
        }
        if !is_cut {
            return found;
        }
    }
    found
}

/// Whether a line is a key and nothing else.
fn is_empty_key(lines: &[&str], line: u64) -> bool {
    let line = usize::try_from(line).ok().and_then(|line| lines.get(line.checked_sub(1)?));
    line.is_some_and(|line| line.trim_end().ends_with(':'))
}

/// What the parser says, with a guess at the word that was meant.
pub(super) fn unreadable(error: &serde_saphyr::Error) -> Mistake {
    let line = error.location().map_or(1, |location| location.line());
    let told = error.to_string();
    let first = told.lines().find(|line| !line.trim().is_empty()).unwrap_or(&told);
    let told = first.trim_start_matches("error: ");
    let place = |told: &str| told.starts_with("line ");
    let told = told.split_once(": ").filter(|(start, _)| place(start)).map_or(told, |(_, it)| it);
    let told = told.to_owned();
    match meant(&told) {
        Some(word) => (line, format!("{told}; write `{word}`?")),
        None => (line, told),
    }
}

/// The word of `expected one of` that is nearest to the unknown one.
fn meant(told: &str) -> Option<String> {
    let wrong = told.strip_prefix("unknown ")?.split('`').nth(1)?;
    let (_, words) =
        told.split_once("expected one of ").or_else(|| told.split_once("expected "))?;
    let words = words.split(", ").map(|word| word.trim_matches('`'));
    let near = words.map(|word| (distance(wrong, word), word));
    let (errors, word) = near.min_by_key(|(errors, _)| *errors)?;
    (errors <= TYPING_ERRORS_MAX).then(|| word.to_owned())
}

/// Letters to change, add or leave out between two words.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, letter) in one.chars().enumerate() {
        let mut before = number;
        if let Some(first) = row.first_mut() {
            *first = number + 1;
        }
        for (place, wanted) in other.iter().enumerate() {
            let changed = before + usize::from(letter != *wanted);
            let (left, above) = (row[place] + 1, row[place + 1] + 1);
            before = row[place + 1];
            row[place + 1] = changed.min(left).min(above);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Cuts the key of a line out with all that is below it; a model whole, because what is left of it
/// would be missing something. False when there is nothing to cut.
fn cut(lines: &mut [&str], line: u64) -> bool {
    let Some(mut start) = usize::try_from(line).ok().and_then(|line| line.checked_sub(1)) else {
        return false;
    };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_said = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    if lines.get(start).is_none_or(|line| !is_said(line)) {
        return false;
    }
    // The item of a list that the line stands in, if any.
    let depth = lines.get(start).map_or(0, |line| indent(line));
    for number in (0..=start).rev() {
        let Some(line) = lines.get(number).filter(|line| is_said(line)) else { continue };
        if line.trim_start().starts_with("- ") && indent(line) <= depth {
            start = number;
            break;
        }
        if indent(line) == 0 {
            break;
        }
    }
    let depth = lines.get(start).map_or(0, |line| indent(line));
    if let Some(first) = lines.get_mut(start) {
        *first = "";
    }
    for line in lines.iter_mut().skip(start + 1) {
        if is_said(line) && indent(line) <= depth {
            break;
        }
        *line = "";
    }
    true
}

/// Gives mistakes of plain sections their lines: `gateway.listen: …` stands where that key does.
pub(super) fn placed(text: &str, found: Vec<Mistake>) -> Vec<Mistake> {
    let place = |(line, what): Mistake| {
        let is_key = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let key: String = what.chars().take_while(|c| is_key(*c)).collect();
        let there = if line == 1 { line_of(text, &key) } else { None };
        (there.unwrap_or(line), what)
    };
    found.into_iter().map(place).collect()
}

/// The line of `section.key`, or of its section when the key stands on the same line.
fn line_of(text: &str, key: &str) -> Option<u64> {
    let (section, key) = key.split_once('.').unwrap_or((key, ""));
    let starts = |line: &str, key: &str| {
        let said = line.trim_start();
        said.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
    };
    let mut lines = (1u64..).zip(text.lines());
    let (start, _) = lines.find(|(_, line)| !line.starts_with(' ') && starts(line, section))?;
    let inside = lines.take_while(|(_, line)| line.is_empty() || line.starts_with([' ', '-', '#']));
    let mut inside = inside.filter(|(_, line)| !key.is_empty() && starts(line, key));
    Some(inside.next().map_or(start, |(line, _)| line))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::environment::Environment;

    const WRONG: &str = "\
gatewy:
  listen: 127.0.0.1:1
limits:
  paralel: 5
queue:
  replicas: 2
breaker:
  failures_max: lots
cache: {hit_price_percent: 101}
models:
  - name: a
    pool: p
    vendor: opnai
    context: 10
  - name: b
    pool: p
    vendor: openai
    context: 10
    max_output: 20
    price: {input: 1, cached_input: 1, cache_write: 0, output: 1}
  - name: c
    pool: p
    vendor: openai
    context: 10
    max_output: 5
    price: {input: 1, cached_input: 1, cache_write: 0, output: 1}
fallbacks:
  c: [a, b]
";

    #[test]
    fn every_mistake_is_told_with_its_line_and_a_remedy() {
        let found = Config::mistakes(WRONG, "c.yaml", &Environment::default());
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        for (line, what) in [
            (1, "write `gateway`?"),
            (4, "write `parallel`?"),
            (6, "queue.replicas: write 1, or 3 or 5"),
            (8, "u32"),
            (9, "cache.hit_price_percent: 101"),
            (13, "write `openai`?"),
            (15, "model 'b': context and max_output"),
        ] {
            let start = format!("c.yaml:{line}: ");
            let is_it = |told: &&String| told.starts_with(&start) && told.contains(what);
            assert_eq!(told.iter().filter(is_it).count(), 1, "{line} {what}: {told:#?}");
        }
        assert_eq!(told.len(), 7, "{told:#?}");
    }

    #[test]
    fn what_is_no_yaml_is_told_once_and_what_is_right_not_at_all() {
        let found = Config::mistakes("models: [", "c.yaml", &Environment::default());
        assert_eq!(found.len(), 1, "{found:?}");
        let found = Config::mistakes(super::super::DEFAULT_CONFIG, "c", &Environment::default());
        assert!(found.is_empty(), "{found:?}");
    }
}
