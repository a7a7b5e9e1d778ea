//! How Japanese is spelled in what clients and pages are told, and in documents, which set Latin
//! words off by blanks.

use crate::{Tree, Violation};

/// What is written in one way only, and which.
const SPELLINGS: [(&str, &str); 7] = [
    ("API キー", "APIキー"),
    ("既に", "すでに"),
    ("再試行してください", "もう一度お試しください, after しばらくしてから when it takes a while"),
    ("異議申し立て", "不審請求の申し立て, as Stripe says"),
    ("管理者", "運営者"),
    ("ベンダー", "モデル提供元"),
    (" – ", "〜, or 以上 and 以下 beside a minus"),
];

/// The same in documents, which speak to operators, too.
const DOCUMENT_SPELLINGS: [(&str, &str); 7] = [
    ("APIキー", "API キー"),
    ("既に", "すでに"),
    ("異議申し立て", "不審請求の申し立て, as Stripe says"),
    ("管理者", "運営者"),
    ("モデル提供元", "ベンダー"),
    ("フォールバック", "代替モデル"),
    ("である。", "です。"),
];

/// How the names of Japanese documents end.
const DOCUMENT_END: &str = ".ja.md";

/// Code whose Japanese is data: prompts, words to look for.
const DATA: [&str; 3] = ["gateway/src/pii/", "gateway/src/routing/", "gateway/src/cache/semantic/"];

/// Where somebody is told something.
const TOLD: [&str; 3] = ["gateway/src/", "payments/src/", "workers/"];

pub(crate) fn japanese_is_spelled_alike(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let is_told = |path: &str| {
        let is_in = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
        is_in(&TOLD) && !is_in(&DATA)
    };
    for (file, rust) in tree.rust().filter(|(file, _)| is_told(&file.path)) {
        let told = rust.strings().filter(|(line, _)| !file.is_test_line(*line));
        for (line, text) in told.filter(|(_, text)| text.contains(is_japanese)) {
            let mut found = |what: String| violations.push(Violation::at(&file.path, line, what));
            for (wrong, right) in SPELLINGS.iter().filter(|(wrong, _)| text.contains(wrong)) {
                found(format!("not `{wrong}`: write {right}"));
            }
            if stands_before(text, '(') {
                found("brackets of Japanese are （ and ）, without blanks".to_owned());
            }
            if stands_before(text, 'を') {
                found("no blank before を after Japanese".to_owned());
            }
        }
    }
    violations
}

pub(crate) fn japanese_documents_are_spelled_alike(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(DOCUMENT_END)) {
        let mut in_block = false;
        for (number, line) in (1..).zip(file.text.lines()) {
            let is_fence = line.trim_start().starts_with("```");
            in_block ^= is_fence;
            if in_block || is_fence {
                continue;
            }
            let mut found = |what: String| {
                violations.push(Violation::at(&file.path, number, what));
            };
            // A span is a Latin word, whatever stands in it.
            let text = line.split('`').enumerate().map(|(at, part)| match at % 2 {
                0 => part,
                _ => "x",
            });
            let text: String = text.collect();
            for (wrong, right) in DOCUMENT_SPELLINGS.iter().filter(|(w, _)| text.contains(w)) {
                found(format!("not `{wrong}`: write {right}"));
            }
            if stands_before(&text, '(') {
                found("brackets of Japanese are （ and ）, without blanks".to_owned());
            }
            if stands_before(&text, 'を') {
                found("no blank before を after Japanese".to_owned());
            }
            if touches_latin(&text) {
                found("set Latin words, digits and code off from Japanese by blanks".to_owned());
            }
        }
    }
    violations
}

/// Whether a Latin letter or a digit stands right beside Japanese.
fn touches_latin(text: &str) -> bool {
    let pairs = text.chars().zip(text.chars().skip(1));
    let touch = |one: char, other: char| one.is_ascii_alphanumeric() && is_written(other);
    pairs.into_iter().any(|(left, right)| touch(left, right) || touch(right, left))
}

/// Whether a letter is one of Japanese, and no mark between words.
fn is_written(letter: char) -> bool {
    is_japanese(letter) && letter != '・'
}

/// Whether a mark comes after Japanese: a bracket at once or after a blank, a particle after one.
fn stands_before(text: &str, mark: char) -> bool {
    text.match_indices(mark).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let bare = before.trim_end_matches(' ');
        bare.ends_with(|last| is_japanese(last) || last == '）')
            && (mark == '(' || bare.len() < before.len())
    })
}

fn is_japanese(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn other_spellings_are_found_where_somebody_is_told() {
        for (wrong, _) in SPELLINGS {
            let text =
                format!("const A: &str = \"この{wrong}です。\";\nconst B: &str = \"{wrong}\";");
            let places = |path| found(japanese_is_spelled_alike, &[(path, &text)]);
            assert_eq!(places("gateway/src/a.rs")[0], "gateway/src/a.rs:1", "{wrong}");
            assert!(places("gateway/src/pii/a.rs").is_empty());
            assert!(places("tests/a.rs").is_empty());
        }
    }

    #[test]
    fn other_spellings_in_documents_are_found() {
        let places = |text: &str| {
            let path = "docs/a.ja.md";
            found(japanese_documents_are_spelled_alike, &[(path, text), ("docs/a.md", text)])
        };
        for (wrong, _) in DOCUMENT_SPELLINGS {
            let text = format!("# 題\n```text\nこの{wrong}\n```\nこの{wrong}\n");
            assert_eq!(places(&text).first().map(String::as_str), Some("docs/a.ja.md:5"));
        }
        let text = "名前 を\n値(円)\nこの`a` は\nAPIは\n3個\n`x` を 3 個（A・ア）と `値は(a)` に\n";
        assert_eq!(places(text), [1, 2, 3, 4, 5].map(|line| format!("docs/a.ja.md:{line}")));
    }

    #[test]
    fn blanks_and_brackets_are_found() {
        let text = "const A: [&str; 6] = [\"名前 を\",\n\"金額 (円)\",\n\"値(円)\",\n\"true を\",\n\
            \"名前を\",\n\"f(x) の値（円）\"];";
        let path = "workers/a/src/a.rs";
        let places = found(japanese_is_spelled_alike, &[(path, text)]);
        assert_eq!(places, [1, 2, 3].map(|line| format!("{path}:{line}")));
    }
}
