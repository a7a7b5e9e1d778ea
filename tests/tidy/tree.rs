//! What the rules read: the files that git knows or would add, and the packages that Cargo sees.
//! Without git it walks the folders. It never writes.

use crate::rust::Rust;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Folders that a walk leaves out; git leaves them out by .gitignore.
const UNTRACKED_FOLDERS: [&str; 5] = [".git", "target", "data", "node_modules", "__pycache__"];

/// A file of the repository.
pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) bytes: usize,
    /// Empty when the file is no text.
    pub(crate) text: String,
    /// What the rules need to know of a Rust file.
    pub(crate) rust: Option<Rust>,
}

impl File {
    fn new(path: &str, content: Vec<u8>) -> Self {
        let bytes = content.len();
        let text = String::from_utf8(content).unwrap_or_default();
        let rust = path.ends_with(".rs").then(|| Rust::parse(&text));
        Self { path: path.to_owned(), bytes, text, rust }
    }

    /// The last part of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether this is recorded material, which keeps the form it came in.
    pub(crate) fn is_fixture(&self) -> bool {
        self.path.contains("/fixtures/") || self.path.contains("/golden/")
    }

    /// Whether the whole file is only there for tests.
    pub(crate) fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.contains("/benches/")
            || self.name() == "tests.rs"
    }

    /// Whether a line belongs to a test.
    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.is_test() || self.rust.as_ref().is_some_and(|rust| rust.is_test_line(line))
    }
}

/// A package of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: String,
    /// Names of what it depends on, and whether only its tests do.
    pub(crate) dependencies: Vec<(String, bool)>,
    /// The files that Cargo compiles first, from the root of the repository.
    pub(crate) roots: Vec<String>,
}

/// The repository as the rules see it.
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
    pub(crate) packages: Vec<Package>,
}

impl Tree {
    /// Reads the repository that this test was built from.
    pub(crate) fn read() -> Result<Self, String> {
        let mut files = Vec::new();
        for path in tracked().or_else(|_| walked())? {
            if let Ok(content) = fs::read(Path::new(ROOT).join(&path)) {
                files.push(File::new(&path, content));
            }
        }
        Ok(Self { files, packages: packages()? })
    }

    /// A tree of the given files and no packages.
    #[cfg(test)]
    pub(crate) fn planted(files: &[(&str, &str)]) -> Self {
        let files =
            files.iter().map(|(path, text)| File::new(path, text.as_bytes().to_vec())).collect();
        Self { files, packages: Vec::new() }
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// All Rust files with what is known of them.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&File, &Rust)> {
        self.files.iter().filter_map(|file| Some((file, file.rust.as_ref()?)))
    }
}

fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(ROOT)
        .output()
        .map_err(|error| format!("{program} does not run: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{program}: {error}"))
}

fn tracked() -> Result<BTreeSet<String>, String> {
    let listed = output("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    Ok(listed.split_terminator('\0').map(str::to_owned).collect())
}

fn walked() -> Result<BTreeSet<String>, String> {
    let mut paths = BTreeSet::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(Path::new(ROOT).join(&folder))
            .map_err(|error| format!("{folder}: {error}"))?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if !is_folder {
                paths.insert(path);
            } else if !UNTRACKED_FOLDERS.contains(&name.as_str()) {
                folders.push(path);
            }
        }
    }
    Ok(paths)
}

fn packages() -> Result<Vec<Package>, String> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
    let metadata: Value = serde_json::from_str(&output(env!("CARGO"), &arguments)?)
        .map_err(|error| format!("cargo metadata: {error}"))?;
    Ok(list(&metadata["packages"]).map(package).collect())
}

fn package(package: &Value) -> Package {
    Package {
        name: word(&package["name"]),
        manifest: from_root(&package["manifest_path"]),
        dependencies: list(&package["dependencies"])
            .map(|dependency| (word(&dependency["name"]), dependency["kind"] == "dev"))
            .collect(),
        roots: list(&package["targets"]).map(|target| from_root(&target["src_path"])).collect(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn from_root(value: &Value) -> String {
    let path = word(value);
    path.strip_prefix(ROOT).unwrap_or(&path).trim_start_matches('/').to_owned()
}

#[test]
fn a_walk_finds_what_git_finds() {
    let walked = walked().unwrap_or_default();
    assert!(walked.contains("Cargo.toml") && walked.contains("tests/tidy/tree.rs"));
    assert!(!walked.iter().any(|path| path.starts_with(".git/")));
}

#[test]
fn tests_are_told_from_code() {
    let file = |path| File::new(path, b"//! T.\nfn a() {}\n#[cfg(test)]\nmod tests {\n}\n".into());
    assert!(file("tests/it/main.rs").is_test() && file("infra/src/config/tests.rs").is_test());
    let code = file("infra/src/config.rs");
    assert!(!code.is_test() && !code.is_test_line(2) && code.is_test_line(4));
}
