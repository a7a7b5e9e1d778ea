//! The repository as the checks read it: files from disk, with mistakes planted over them. It
//! never writes but through [`Tree::rewrite`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The documents that the checks read, besides those in the folders.
const DOCUMENTS: [&str; 5] =
    ["README.md", "README.ja.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

/// Where the others are.
const FOLDER: &str = "docs";

/// Where the decisions are.
pub(crate) const DECISIONS: &str = "docs/adr";

/// All files, some of them planted.
pub(crate) struct Tree {
    planted: BTreeMap<String, String>,
}

impl Tree {
    /// The files as they are.
    pub(crate) fn read() -> Self {
        Self { planted: BTreeMap::new() }
    }

    /// The same with another text for one file.
    #[cfg(test)]
    pub(crate) fn with(mut self, path: &str, text: &str) -> Self {
        self.planted.insert(path.to_owned(), text.to_owned());
        self
    }

    /// A file's text; empty when there is none, and then a check finds that what it wants is not
    /// there.
    pub(crate) fn text(&self, path: &str) -> String {
        let planted = self.planted.get(path).cloned();
        planted.unwrap_or_else(|| fs::read_to_string(on_disk(path)).unwrap_or_default())
    }

    /// Whether a file or a folder is there.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.planted.contains_key(path) || on_disk(path).exists()
    }

    /// The documents with their texts.
    pub(crate) fn documents(&self) -> Vec<(String, String)> {
        let fixed = DOCUMENTS.iter().map(|path| (*path).to_owned());
        let folders = [FOLDER, DECISIONS].into_iter().flat_map(|folder| self.folder(folder));
        let all = fixed.chain(folders.filter(|path| path.ends_with(".md")));
        all.map(|path| (path.clone(), self.text(&path))).collect()
    }

    /// The files right inside a folder, sorted.
    pub(crate) fn folder(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(on_disk(folder)).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let start = format!("{folder}/");
        let is_inside =
            |path: &&String| path.strip_prefix(&start).is_some_and(|name| !name.contains('/'));
        let planted = self.planted.keys().filter(is_inside).cloned();
        let mut files: Vec<String> =
            names.map(|name| format!("{start}{name}")).chain(planted).collect();
        files.sort();
        files.dedup();
        files
    }

    /// The Rust files below a folder, sorted.
    pub(crate) fn rust_below(&self, folder: &str) -> Vec<String> {
        let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
        while let Some(folder) = folders.pop() {
            for path in self.folder(&folder) {
                if on_disk(&path).is_dir() {
                    folders.push(path);
                } else if path.ends_with(".rs") {
                    files.push(path);
                }
            }
        }
        files.sort();
        files
    }

    /// Writes a file anew.
    pub(crate) fn rewrite(&self, path: &str, text: &str) -> Vec<String> {
        let written = fs::write(on_disk(path), text);
        written.err().map(|error| format!("{path}: {error}")).into_iter().collect()
    }
}

fn on_disk(path: &str) -> PathBuf {
    Path::new(ROOT).join(path)
}

#[test]
fn a_planted_text_lies_over_the_file() {
    let tree = Tree::read().with("README.md", "planted").with("docs/adr/x.md", "new");
    assert_eq!(tree.text("README.md"), "planted");
    assert!(tree.exists("docs/adr/x.md") && !tree.exists("docs/adr/y.md"));
    assert!(tree.folder(DECISIONS).contains(&"docs/adr/x.md".to_owned()));
    let below = tree.documents();
    assert_eq!(below.iter().filter(|(path, _)| path == "docs/adr/x.md").count(), 1);
    assert!(tree.rust_below("schemas").contains(&"schemas/src/openai/mod.rs".to_owned()));
}
