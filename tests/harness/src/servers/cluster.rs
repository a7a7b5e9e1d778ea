//! Three nats-servers that are one, started as docs/deploy.md says: each can be killed and comes
//! back at its place with its data.

use super::{address_of, launch, wait_for_listener};
use infra::children::ChildProcess;
use infra::environment::NATS_SERVER;
use socket2::{Domain, Socket, Type};
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// How many there are: one may be lost.
const NODES: usize = 3;

/// The configuration, the same as for a server of its own.
const CONFIG: &str = include_str!("../../../../nats.conf");

/// One of them.
struct Node {
    process: ChildProcess,
    /// For clients, and for the others.
    ports: (u16, u16),
}

/// All three.
pub(super) struct NatsCluster {
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    nodes: Vec<Node>,
    /// Keeps the ports while a server is away.
    _kept: Vec<Socket>,
}

impl NatsCluster {
    /// Starts them with the passwords of a server that was there before.
    pub(super) async fn start(folder: &Path, environment: Vec<(&'static str, String)>) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("nats.conf"), CONFIG).unwrap();
        let (ports, kept): (Vec<u16>, Vec<Socket>) = (0..2 * NODES).map(|_| port()).unzip();
        let ports: Vec<(u16, u16)> = ports.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        let start = |number| start(folder, &ports, number, environment.clone());
        let nodes: Vec<Node> = (0..NODES)
            .map(|number| Node { process: start(number), ports: ports[number] })
            .collect();
        let folder = folder.to_owned();
        let cluster = Self { folder, environment, nodes, _kept: kept };
        for node in &cluster.nodes {
            wait_for_listener("a node listens", address(node.ports.0)).await;
        }
        cluster
    }

    /// Where a user of one server finds all of these.
    pub(super) fn url_like(&self, url: &str) -> String {
        let before = address_of(url).to_string();
        let urls =
            self.nodes.iter().map(|node| url.replace(&before, &address(node.ports.0).to_string()));
        urls.collect::<Vec<_>>().join(",")
    }

    /// `kill -9` of one, by its name.
    pub(super) async fn kill(&mut self, name: &str) {
        let number = number_of(name);
        self.nodes[number].process.kill().await;
    }

    /// One again, with its data.
    pub(super) async fn start_again(&mut self, name: &str) {
        let number = number_of(name);
        let ports: Vec<_> = self.nodes.iter().map(|node| node.ports).collect();
        let process = start(&self.folder, &ports, number, self.environment.clone());
        self.nodes[number].process = process;
        wait_for_listener("a node is back", address(ports[number].0)).await;
    }
}

fn start(
    folder: &Path,
    ports: &[(u16, u16)],
    number: usize,
    environment: Vec<(&'static str, String)>,
) -> ChildProcess {
    let route = |(_, port): &(u16, u16)| format!("nats://127.0.0.1:{port}");
    let others = ports.iter().enumerate().filter(|(other, _)| *other != number);
    let routes: Vec<String> = others.map(|(_, ports)| route(ports)).collect();
    let own = folder.join(name_of(number));
    let arguments: Vec<OsString> = vec![
        "-c".into(),
        folder.join("nats.conf").into(),
        "-a".into(),
        "127.0.0.1".into(),
        "-p".into(),
        ports[number].0.to_string().into(),
        "-sd".into(),
        own.join("streams").into(),
        "-l".into(),
        folder.join(format!("{}.log", name_of(number))).into(),
        "--name".into(),
        name_of(number).into(),
        "--cluster_name".into(),
        "fly-llm".into(),
        "--cluster".into(),
        route(&ports[number]).into(),
        "--routes".into(),
        routes.join(",").into(),
    ];
    launch(("nats-server", NATS_SERVER), arguments, environment)
}

fn name_of(number: usize) -> String {
    format!("n{}", number + 1)
}

fn number_of(name: &str) -> usize {
    name.trim_start_matches('n').parse::<usize>().expect("a node's name") - 1
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A port that nobody else is given meanwhile: bound without listening.
fn port() -> (u16, Socket) {
    let kept = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    kept.set_reuse_address(true).unwrap();
    kept.bind(&address(0).into()).unwrap();
    let port = kept.local_addr().unwrap().as_socket().unwrap().port();
    (port, kept)
}
