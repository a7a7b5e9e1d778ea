//! Dead files: a Rust file that no `mod` names is not compiled, not tested and still believed.

use crate::rust::Named;
use crate::{Tree, Violation};
use std::collections::BTreeSet;

/// Every Rust file is reached from a file that Cargo compiles.
pub(crate) fn every_file_is_reached(tree: &Tree) -> Vec<Violation> {
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut next: Vec<(String, bool)> = tree
        .packages
        .iter()
        .flat_map(|package| package.roots.iter().map(|root| (root.clone(), true)))
        .collect();
    // A tool with a manifest of its own is no member of the workspace.
    let manifests = tree.files.iter().filter_map(|file| file.path.strip_suffix("/Cargo.toml"));
    for folder in manifests {
        next.push((format!("{folder}/src/main.rs"), true));
        next.push((format!("{folder}/src/lib.rs"), true));
    }
    while let Some((path, is_root)) = next.pop() {
        let Some(rust) = tree.file(&path).and_then(|file| file.rust.as_ref()) else { continue };
        if reached.insert(path.clone()) {
            for named in rust.named() {
                next.extend(candidates(&path, is_root, &named).map(|file| (file, false)));
            }
        }
    }
    tree.rust()
        .filter(|(file, _)| !reached.contains(&file.path))
        .map(|(file, _)| Violation::of(&file.path, "no `mod` names it: name it or delete it"))
        .collect()
}

/// Where the compiler looks for a named file.
fn candidates(path: &str, is_root: bool, named: &Named) -> std::vec::IntoIter<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut places: Vec<&str> = folder.split('/').filter(|place| !place.is_empty()).collect();
    if named.is_path {
        for part in named.name.split('/') {
            match part {
                ".." => drop(places.pop()),
                "." => {}
                _ => places.push(part),
            }
        }
        return vec![places.join("/")].into_iter();
    }
    if !is_root && name != "mod.rs" {
        places.push(name.trim_end_matches(".rs"));
    }
    places.extend(named.within.iter().map(String::as_str));
    places.push(&named.name);
    let module = places.join("/");
    vec![format!("{module}.rs"), format!("{module}/mod.rs")].into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Package;

    #[test]
    fn a_dead_file_is_found() {
        let mut tree = Tree::planted(&[
            ("a/src/lib.rs", "mod b;\nmod inline { mod c; }\n#[path = \"../odd.rs\"]\nmod odd;"),
            ("a/src/b/mod.rs", "mod d; // mod dead;"),
            ("a/src/b/d.rs", "mod e;"),
            ("a/src/b/d/e.rs", "include!(\"made.rs\");"),
            ("a/src/b/d/made.rs", ""),
            ("a/src/inline/c.rs", ""),
            ("a/odd.rs", ""),
            ("a/src/b/dead.rs", ""),
            ("a/src/d.rs", ""),
        ]);
        let roots = vec!["a/src/lib.rs".to_owned()];
        let (name, manifest) = ("a".to_owned(), "a/Cargo.toml".to_owned());
        tree.packages.push(Package { name, manifest, dependencies: Vec::new(), roots });
        let places: Vec<_> =
            every_file_is_reached(&tree).into_iter().map(|violation| violation.place).collect();
        assert_eq!(places, ["a/src/b/dead.rs", "a/src/d.rs"]);
    }
}
