//! A nats-server of our own: the repository's nats.conf with a free port, a folder and a password
//! made for the run.

use super::{
    ChildError, ChildProcess, Launch, READY_POLL, READY_SECONDS_MAX, find_program, fresh_password,
};
use crate::environment::{Environment, GOMAXPROCS, NATS_SERVER};
use crate::runtime::busy_threads;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// The configuration, the same as for a server of its own.
const CONFIG: &str = include_str!("../../../nats.conf");

/// The user that `up` and the tests connect as: it may do everything.
const USER: &str = "fly-llm";

/// What nats.conf calls the passwords of the users that may do what their role does.
const ROLES: [(&str, &str); 4] = [
    ("gateway", "NATS_GATEWAY_PASSWORD"),
    ("billing", "NATS_BILLING_PASSWORD"),
    ("worker-cloud", "NATS_CLOUD_PASSWORD"),
    ("worker-rakuten", "NATS_RAKUTEN_PASSWORD"),
];

/// What it is called in messages.
const NAME: &str = "nats-server";

/// A running nats-server.
pub struct NatsServer {
    process: ChildProcess,
    address: String,
    url: String,
    environment: Vec<(&'static str, String)>,
}

impl NatsServer {
    /// Starts one that keeps its streams in `folder`. `port` 0 takes a free one.
    ///
    /// # Errors
    /// When the program isn't there or doesn't become ready; its log is `nats.log` in the folder.
    pub async fn start(
        folder: &Path,
        port: u16,
        environment: &Environment,
    ) -> Result<Self, ChildError> {
        let program = find_program(environment, NAME, NATS_SERVER)?;
        std::fs::create_dir_all(folder)?;
        let (config, ports) = (folder.join("nats.conf"), folder.join("ports"));
        std::fs::write(&config, CONFIG)?;
        if ports.exists() {
            std::fs::remove_dir_all(&ports)?;
        }
        std::fs::create_dir_all(&ports)?;
        let mut variables = passwords();
        if environment.get(GOMAXPROCS).is_none() {
            variables.push((GOMAXPROCS, busy_threads().to_string()));
        }
        let environment = variables;
        let port = if port == 0 { "-1".to_owned() } else { port.to_string() };
        let flag = |text: &str| OsString::from(text);
        let mut process = ChildProcess::start(Launch {
            name: NAME,
            program,
            arguments: vec![
                flag("-c"),
                config.into_os_string(),
                flag("-a"),
                flag("127.0.0.1"),
                flag("-p"),
                port.into(),
                flag("-sd"),
                folder.join("streams").into_os_string(),
                flag("--ports_file_dir"),
                ports.clone().into_os_string(),
                flag("-l"),
                folder.join("nats.log").into_os_string(),
            ],
            environment: environment.clone(),
            error_file: Some(folder.join("nats.err")),
        })?;
        let address = wait_for_address(&mut process, &ports).await?;
        let url = url_of(USER, "NATS_PASSWORD", &environment, &address);
        Ok(Self { process, address, url, environment })
    }

    /// Where it is, password included.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where a role's own user finds it, password included; `None` for a user that nats.conf
    /// doesn't have.
    pub fn url_of(&self, user: &str) -> Option<String> {
        let (_, password) = ROLES.iter().find(|(known, _)| *known == user)?;
        Some(url_of(user, password, &self.environment, &self.address))
    }

    /// What it was started with: the users' passwords.
    pub fn environment(&self) -> &[(&'static str, String)] {
        &self.environment
    }

    /// The process.
    pub fn process(&mut self) -> &mut ChildProcess {
        &mut self.process
    }

    /// Asks it to end, and kills it when it doesn't.
    pub async fn stop(&mut self, limit: Duration) {
        self.process.stop(limit).await;
    }
}

/// A password for each user of nats.conf.
fn passwords() -> Vec<(&'static str, String)> {
    let own = [("NATS_USER", USER.to_owned()), ("NATS_PASSWORD", fresh_password())];
    own.into_iter().chain(ROLES.map(|(_, variable)| (variable, fresh_password()))).collect()
}

fn url_of(
    user: &str,
    variable: &str,
    environment: &[(&'static str, String)],
    address: &str,
) -> String {
    let password = environment.iter().find(|(name, _)| *name == variable);
    let password = password.map(|(_, password)| password.as_str()).unwrap_or_default();
    format!("nats://{user}:{password}@{address}")
}

/// The server writes its port into a file when it listens: no guess and no race.
async fn wait_for_address(process: &mut ChildProcess, ports: &Path) -> Result<String, ChildError> {
    let not_ready = |cause: String| ChildError::NotReady { program: NAME, cause };
    let limit = Instant::now() + READY_SECONDS_MAX;
    while Instant::now() < limit {
        if let Some(status) = process.has_ended() {
            return Err(not_ready(format!(
                "it ended with {status}; see nats.err and nats.log beside its data"
            )));
        }
        for file in std::fs::read_dir(ports)?.flatten() {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            let Ok(written) = serde_json::from_str::<serde_json::Value>(&text) else { continue };
            let url = written["nats"][0].as_str().unwrap_or_default();
            if let Some(address) = url.strip_prefix("nats://") {
                return Ok(address.to_owned());
            }
        }
        tokio::time::sleep(READY_POLL).await;
    }
    Err(not_ready("it did not listen in time; see nats.err and nats.log beside its data".into()))
}
