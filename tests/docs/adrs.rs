//! Decisions: numbered without a gap, of one form, with a status that is known; and each that is
//! named anywhere exists. Whether a decision is right, measurements say.

use crate::markdown::headings;
use crate::tree::{DECISIONS, Tree};

const PARTS: [&str; 4] = ["Context", "Decision", "Consequences", "Measured"];
const NAMED: &str = "ADR ";

fn numbers(tree: &Tree) -> Vec<String> {
    let names = tree.folder(DECISIONS).into_iter();
    let names = names.filter_map(|path| path.rsplit_once('/').map(|(_, name)| name.to_owned()));
    names.map(|name| name.split('-').next().unwrap_or_default().to_owned()).collect()
}

pub(crate) fn decisions_are_numbered_and_whole(tree: &Tree) -> Vec<String> {
    let all = numbers(tree);
    let mut found = Vec::new();
    for (wanted, path) in (1..).zip(tree.folder(DECISIONS)) {
        let mut wrong = |what: String| found.push(format!("{path}: {what}"));
        let number = format!("{wanted:04}");
        if !path.starts_with(&format!("{DECISIONS}/{number}-")) || !path.ends_with(".md") {
            wrong(format!("the next number is {number}"));
        }
        let text = tree.text(&path);
        let headings = headings(&text);
        let title = headings.first().map(|(_, title)| title.as_str()).unwrap_or_default();
        if !title.starts_with(&format!("{number}: ")) {
            wrong(format!("the title begins with {number}"));
        }
        let parts: Vec<&str> = headings.iter().skip(1).map(|(_, title)| title.as_str()).collect();
        if parts != PARTS {
            wrong(format!("its parts are {parts:?}, not {PARTS:?}"));
        }
        let value = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
        let status = value("- Status: ").unwrap_or_default();
        let heir = status.strip_prefix("superseded by ").map(str::to_owned);
        if status != "accepted" && !heir.is_some_and(|heir| heir != number && all.contains(&heir)) {
            wrong(format!("the status '{status}' is neither accepted nor superseded by one"));
        }
        let date = value("- Date: ").unwrap_or_default();
        let is_date = date.len() == 10 && date.chars().all(|c| c.is_ascii_digit() || c == '-');
        if !is_date {
            wrong(format!("'{date}' is no date"));
        }
    }
    if all.is_empty() {
        found.push(format!("{DECISIONS}: nothing is decided"));
    }
    found
}

pub(crate) fn decisions_that_are_named_exist(tree: &Tree) -> Vec<String> {
    let all = numbers(tree);
    let mut found = Vec::new();
    for (path, text) in tree.documents() {
        for (line, words) in (1..).zip(text.lines()) {
            for rest in words.split(NAMED).skip(1) {
                let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
                if !number.is_empty() && !all.contains(&number) {
                    found.push(format!("{path}:{line}: there is no {NAMED}{number}"));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    const FIRST: &str = "docs/adr/0001-one-binary-with-roles.md";

    #[test]
    fn a_decision_out_of_form_is_found() {
        let check = decisions_are_numbered_and_whole;
        let planted = |from: &str, to: &str| found(check, FIRST, from, to).len();
        assert_eq!(planted("# 0001: ", "# 0002: "), 1);
        assert_eq!(planted("- Status: accepted", "- Status: proposed"), 1);
        assert_eq!(planted("- Status: accepted", "- Status: superseded by 9999"), 1);
        assert_eq!(planted("- Status: accepted", "- Status: superseded by 0002"), 0);
        assert_eq!(planted("## Measured", "## Numbers"), 1);
        assert_eq!(planted("- Date: 2026", "- Date: once, 2026"), 1);
    }

    #[test]
    fn a_gap_is_found() {
        let tree = Tree::read().with("docs/adr/0099-late.md", "# 0099: Late\n");
        assert!(!decisions_are_numbered_and_whole(&tree).is_empty());
    }

    #[test]
    fn a_decision_that_is_not_there_is_found() {
        let check = decisions_that_are_named_exist;
        assert_eq!(found(check, FIRST, "ADR 0009", "ADR 0999").len(), 1);
    }
}
