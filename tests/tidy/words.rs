//! What a file has to say, and what nobody writes here, each with what to write instead. What
//! Clippy can ban by meaning is in clippy.toml; this reads what Clippy does not see.

use crate::rust::Kind;
use crate::{Tree, Violation};

/// A piece of code that is banned, and its replacement.
struct Ban {
    code: &'static str,
    /// Below which path it is banned; empty: everywhere.
    within: &'static str,
    /// The only paths below which it may stand.
    except: &'static [&'static str],
    /// Whether tests may have it.
    tests_may: bool,
    instead: &'static str,
    /// A line that breaks it.
    #[cfg(test)]
    planted: &'static str,
}

const BANS: [Ban; 9] = [
    Ban {
        code: "unbounded_channel",
        within: "",
        except: &[],
        tests_may: false,
        instead: "mpsc::channel with a named capacity: every queue has a bound",
        planted: "let (sender, inbox) = unbounded_channel();",
    },
    Ban {
        code: "mpsc::unbounded",
        within: "",
        except: &[],
        tests_may: false,
        instead: "mpsc::channel with a named capacity: every queue has a bound",
        planted: "use futures::channel::mpsc::unbounded;",
    },
    Ban {
        code: "env::var",
        within: "",
        except: &["infra/src/environment.rs"],
        tests_may: true,
        instead: "infra::environment, which alone reads the environment",
        planted: "let home = std::env::var_os(name);",
    },
    Ban {
        code: "unsafe_code",
        within: "",
        except: &[
            "workers/rakuten/src/engine/interrupt.rs",
            "workers/rakuten/src/engine/kernels.rs",
        ],
        tests_may: false,
        instead: "safe code: the lint has two exceptions, at doors of llama.cpp, and no third",
        planted: "#[expect(unsafe_code, reason = \"faster\")] fn a() {}",
    },
    Ban {
        code: "#[ignore",
        within: "",
        except: &[],
        tests_may: false,
        instead: "a test that runs, or no test: a skipped one proves nothing",
        planted: "#[test] #[ignore = \"slow\"] fn a() {}",
    },
    Ban {
        code: "unimplemented!",
        within: "",
        except: &[],
        tests_may: false,
        instead: "the code, or an error that says what is not supported",
        planted: "fn a() { unimplemented!() }",
    },
    Ban {
        code: "todo!",
        within: "",
        except: &[],
        tests_may: false,
        instead: "the code, or an error that says what is not supported",
        planted: "fn a() { todo!(\"more\") }",
    },
    Ban {
        code: "sleep(",
        within: "tests/it/",
        except: &[],
        tests_may: false,
        instead: "the harness's wait on a condition: sleeping is slow and still flaky",
        planted: "tokio::time::sleep(Duration::from_secs(1)).await;",
    },
    Ban {
        code: "cfg(feature",
        within: "",
        except: &["src/"],
        tests_may: false,
        instead: "plain code: features are chosen in the binary alone",
        planted: "#[cfg(feature = \"rakuten\")] mod a {}",
    },
];

pub(crate) fn banned_code(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, rust) in tree.rust() {
        // Cargo tells a build script where to write by a variable, and by nothing else.
        let is_told = |ban: &Ban| ban.code == "env::var" && file.name() == "build.rs";
        let holds = |ban: &&Ban| {
            !is_told(ban)
                && file.path.starts_with(ban.within)
                && !ban.except.iter().any(|path| file.path.starts_with(path))
        };
        let bans: Vec<&Ban> = BANS.iter().filter(holds).collect();
        for (line, code) in rust.code() {
            let is_test = file.is_test_line(line);
            let breaks = |ban: &&&Ban| code.contains(ban.code) && !(is_test && ban.tests_may);
            for ban in bans.iter().filter(breaks) {
                let what = format!("`{}` is banned; write {}", ban.code, ban.instead);
                violations.push(Violation::at(&file.path, line, what));
            }
        }
    }
    violations
}

/// A file opens with a sentence on what it is for; best also what it must never do.
pub(crate) fn files_say_what_they_are_for(tree: &Tree) -> Vec<Violation> {
    tree.rust()
        .filter(|(file, _)| !opens_with_sentence(&file.text))
        .map(|(file, _)| {
            let what = "open it with `//!` and a whole sentence on what it is for";
            Violation::at(&file.path, 1, what)
        })
        .collect()
}

fn opens_with_sentence(text: &str) -> bool {
    let opening: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let opening = opening.join(" ");
    let is_english = opening.split(". ").any(|sentence| sentence.split_whitespace().count() >= 4)
        && opening.contains(['.', ':', '!', '?']);
    let is_japanese = opening.find('。').is_some_and(|end| end >= "八つの文字がある".len());
    is_english || is_japanese
}

/// An exception from a lint is `expect`ed, so that it goes when it is no longer needed, and says
/// why it is there.
pub(crate) fn exceptions_have_reasons(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, rust) in tree.rust() {
        for (line, inside) in rust.attributes() {
            let is_exception =
                inside.first().is_some_and(|first| first.text == "allow" || first.text == "expect");
            let has_reason =
                inside.iter().any(|token| token.kind == Kind::Word && token.text == "reason");
            if is_exception && !has_reason {
                let what = "write #[expect(lint, reason = \"why\")]";
                violations.push(Violation::at(&file.path, line, what));
            }
        }
    }
    violations
}

/// Spelled in two parts, or this file would break its own rule.
const LATER: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// What is left to do is an issue, which somebody reads; a note in the code is read by nobody.
pub(crate) fn nothing_is_left_for_later(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in &tree.files {
        let is_prose = [".md", ".json", ".jsonl"].iter().any(|end| file.path.ends_with(end));
        if is_prose || file.is_fixture() {
            continue;
        }
        for (number, line) in (1..).zip(file.text.lines()) {
            let mut words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            if words.any(|word| LATER.contains(&word)) {
                violations.push(Violation::at(&file.path, number, "do it, or file an issue"));
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
    fn each_ban_is_found_and_only_where_it_holds() {
        for ban in BANS {
            let path = format!("{}a.rs", ban.within);
            let text = format!("//! {0}\nconst A: &str = r#\"{0}\"#; // {0}\n{0}", ban.planted);
            assert_eq!(found(banned_code, &[(&path, &text)]), [format!("{path}:3")]);
            for allowed in ban.except.iter().chain(&["README.md"]) {
                assert!(found(banned_code, &[(allowed, &text)]).is_empty());
            }
            let is_told = found(banned_code, &[("a/build.rs", &text)]).is_empty();
            assert_eq!(is_told, ban.code == "env::var" || !"a/build.rs".starts_with(ban.within));
            if ban.tests_may {
                assert!(found(banned_code, &[("tests/a.rs", &text)]).is_empty());
            }
        }
    }

    #[test]
    fn a_file_without_purpose_is_found() {
        let places = |text| found(files_say_what_they_are_for, &[("a.rs", text)]);
        for silent in ["fn a() {}\n", "//! Skeleton.\n", "\n//! Too late to say what it is.\n", ""]
        {
            assert_eq!(places(silent), ["a.rs:1"], "{silent}");
        }
        assert!(
            places("//! Masks personal data before a job\n//! leaves. Never logs it.\n").is_empty()
        );
        assert!(places("//! 個人情報を送信前に伏せる。\n").is_empty());
    }

    #[test]
    fn an_exception_without_reason_is_found() {
        let text = "#![allow(a)]\n#[expect(b)]\n\
            #[expect(c, reason = \"d\")]\n#[doc = \"allow\"]\nfn e() {}";
        assert_eq!(found(exceptions_have_reasons, &[("a.rs", text)]), ["a.rs:1", "a.rs:2"]);
    }

    #[test]
    fn a_note_for_later_is_found() {
        let notes = LATER.map(|word| format!("# {word}: more\n# {word}S\n")).concat();
        let places = found(nothing_is_left_for_later, &[("a.sh", &notes), ("a.md", &notes)]);
        assert_eq!(places, ["a.sh:1", "a.sh:3", "a.sh:5"]);
    }
}
