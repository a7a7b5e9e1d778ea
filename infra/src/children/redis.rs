//! A redis-server of our own: a free port, a folder with an append-only file, and a password made
//! for the run.

use super::{
    ChildError, ChildProcess, Launch, READY_POLL, READY_SECONDS_MAX, START_ATTEMPTS_MAX,
    find_program, fresh_password, write_private,
};
use crate::environment::{Environment, REDIS_SERVER};
use crate::net::free_port;
use crate::store::Store;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// What it is called in messages.
const NAME: &str = "redis-server";

/// A running redis-server.
pub struct RedisServer {
    process: ChildProcess,
    url: String,
}

impl RedisServer {
    /// Starts one that keeps its data in `folder`. `port` 0 takes a free one.
    ///
    /// # Errors
    /// When the program isn't there or doesn't become ready; its log is `redis.log` in the folder.
    pub async fn start(
        folder: &Path,
        port: u16,
        environment: &Environment,
    ) -> Result<Self, ChildError> {
        let program = find_program(environment, NAME, REDIS_SERVER)?;
        std::fs::create_dir_all(folder)?;
        let mut attempt = 1;
        loop {
            let chosen = if port == 0 { free_port()? } else { port };
            match Self::attempt(&program, folder, chosen).await {
                Err(ChildError::NotReady { .. }) if port == 0 && attempt < START_ATTEMPTS_MAX => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn attempt(program: &Path, folder: &Path, port: u16) -> Result<Self, ChildError> {
        let password = fresh_password();
        let config = folder.join("redis.conf");
        let settings = format!(
            "bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir \"{}\"\n\
             appendonly yes\nappendfsync everysec\nsave \"\"\nlogfile redis.log\n",
            folder.canonicalize()?.display()
        );
        write_private(&config, &settings)?;
        let mut process = ChildProcess::start(Launch {
            name: NAME,
            program: program.to_owned(),
            arguments: vec![config.into_os_string()],
            environment: Vec::new(),
            error_file: Some(folder.join("redis.err")),
        })?;
        let url = format!("redis://:{password}@127.0.0.1:{port}/");
        wait_until_ready(&mut process, &url).await?;
        Ok(Self { process, url })
    }

    /// Where it is, password included.
    pub fn url(&self) -> &str {
        &self.url
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

/// It answers PING only after it has read its append-only file.
async fn wait_until_ready(process: &mut ChildProcess, url: &str) -> Result<(), ChildError> {
    let not_ready = |cause: String| ChildError::NotReady { program: NAME, cause };
    let limit = Instant::now() + READY_SECONDS_MAX;
    while Instant::now() < limit {
        if let Some(status) = process.has_ended() {
            return Err(not_ready(format!(
                "it ended with {status}; see redis.err and redis.log in its folder"
            )));
        }
        if let Ok(store) = Store::connect(url).await
            && store.ping().await.is_ok()
        {
            return Ok(());
        }
        tokio::time::sleep(READY_POLL).await;
    }
    Err(not_ready("it did not answer in time; see redis.err and redis.log in its folder".into()))
}
