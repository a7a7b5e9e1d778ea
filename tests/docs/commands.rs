//! Commands that the documents tell a reader to type: targets of the Makefile, scripts, and
//! commands of the program, which its own parser judges. It runs nothing but `fly-llm … --help`.

use crate::markdown::{blocks, prose, spans};
use crate::tree::Tree;
use std::process::Command;

/// Programs that are not ours.
const FOREIGN: [&str; 9] =
    ["apt-get", "curl", "docker", "export", "fly", "git", "kubectl", "nats-server", "redis-server"];

/// One line to type, with its place.
struct Line {
    place: String,
    words: Vec<String>,
}

pub(crate) fn commands_exist(tree: &Tree) -> Vec<String> {
    let makefile = tree.text("Makefile");
    let mut found = Vec::new();
    for (path, text) in tree.documents() {
        for line in lines(&path, &text) {
            let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
            let wrong = match words.as_slice() {
                ["make", target, ..] => {
                    let rule = format!("\n{target}:");
                    (!makefile.contains(&rule)).then(|| format!("make has no target {target}"))
                }
                ["fly-llm", arguments @ ..] => refused(arguments),
                [script, ..] if script.starts_with("scripts/") => {
                    (!tree.exists(script)).then(|| format!("there is no {script}"))
                }
                [foreign, ..] if FOREIGN.contains(foreign) => None,
                [other, ..] => Some(format!("{other} is no command known to tests/docs")),
                [] => None,
            };
            found.extend(wrong.map(|wrong| format!("{}: {wrong}", line.place)));
        }
    }
    found
}

/// The API refuses a body that curl sends as a form, which it does unless told otherwise.
pub(crate) fn bodies_say_what_they_are(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in tree.documents() {
        for line in lines(&path, &text) {
            let has = |wanted: &str| line.words.iter().any(|word| word.starts_with(wanted));
            if has("curl") && has("-d") && !has("application/json") {
                found.push(format!("{}: curl -d without a content type", line.place));
            }
        }
    }
    found
}

/// The lines of all `sh` blocks, and code spans that are commands of ours.
fn lines(path: &str, text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for block in blocks(text).iter().filter(|block| block.language == "sh") {
        let joined = block.text.replace("\\\n", " ");
        for typed in joined.lines() {
            lines.push(line(format!("{path}:{}", block.line), typed));
        }
    }
    for (number, text) in prose(text) {
        let ours =
            |span: &&str| ["make ", "fly-llm ", "scripts/"].iter().any(|s| span.starts_with(s));
        for span in spans(text).into_iter().filter(ours) {
            lines.push(line(format!("{path}:{number}"), span));
        }
    }
    lines
}

fn line(place: String, typed: &str) -> Line {
    let words = typed.split_whitespace().take_while(|word| !word.starts_with('#'));
    let is_setting = |word: &&str| word.contains('=') && !word.starts_with('-');
    Line { place, words: words.skip_while(is_setting).map(str::to_owned).collect() }
}

/// What the program's own parser says against a command.
fn refused(arguments: &[&str]) -> Option<String> {
    let is_command = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let is_word = |word: &&str| !word.starts_with('-') && is_command(word);
    let commands: Vec<&str> = arguments.iter().copied().take_while(is_word).collect();
    let flags = arguments.iter().filter(|word| word.starts_with("--"));
    let asked = Command::new(env!("CARGO_BIN_EXE_fly-llm")).args(&commands).arg("--help").output();
    let help = match asked {
        Ok(answer) if answer.status.success() => {
            String::from_utf8_lossy(&answer.stdout).into_owned()
        }
        Ok(_) => return Some(format!("fly-llm has no command {}", commands.join(" "))),
        Err(error) => return Some(format!("fly-llm can't be run: {error}")),
    };
    let known = |flag: &str| help.split_whitespace().any(|word| word.trim_end_matches(',') == flag);
    let unknown = flags.copied().find(|flag| !known(flag));
    unknown.map(|flag| format!("fly-llm {} has no {flag}", commands.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn a_body_without_its_type_is_found() {
        let (told, wrong) =
            ("  -H \"Content-Type: application/json\" \\\n  -d '{\"name\"", "  -d '{\"name\"");
        assert_eq!(found(bodies_say_what_they_are, "README.md", told, wrong).len(), 1);
    }

    #[test]
    fn a_command_that_is_not_there_is_found() {
        let planted = |from: &str, to: &str| found(commands_exist, "README.md", from, to);
        assert_eq!(planted("make up\n", "make upp\n").len(), 1);
        assert_eq!(planted("\nscripts/up\n", "\nscripts/down\n").len(), 1);
        assert_eq!(planted("fly-llm config default\n", "fly-llm config defaults\n").len(), 1);
        assert_eq!(planted("fly-llm gateway --listen", "fly-llm gateway --lisen").len(), 1);
        assert_eq!(planted("`fly-llm ledger rebuild`", "`fly-llm ledger repair`").len(), 1);
        assert_eq!(planted("curl -N", "wget").len(), 1);
    }
}
