//! The real thing: nats-server, redis-server, and the shipped program in several processes, each
//! with the NATS user of its role. Each can be killed, held and started again at the same address.
//! It changes nothing in the program and passes it nothing that an operator couldn't.

use crate::vendor::Vendor;
use futures::FutureExt;
use harness::servers::Servers;
use infra::children::{ChildProcess, Launch};
use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The operator's key.
pub(crate) const ADMIN_KEY: &str = "admin-key-of-the-chaos";

/// A request's whole life, in seconds.
pub(crate) const REQUEST_SECONDS_MAX: u64 = 8;

/// After so long without an end a hold counts as forgotten, in seconds.
pub(crate) const SETTLE_GRACE_SECONDS: u64 = 4;

/// How long a process may take to end when it is asked to.
const END_SECONDS_MAX: Duration = Duration::from_secs(20);

/// A configuration with short lives, so that a run sees the end of everything.
const CONFIG: &str = r#"
gateway:
  request_seconds_max: LIFE
  settle_grace_seconds: GRACE
  first_token_seconds_max: 5
  stream_idle_seconds_max: 3
  begin_stream_after_ms: 300
  ping_seconds: 1
  leave_notice_seconds: 1
  drain_seconds_max: 9
queue: {wait_seconds_max: 6}
workers: {provider_slots: 8, first_byte_seconds_max: 5, idle_seconds_max: 4, drain_seconds_max: 9}
breaker: {failures_max: 8, cool_down_seconds: 1}
limits:
  requests_per_minute: 1000000
  tokens_per_minute: 1000000000
  parallel: 100000
  max_tokens_per_request: 100
cache: {enabled: false}
privacy: {mode: "off"}
fallbacks: {fast: [backup]}
models:
  - name: fast
    pool: cloud
    vendor: compatible
    api_base: BASE/v1
    price: {input: 1, cached_input: 1, cache_write: 1, output: 2}
    context: 10000
    max_output: 100
  - name: backup
    pool: cloud
    vendor: compatible
    api_base: BASE/v1
    price: {input: 1, cached_input: 1, cache_write: 1, output: 2}
    context: 10000
    max_output: 100
"#;

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A gateway.
    Gateway,
    /// A provider worker.
    Worker,
    /// A billing worker.
    Billing,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Gateway, Self::Worker, Self::Billing];

    fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Worker => "worker",
            Self::Billing => "billing",
        }
    }

    fn user(self) -> &'static str {
        match self {
            Self::Worker => "worker-cloud",
            Self::Gateway | Self::Billing => self.name(),
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Gateway => &["gateway"],
            Self::Worker => &["worker", "provider"],
            Self::Billing => &["worker", "billing"],
        }
    }
}

/// One process of the program.
struct Process {
    kind: Kind,
    number: usize,
    /// Of a gateway: its API and its counters.
    ports: Option<(u16, u16)>,
    starts: usize,
    child: Option<ChildProcess>,
}

/// Everything that runs.
pub(crate) struct Cluster {
    folder: TempDir,
    program: PathBuf,
    servers: Servers,
    processes: Vec<Process>,
    /// The gateways' ports, kept while their processes are away.
    kept_ports: Vec<Socket>,
    /// What ended by itself, or not well.
    pub(crate) bad_ends: Vec<String>,
}

impl Cluster {
    /// Two of each role.
    pub(crate) async fn start(program: &Path, vendor: &Vendor) -> Self {
        let folder = TempDir::new().unwrap();
        let config = CONFIG.replace("BASE", vendor.url());
        let config = config.replace("LIFE", &REQUEST_SECONDS_MAX.to_string());
        let config = config.replace("GRACE", &SETTLE_GRACE_SECONDS.to_string());
        std::fs::write(folder.path().join("own.yaml"), config).unwrap();
        let servers = Servers::start(folder.path()).await;
        let program = std::path::absolute(program).unwrap();
        let mut cluster = Self {
            folder,
            program,
            servers,
            processes: Vec::new(),
            kept_ports: Vec::new(),
            bad_ends: Vec::new(),
        };
        cluster.make_streams().await;
        for kind in Kind::ALL {
            for number in 0..2 {
                let ports = (kind == Kind::Gateway).then(|| (cluster.port(), cluster.port()));
                cluster.processes.push(Process { kind, number, ports, starts: 0, child: None });
                cluster.start_again(kind, number);
            }
        }
        cluster
    }

    /// A port that nobody else is given until the end: bound without listening, it is no longer
    /// among the free ones, and a process that is named it may listen there all the same.
    fn port(&mut self) -> u16 {
        let kept = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        kept.set_reuse_address(true).unwrap();
        kept.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let port = kept.local_addr().unwrap().as_socket().unwrap().port();
        self.kept_ports.push(kept);
        port
    }

    async fn make_streams(&self) {
        let url = self.servers.nats_url();
        let mut child = self.launch("streams", &["streams", "apply"], &url, Vec::new());
        let ended = harness::within("fly-llm streams apply", child.wait()).await.unwrap();
        assert!(ended.success(), "streams apply: {ended}");
    }

    fn launch(
        &self,
        name: &str,
        arguments: &[&str],
        nats_url: &str,
        more: Vec<String>,
    ) -> ChildProcess {
        let config = self.folder.path().join("own.yaml").into_os_string();
        let arguments = arguments.iter().map(Into::into);
        let arguments = arguments.chain(["--config".into(), config]);
        let launch = Launch {
            name: "fly-llm",
            program: self.program.clone(),
            arguments: arguments.chain(more.into_iter().map(Into::into)).collect(),
            environment: vec![
                ("NATS_URL", nats_url.to_owned()),
                ("REDIS_URL", self.servers.redis_url().to_owned()),
                ("ADMIN_API_KEY", ADMIN_KEY.to_owned()),
            ],
            error_file: Some(self.folder.path().join(format!("{name}.log"))),
        };
        ChildProcess::start(launch).unwrap()
    }

    fn place(&self, kind: Kind, number: usize) -> usize {
        let is_it = |process: &Process| (process.kind, process.number) == (kind, number);
        self.processes.iter().position(is_it).unwrap()
    }

    /// Starts a process at its address.
    pub(crate) fn start_again(&mut self, kind: Kind, number: usize) {
        let place = self.place(kind, number);
        let process = &mut self.processes[place];
        process.starts += 1;
        let name = format!("{}-{number}.{}", kind.name(), process.starts);
        let more = process.ports.map_or(Vec::new(), |(api, metrics)| {
            let address = |port| format!("127.0.0.1:{port}");
            let flag = |name: &str| name.to_owned();
            vec![flag("--listen"), address(api), flag("--metrics-listen"), address(metrics)]
        });
        let url = self.servers.nats_url_of(kind.user());
        self.processes[place].child = Some(self.launch(&name, kind.arguments(), &url, more));
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self, kind: Kind, number: usize) {
        self.look_after(kind, number);
        let place = self.place(kind, number);
        if let Some(mut child) = self.processes[place].child.take() {
            child.kill().await;
        }
    }

    /// Asks it to end in good order, and sees that it does.
    pub(crate) async fn stop(&mut self, kind: Kind, number: usize) {
        self.look_after(kind, number);
        let place = self.place(kind, number);
        let Some(mut child) = self.processes[place].child.take() else { return };
        signal(child.id(), Signal::TERM);
        let name = kind.name();
        match tokio::time::timeout(END_SECONDS_MAX, child.wait()).await {
            Ok(Ok(status)) if status.success() => {}
            Ok(status) => self.bad_ends.push(format!("{name} {number} at SIGTERM: {status:?}")),
            Err(_) => {
                self.bad_ends.push(format!("{name} {number} did not end at SIGTERM"));
                child.kill().await;
            }
        }
    }

    /// SIGSTOP or SIGCONT.
    pub(crate) fn signal(&self, kind: Kind, number: usize, which: Signal) {
        let child = self.processes[self.place(kind, number)].child.as_ref();
        signal(child.and_then(ChildProcess::id), which);
    }

    /// Writes down whether a process has ended by itself, and starts it again.
    fn look_after(&mut self, kind: Kind, number: usize) {
        let place = self.place(kind, number);
        let Some(child) = self.processes[place].child.as_mut() else { return };
        if let Some(ended) = child.wait().now_or_never() {
            self.bad_ends.push(format!("{} {number} ended by itself: {ended:?}", kind.name()));
            self.processes[place].child = None;
        }
    }

    /// Lets everything run again.
    pub(crate) fn heal(&mut self) {
        for (kind, number) in self.names() {
            self.signal(kind, number, Signal::CONT);
            self.look_after(kind, number);
            if self.processes[self.place(kind, number)].child.is_none() {
                self.start_again(kind, number);
            }
        }
    }

    /// All processes.
    pub(crate) fn names(&self) -> Vec<(Kind, usize)> {
        self.processes.iter().map(|process| (process.kind, process.number)).collect()
    }

    /// nats-server and redis-server.
    pub(crate) fn servers(&mut self) -> &mut Servers {
        &mut self.servers
    }

    /// Where the gateways listen: API and counters.
    pub(crate) fn gateways(&self) -> Vec<(String, String)> {
        let url = |port| format!("http://127.0.0.1:{port}");
        let ports = self.processes.iter().filter_map(|process| process.ports);
        ports.map(|(api, metrics)| (url(api), url(metrics))).collect()
    }

    /// How often each kind of line that nobody should read stands in the logs.
    pub(crate) fn panics(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for file in std::fs::read_dir(self.folder.path()).unwrap().flatten() {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            for line in text.lines().filter(|line| line.contains("panicked at")) {
                *found.entry(line.to_owned()).or_insert(0) += 1;
            }
        }
        found
    }

    /// Keeps the logs: for a run that has found something. Says where.
    pub(crate) fn keep_logs(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}

/// Sends a signal to a process that may be gone.
pub(crate) fn signal(id: Option<u32>, which: Signal) {
    let id = id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(id) = id {
        // Gone already: then nothing is to be told.
        let _ = kill_process(id, which);
    }
}
