//! Paths that the documents name exist; the environment is told whole in both READMEs.

use crate::markdown::{blocks, links, prose, spans, tables};
use crate::source;
use crate::tree::Tree;
use std::collections::BTreeSet;

const ENGLISH: &str = "README.md";
const JAPANESE: &str = "README.ja.md";
const ENVIRONMENT: &str = "infra/src/environment.rs";
const SAMPLE: &str = ".env.sample";
const COMPOSE: &str = "docker-compose.yml";
/// What a shell has anyway: no sample sets it.
const NOT_IN_SAMPLE: [&str; 3] = ["HOME", "PATH", "XDG_CACHE_HOME"];
/// What clients read: Claude Code.
const CLIENT_NAMES: [&str; 3] = ["ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_MODEL"];
/// What a path ends with when it is a file of ours.
const ENDINGS: [&str; 8] = [".md", ".rs", ".lua", ".toml", ".yaml", ".conf", ".sample", ".sh"];

pub(crate) fn paths_exist(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (document, text) in tree.documents() {
        let folder = document.rsplit_once('/').map(|(folder, _)| folder);
        for (number, line) in prose(&text) {
            let linked = links(line).into_iter().filter(|link| !link.contains("://"));
            let linked = linked.map(|link| match folder {
                Some(folder) => joined(folder, link),
                None => link.to_owned(),
            });
            let named = spans(line).into_iter().filter(|span| is_path(span)).map(str::to_owned);
            for path in linked.chain(named).filter(|path| !tree.exists(path)) {
                found.push(format!("{document}:{number}: there is no {path}"));
            }
        }
    }
    found
}

/// A link from a folder, `../` included.
fn joined(folder: &str, link: &str) -> String {
    let (mut folder, mut link) = (folder, link);
    while let Some(rest) = link.strip_prefix("../") {
        link = rest;
        folder = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    if folder.is_empty() { link.to_owned() } else { format!("{folder}/{link}") }
}

/// Whether a span means a file or a folder of the repository.
fn is_path(span: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    let is_plain = span.chars().all(plain) && !span.starts_with(['/', '.', '-']);
    let is_file = ENDINGS.iter().any(|end| span.ends_with(end));
    let is_sample = span == SAMPLE;
    is_sample || (is_plain && (is_file || span.contains('/')))
}

/// The names that the program reads.
fn environment(tree: &Tree) -> BTreeSet<String> {
    source::public(&tree.text(ENVIRONMENT), "const").into_iter().collect()
}

pub(crate) fn environment_is_whole(tree: &Tree) -> Vec<String> {
    let real = environment(tree);
    let mut found = Vec::new();
    for (readme, header) in [(ENGLISH, ["name", "meaning"]), (JAPANESE, ["名前", "意味"])] {
        let text = tree.text(readme);
        let rows = tables(&text, &header);
        let told: BTreeSet<String> = rows.iter().flatten().map(|row| row.plain(0)).collect();
        found.extend(difference(readme, &told, &real));
        let scripts: String = tree.folder("scripts").iter().map(|path| tree.text(path)).collect();
        let elsewhere = scripts + &tree.text("nats.conf");
        for name in named(&text) {
            let is_known = real.contains(&name)
                || CLIENT_NAMES.contains(&name.as_str())
                || [format!("${{{name}"), format!("${name}")]
                    .iter()
                    .any(|use_| elsewhere.contains(use_));
            if !is_known {
                found.push(format!("{readme}: nobody reads {name}"));
            }
        }
    }
    let sample = tree.text(SAMPLE);
    let set: BTreeSet<String> = sample
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.to_owned()))
        .collect();
    let wanted: BTreeSet<String> =
        real.into_iter().filter(|name| !NOT_IN_SAMPLE.contains(&name.as_str())).collect();
    // What compose alone reads is held by tests/deploy.
    let compose = tree.text(COMPOSE);
    let set = set
        .into_iter()
        .filter(|name| wanted.contains(name) || !compose.contains(&format!("${{{name}:")))
        .collect();
    found.extend(difference(SAMPLE, &set, &wanted));
    found
}

fn difference(place: &str, told: &BTreeSet<String>, real: &BTreeSet<String>) -> Vec<String> {
    let missing = real.difference(told).map(|name| format!("{place}: tell {name}"));
    missing
        .chain(told.difference(real).map(|name| format!("{place}: nobody reads {name}")))
        .collect()
}

/// Names of variables in spans, and those that the examples export.
fn named(text: &str) -> BTreeSet<String> {
    let is_name = |word: &&str| {
        word.contains('_')
            && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let first = |span: &str| span.split('=').next().unwrap_or_default().to_owned();
    let in_spans = prose(text).into_iter().flat_map(|(_, line)| spans(line)).map(first);
    let code: String = blocks(text).into_iter().map(|block| block.text).collect();
    let exported = code.lines().filter(|line| line.starts_with("export ")).flat_map(|line| {
        let words = line.split_whitespace().skip(1);
        words
            .filter_map(|word| word.split_once('=').map(|(name, _)| name.to_owned()))
            .collect::<Vec<_>>()
    });
    in_spans.chain(exported).filter(|name| is_name(&name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn a_path_that_is_not_there_is_found() {
        let planted = |path: &str, from: &str, to: &str| found(paths_exist, path, from, to).len();
        assert_eq!(planted(ENGLISH, "(docs/errors.md)", "(docs/mistakes.md)"), 1);
        assert_eq!(planted("ARCHITECTURE.md", "`nats.conf`", "`nats/nats.conf`"), 1);
        let engine = "`workers/rakuten/src/engine`";
        assert_eq!(planted("ARCHITECTURE.md", engine, "`workers/rakuten/src/motor`"), 1);
        assert_eq!(joined("docs/adr", "../config.md"), "docs/config.md");
    }

    #[test]
    fn a_variable_that_is_missing_or_unknown_is_found() {
        let planted =
            |path: &str, from: &str, to: &str| found(environment_is_whole, path, from, to).len();
        assert_eq!(planted(JAPANESE, "| `CACHE_TTL` |", "| `CACHE_TIME` |"), 3);
        assert_eq!(planted(ENGLISH, "`HF_HUB_OFFLINE=1`", "`HF_OFF_LINE=1`"), 1);
        assert_eq!(planted(SAMPLE, "REDIS_SERVER=\n", ""), 1);
        let (code, more) =
            ("pub const HOME: &str", "pub const EXTRA: &str = \"E\";\npub const HOME: &str");
        assert_eq!(planted(ENVIRONMENT, code, more), 3);
    }
}
