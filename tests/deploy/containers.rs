//! The same services as containers of a real engine, through `docker compose` itself. Used where
//! `make test-compose` finds one; it decides nothing that docker-compose.yml says.

use crate::compose::Variables;
use crate::files;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// Where gateways are published: not where somebody's own may be.
const GATEWAY_PORTS: &str = "127.0.0.1:18080-18099";

/// One run of `docker compose`, taken down at its end.
pub(crate) struct Containers {
    folder: TempDir,
    project: String,
    /// The last word of the services' logs, once they are gone.
    down: bool,
}

impl Containers {
    /// Nothing runs yet; `model` is the file that the local model's worker finds on its volume.
    pub(crate) fn new(variables: &Variables, model: &std::path::Path) -> Self {
        let folder = TempDir::new().unwrap();
        let mut variables = variables.clone();
        variables.insert("GATEWAY_PORTS".into(), GATEWAY_PORTS.into());
        let lines: String =
            variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        std::fs::write(folder.path().join(".env"), lines).unwrap();
        let mut more = "services:\n".to_owned();
        for role in ["gateway", "provider", "rakuten", "billing"] {
            more.push_str(&format!(
                "  {role}:\n    ports: [\"127.0.0.1::9464\"]\n    extra_hosts: \
                 [\"host.docker.internal:host-gateway\"]\n"
            ));
            if role == "rakuten" {
                let model = model.display();
                more.push_str(&format!("    volumes: [\"{model}:/models/rakuten.gguf:ro\"]\n"));
            }
        }
        std::fs::write(folder.path().join("more.yml"), more).unwrap();
        let project = format!("fly-llm-test-{}", std::process::id());
        Self { folder, project, down: false }
    }

    fn compose(&self, words: &[&str]) -> Output {
        let file = |name: &str| -> PathBuf { self.folder.path().join(name) };
        let mut command = Command::new("docker");
        command.args(["compose", "--project-name", &self.project, "--env-file"]);
        command.arg(file(".env")).arg("--file").arg(files::root("docker-compose.yml"));
        command.arg("--file").arg(file("more.yml")).args(words);
        command.current_dir(files::root("")).output().unwrap()
    }

    fn done(&self, words: &[&str]) -> String {
        let output = self.compose(words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker compose {words:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn containers(&self, name: &str) -> Vec<String> {
        self.done(&["ps", "--quiet", name]).lines().map(str::to_owned).collect()
    }

    pub(crate) fn up(&self) {
        self.done(&["up", "--detach", "--no-build", "--wait", "--wait-timeout", "300"]);
    }

    pub(crate) fn addresses(&self, name: &str, port: u16) -> Vec<String> {
        let published = |container: &String| {
            let port = format!("{port}/tcp");
            let output = Command::new("docker").args(["port", container, &port]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let line = text.lines().next().unwrap_or_else(|| panic!("{name}: no port {port}"));
            format!("http://{line}")
        };
        self.containers(name).iter().map(published).collect()
    }

    pub(crate) fn tool(&self, words: &[&str]) -> Output {
        self.compose(&[&["run", "--rm", "--no-TTY", "tools"], words].concat())
    }

    pub(crate) fn scale(&self, name: &str, count: usize) {
        let scale = format!("{name}={count}");
        self.done(&["up", "--detach", "--no-build", "--no-recreate", "--wait", "--scale", &scale]);
    }

    pub(crate) fn kill(&self, name: &str, which: usize) {
        let container = &self.containers(name)[which];
        let killed = Command::new("docker").args(["kill", "--signal", "KILL", container]).output();
        assert!(killed.unwrap().status.success(), "{name} can't be killed");
        self.up();
    }

    pub(crate) fn log(&self, name: &str) -> String {
        // `compose logs` clears a terminal's line before a text even where there is none.
        let log = |container: &str| {
            let told = Command::new("docker").args(["logs", container]).output().unwrap();
            [told.stdout, told.stderr].concat()
        };
        let all = self.done(&["ps", "--all", "--quiet", name]);
        String::from_utf8(all.lines().flat_map(log).collect()).unwrap()
    }

    pub(crate) fn down(mut self) {
        self.done(&["down", "--volumes", "--timeout", "60"]);
        self.down = true;
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        if !self.down {
            self.compose(&["down", "--volumes", "--timeout", "5"]);
        }
    }
}
