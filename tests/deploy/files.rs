//! Files of the repository as values, and the questions that every kind of file is asked. It judges
//! nothing about one kind of file.

use crate::command_line::{Command, CommandLine};
use clap::Parser;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A path in the repository.
pub(crate) fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file's text.
pub(crate) fn text(path: &str) -> String {
    std::fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A YAML file's one document.
pub(crate) fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A TOML file.
pub(crate) fn toml(path: &str) -> Value {
    ::toml::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A list of texts.
pub(crate) fn words(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap_or_else(|| panic!("no list: {value}"));
    list.iter().map(|word| word.as_str().expect("a text").to_owned()).collect()
}

/// What the program's own parser makes of arguments.
pub(crate) fn parsed(arguments: &[String]) -> Command {
    let line = ["fly-llm"].into_iter().chain(arguments.iter().map(String::as_str));
    let read = CommandLine::try_parse_from(line);
    read.unwrap_or_else(|error| panic!("fly-llm {}: {error}", arguments.join(" "))).command
}

/// The value of a flag.
pub(crate) fn flag<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|word| word == name)?;
    arguments.get(at + 1).map(String::as_str)
}

/// The names of all variables that the program reads.
pub(crate) fn variables() -> Vec<String> {
    let code = text("infra/src/environment.rs");
    let lines = code.lines().filter(|line| line.starts_with("pub const "));
    let names: Vec<String> = lines.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect();
    assert!(names.len() > 10, "the list of variables can't be read any more");
    names
}

/// Every `${NAME…}` and `$NAME` of a text, without those that are escaped by a second `$`.
pub(crate) fn references(text: &str) -> Vec<String> {
    let text = text.replace("$$", "");
    let mut names = Vec::new();
    for (at, _) in text.match_indices('$') {
        let rest = text[at + 1..].trim_start_matches('{');
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let name = &rest[..end.unwrap_or(rest.len())];
        if name.starts_with(|c: char| c.is_ascii_uppercase()) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    names.dedup();
    names
}

#[test]
fn references_are_found_and_escaped_ones_are_not() {
    let text = "a: ${ONE:?say} $TWO nats://${THREE:-x}@h \"$$FOUR\" $5";
    assert_eq!(references(text), ["ONE", "THREE", "TWO"]);
}

#[test]
fn a_wrong_command_is_not_read() {
    let wrong = ["gateway".to_owned(), "--lisen".to_owned(), "0.0.0.0:1".to_owned()];
    assert!(std::panic::catch_unwind(|| parsed(&wrong)).is_err());
    assert!(matches!(parsed(&["gateway".to_owned()]), Command::Gateway(_)));
}
