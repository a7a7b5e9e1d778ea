//! How large a thing may be: a function fits on a screen, a file in a head. Quality shows in the
//! tails, so these bounds have no exceptions.

use crate::{Tree, Violation};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 500;
const LINE_COLUMNS_MAX: usize = 100;
const MAIN_LINES_MAX: usize = 60;
const BLOB_BYTES_MAX: usize = 1024 * 1024;

/// A function holds one screen. A conductor keeps its branching and moves its work into steps.
pub(crate) fn functions_are_short(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, rust) in tree.rust() {
        for function in rust.functions() {
            let lines = function.lines.clone().count();
            if lines > FUNCTION_LINES_MAX {
                let what = format!("fn {} has {lines} lines of 70: split it", function.name);
                violations.push(Violation::at(&file.path, *function.lines.start(), what));
            }
        }
    }
    violations
}

/// A file has one subject. A second one gets its own file.
pub(crate) fn files_are_short(tree: &Tree) -> Vec<Violation> {
    longer_than(FILE_LINES_MAX, tree, |path| path.ends_with(".rs"))
}

/// `main.rs` parses, starts and hands over.
pub(crate) fn main_is_thin(tree: &Tree) -> Vec<Violation> {
    longer_than(MAIN_LINES_MAX, tree, |path| path == "src/main.rs")
}

fn longer_than(bound: usize, tree: &Tree, of: fn(&str) -> bool) -> Vec<Violation> {
    let lines = |text: &str| text.lines().count();
    tree.files
        .iter()
        .filter(|file| of(&file.path) && lines(&file.text) > bound)
        .map(|file| (file, format!("{} lines of {bound}: split it", lines(&file.text))))
        .map(|(file, what)| Violation::of(&file.path, what))
        .collect()
}

/// rustfmt leaves long strings and comments alone; two files side by side need this bound.
pub(crate) fn lines_are_narrow(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, _) in tree.rust() {
        for (number, line) in (1..).zip(file.text.lines()) {
            if line.chars().count() > LINE_COLUMNS_MAX && !line.contains("://") {
                violations.push(Violation::at(&file.path, number, "over 100 columns: break it"));
            }
        }
    }
    violations
}

/// What is large is fetched and checked (scripts/), never committed: a clone keeps it for ever.
pub(crate) fn nothing_is_heavy(tree: &Tree) -> Vec<Violation> {
    tree.files
        .iter()
        .filter(|file| file.bytes > BLOB_BYTES_MAX)
        .map(|file| Violation::of(&file.path, "over 1 MiB: fetch it by a script instead"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn a_function_of_71_lines_is_found() {
        let function = |lines: usize| format!("\nfn long() {{\n{}}}\n", "a();\n".repeat(lines - 2));
        assert_eq!(found(functions_are_short, &[("a.rs", &function(71))]), ["a.rs:2"]);
        assert!(found(functions_are_short, &[("a.rs", &function(70))]).is_empty());
    }

    #[test]
    fn a_file_of_501_lines_is_found() {
        assert_eq!(found(files_are_short, &[("a.rs", &"\n".repeat(501))]), ["a.rs"]);
        assert!(found(files_are_short, &[("a.rs", &"\n".repeat(500))]).is_empty());
    }

    #[test]
    fn a_main_of_61_lines_is_found() {
        assert_eq!(found(main_is_thin, &[("src/main.rs", &"\n".repeat(61))]), ["src/main.rs"]);
        assert!(found(main_is_thin, &[("src/up.rs", &"\n".repeat(61))]).is_empty());
    }

    #[test]
    fn a_line_of_101_columns_is_found() {
        let line = |columns: usize| format!("\n// {}", "字".repeat(columns - 3));
        assert_eq!(found(lines_are_narrow, &[("a.rs", &line(101))]), ["a.rs:2"]);
        assert!(found(lines_are_narrow, &[("a.rs", &line(100))]).is_empty());
    }

    #[test]
    fn a_blob_is_found() {
        let blob = "x".repeat(BLOB_BYTES_MAX + 1);
        assert_eq!(found(nothing_is_heavy, &[("a.bin", &blob), ("b.bin", "x")]), ["a.bin"]);
    }
}
