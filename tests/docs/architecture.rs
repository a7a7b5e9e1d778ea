//! ARCHITECTURE's step tables against the two conductors, and its rooms against the manifests. It
//! follows calls by name, so a step that is renamed, moved or put elsewhere in the order is found.

use crate::markdown::{Row, tables};
use crate::source;
use crate::tree::Tree;
use std::collections::BTreeSet;

const ARCHITECTURE: &str = "ARCHITECTURE.md";
const STEPS: [&str; 5] = ["step", "file", "function", "what it does", "on failure"];
const ROOMS: [&str; 4] = ["crate", "folder", "imports", "what it is for"];

/// A conductor, and which of the step tables tells its way.
struct Way {
    file: &'static str,
    function: &'static str,
    table: usize,
    /// Its file numbers the steps in the comments of their modules.
    numbered: bool,
}

const GATEWAY: Way =
    Way { file: "gateway/src/chat/mod.rs", function: "chat", table: 0, numbered: true };
const WORKER: Way =
    Way { file: "workers/job/src/lib.rs", function: "run_job", table: 1, numbered: false };

pub(crate) fn gateway_steps_are_the_way(tree: &Tree) -> Vec<String> {
    steps(tree, &GATEWAY)
}

pub(crate) fn worker_steps_are_the_way(tree: &Tree) -> Vec<String> {
    steps(tree, &WORKER)
}

fn steps(tree: &Tree, way: &Way) -> Vec<String> {
    let conductor = tree.text(way.file);
    let Some(body) = source::body(&conductor, way.function) else {
        return vec![format!("{} has no function {}", way.file, way.function)];
    };
    let table = tables(&tree.text(ARCHITECTURE), &STEPS).into_iter().nth(way.table);
    let rows = table.unwrap_or_default();
    let mut found = Vec::new();
    let mut reached = 0;
    for row in &rows {
        let place = format!("{ARCHITECTURE}:{}: step {}", row.line, row.plain(0));
        let (file, names) = (row.plain(1), row.spans(2));
        let text = tree.text(&file);
        let Some(function) = names.first().filter(|name| source::has_function(&text, name)) else {
            found.push(format!("{place}: {file} has no function {names:?}"));
            continue;
        };
        match names.as_slice() {
            [_] => match source::call(body, function, reached) {
                Some(at) => reached = at + 1,
                None => found.push(format!(
                    "{place}: {} doesn't call {function} after the steps before it",
                    way.function
                )),
            },
            [_, caller, caller_file] => {
                let text = tree.text(caller_file);
                let inside = source::body(&text, caller).unwrap_or_default();
                if source::call(inside, function, 0).is_none() {
                    let what = format!("{caller} in {caller_file} doesn't call {function}");
                    found.push(format!("{place}: {what}"));
                }
            }
            _ => found.push(format!("{place}: write `f`, or `f`, called by `g` in `file`")),
        }
    }
    found.extend(untold(tree, way, body, &rows));
    if way.numbered {
        found.extend(misnumbered(&conductor, &rows));
    }
    found
}

/// Steps that the conductor calls and the table doesn't tell.
fn untold(tree: &Tree, way: &Way, body: &str, rows: &[Row]) -> Vec<String> {
    let folder = way.file.rsplit_once('/').map(|(folder, _)| folder).unwrap_or_default();
    let told: BTreeSet<(String, String)> = rows
        .iter()
        .flat_map(|row| row.spans(2).into_iter().map(|name| (row.plain(1), name)))
        .collect();
    source::qualified_calls(body)
        .into_iter()
        .map(|(module, function)| (format!("{folder}/{module}.rs"), function))
        .filter(|(file, _)| tree.exists(file))
        .filter(|step| !told.contains(step))
        .map(|(file, function)| {
            format!("{ARCHITECTURE}: {} calls {function} of {file}: tell it", way.function)
        })
        .collect()
}

/// The order of the table against the numbers in the conductor's file.
fn misnumbered(conductor: &str, rows: &[Row]) -> Vec<String> {
    let step = |(comment, item): (String, String)| {
        let number: usize = comment.split_once(". ")?.0.parse().ok()?;
        let module = item.strip_prefix("mod ")?.strip_suffix(';')?.to_owned();
        Some((number, module))
    };
    let numbered: Vec<_> = source::documented(conductor).into_iter().filter_map(step).collect();
    let told: Vec<_> = (1..).zip(rows.iter().map(|row| row.plain(0))).collect();
    if numbered == told {
        return Vec::new();
    }
    vec![format!("{ARCHITECTURE}: the steps are {told:?}, the modules are {numbered:?}")]
}

/// Who imports whom, against the manifests.
pub(crate) fn rooms_are_the_crates(tree: &Tree) -> Vec<String> {
    let mut rooms = vec![room(tree, "src", "Cargo.toml")];
    for folder in members(&tree.text("Cargo.toml")) {
        let manifest = format!("{folder}/Cargo.toml");
        rooms.push(room(tree, &folder, &manifest));
    }
    let real: BTreeSet<String> = rooms.into_iter().collect();
    let told: BTreeSet<String> = tables(&tree.text(ARCHITECTURE), &ROOMS)
        .into_iter()
        .flatten()
        .map(|row| format!("{} in {}: {}", row.plain(0), row.plain(1), row.spans(2).join(", ")))
        .collect();
    let missing = real.difference(&told).map(|room| format!("{ARCHITECTURE}: tell {room}"));
    let wrong = told.difference(&real).map(|room| format!("{ARCHITECTURE}: not so: {room}"));
    missing.chain(wrong).collect()
}

/// The folders of the workspace that belong to the product: not its tests, and not its bench.
fn members(manifest: &str) -> Vec<String> {
    let list = manifest.split("members = [").nth(1).unwrap_or_default();
    let list = list.split(']').next().unwrap_or_default();
    let folders = list.split('"').skip(1).step_by(2);
    let is_tool = |folder: &&str| folder.starts_with("tests/") || *folder == "bench";
    folders.filter(|folder| !is_tool(folder)).map(str::to_owned).collect()
}

fn room(tree: &Tree, folder: &str, manifest: &str) -> String {
    const OURS: [&str; 8] = [
        "gateway",
        "infra",
        "payments",
        "schemas",
        "worker-billing",
        "worker-job",
        "worker-provider",
        "worker-rakuten",
    ];
    let text = tree.text(manifest);
    let package = text.split("[package]").nth(1).unwrap_or_default();
    let name = source_value(package, "name").unwrap_or_default();
    let section = text.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let imports = |crate_name: &&&str| {
        let starts = [format!("{crate_name}."), format!("{crate_name} =")];
        section.lines().any(|line| starts.iter().any(|start| line.starts_with(start.as_str())))
    };
    let imports: Vec<&str> = OURS.iter().filter(imports).copied().collect();
    format!("{name} in {folder}: {}", imports.join(", "))
}

fn source_value(text: &str, key: &str) -> Option<String> {
    let start = format!("{key} = \"");
    let line = text.lines().find_map(|line| line.strip_prefix(start.as_str()))?;
    line.strip_suffix('"').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn a_step_that_moved_is_found() {
        let check = gateway_steps_are_the_way;
        let planted = |from: &str, to: &str| found(check, GATEWAY.file, from, to);
        let admit = "admit::admit(gateway, authenticated)";
        assert!(!planted(admit, "nobody::nobody(gateway, authenticated)").is_empty());
        let new_step = "let received = hold::other(receive::receive(gateway, call)?)";
        let found_new = planted("let received = receive::receive(gateway, call)?", new_step);
        assert!(found_new.iter().any(|line| line.contains("calls other of")), "{found_new:?}");
        assert!(!planted("mod admit;", "mod admitted;").is_empty());
    }

    #[test]
    fn a_table_in_another_order_is_found() {
        let swapped = |check, from, to| found(check, ARCHITECTURE, from, to);
        let row = "| admit | `gateway/src/chat/admit.rs` | `admit` |";
        let other = "| admit | `gateway/src/chat/admit.rs` | `hold` |";
        assert!(!swapped(gateway_steps_are_the_way, row, other).is_empty());
        let renamed = "| admitted | `gateway/src/chat/admit.rs` | `admit` |";
        assert!(!swapped(gateway_steps_are_the_way, row, renamed).is_empty());
        let begin = "`workers/job/src/running.rs` | `begin` |";
        let late = "`workers/job/src/running.rs` | `cancel` |";
        assert!(!swapped(worker_steps_are_the_way, begin, late).is_empty());
        let caller = "`usage`, called by `settle`";
        assert!(
            !swapped(worker_steps_are_the_way, caller, "`usage`, called by `write`").is_empty()
        );
    }

    #[test]
    fn a_room_that_is_not_so_is_found() {
        let told = "| `gateway` | `gateway` | `infra`, `payments`, `schemas` |";
        let wrong = "| `gateway` | `gateway` | `infra` |";
        assert_eq!(found(rooms_are_the_crates, ARCHITECTURE, told, wrong).len(), 2);
        let manifest = "schemas.workspace = true\n";
        assert_eq!(found(rooms_are_the_crates, "gateway/Cargo.toml", manifest, "").len(), 2);
    }
}
