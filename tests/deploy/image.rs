//! The Dockerfile, as far as it can be judged without an engine; and the file system of its images,
//! which `scripts/image-root` makes here as it does there, and the program runs in.

use crate::command_line::Command;
use crate::files;
use std::path::Path;
use std::process::Command as Process;

/// One stage with its instructions, lines joined.
struct Stage {
    name: String,
    from: String,
    lines: Vec<String>,
}

fn stages(path: &str) -> Vec<Stage> {
    let text = files::text(path);
    let kept: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let joined = kept.join("\n").replace("\\\n", " ");
    let mut stages: Vec<Stage> = Vec::new();
    for line in joined.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(from) = line.strip_prefix("FROM ") {
            let (from, name) = from.split_once(" AS ").unwrap_or((from, ""));
            let (from, name) = (from.to_owned(), name.to_owned());
            stages.push(Stage { name, from, lines: Vec::new() });
        } else if let Some(stage) = stages.last_mut() {
            stage.lines.push(line.to_owned());
        } else {
            assert!(line.starts_with("ARG "), "{path}: {line} before the first stage");
        }
    }
    stages
}

impl Stage {
    /// The last instruction of a kind.
    fn said(&self, instruction: &str) -> Option<&str> {
        let found = self.lines.iter().rev().find_map(|line| line.strip_prefix(instruction));
        found.map(str::trim)
    }

    /// An instruction in JSON's form, which needs no shell.
    fn words(&self, instruction: &str) -> Vec<String> {
        let said = self.said(instruction).unwrap_or_else(|| panic!("no {instruction}"));
        serde_json::from_str(said).unwrap_or_else(|_| panic!("{instruction} {said} needs a shell"))
    }
}

fn stage(name: &str) -> Stage {
    let found = stages("Dockerfile").into_iter().find(|stage| stage.name == name);
    found.unwrap_or_else(|| panic!("the Dockerfile has no stage {name}"))
}

#[test]
fn the_images_run_the_program_as_nobody_and_know_their_health() {
    for name in ["gateway", "rakuten"] {
        let stage = stage(name);
        assert_eq!(stage.from, "scratch", "{name}: nothing but the program");
        assert_eq!(stage.said("USER"), Some("65532:65532"), "{name}");
        assert_eq!(stage.said("STOPSIGNAL"), Some("SIGTERM"), "{name}");
        assert_eq!(stage.words("ENTRYPOINT"), ["fly-llm"], "{name}");
        let command = stage.words("CMD");
        let listens = files::flag(&command, "--metrics-listen").unwrap().to_owned();
        match (name, files::parsed(&command)) {
            ("gateway", Command::Gateway(_)) | ("rakuten", Command::Worker(_)) => {}
            (_, other) => panic!("{name}: {other:?}"),
        }
        let health = stage.said("HEALTHCHECK").unwrap();
        let (_, asked) = health.split_once("CMD ").unwrap();
        let asked: Vec<String> = serde_json::from_str(asked).unwrap();
        assert!(matches!(files::parsed(&asked[1..]), Command::Healthcheck { .. }), "{name}");
        let port = listens.rsplit_once(':').unwrap().1;
        assert!(asked[2].ends_with(&format!("127.0.0.1:{port}/ready")), "{name}: {asked:?}");
        let copies: Vec<&String> =
            stage.lines.iter().filter(|line| line.starts_with("COPY ")).collect();
        let made = format!("COPY --from=build-{name} /image/ /");
        assert!(copies.contains(&&made), "{name}: {copies:?}");
        // Terms of what is inside want to be in every copy.
        let terms = "COPY LICENSE NOTICE /usr/share/doc/fly-llm/".to_owned();
        assert!(copies.contains(&&terms), "{name}: {copies:?}");
    }
    // An image runs on whatever it is put on: what is computed with is chosen there.
    for name in ["build-gateway", "build-rakuten"] {
        assert!(!stage(name).lines.join(" ").contains("target-cpu"), "{name}");
    }
    assert!(stage("build-gateway").lines.join(" ").contains("--no-default-features"));
    assert_eq!(stage("rakuten-root").from, "rakuten");
}

#[test]
fn stages_stand_on_stages_and_builds_are_locked() {
    let stages = stages("Dockerfile");
    for (number, stage) in stages.iter().enumerate() {
        let known = |from: &str| stages[..number].iter().any(|earlier| earlier.name == from);
        let foreign = ["scratch", "rust:${RUST_VERSION}-slim-bookworm"];
        assert!(known(&stage.from) || foreign.contains(&stage.from.as_str()), "{}", stage.from);
        for line in &stage.lines {
            if let Some((_, from)) = line.split_once("--from=") {
                assert!(known(from.split_whitespace().next().unwrap()), "{line}");
            }
            if line.contains("cargo build") {
                assert!(line.contains("--locked") && line.contains("--release"), "{line}");
                assert!(line.contains("scripts/image-root"), "{line}");
            }
        }
    }
    assert!(files::root("scripts/image-root").exists());
    let ignored = files::text(".dockerignore");
    for secret in [".env", "data", ".git", "target"] {
        assert!(ignored.lines().any(|line| line == secret), "{secret} would be in the builder");
    }
    for needed in ["Cargo.lock", "config.yaml", "nats.conf", "scripts", "tests"] {
        assert!(!ignored.lines().any(|line| line == needed), "{needed} is needed");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_program_runs_on_the_files_of_its_image_alone() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let program = env!("CARGO_BIN_EXE_fly-llm");
    let script = files::root("scripts/image-root");
    let made = Process::new(&script).args([Path::new(program), &image]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for path in ["etc/passwd", "etc/nsswitch.conf", "etc/ssl/certs/ca-certificates.crt", "models"] {
        assert!(image.join(path).exists(), "{path}");
    }
    // The image's own loader takes the image's own libraries; what is missing would be named.
    let (loader, libraries) = loader_and_libraries(&image);
    let version = Process::new(loader)
        .args(["--inhibit-cache", "--library-path", &libraries])
        .arg(image.join("usr/local/bin/fly-llm"))
        .arg("--version")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&version.stdout);
    assert!(said.starts_with("fly-llm "), "{said}{}", String::from_utf8_lossy(&version.stderr));
    let nothing = Process::new(script).args(["no-such-program", "x"]).output().unwrap();
    assert!(!nothing.status.success());
}

/// The loader, and all folders with libraries, joined with colons.
#[cfg(target_os = "linux")]
fn loader_and_libraries(image: &Path) -> (std::path::PathBuf, String) {
    let (mut loader, mut with, mut folders) = (None, Vec::new(), vec![image.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                folders.push(path);
            } else if name.starts_with("ld-") {
                loader = Some(path);
            } else if name.contains(".so") && !with.contains(&folder) {
                with.push(folder.clone());
            }
        }
    }
    let with: Vec<String> = with.iter().map(|path| path.display().to_string()).collect();
    (loader.expect("a loader"), with.join(":"))
}
