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
                // We cut a broken model out to find further mistakes: the file is not to blame for
                // its being missing now.
                let counts = |mistake: &Mistake| !is_cut || !mistake.1.contains("models: ");
                found.extend(placed(text, more).into_iter().filter(counts));
                return found;
            }
            Err(error) => error,
        };
        let mistake = unreadable(&rest, &error);
        // What we cut out is missing now, and so is what stood below its key: the file is not to
        // blame.
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

/// What the parser says, with the key that it says it of, and what to write instead.
pub(super) fn unreadable(text: &str, error: &serde_saphyr::Error) -> Mistake {
    let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
    let told = error.to_string();
    let first = told.lines().find(|line| !line.trim().is_empty()).unwrap_or(&told);
    let told = first.trim_start_matches("error: ");
    let place = |told: &str| told.starts_with("line ");
    let told = told.split_once(": ").filter(|(start, _)| place(start)).map_or(told, |(_, it)| it);
    let key = way(text, line, column);
    let key = if key.is_empty() { "the file".into() } else { key };
    if let Some((what, remedy)) = wanted(told) {
        return (line, format!("{key}: {what}: write {remedy}"));
    }
    let is_of_a_value = told.starts_with(['\'', '"']) || told.starts_with("unknown variant");
    let told = if is_of_a_value { format!("{key}: {told}") } else { told.to_owned() };
    match meant(told.strip_prefix(&format!("{key}: ")).unwrap_or(&told)) {
        Some(word) => (line, format!("{told}; write `{word}`?")),
        None => (line, told),
    }
}

/// What a value of another type isn't, and what to write instead.
fn wanted(told: &str) -> Option<(&'static str, &'static str)> {
    let whole = "is not a whole number that fits";
    Some(match told {
        "invalid u8" => (whole, "one from 0 to 255"),
        "invalid u16" => (whole, "one from 0 to 65535"),
        "invalid u32" => (whole, "one from 0 to 4294967295"),
        "invalid u64" => (whole, "one of 0 or more, without a unit"),
        "invalid floating point" => ("is not a number", "one such as 0.5"),
        "invalid i64" => (whole, "one such as 1000"),
        "invalid boolean" => ("is neither true nor false", "one of them, without quotes"),
        "expected mapping start" => ("is not a section with keys", "each as `key: value`"),
        "expected sequence start" => ("is not a list", "one such as [a, b]"),
        "expected string scalar" => ("is not one text", "a single word or a text in quotes"),
        _ => return None,
    })
}

/// The key whose value stands at a place, with the sections around it, such as
/// `limits.parallel`; empty at the top of the file.
fn way(text: &str, line: u64, column: u64) -> String {
    let until = usize::try_from(line).unwrap_or(usize::MAX);
    let lines: Vec<&str> = text.lines().take(until).collect();
    let Some((last, above)) = lines.split_last() else { return String::new() };
    let before = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let before: String = last.chars().take(before).collect();
    let mut keys = keys_of(&before);
    keys.reverse();
    // An item of a list may stand as far left as its key.
    let depth = |line: &str| {
        let said = line.trim_start_matches(' ');
        2 * (line.len() - said.len()) + usize::from(said.starts_with("- "))
    };
    let mut limit = depth(last);
    for line in above.iter().rev() {
        let said = line.trim_start_matches([' ', '-']);
        if limit > 0 && depth(line) < limit && !said.is_empty() && !said.starts_with('#') {
            // Beside the first key of an item stand its other keys, which are not below it.
            let is_beside = line.trim_start().starts_with("- ") && limit <= depth(line) + 3;
            limit = depth(line);
            keys.extend(keys_of(line).pop().filter(|_| !is_beside));
        }
    }
    keys.reverse();
    keys.join(".")
}

/// The keys that are open at the end of a line: `a: {b: 1, c: ` leaves `a` and `c`.
fn keys_of(line: &str) -> Vec<String> {
    let (mut keys, mut word, mut key) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match c {
            ':' => key = Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()),
            '{' | '[' => keys.extend(key.take()),
            ',' => (key, word) = (None, String::new()),
            c if c.is_alphanumeric() || "_-.*".contains(c) => word.push(c),
            _ => word.clear(),
        }
    }
    keys.extend(key);
    for key in &mut keys {
        *key = key.trim_start_matches('-').to_owned();
    }
    keys
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
        let there = if line == 1 { line_of(text, &key, what.split('\'').nth(1)) } else { None };
        (there.unwrap_or(line), what)
    };
    found.into_iter().map(place).collect()
}

/// The line of `section.key`, or of its section when the key stands on the same line; of the key
/// below it that is called by name, if there is one.
fn line_of(text: &str, key: &str, below: Option<&str>) -> Option<u64> {
    let (section, key) = key.split_once('.').unwrap_or((key, ""));
    let starts = |line: &str, key: &str| {
        let said = line.trim_start();
        said.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
    };
    let mut lines = (1u64..).zip(text.lines());
    let (start, _) = lines.find(|(_, line)| !line.starts_with(' ') && starts(line, section))?;
    let inside = lines.take_while(|(_, line)| line.is_empty() || line.starts_with([' ', '-', '#']));
    let mut inside = inside.skip_while(|(_, line)| key.is_empty() || !starts(line, key));
    let Some((found, _)) = inside.next() else { return Some(start) };
    let mut below = inside.filter(|(_, line)| below.is_some_and(|below| starts(line, below)));
    Some(below.next().map_or(found, |(line, _)| line))
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
            (8, "breaker.failures_max: is not a whole number that fits: write one from 0 to"),
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
    fn a_value_of_another_type_is_told_with_its_key_and_what_to_write() {
        const MODEL: &str = "models:\n  - name: a\n    pool: p\n    vendor: openai\n    \
            context: 10\n    max_output: 5\n    price: {input: 1, output: 1}\n";
        for (written, expected) in [
            ("limits: {parallel: lots}", "c.yaml:8: limits.parallel: is not a whole number"),
            ("limits:\n  # few\n  parallel: -1", "c.yaml:10: limits.parallel: is not a whole"),
            ("cache: {ttl_seconds: 5, enabled: maybe}", "c.yaml:8: cache.enabled: is neither true"),
            ("limits: 5", "c.yaml:8: limits: is not a section with keys: write"),
            ("gateway:\n  listen:\n    - a", "c.yaml:10: gateway.listen: is not one text"),
            ("auto: {candidates: a}", "c.yaml:8: auto.candidates: is not a list: write"),
            ("cache: {semantic_similarity_min: x}", "c.yaml:8: cache.semantic_similarity_min: "),
            ("budget: {per_key_usd: lots}", "c.yaml:8: budget.per_key_usd: 'lots' is not an"),
            ("privacy:\n  mode: of", "c.yaml:9: privacy.mode: unknown variant `of`, expected"),
            ("fallbacks:\n  a:\n  - [b]", "c.yaml:10: fallbacks.a: is not one text"),
        ] {
            let text = format!("{MODEL}{written}\n");
            let refused = Config::parse(&text, "c.yaml", &Environment::default()).unwrap_err();
            let told = refused.to_string();
            assert!(told.starts_with(expected), "{written:?}: {told}");
            assert!(told.contains("write ") || told.contains("expected"), "{told}");
        }
        let ten = MODEL.replace("10", "ten");
        let refused = Config::parse(&ten, "c.yaml", &Environment::default()).unwrap_err();
        assert!(refused.to_string().starts_with("c.yaml:5: models.context: "), "{refused}");
    }

    #[test]
    fn what_masking_finds_wrong_stands_where_it_is_written() {
        let what = "privacy.kinds: 'ip_adress' is no kind";
        for (text, line) in [
            ("a: 1\nprivacy: {kinds: {ip_adress: off}}\n", 2),
            ("privacy:\n  mode: mask\n  kinds:\n    email: off\n    ip_adress: off\n", 5),
        ] {
            let told = Config::mistake(text, "c.yaml", what.into()).to_string();
            assert_eq!(told, format!("c.yaml:{line}: {what}"));
        }
    }

    #[test]
    fn what_is_no_yaml_is_told_once_and_what_is_right_not_at_all() {
        let found = Config::mistakes("models: [", "c.yaml", &Environment::default());
        assert_eq!(found.len(), 1, "{found:?}");
        let found = Config::mistakes(super::super::DEFAULT_CONFIG, "c", &Environment::default());
        assert!(found.is_empty(), "{found:?}");
    }
}
