//! A document and its Japanese twin say the same: headings, code, tables and links, and, part by
//! part, the names and the numbers. What the sentences mean is for a reader to judge.

use crate::markdown::{blocks, headings, links, numbers, prose, table_sizes, tables, units};
use crate::tree::Tree;
use crate::words;
use std::collections::BTreeSet;

/// How the names of Japanese documents end, and those of English ones.
const JAPANESE_END: &str = ".ja.md";
const ENGLISH_END: &str = ".md";
/// Documents that there are in both languages, by their Japanese names.
const TWINS: [&str; 9] = [
    "README.ja.md",
    "docs/cache.ja.md",
    "docs/config.ja.md",
    "docs/deploy.ja.md",
    "docs/errors.ja.md",
    "docs/llama.ja.md",
    "docs/metrics.ja.md",
    "docs/privacy.ja.md",
    "docs/router.ja.md",
];
/// Lines from the top in which a document names its twin.
const TOP_LINES: usize = 5;
/// What a Japanese document says behind a link to an English one.
const ENGLISH_NOTES: [&str; 2] = ["（英語", "、英語"];

/// Tables of facts: their heads in both languages, and the columns that are no sentences.
type Facts = ([&'static str; 5], [&'static str; 5], &'static [usize]);
const FACTS: [Facts; 3] = [
    (
        ["key", "type", "default", "range", "meaning"],
        ["キー", "型", "既定値", "範囲", "意味"],
        &[0, 1, 2, 3],
    ),
    (
        ["code", "status", "type", "retry", "meaning"],
        ["コード", "ステータス", "タイプ", "再試行", "意味"],
        &[0, 1, 2, 3],
    ),
    (
        ["name", "type", "labels", "help", "set in"],
        ["名前", "型", "ラベル", "内容", "更新箇所"],
        &[0, 1, 2, 4],
    ),
];

/// The English document, and its Japanese twin.
type Pair = [String; 2];

fn pairs(tree: &Tree) -> Vec<Pair> {
    let all = tree.documents().into_iter().map(|(path, _)| path);
    let japanese = all.filter(|path| path.ends_with(JAPANESE_END));
    japanese.map(|path| [path.replace(JAPANESE_END, ENGLISH_END), path]).collect()
}

pub(crate) fn twins_are_there(tree: &Tree) -> Vec<String> {
    let there: BTreeSet<String> = pairs(tree).into_iter().map(|[_, japanese]| japanese).collect();
    let wanted: BTreeSet<String> = TWINS.iter().map(|path| (*path).to_owned()).collect();
    let mut found: Vec<String> =
        wanted.difference(&there).map(|path| format!("there is no {path}")).collect();
    found.extend(there.difference(&wanted).map(|path| format!("{path}: add it to twins.rs")));
    found
}

pub(crate) fn both_languages_say_the_same(tree: &Tree) -> Vec<String> {
    pairs(tree).iter().flat_map(|pair| differences(tree, pair)).collect()
}

fn differences(tree: &Tree, pair: &Pair) -> Vec<String> {
    let [english, japanese] = pair.each_ref().map(|path| tree.text(path));
    let mut found = Vec::new();
    let mut differ = |what: &str, same: bool| {
        if !same {
            found.push(format!("{}: {what} differ", pair.join(" and ")));
        }
    };
    let levels =
        |text: &str| -> Vec<usize> { headings(text).iter().map(|(level, _)| *level).collect() };
    differ("the levels of the headings", levels(&english) == levels(&japanese));
    let code = |text: &str| -> Vec<(String, String)> {
        blocks(text).into_iter().map(|block| (block.language, block.text)).collect()
    };
    differ("the code blocks", code(&english) == code(&japanese));
    differ("the rows of the tables", table_sizes(&english) == table_sizes(&japanese));
    // Each language points to its own twin of what it names.
    let points = |text: &str| -> Vec<String> {
        let all = prose(text).into_iter().flat_map(|(_, line)| links(line));
        all.map(|link| link.replace(JAPANESE_END, ENGLISH_END)).collect()
    };
    differ("the links", points(&english) == points(&japanese));
    for (text, other) in [(&english, &pair[1]), (&japanese, &pair[0])] {
        let name = other.rsplit('/').next().unwrap_or_default();
        let is_named = text.lines().take(TOP_LINES).any(|line| links(line).contains(&name));
        differ("the links to each other at the top", is_named);
    }
    found
}

/// In each row, and in what else stands below a heading, Japanese has the names (what stands in
/// backticks) and the numbers of English, and no name that English doesn't have anywhere.
pub(crate) fn both_languages_name_the_same(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for [english_path, japanese_path] in pairs(tree) {
        let (english, japanese) = (tree.text(&english_path), tree.text(&japanese_path));
        let (ours, theirs) = (units(&english), units(&japanese));
        // A name may go on in the next line.
        let english = english.split_whitespace().collect::<Vec<_>>().join(" ");
        if ours.len() != theirs.len() {
            let (ours, theirs) = (ours.len(), theirs.len());
            found.push(format!("{japanese_path}: {theirs} sections and rows, not {ours}"));
            continue;
        }
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let place = format!("{japanese_path}:{}", theirs.line);
            let told = theirs.names();
            let (names, more) = (ours.names(), told.iter().filter(|name| !english.contains(*name)));
            found.extend(names.difference(&told).map(|name| format!("{place}: tell `{name}`")));
            found.extend(more.map(|name| format!("{place}: {english_path} has no `{name}`")));
            let told = numbers(&theirs.text);
            let missing = numbers(&ours.text);
            let missing = missing.difference(&told);
            found.extend(missing.map(|number| format!("{place}: tell the number {number}")));
        }
    }
    found
}

/// What tables tell without a sentence is the same in both, word by word.
pub(crate) fn both_tables_hold_the_same_facts(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let mut compared = [0usize; FACTS.len()];
    for [english, japanese] in pairs(tree) {
        let (ours, theirs) = (tree.text(&english), tree.text(&japanese));
        for ((heads, their_heads, columns), compared) in FACTS.iter().zip(&mut compared) {
            let ours: Vec<_> = tables(&ours, heads).into_iter().flatten().collect();
            let theirs: Vec<_> = tables(&theirs, their_heads).into_iter().flatten().collect();
            *compared += ours.len();
            if ours.len() != theirs.len() {
                let (ours, theirs) = (ours.len(), theirs.len());
                found.push(format!("{japanese}: {theirs} rows of {their_heads:?}, not {ours}"));
                continue;
            }
            for (row, twin) in ours.iter().zip(&theirs) {
                for column in *columns {
                    let wanted = row.cells.get(*column).map(|cell| words::japanese(cell));
                    let told = twin.cells.get(*column);
                    if told != wanted.as_ref() {
                        let wanted = wanted.unwrap_or_default();
                        found.push(format!("{japanese}:{}: {told:?}, not {wanted}", twin.line));
                    }
                }
            }
        }
    }
    for ((heads, ..), _) in FACTS.iter().zip(compared).filter(|(_, compared)| *compared == 0) {
        found.push(format!("no table of {heads:?}"));
    }
    found
}

/// Who reads Japanese is led to Japanese where there is some, and isn't told that it is English.
pub(crate) fn japanese_leads_to_japanese(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for [english, path] in pairs(tree) {
        let twin = english.rsplit('/').next().unwrap_or_default().to_owned();
        let text = tree.text(&path);
        for (number, line) in prose(&text) {
            for rest in line.split("](").skip(1) {
                let Some((link, after)) = rest.split_once(')') else { continue };
                let name = link.rsplit('/').next().unwrap_or_default();
                let other = name.replace(ENGLISH_END, JAPANESE_END);
                let is_english = !link.contains("://") && !name.ends_with(JAPANESE_END);
                let has_twin =
                    TWINS.iter().any(|twin| twin.rsplit('/').next() == Some(other.as_str()));
                if is_english && has_twin && !(link == twin && number <= TOP_LINES) {
                    found.push(format!("{path}:{number}: lead to {other}, not to {name}"));
                }
                let is_called = ENGLISH_NOTES.iter().any(|note| after.starts_with(note));
                if name.ends_with(JAPANESE_END) && is_called {
                    found.push(format!("{path}:{number}: {name} isn't English"));
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

    const README: &str = "README.md";
    const CONFIG: &str = "docs/config.ja.md";
    const ERRORS: &str = "docs/errors.ja.md";
    const METRICS: &str = "docs/metrics.ja.md";

    /// A row of a document, whole.
    fn row(path: &str, start: &str) -> String {
        let text = Tree::read().text(path);
        let row = text.lines().find(|line| line.starts_with(start));
        row.map(|row| format!("{row}\n")).expect(start)
    }

    #[test]
    fn a_twin_that_is_missing_or_unknown_is_found() {
        assert_eq!(twins_are_there(&Tree::read().with("docs/glossary.ja.md", "# a\n")).len(), 1);
        let tree = Tree::read().with(CONFIG, "");
        assert!(!both_languages_say_the_same(&tree).is_empty());
    }

    #[test]
    fn documents_that_differ_are_found() {
        let planted = |path: &str, from: &str, to: &str| {
            found(both_languages_say_the_same, path, from, to).len()
        };
        assert_eq!(planted(TWINS[0], "### 環境変数", "## 環境変数"), 1);
        assert_eq!(planted(README, "make test\n", ""), 1);
        assert_eq!(planted(README, "[日本語](README.ja.md)", "日本語"), 2);
        assert_eq!(planted(TWINS[0], "| 0 | 完了 |\n", ""), 1);
        assert_eq!(planted(TWINS[0], "[MIT](LICENSE)", "MIT"), 1);
        assert_eq!(planted("docs/deploy.ja.md", "fly deploy\n", ""), 1);
        assert_eq!(planted("docs/cache.ja.md", "{\"similar_answers\": true}'\n", "'\n"), 1);
    }

    #[test]
    fn a_row_that_is_missing_is_found_by_each_check() {
        for (path, start) in [
            (CONFIG, "| `queue.replicas`"),
            (ERRORS, "| `queue_full`"),
            (METRICS, "| `fly_llm_queue_pending`"),
        ] {
            let gone = row(path, start);
            for check in [
                both_languages_say_the_same,
                both_languages_name_the_same,
                both_tables_hold_the_same_facts,
            ] {
                assert_eq!(found(check, path, &gone, "").len(), 1, "{path}");
            }
        }
    }

    #[test]
    fn a_name_or_a_number_that_is_missing_is_found() {
        let planted = |path: &str, from: &str, to: &str| {
            found(both_languages_name_the_same, path, from, to).len()
        };
        assert_eq!(planted(CONFIG, "`CLIENT_ADDRESS_HEADER` ", "`CLIENT_HEADER` "), 2);
        assert_eq!(planted(CONFIG, "413", "414"), 1);
        assert_eq!(planted("docs/privacy.ja.md", "0.995", "0.996"), 1);
        assert_eq!(planted("docs/privacy.md", "`x-fly-masked`", "`x-fly-hidden`"), 2);
    }

    #[test]
    fn a_fact_that_differs_is_found() {
        let planted = |path: &str, from: &str, to: &str| {
            found(both_tables_hold_the_same_facts, path, from, to).len()
        };
        assert_eq!(planted(CONFIG, "| 7000000 |", "| 8000000 |"), 1);
        assert_eq!(planted(CONFIG, "| 1〜64 |", "| 1〜65 |"), 1);
        assert_eq!(planted(CONFIG, "| ミリ秒 |", "| 秒 |"), 1);
        assert_eq!(planted(CONFIG, "| 必須 |", "| なし |"), 1);
        assert_eq!(planted(ERRORS, "| `queue_full` | 503 |", "| `queue_full` | 500 |"), 1);
        assert_eq!(planted(ERRORS, "| 不可 |", "| 可 |"), 1);
        assert_eq!(planted(METRICS, "| gauge |", "| counter |"), 1);
        assert_eq!(planted(METRICS, "/relay.rs` |", "/play.rs` |"), 1);
        let heads = "| コード | ステータス |";
        assert_eq!(planted(ERRORS, heads, "| コード | 状態 |"), 1);
    }

    #[test]
    fn a_link_away_from_japanese_is_found() {
        let check = japanese_leads_to_japanese;
        let planted = |from: &str, to: &str| found(check, "docs/deploy.ja.md", from, to).len();
        assert_eq!(planted("(config.ja.md)", "(config.md)"), 1);
        assert_eq!(planted("(config.ja.md)", "(config.ja.md)、英語"), 1);
    }
}
