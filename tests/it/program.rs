//! The real program as its user starts it: `fly-llm up` with a data folder of its own, tools beside
//! it, signals. It has the same end as a world: nothing may be left.

use harness::{Client, Vendor, World, wait_until, within};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// The program, built with this test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_fly-llm");

/// A folder with a configuration and data, and the vendor that the configuration names.
pub(crate) struct Place {
    pub(crate) vendor: Vendor,
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

/// A running `fly-llm up`.
pub(crate) struct Up {
    child: Child,
    /// What it printed.
    pub(crate) banner: Value,
}

/// What a tool said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    /// With the configuration of all tests.
    pub(crate) async fn new() -> Self {
        let vendor = World::vendor_alone().await;
        let config = World::config_text(&vendor);
        Self::with(vendor, &config)
    }

    /// With a configuration of its own.
    pub(crate) fn with(vendor: Vendor, config: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("own.yaml"), config).unwrap();
        Self { vendor, folder, environment: Vec::new() }
    }

    /// Adds a variable to the environment of what is started here.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(PROGRAM, arguments)
    }

    fn command_of(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path()).kill_on_drop(true);
        for name in ["NATS_URL", "REDIS_URL", "ADMIN_API_KEY", "OPENAI_API_KEY"] {
            command.env_remove(name);
        }
        // How its threads wait it has to know by itself.
        for name in ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "GGML_NO_BACKTRACE"] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts `fly-llm up` and waits for its banner.
    pub(crate) async fn up(&self) -> Up {
        self.up_telling(std::fs::File::create(self.path("up.err")).unwrap()).await
    }

    /// The same with another standard error.
    pub(crate) async fn up_telling(&self, errors: std::fs::File) -> Up {
        let mut command = self.command(&["up", "--json", "--config", "own.yaml"]);
        command.args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within("the banner", lines.next_line()).await.unwrap();
        let line = line.unwrap_or_else(|| panic!("no banner: {}", self.errors()));
        Up { child, banner: serde_json::from_str(&line).unwrap() }
    }

    /// Starts a role that runs until it is told to end, or dropped.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// What the last `up` wrote to its standard error.
    pub(crate) fn errors(&self) -> String {
        std::fs::read_to_string(self.path("up.err")).unwrap()
    }

    /// Runs a tool to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, "").await
    }

    /// Runs a tool that reads its standard input.
    pub(crate) async fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        let what = format!("the end of fly-llm {}", arguments.join(" "));
        Self::to_end(self.command(arguments), &what, input).await
    }

    /// Runs a tool that may take so much address space.
    pub(crate) async fn run_with_memory(&self, kibibytes: u64, arguments: &[&str]) -> Said {
        let what = format!("the end of fly-llm {}", arguments.join(" "));
        let limited = format!("ulimit -v {kibibytes} && exec \"$0\" \"$@\"");
        let shell = self.command_of("sh", &[&["-c", &limited, PROGRAM], arguments].concat());
        Self::to_end(shell, &what, "").await
    }

    async fn to_end(mut command: Command, what: &str, input: &str) -> Said {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A program that refuses its arguments may be gone before it has read anything.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let Output { status, stdout, stderr } =
            within(what, child.wait_with_output()).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: status.code(), out: text(stdout), err: text(stderr) }
    }
}

impl Said {
    /// The lines of its output as JSON.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{self:?}"));
        self.out.lines().map(parse).collect()
    }

    /// Its one line of output as JSON, after a look that it ended well.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        let mut lines = self.json_lines();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines.remove(0)
    }
}

impl Up {
    /// A text of the banner.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.banner[name].as_str().unwrap()
    }

    /// Somebody with the ready key.
    pub(crate) fn client(&self) -> Client {
        Client::of(self.text("base_url").trim_end_matches("/v1"), self.text("api_key"))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Waits until it has ended, and gives its exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        within("the end of fly-llm up", self.child.wait()).await.unwrap().code()
    }

    /// Ends it with SIGTERM: in good order, with equal sums, and with nothing left running.
    pub(crate) async fn finish(mut self, place: &Place) {
        let check = place.run(&["ledger", "check", "--json"]).await.json();
        assert_eq!(check["ok"], true, "{check}");
        let children = children_of(self.pid());
        self.signal(Signal::TERM);
        assert_eq!(self.ended().await, Some(0), "{}", place.errors());
        assert_gone(&children).await;
    }
}

/// Sends a signal to a process.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// The children of a process with their names, as the kernel tells them; none where there is no
/// `/proc`.
pub(crate) fn children_of(parent: u32) -> Vec<(u32, String)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |pid: &u32| status(*pid, "PPid").is_some_and(|ppid| ppid == parent.to_string());
    pids.filter(is_child).filter_map(|pid| Some((pid, status(pid, "Name")?))).collect()
}

/// Waits until none of these processes is there any more.
pub(crate) async fn assert_gone(processes: &[(u32, String)]) {
    for (pid, name) in processes {
        wait_until(&format!("{name} ({pid}) is gone"), async || {
            !Path::new(&format!("/proc/{pid}")).exists()
                || status(*pid, "Name").is_none_or(|now| now != *name)
                || status(*pid, "State").is_none_or(|state| state.starts_with('Z'))
        })
        .await;
    }
}

fn status(pid: u32, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(&format!("{field}:")))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
