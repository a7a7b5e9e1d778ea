//! Three servers of NATS as docs/deploy.md starts them: everything has three copies, and when
//! the server that leads the ledger falls, keys and the ledger go on.

use crate::files;
use crate::stack::{free_port, program};
use harness::wait_for;
use infra::bus::Bus;
use schemas::subjects;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// What the guide starts each server with.
const COMMAND: &str = "nats-server -c nats.conf -sd ./streams --name ";

/// The users' passwords.
const PASSWORDS: [&str; 5] = [
    "NATS_PASSWORD",
    "NATS_GATEWAY_PASSWORD",
    "NATS_CLOUD_PASSWORD",
    "NATS_RAKUTEN_PASSWORD",
    "NATS_BILLING_PASSWORD",
];

/// The servers by their names, and where they are reached.
struct Cluster {
    servers: BTreeMap<String, Child>,
    url: String,
}

/// Starts what the guide says, on ports of this machine.
fn start(folder: &Path) -> Cluster {
    let guide = files::text("docs/deploy.md");
    let lines: Vec<&str> = guide.lines().filter(|line| line.starts_with(COMMAND)).collect();
    assert_eq!(lines.len(), 3, "the guide starts three");
    let japanese = files::text("docs/deploy.ja.md");
    assert!(lines.iter().all(|line| japanese.contains(line)), "both guides start the same");
    let routes: Vec<u16> = lines.iter().map(|_| free_port()).collect();
    let (mut servers, mut urls) = (BTreeMap::new(), Vec::new());
    for (number, line) in lines.into_iter().enumerate() {
        let mut line = line.replace("0.0.0.0:6222", &format!("127.0.0.1:{}", routes[number]));
        for (other, port) in routes.iter().enumerate() {
            line = line.replace(&format!("n{}:6222", other + 1), &format!("127.0.0.1:{port}"));
        }
        let config = files::root("nats.conf").display().to_string();
        let name = format!("n{}", number + 1);
        let line = line.replace("nats.conf", &config);
        let line = line.replace("./streams", &folder.join(&name).display().to_string());
        let port = free_port();
        let mut command = Command::new(program("nats-server"));
        command.args(line.split_whitespace().skip(1));
        command.args(["-a", "127.0.0.1", "-p", &port.to_string()]);
        command.env("NATS_USER", "fly-llm").envs(PASSWORDS.map(|name| (name, "kTest")));
        let log = std::fs::File::create(folder.join(format!("{name}.log"))).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        servers.insert(name, command.spawn().unwrap());
        urls.push(format!("nats://fly-llm:kTest@127.0.0.1:{port}"));
    }
    Cluster { servers, url: urls.join(",") }
}

/// How long the three may take to agree: a command waits up to 30 s by itself.
const AGREE_MAX: Duration = Duration::from_secs(120);

/// Tries a command until it works.
async fn until(what: &str, mut works: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + AGREE_MAX;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while !works().await {
        assert!(Instant::now() < limit, "waited {AGREE_MAX:?} in vain until {what}");
        ticks.tick().await;
    }
}

/// Runs a tool of the program beside the cluster.
async fn tool(url: &str, folder: &Path, words: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fly-llm"));
    command.args(words).current_dir(folder).env("NATS_URL", url).kill_on_drop(true);
    command.env("REDIS_URL", "redis://127.0.0.1:1/").stdin(Stdio::null());
    let ended = tokio::time::timeout(AGREE_MAX, command.output()).await;
    let output = ended.expect("a tool's end").unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn three_servers_lose_nothing_with_the_leader() {
    infra::net::install_cryptography();
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(folder.path());
    let config = infra::config::Config::load(None, &Default::default()).unwrap();
    assert_eq!(config.queue.replicas, 1);
    let text = files::text("config.yaml").replacen("replicas: 1", "replicas: 3", 1);
    std::fs::write(folder.path().join("config.yaml"), text).unwrap();
    let url = cluster.url.clone();
    // The three have to find each other first.
    until("the streams are made", async || {
        tool(&url, folder.path(), &["streams", "apply"]).await.0
    })
    .await;
    let (made, said) = tool(&url, folder.path(), &["keys", "create", "--name", "first"]).await;
    assert!(made, "{said}");
    let bus = Bus::connect(&url, "test").await.unwrap();
    let leader = wait_for("three copies of the ledger", async || {
        let stream = bus.jetstream().get_stream(subjects::LEDGER_STREAM).await.ok()?;
        let cluster = stream.cached_info().cluster.clone()?;
        (cluster.replicas.len() == 2).then_some(cluster.leader).flatten()
    })
    .await;
    cluster.servers.get_mut(&leader).unwrap().kill().await.unwrap();
    until("keys are made without it", async || {
        tool(&url, folder.path(), &["keys", "create", "--name", "second"]).await.0
    })
    .await;
    until("both keys are there", async || {
        let (_, listed) = tool(&url, folder.path(), &["keys", "list"]).await;
        listed.contains("first") && listed.contains("second")
    })
    .await;
}
