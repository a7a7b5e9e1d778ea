//! nats-server and redis-server of one test: an own folder, free ports, gone with the test. Both
//! can be killed and come back at the same place with the same data.

/// Three of NATS.
mod cluster;

use crate::fetched::program_folders;
use cluster::NatsCluster;
use infra::children::nats::NatsServer;
use infra::children::redis::RedisServer;
use infra::children::{ChildProcess, Launch};
use infra::environment::{Environment, NATS_SERVER, REDIS_SERVER};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Both servers.
pub struct Servers {
    folder: PathBuf,
    nats: NatsServer,
    /// In the place of `nats`.
    cluster: Option<NatsCluster>,
    redis: RedisServer,
    nats_again: Option<ChildProcess>,
    redis_again: Option<ChildProcess>,
}

impl Servers {
    /// Starts both in a folder.
    pub async fn start(folder: &Path) -> Self {
        let environment = Environment::of_process();
        let (nats_folder, redis_folder) = (folder.join("nats"), folder.join("redis"));
        let (nats, redis) = tokio::join!(
            NatsServer::start(&nats_folder, 0, &environment),
            RedisServer::start(&redis_folder, 0, &environment),
        );
        let nats = nats.expect("nats-server: run scripts/install-test-tools");
        let redis = redis.expect("redis-server: run scripts/install-test-tools");
        let (nats_again, redis_again) = (None, None);
        Self { folder: folder.to_owned(), nats, cluster: None, redis, nats_again, redis_again }
    }

    /// Three nats-servers take the place of the one.
    pub(crate) async fn become_a_cluster(&mut self) {
        self.nats.process().kill().await;
        let environment = self.nats.environment().to_vec();
        let cluster = NatsCluster::start(&self.folder.join("cluster"), environment).await;
        self.cluster = Some(cluster);
    }

    /// `kill -9` of one of three.
    pub async fn kill_node(&mut self, name: &str) {
        self.cluster.as_mut().expect("a cluster").kill(name).await;
    }

    /// One of three again, with its data.
    pub async fn start_node_again(&mut self, name: &str) {
        self.cluster.as_mut().expect("a cluster").start_again(name).await;
    }

    /// Where NATS is: of a cluster all addresses.
    pub fn nats_url(&self) -> String {
        self.all(self.nats.url())
    }

    fn all(&self, url: &str) -> String {
        self.cluster.as_ref().map_or_else(|| url.to_owned(), |cluster| cluster.url_like(url))
    }

    /// Where NATS is for a role's own user.
    pub fn nats_url_of(&self, user: &str) -> String {
        self.all(&self.nats.url_of(user).expect("a user of nats.conf"))
    }

    /// Where Redis is.
    pub fn redis_url(&self) -> &str {
        self.redis.url()
    }

    /// Where NATS listens.
    pub fn nats_address(&self) -> SocketAddr {
        address_of(self.nats.url())
    }

    /// Where Redis listens.
    pub fn redis_address(&self) -> SocketAddr {
        address_of(self.redis.url())
    }

    /// `kill -9` of nats-server.
    pub async fn kill_nats(&mut self) {
        match &mut self.nats_again {
            Some(process) => process.kill().await,
            None => self.nats.process().kill().await,
        }
    }

    /// Keeps a copy of what NATS has on its disk; it must not run.
    pub fn back_nats_up(&self) {
        copy_folder(&self.folder.join("nats/streams"), &self.folder.join("nats/backup"));
    }

    /// Goes back to that copy; NATS must not run.
    pub fn restore_nats(&self) {
        let streams = self.folder.join("nats/streams");
        std::fs::remove_dir_all(&streams).unwrap();
        copy_folder(&self.folder.join("nats/backup"), &streams);
    }

    /// nats-server's process.
    pub fn nats_id(&mut self) -> Option<u32> {
        match &self.nats_again {
            Some(process) => process.id(),
            None => self.nats.process().id(),
        }
    }

    /// redis-server's process.
    pub fn redis_id(&mut self) -> Option<u32> {
        match &self.redis_again {
            Some(process) => process.id(),
            None => self.redis.process().id(),
        }
    }

    /// nats-server again: same port, same password, same streams. Ready when it listens.
    pub async fn start_nats_again(&mut self) {
        let address = address_of(self.nats.url());
        let folder = self.folder.join("nats");
        let arguments = [
            "-c".into(),
            folder.join("nats.conf").into_os_string(),
            "-a".into(),
            "127.0.0.1".into(),
            "-p".into(),
            address.port().to_string().into(),
            "-sd".into(),
            folder.join("streams").into_os_string(),
            "-l".into(),
            folder.join("nats.log").into_os_string(),
        ];
        let environment = self.nats.environment().to_vec();
        let process = launch(("nats-server", NATS_SERVER), arguments.into(), environment);
        self.nats_again = Some(process);
        wait_for_listener("nats-server is back", address).await;
    }

    /// Another nats-server with the same users that has no stream, and where it is. It ends with
    /// what is answered.
    pub async fn start_empty_nats(&self) -> (ChildProcess, String) {
        let folder = self.folder.join("empty");
        let listens = SocketAddr::from(([127, 0, 0, 1], infra::net::free_port().unwrap()));
        let arguments = [
            "-c".into(),
            self.folder.join("nats/nats.conf").into_os_string(),
            "-a".into(),
            "127.0.0.1".into(),
            "-p".into(),
            listens.port().to_string().into(),
            "-sd".into(),
            folder.into_os_string(),
        ];
        let environment = self.nats.environment().to_vec();
        let process = launch(("nats-server", NATS_SERVER), arguments.into(), environment);
        wait_for_listener("an empty nats-server", listens).await;
        let url = self.nats.url().replace(&self.nats_address().to_string(), &listens.to_string());
        (process, url)
    }

    /// `kill -9` of redis-server.
    pub async fn kill_redis(&mut self) {
        match &mut self.redis_again {
            Some(process) => process.kill().await,
            None => self.redis.process().kill().await,
        }
    }

    /// Keeps a copy of what Redis has on its disk; it must not run.
    pub fn back_redis_up(&self) {
        copy_folder(&self.folder.join("redis"), &self.folder.join("redis-backup"));
    }

    /// Goes back to that copy; Redis must not run.
    pub fn restore_redis(&self) {
        let data = self.folder.join("redis");
        std::fs::remove_dir_all(&data).unwrap();
        copy_folder(&self.folder.join("redis-backup"), &data);
    }

    /// redis-server again: same port, same password, same data. Ready when it listens.
    pub async fn start_redis_again(&mut self) {
        let address = address_of(self.redis.url());
        let config = self.folder.join("redis/redis.conf").into_os_string();
        let process = launch(("redis-server", REDIS_SERVER), vec![config], Vec::new());
        self.redis_again = Some(process);
        wait_for_listener("redis-server is back", address).await;
    }
}

fn launch(
    (name, variable): (&'static str, &str),
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, String)>,
) -> ChildProcess {
    let program = program(name, variable);
    let launch = Launch { name, program, arguments, environment, error_file: None };
    ChildProcess::start(launch).expect("a server that had started before")
}

/// The same program as at the first start.
fn program(name: &str, variable: &str) -> PathBuf {
    if let Some(path) = Environment::of_process().get(variable) {
        return path.into();
    }
    let mut folders = program_folders().into_iter();
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()));
    found.expect("a program that had been found before")
}

/// The address of a URL.
fn address_of(url: &str) -> SocketAddr {
    let (_, address) = url.rsplit_once('@').expect("a URL with a password");
    address.trim_end_matches('/').parse().expect("an address")
}

async fn wait_for_listener(what: &str, address: SocketAddr) {
    crate::wait_until(what, async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
