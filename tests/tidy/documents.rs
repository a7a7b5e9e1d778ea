//! What documents and scripts owe their reader. That the documents are true is held by tests/docs.

use crate::{Tree, Violation};
use std::collections::BTreeSet;

/// One document, one title: a second one is a second document.
pub(crate) fn markdown_has_one_title(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        let mut in_code = false;
        let mut titles = 0;
        for line in file.text.lines() {
            in_code ^= line.trim_start().starts_with("```");
            titles += usize::from(!in_code && line.starts_with("# "));
        }
        if titles != 1 {
            let what = format!("{titles} titles of the form `# …`: write exactly one");
            violations.push(Violation::of(&file.path, what));
        }
    }
    violations
}

/// Blanks at a line's end show up in every later change.
pub(crate) fn lines_end_clean(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files.iter().filter(|file| !file.is_fixture()) {
        for (number, line) in (1..).zip(file.text.split('\n')) {
            if line.ends_with([' ', '\t', '\r']) {
                violations.push(Violation::at(&file.path, number, "ends in a blank: remove it"));
            }
        }
    }
    violations
}

/// A script opens with what it is for, as a Rust file does.
pub(crate) fn scripts_say_what_they_are_for(tree: &Tree) -> Vec<Violation> {
    tree.files
        .iter()
        .filter(|file| file.text.starts_with("#!/"))
        .filter(|file| {
            let second = file.text.lines().nth(1).unwrap_or_default();
            !(second.starts_with("# ") && second.split_whitespace().count() > 4)
        })
        .map(|file| Violation::at(&file.path, 2, "say in a comment what this script is for"))
        .collect()
}

const MODELS: &str = "catalogue/models.yaml";
const MODELS_MAX: usize = 200;

/// The keys of a row in their order; those with a mark are in each row.
const MODEL_KEYS: [(&str, bool); 14] = [
    ("- name", true),
    ("  aliases", false),
    ("  vendor", true),
    ("  preset", false),
    ("  price", false),
    ("  price_ends", false),
    ("  context", false),
    ("  max_output", false),
    ("  capabilities", false),
    ("  tokenizer", false),
    ("  released", false),
    ("  retires", false),
    ("  source", true),
    ("  also", false),
];

/// Rows are read by people who compare them with a vendor's page: all look alike, and there are not
/// more than somebody looks through.
pub(crate) fn models_are_told_alike(tree: &Tree) -> Vec<Violation> {
    let Some(file) = tree.file(MODELS) else {
        return vec![Violation::of(MODELS, "the table of models is missing")];
    };
    let mut violations = Vec::new();
    let (mut rows, mut last) = (0, None);
    for (number, line) in (1..).zip(file.text.lines()) {
        if line.is_empty() || line.starts_with('#') || line.starts_with("    - ") {
            continue;
        }
        let key = line.split_once(':').map_or(line, |(key, _)| key);
        let keys = MODEL_KEYS.iter().map(|(key, _)| *key).chain(["  seen"]);
        let place = { keys }.position(|known| known == key);
        rows += usize::from(place == Some(0));
        let first_after = match place {
            // A row ends with the day on which it was looked up.
            Some(0) if last.is_none_or(|last| last == MODEL_KEYS.len()) => 0,
            _ => last.map_or(0, |last| last + 1),
        };
        let skipped = place.and_then(|place| MODEL_KEYS.get(first_after..place));
        match skipped {
            Some(skipped) if skipped.iter().all(|(_, is_needed)| !is_needed) => {}
            _ => violations.push(Violation::at(MODELS, number, "write a row's keys in order")),
        }
        last = place;
    }
    if rows > MODELS_MAX {
        let what = format!("{rows} rows of {MODELS_MAX}: take out what nobody serves any more");
        violations.push(Violation::of(MODELS, what));
    }
    violations
}

const HABITS: &str = "CONTRIBUTING.md";
const HABITS_COUNT: usize = 15;

/// A rule that nothing holds is a wish: each habit names its guard, and the guard exists.
pub(crate) fn habits_name_their_guards(tree: &Tree) -> Vec<Violation> {
    let text = tree.file(HABITS).map(|file| file.text.as_str()).unwrap_or_default();
    let mut habits: Vec<(usize, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.split_once(". ").is_some_and(|(count, _)| count.parse::<usize>().is_ok()) {
            habits.push((number, line.to_owned()));
        } else if let (Some((_, habit)), true) = (habits.last_mut(), line.starts_with("   ")) {
            habit.push_str(line);
        }
    }
    let mut violations = Vec::new();
    if habits.len() != HABITS_COUNT {
        violations.push(Violation::of(HABITS, format!("{} habits of 15", habits.len())));
    }
    let rules: BTreeSet<String> = tree
        .rust()
        .filter(|(file, _)| file.path.starts_with("tests/tidy/"))
        .flat_map(|(_, rust)| rust.functions())
        .map(|function| function.name)
        .collect();
    for (line, habit) in habits {
        if !habit.contains("Guard: ") {
            violations.push(Violation::at(HABITS, line, "say what guards this habit"));
        }
        let named = habit.split("`tidy::").skip(1).filter_map(|rest| rest.split('`').next());
        for rule in named.filter(|rule| !rules.contains(*rule)) {
            let what = format!("tests/tidy has no rule {rule}");
            violations.push(Violation::at(HABITS, line, what));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn two_titles_or_none_are_found() {
        let files = [
            ("none.md", "## Part\n"),
            ("one.md", "# One\n```sh\n# comment\n```\n## Part\n"),
            ("two.md", "# One\n# Two\n"),
        ];
        assert_eq!(found(markdown_has_one_title, &files), ["none.md", "two.md"]);
    }

    #[test]
    fn a_blank_at_the_end_is_found() {
        let text = "a\nb \nc\t\nd\r\n";
        assert_eq!(found(lines_end_clean, &[("a.md", text)]), ["a.md:2", "a.md:3", "a.md:4"]);
        assert!(found(lines_end_clean, &[("a/fixtures/b.sse", text)]).is_empty());
    }

    #[test]
    fn a_silent_script_is_found() {
        let files = [
            ("a", "#!/bin/sh\nset -e\n"),
            ("b", "#!/bin/sh\n# Runs every test on real servers.\n"),
            ("c", "no script"),
        ];
        assert_eq!(found(scripts_say_what_they_are_for, &files), ["a:2"]);
    }

    #[test]
    fn a_habit_without_guard_is_found() {
        let rule = ("tests/tidy/a.rs", "fn real() {}");
        let mut text: String =
            (1..=13).map(|n| format!("{n}. Habit.\n   Guard: `tidy::real`.\n")).collect();
        text.push_str("14. Habit.\n   By wishing.\n15. Habit. Guard: `tidy::unreal`.\n");
        let places = found(habits_name_their_guards, &[rule, (HABITS, &text)]);
        assert_eq!(places, ["CONTRIBUTING.md:27", "CONTRIBUTING.md:29"]);
        assert_eq!(found(habits_name_their_guards, &[rule]), [HABITS]);
    }

    #[test]
    fn a_row_out_of_order_and_one_without_its_source_are_found() {
        let rule = models_are_told_alike;
        let at = |text: &str| found(rule, &[(MODELS, text)]);
        let row = "- name: a\n  vendor: openai\n  context: 1\n  source: https://h\n  seen: d\n";
        assert!(at(&format!("# x\n{row}\n{row}")).is_empty());
        let swapped =
            row.replace("  vendor: openai\n  context: 1\n", "  context: 1\n  vendor: o\n");
        assert!(!at(&swapped).is_empty());
        assert!(!at(&row.replace("  source: https://h\n", "")).is_empty());
        assert!(!at(&format!("{}{row}", row.replace("  seen: d\n", ""))).is_empty());
        assert!(!at(&row.replace("  context", "  contxt")).is_empty());
        assert_eq!(at(&row.repeat(201)), [MODELS]);
    }
}
