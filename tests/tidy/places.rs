//! What may stand in one place only: subjects, Redis keys, transports, doors. A second place is
//! where two halves of the house begin to disagree.

use crate::tree::File;
use crate::{Tree, Violation};
use std::collections::BTreeSet;

const SUBJECTS: &str = "schemas/src/subjects.rs";
const KEYS: &str = "infra/src/store/keys.rs";
/// The name of an OpenAI object, which only looks like the subject of a job.
const NO_SUBJECT: &str = "chat.completion";

/// A NATS subject is built by `schemas::subjects`, so that both ends of it are one line of code.
pub(crate) fn subjects_are_spelled_once(tree: &Tree) -> Vec<Violation> {
    spelled_once(tree, SUBJECTS, '.', "call schemas::subjects")
}

/// A Redis key is built by `infra::store::keys`: two spellings of one key are two balances.
pub(crate) fn redis_keys_are_spelled_once(tree: &Tree) -> Vec<Violation> {
    spelled_once(tree, KEYS, ':', "call infra::store::keys")
}

/// Finds strings that begin as a name of `home` does, up to its first `mark`, in other code.
fn spelled_once(tree: &Tree, home: &str, mark: char, instead: &str) -> Vec<Violation> {
    let named = |text| head(text, mark).or_else(|| begun(text, mark));
    let heads: BTreeSet<&str> = match tree.file(home) {
        Some(file) => code_strings(file).filter_map(|(_, text)| named(text)).collect(),
        None => BTreeSet::new(),
    };
    if heads.is_empty() {
        return vec![Violation::of(home, "names nothing: this rule would not see anything")];
    }
    let mut violations = Vec::new();
    for file in tree.files.iter().filter(|file| file.path != home) {
        for (line, text) in code_strings(file) {
            if named(text).is_some_and(|head| heads.contains(head)) {
                let what = format!("\"{text}\" is spelled in {home} alone: {instead}");
                violations.push(Violation::at(&file.path, line, what));
            }
        }
    }
    violations
}

fn code_strings(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.rust.iter().flat_map(|rust| rust.strings()).filter(|(line, _)| !file.is_test_line(*line))
}

/// The first word of a subject or key, after what is filled in before it; none when the text is
/// prose, a header or a link.
fn head(text: &str, mark: char) -> Option<&str> {
    let mut name = text;
    while let Some((_, after)) = name.strip_prefix('{').and_then(|_| name.split_once('}')) {
        name = after.trim_start_matches(['}', mark]);
    }
    let (head, rest) = name.split_once(mark)?;
    let is_name = is_word(head)
        && !rest.is_empty()
        && !rest.starts_with('/')
        && !rest.contains(char::is_whitespace)
        && !text.starts_with(NO_SUBJECT);
    is_name.then_some(head)
}

/// The first word of a name that is joined of parts: `hold:` and what comes next.
fn begun(text: &str, mark: char) -> Option<&str> {
    text.strip_suffix(mark).filter(|head| is_word(head))
}

/// Ours are in small letters, NATS's own (`$JS`) in capital ones.
fn is_word(text: &str) -> bool {
    let is_ours = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    match text.strip_prefix('$') {
        Some(own) => !own.is_empty() && own.chars().all(|letter| letter.is_ascii_uppercase()),
        None => !text.is_empty() && text.chars().all(is_ours),
    }
}

/// The folders of somebody's machine, and whether prose may speak of them.
const MACHINE_PATHS: [(&str, bool); 4] =
    [("/root/", false), ("/home/", false), ("/work/", false), ("/tmp/", true)];

/// A path of one machine is a bug on every other: folders come from arguments, the environment or
/// a temporary folder that is asked for.
pub(crate) fn no_machine_paths(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in &tree.files {
        let is_prose = file.path.ends_with(".md");
        // An image has its own folders, and recorded material keeps its form.
        if file.name() == "Dockerfile" || file.is_fixture() {
            continue;
        }
        for (number, line) in (1..).zip(file.text.lines()) {
            let found = MACHINE_PATHS
                .iter()
                .find(|(path, prose_may)| !(is_prose && *prose_may) && begins_a_path(line, path));
            if let (Some((path, _)), false) = (found, file.is_test_line(number)) {
                let what = format!("{path} is a folder of one machine: ask for it instead");
                violations.push(Violation::at(&file.path, number, what));
            }
        }
    }
    violations
}

/// Whether an absolute path begins with `folder` somewhere in a line.
fn begins_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        !line[..at].ends_with(|letter: char| letter.is_alphanumeric() || "_-./}~*".contains(letter))
    })
}

const DOMAINS: [&str; 5] = ["pii", "routing", "limits", "cache", "credits"];
const TRANSPORTS: [&str; 2] = ["axum", "async_nats"];

/// A domain is judged by tables of cases, so it knows neither the web framework nor the bus.
pub(crate) fn domains_know_no_transport(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, rust) in tree.rust() {
        let in_domain = DOMAINS.iter().any(|domain| {
            let module = format!("gateway/src/{domain}");
            file.path.strip_prefix(&module).is_some_and(|rest| rest.starts_with(['/', '.']))
        });
        let words = rust.tokens.iter().filter(|token| TRANSPORTS.contains(&token.text.as_str()));
        for token in words.filter(|token| in_domain && !file.is_test_line(token.line)) {
            let what = format!("a domain does not know {}: hand it what it needs", token.text);
            violations.push(Violation::at(&file.path, token.line, what));
        }
    }
    violations
}

/// A step of the way is a file with one visible function, named in the conductor. What it gives to
/// a `Gateway` or its `Core` is a door, too: whoever has one of them can come in by it.
pub(crate) fn steps_have_one_door(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, rust) in tree.rust() {
        let step = file.path.strip_prefix("gateway/src/chat/").filter(|step| !step.contains('/'));
        if step.is_none_or(|step| step == "mod.rs") || file.is_test() {
            continue;
        }
        let text: Vec<&str> = file.text.lines().collect();
        // rustfmt puts a free function at the left margin and a method behind it.
        let is_door = |number: &usize| {
            let line = text.get(number - 1).unwrap_or(&"");
            let above = text.get(..*number).unwrap_or_default().iter().rev();
            let block = above.copied().find(|line| line.starts_with("impl"));
            let is_shared = matches!(block, Some("impl Gateway {" | "impl Core {"));
            let begins = |mark| line.starts_with(mark) && line.contains("fn ");
            begins("pub") || begins("    pub") && is_shared
        };
        let functions = rust.functions();
        let starts = functions.iter().map(|function| *function.lines.start());
        let lines: Vec<usize> = starts.filter(is_door).collect();
        for line in lines.iter().skip(1) {
            let what = "a second visible function: a step has one; move it to its domain";
            violations.push(Violation::at(&file.path, *line, what));
        }
    }
    violations
}

/// Axum's own readers of paths and queries refuse in English plain text: ours, in files called
/// `asked.rs`, refuse as their surface does.
pub(crate) fn addresses_are_read_by_our_own_readers(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, rust) in tree.rust() {
        if !file.path.starts_with("gateway/src/") || file.name() == "asked.rs" {
            continue;
        }
        let text = |at: usize| rust.tokens.get(at).map_or("", |token| token.text.as_str());
        for at in 0..rust.tokens.len() {
            if (text(at), text(at + 1), text(at + 2)) != ("extract", ":", ":") {
                continue;
            }
            let named = at + 3..=rust.tokens.get(at + 3).map_or(at, |token| token.close);
            for token in rust.tokens.get(named).unwrap_or_default() {
                if matches!(token.text.as_str(), "Path" | "Query") {
                    let what = format!("{0} of a file `asked.rs`, not axum's {0}", token.text);
                    violations.push(Violation::at(&file.path, token.line, what));
                }
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn a_subject_spelled_again_is_found() {
        let home = "const A: &str = \"chat.>\";\nfn b() { format!(\"tok.{g}.{r}\") }\n\
            const C: &str = \"$JS.EVENT.A\";";
        let home = (SUBJECTS, home);
        let code = "\
            f(\"chat.completion.chunk\", \"chat. with me\", \"chat\", \"tokens.a\")\n\
            format!(\"chat.{}.{}\", pool, model)\n\
            format!(r\"tok.{a}.{b}\")\n\
            format!(\"$JS.API.{a}\", \"$HOME.a\", \"$5.a\")\n\
            #[cfg(test)]\nmod tests { const A: &str = \"chat.cloud.a\"; }\n";
        let places = found(subjects_are_spelled_once, &[home, ("gateway/src/a.rs", code)]);
        assert_eq!(places, ["gateway/src/a.rs:2", "gateway/src/a.rs:3", "gateway/src/a.rs:4"]);
        assert_eq!(found(subjects_are_spelled_once, &[(SUBJECTS, "")]), [SUBJECTS]);
    }

    #[test]
    fn a_key_spelled_again_is_found() {
        for written in ["format!(\"{}hold:{r}\", prefix())", "[prefix(), \"hold:\", r].concat()"] {
            a_key_is_found_again(written);
        }
        assert_eq!(found(redis_keys_are_spelled_once, &[]), [KEYS]);
    }

    fn a_key_is_found_again(written: &str) {
        let home = format!("fn hold(r: &str) -> String {{ {written} }}");
        let home = (KEYS, home.as_str());
        let code = "\
            a(\"hold: the worst case\", \"data: {}\", \"https://a\", \"{hold:\", \"{}\")\n\
            b(\"hold:{}\")\n\
            c(\"{}hold:{}\")\n\
            d(\"{{{part}}}:hold:{id}\")\n\
            e([part, \"hold:\", id].concat())\n";
        let places = found(redis_keys_are_spelled_once, &[home, ("a.rs", code)]);
        assert_eq!(places, ["a.rs:2", "a.rs:3", "a.rs:4", "a.rs:5"]);
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let lines =
            "cd /root/a\nA=\"/tmp/b\"\ncd $HOME/tmp/ a/home/ https://a.b/work/\n--x=/home/c\n";
        let places = |path| found(no_machine_paths, &[(path, lines)]);
        assert_eq!(places("scripts/a"), ["scripts/a:1", "scripts/a:2", "scripts/a:4"]);
        assert_eq!(places("A.md"), ["A.md:1", "A.md:4"]);
        assert!(places("tests/a.rs").is_empty());
    }

    #[test]
    fn a_domain_that_knows_axum_is_found() {
        let text = "//! Not axum.\nuse axum::Json;\n#[cfg(test)]\nuse async_nats::Client;";
        let places = |path| found(domains_know_no_transport, &[(path, text)]);
        assert_eq!(places("gateway/src/pii/vault.rs"), ["gateway/src/pii/vault.rs:2"]);
        assert_eq!(places("gateway/src/limits.rs"), ["gateway/src/limits.rs:2"]);
        assert!(places("gateway/src/api/chat.rs").is_empty());
    }

    #[test]
    fn a_reader_of_axums_own_is_found() {
        let text = "use axum::extract::{self, Request,\n Query as Asked, State};\n\
            use axum::extract::State;\nuse axum::extract::MatchedPath;\n\
            fn a(at: axum::extract::Path<u8>) {}\nuse std::path::Path;\n";
        let places = |path| found(addresses_are_read_by_our_own_readers, &[(path, text)]);
        let page = "gateway/src/portal/a.rs";
        assert_eq!(places(page), [format!("{page}:2"), format!("{page}:5")]);
        assert!(places("gateway/src/portal/asked.rs").is_empty());
        assert!(places("tests/harness/src/a.rs").is_empty());
    }

    #[test]
    fn a_step_with_two_doors_is_found() {
        let text =
            "pub fn a() {}\nimpl B {\n    pub fn c() {}\n}\nfn d() {}\npub(crate) async fn e() {}";
        let places = |path| found(steps_have_one_door, &[(path, text)]);
        assert_eq!(places("gateway/src/chat/hold.rs"), ["gateway/src/chat/hold.rs:6"]);
        let text = "impl Gateway {\n    pub fn a() {}\n    fn b() {}\n    pub fn c() {}\n}\n\
            impl B {\n    pub fn d() {}\n}\n";
        let shared = found(steps_have_one_door, &[("gateway/src/chat/hold.rs", text)]);
        assert_eq!(shared, ["gateway/src/chat/hold.rs:4"]);
        assert!(places("gateway/src/chat/mod.rs").is_empty());
    }
}
