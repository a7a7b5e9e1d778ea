//! The style of this house, held by a test: what a reviewer would say again and again is said here
//! once. A rule reads the tree and answers with what breaks it; it never repairs, and each rule
//! shows on a planted mistake that it can fail.

mod crates;
mod documents;
mod japanese;
mod modules;
mod places;
mod rust;
mod size;
mod tree;
mod words;

use std::fmt;
use std::sync::LazyLock;
use tree::Tree;

/// One place that breaks a rule, and what to write instead.
pub(crate) struct Violation {
    place: String,
    what: String,
}

impl Violation {
    pub(crate) fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { place: format!("{path}:{line}"), what: what.into() }
    }

    pub(crate) fn of(path: &str, what: impl Into<String>) -> Self {
        Self { place: path.to_owned(), what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.what)
    }
}

type Rule = fn(&Tree) -> Vec<Violation>;

static TREE: LazyLock<Result<Tree, String>> = LazyLock::new(Tree::read);

/// Applies a rule to the tree that this test was built from.
fn holds(rule: Rule) {
    let report = match &*TREE {
        Ok(tree) => rule(tree).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(error) => error.clone(),
    };
    assert!(report.is_empty(), "\n{report}\n");
}

/// The places that a rule finds in planted files.
#[cfg(test)]
pub(crate) fn found(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
    rule(&Tree::planted(files)).into_iter().map(|violation| violation.place).collect()
}

/// One test for each rule, under the rule's own name.
macro_rules! rules {
    ($($module:ident::$rule:ident),+ $(,)?) => {
        $(#[test] fn $rule() { holds($module::$rule) })+
    };
}

rules![
    crates::arrows_point_one_way,
    crates::llama_stays_in_its_worker,
    crates::contract_is_pure,
    crates::lints_are_inherited,
    documents::markdown_has_one_title,
    documents::lines_end_clean,
    documents::scripts_say_what_they_are_for,
    documents::habits_name_their_guards,
    documents::models_are_told_alike,
    japanese::japanese_is_spelled_alike,
    japanese::japanese_documents_are_spelled_alike,
    modules::every_file_is_reached,
    places::subjects_are_spelled_once,
    places::redis_keys_are_spelled_once,
    places::no_machine_paths,
    places::domains_know_no_transport,
    places::steps_have_one_door,
    places::addresses_are_read_by_our_own_readers,
    rust::every_file_parses,
    size::functions_are_short,
    size::files_are_short,
    size::lines_are_narrow,
    size::main_is_thin,
    size::nothing_is_heavy,
    words::files_say_what_they_are_for,
    words::exceptions_have_reasons,
    words::banned_code,
    words::nothing_is_left_for_later,
];
