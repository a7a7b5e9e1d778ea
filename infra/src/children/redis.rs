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

/// How it keeps its data. Its file is written anew when it has grown to three times what was there
/// the last time, and not below 256 MB: kept answers of hours and holds of a day are most of it,
/// and what is copied too often is soon gone. So the file takes up to four times what there is on
/// the disk, and a start reads three times that (measured: 160 MB a second). To compress the copy
/// would cost more than everything else of it. Sets beyond 32 entries aren't searched from one end
/// (by the setting's older name, which all versions know).
const SETTINGS: &str = "appendonly yes\nappendfsync everysec\nsave \"\"\nlogfile redis.log\n\
    auto-aof-rewrite-min-size 256mb\nauto-aof-rewrite-percentage 200\nrdbcompression no\n\
    zset-max-ziplist-entries 32\n";

/// How long it may read its file before it answers.
const LOADING_SECONDS_MAX: Duration = Duration::from_secs(120);

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
            "bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir \"{}\"\n{SETTINGS}",
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
    let begun = Instant::now();
    let mut limit = begun + READY_SECONDS_MAX;
    while Instant::now() < limit {
        if let Some(status) = process.has_ended() {
            return Err(not_ready(format!(
                "it ended with {status}; see redis.err and redis.log in its folder"
            )));
        }
        if let Ok(store) = Store::connect(url).await {
            match store.probe().await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_loading() => limit = begun + LOADING_SECONDS_MAX,
                Err(_) => {}
            }
        }
        tokio::time::sleep(READY_POLL).await;
    }
    Err(not_ready("it did not answer in time; see redis.err and redis.log in its folder".into()))
}
