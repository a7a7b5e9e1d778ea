//! A stand-in for Docker Compose where no engine runs: the services of docker-compose.yml with
//! the same commands, environment, order and health checks, as processes of this machine. What
//! differs: each gets ports of its own instead of an address, paths of volumes lie in a
//! temporary folder, and images are programs. It decides nothing about a service that the file
//! doesn't say.

use crate::compose::{self, Service, Variables};
use crate::files;
use harness::fetched::program_folders;
use harness::{wait_until, within};
use infra::environment::PATH;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// How long a look at a server's health may take.
const HEALTH_MAX: Duration = Duration::from_secs(5);

/// The first port that is tried, below those that the system hands out by itself.
const PORT_MIN: u16 = 20_000;

/// How many runs of these tests may have ports of their own.
const PORT_RUNS: u32 = 50;

/// Ports of one run.
const PORTS_EACH: u32 = 200;

/// How many of them were handed out: tests of one run are beside each other.
static PORTS_TAKEN: AtomicU16 = AtomicU16::new(0);

/// A port that nobody has, and that no other test of this run gets.
pub(crate) fn free_port() -> u16 {
    let run = u16::try_from(std::process::id() % PORT_RUNS * PORTS_EACH).unwrap();
    loop {
        let taken = PORTS_TAKEN.fetch_add(1, Ordering::Relaxed);
        assert!(u32::from(taken) < PORTS_EACH, "more ports than one run has");
        let port = PORT_MIN + run + taken;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// All services that run.
pub(crate) struct Stack {
    folder: TempDir,
    services: BTreeMap<String, Service>,
    running: Vec<Running>,
    started: usize,
}

/// One container's stand-in.
struct Running {
    service: String,
    /// The ports that it believes it has, and those that it has.
    ports: BTreeMap<u16, u16>,
    child: Child,
}

impl Stack {
    /// Nothing runs yet.
    pub(crate) fn new(variables: &Variables) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        let services = compose::services(variables);
        Self { folder, services, running: Vec::new(), started: 0 }
    }

    /// Where a named volume lies.
    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// `docker compose up -d`: everything without a profile, in the order that the file asks for.
    pub(crate) async fn up(&mut self) {
        let mut left: Vec<Service> = self.services.values().cloned().collect();
        left.retain(|service| service.profiles.is_empty());
        while !left.is_empty() {
            let is_left = |name: &String| left.iter().any(|service| service.name == *name);
            let ready =
                left.iter().position(|service| !service.waits_for.iter().any(|(n, _)| is_left(n)));
            let service = left.remove(ready.expect("services that don't wait for each other"));
            for (name, condition) in &service.waits_for {
                self.wait_for(name, condition).await;
            }
            for _ in 0..service.replicas {
                self.start(&service.name);
            }
        }
        let names: Vec<String> = self.running.iter().map(|one| one.service.clone()).collect();
        for name in names {
            if self.services[&name].health.is_some() {
                self.wait_for(&name, "service_healthy").await;
            }
        }
    }

    /// Waits as `depends_on` does.
    async fn wait_for(&mut self, name: &str, condition: &str) {
        match condition {
            "service_healthy" => {
                for number in self.numbers(name) {
                    let what = format!("{name} is well ({})", self.log(name));
                    wait_until(&what, async || self.is_well(number).await).await;
                }
            }
            "service_completed_successfully" => {
                for number in self.numbers(name) {
                    let child = &mut self.running[number].child;
                    let ended = within(&format!("the end of {name}"), child.wait()).await.unwrap();
                    assert!(ended.success(), "{name} ended with {ended}: {}", self.log(name));
                }
            }
            "service_started" => {}
            other => panic!("{name}: {other}"),
        }
    }

    fn numbers(&self, name: &str) -> Vec<usize> {
        let all = self.running.iter().enumerate();
        all.filter(|(_, one)| one.service == name).map(|(number, _)| number).collect()
    }

    /// One more of a service.
    fn start(&mut self, name: &str) {
        let ports = self.ports(name);
        let one = self.begun(name, ports);
        self.running.push(one);
    }

    fn begun(&mut self, name: &str, ports: BTreeMap<u16, u16>) -> Running {
        let mut command = self.command(name, &self.services[name].command, &ports);
        let log = self.folder.path().join(format!("logs/{name}-{}.log", self.started));
        let log = std::fs::File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        self.started += 1;
        Running { service: name.to_owned(), ports, child }
    }

    /// A program with what the file says of its service, and words of its own.
    fn command(&self, name: &str, words: &[String], ports: &BTreeMap<u16, u16>) -> Command {
        let service = &self.services[name];
        let placed: Vec<String> =
            words.iter().map(|word| self.placed(service, word, ports)).collect();
        let mut command = match (&service.target, service.image.split(':').next()) {
            (Some(_), _) => with_arguments(env!("CARGO_BIN_EXE_fly-llm"), &placed),
            (None, Some("nats")) => with_arguments(program("nats-server"), &placed),
            (None, _) => with_arguments(program(&placed[0]), &placed[1..]),
        };
        // A container sees no variable but those that it is given.
        command.env_clear().env(PATH, paths()).kill_on_drop(true);
        for (name, value) in &service.environment {
            command.env(name, self.placed(service, value, ports));
        }
        command.current_dir(self.folder.path());
        command
    }

    /// A text of the file with this machine's paths, addresses and ports.
    fn placed(&self, service: &Service, text: &str, ports: &BTreeMap<u16, u16>) -> String {
        let mut text = text.to_owned();
        for (outside, inside) in &service.volumes {
            let here = match outside.strip_prefix("./") {
                Some(path) => files::root(path),
                None if Path::new(outside).is_absolute() => outside.into(),
                None => self.volume(outside),
            };
            text = text.replace(inside, here.to_str().unwrap());
        }
        for other in &self.running {
            for (port, here) in &other.ports {
                let address = format!("{}:{port}", other.service);
                text = text.replace(&address, &format!("127.0.0.1:{here}"));
            }
        }
        for (port, here) in ports {
            text = with_number(&text, &port.to_string(), &here.to_string());
        }
        text.replace("0.0.0.0", "127.0.0.1")
    }

    /// Free ports for those that a service's command names.
    fn ports(&self, name: &str) -> BTreeMap<u16, u16> {
        let said = self.services[name].command.join(" ");
        let numbers = said.split(|c: char| !c.is_ascii_digit()).filter(|digits| digits.len() == 4);
        let wanted: Vec<u16> = numbers.map(|digits| digits.parse().unwrap()).collect();
        wanted.into_iter().map(|port| (port, free_port())).collect()
    }

    /// Whether a container's own health check says that it is well.
    async fn is_well(&self, number: usize) -> bool {
        let one = &self.running[number];
        let service = &self.services[&one.service];
        let health = service.health.as_ref().expect("a health check");
        assert_eq!(health[0], "CMD");
        if health[1] == "wget" {
            let url = self.placed(service, health.last().unwrap(), &one.ports);
            let client = infra::net::http_client(HEALTH_MAX).unwrap();
            let asked = client.get(url).send().await;
            return asked.is_ok_and(|answer| answer.status().is_success());
        }
        let words = if service.target.is_some() { &health[2..] } else { &health[1..] };
        let mut command = self.command(&one.service, words, &one.ports);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().await.is_ok_and(|status| status.success())
    }

    /// Addresses where a service's container port is, one for each of its containers.
    pub(crate) fn addresses(&self, name: &str, port: u16) -> Vec<String> {
        let all = self.running.iter().filter(|one| one.service == name);
        all.map(|one| format!("http://127.0.0.1:{}", one.ports[&port])).collect()
    }

    /// `docker compose run --rm tools …`
    pub(crate) async fn tool(&self, words: &[&str]) -> Output {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut command = self.command("tools", &words, &BTreeMap::new());
        let what = format!("fly-llm {}", words.join(" "));
        within(&what, command.stdin(Stdio::null()).output()).await.unwrap()
    }

    /// `docker compose up -d --scale NAME=COUNT`: more are started, the last are asked to end.
    pub(crate) async fn scale(&mut self, name: &str, count: usize) {
        while self.numbers(name).len() < count {
            self.start(name);
        }
        for number in self.numbers(name).into_iter().skip(count).rev() {
            let one = self.running.remove(number);
            stopped(one).await;
        }
        if self.services[name].health.is_some() {
            self.wait_for(name, "service_healthy").await;
        }
    }

    /// `kill -9` of one container, and a new one in its place, as `restart` asks for. It has the
    /// address that the old one had: others know it.
    pub(crate) async fn kill(&mut self, name: &str, which: usize) {
        let number = self.numbers(name)[which];
        let one = &mut self.running[number];
        one.child.kill().await.unwrap();
        let ports = one.ports.clone();
        self.running[number] = self.begun(name, ports);
        self.wait_for(name, "service_healthy").await;
    }

    /// What the processes of each service hold of memory together, in KiB.
    pub(crate) fn memory_kib(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for one in &self.running {
            let Some(pid) = one.child.id() else { continue };
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let number = resident.and_then(|text| text.split_whitespace().next()?.parse().ok());
            *all.entry(one.service.clone()).or_default() += number.unwrap_or(0);
        }
        all
    }

    /// What the containers of a service wrote.
    pub(crate) fn log(&self, name: &str) -> String {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.folder.path().join("logs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name))
            .collect();
        files.sort();
        files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
    }

    /// `docker compose down`: those that others wait for end last.
    pub(crate) async fn down(mut self) {
        while let Some(one) = self.running.pop() {
            if self.services[&one.service].raw["restart"] != "no" {
                stopped(one).await;
            }
        }
    }
}

/// SIGTERM, and a good end.
async fn stopped(mut one: Running) {
    let pid = Pid::from_raw(i32::try_from(one.child.id().expect("it runs")).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let ended = within(&format!("the end of {}", one.service), one.child.wait()).await.unwrap();
    // nats-server has its own word for an end by SIGTERM.
    let good = ended.success() || (one.service == "nats" && ended.code() == Some(1));
    assert!(good, "{} ended with {ended}", one.service);
}

fn with_arguments(program: impl AsRef<std::ffi::OsStr>, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// A number in a text replaced where it stands alone.
fn with_number(text: &str, from: &str, to: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(from) {
        let end = at + from.len();
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let alone = !digit(rest[..at].chars().next_back()) && !digit(rest[end..].chars().next());
        out.push_str(&rest[..at]);
        out.push_str(if alone { to } else { from });
        rest = &rest[end..];
    }
    out + rest
}

fn paths() -> String {
    let folders: Vec<String> =
        program_folders().iter().map(|path| path.display().to_string()).collect();
    folders.join(":")
}

pub(crate) fn program(name: &str) -> PathBuf {
    let found =
        program_folders().into_iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: run scripts/install-test-tools"))
}

#[test]
fn numbers_are_replaced_where_they_stand_alone() {
    assert_eq!(with_number("0.0.0.0:8080 18080 8080", "8080", "1"), "0.0.0.0:1 18080 1");
}
