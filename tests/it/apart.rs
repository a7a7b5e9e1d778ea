//! A role as a process of its own on the servers of a world: it can be halted as an operating
//! system does it, with all its threads and its connections open.

use crate::program::{PROGRAM, send};
use harness::{Client, Key, World, within};
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A running process.
pub(crate) struct Apart {
    child: Child,
    /// Where a gateway listens.
    port: u16,
    _kept: [Socket; 2],
    folder: TempDir,
}

impl Apart {
    /// Starts `fly-llm` with these arguments and the configuration of all tests.
    pub(crate) fn start(world: &mut World, arguments: &[&str]) -> Self {
        let nats_url = world.servers().nats_url().to_owned();
        Self::start_as(world, arguments, "", &[("NATS_URL", &nats_url)])
    }

    /// The same with more models, and more in its environment.
    pub(crate) fn start_as(
        world: &mut World,
        arguments: &[&str],
        more_models: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let config = World::config_text(world.vendor());
        let config = config.replace("\nmodels:\n", &format!("\nmodels:\n{more_models}"));
        std::fs::write(folder.path().join("own.yaml"), config).unwrap();
        let ((port, kept), (metrics_port, also_kept)) = (port(), port());
        let mut command = Command::new(PROGRAM);
        command.args(arguments).args(["--config", "own.yaml"]).current_dir(folder.path());
        if arguments == ["gateway"] {
            command.args(["--listen", &format!("127.0.0.1:{port}")]);
            command.args(["--metrics-listen", &format!("127.0.0.1:{metrics_port}")]);
        }
        command.envs(environment.iter().copied());
        command.env("REDIS_URL", world.servers().redis_url());
        let errors = std::fs::File::create(folder.path().join("role.err")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).kill_on_drop(true);
        let child = command.spawn().unwrap();
        Self { child, port, _kept: [kept, also_kept], folder }
    }

    /// Somebody with a key, at this gateway.
    pub(crate) fn client(&self, key: &Key) -> Client {
        Client::of(&format!("http://127.0.0.1:{}", self.port), &key.secret)
    }

    /// SIGSTOP: it does nothing more, and its connections stay.
    pub(crate) fn halt(&self) {
        send(self.child.id().unwrap(), Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn go_on(&self) {
        send(self.child.id().unwrap(), Signal::CONT);
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        send(self.child.id().unwrap(), Signal::KILL);
    }

    /// Ends it in good order.
    pub(crate) async fn end(self) {
        send(self.child.id().unwrap(), Signal::TERM);
        self.ends_by_itself().await;
    }

    /// Waits until it has ended in good order.
    pub(crate) async fn ends_by_itself(mut self) {
        let ended = within("the end of a role", self.child.wait()).await.unwrap();
        let errors = std::fs::read_to_string(self.folder.path().join("role.err")).unwrap();
        assert!(ended.success(), "{ended}: {errors}");
    }
}

/// A port that nobody else is given meanwhile: bound without listening.
fn port() -> (u16, Socket) {
    let kept = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    kept.set_reuse_address(true).unwrap();
    kept.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let port = kept.local_addr().unwrap().as_socket().unwrap().port();
    (port, kept)
}
