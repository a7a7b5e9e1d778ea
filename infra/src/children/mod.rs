//! nats-server and redis-server as children of this process, for `fly-llm up` and for tests: own
//! folder, free port, gone when this process is gone.

/// nats-server.
pub mod nats;

/// redis-server.
pub mod redis;

use crate::environment::{Environment, HOME, PATH, XDG_CACHE_HOME};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long a child may take to become ready.
pub const READY_SECONDS_MAX: Duration = Duration::from_secs(20);

/// Between two looks whether a child is ready.
const READY_POLL: Duration = Duration::from_millis(10);

/// How often a child is started anew because its port was taken meanwhile.
const START_ATTEMPTS_MAX: u32 = 5;

/// Length of a password made for a run, in characters.
const PASSWORD_LENGTH: usize = 32;

/// A child that didn't start.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The program isn't on this machine.
    #[error("{program} was not found: run `make up`, which installs it, or set {variable}")]
    NotFound {
        /// Which program.
        program: &'static str,
        /// The variable that may name it.
        variable: &'static str,
    },
    /// It ended, or didn't become ready.
    #[error("{program} did not start: {cause}")]
    NotReady {
        /// Which program.
        program: &'static str,
        /// Why; its log says more.
        cause: String,
    },
    /// A folder or file couldn't be made.
    #[error("{0}")]
    Folder(#[from] std::io::Error),
}

/// A running child. Dropping it kills it.
pub struct ChildProcess {
    child: Child,
    name: &'static str,
}

impl ChildProcess {
    /// Starts a program that dies with this process (through `setpriv` where there is one).
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(name: &'static str, command: Command) -> std::io::Result<Self> {
        let child = dying_with_us(command).kill_on_drop(true).spawn()?;
        Ok(Self { child, name })
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// As the operating system says.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks it to end and kills it when it doesn't within the limit.
    pub async fn stop(&mut self, limit: Duration) {
        self.signal(rustix::process::Signal::TERM);
        if tokio::time::timeout(limit, self.child.wait()).await.is_err() {
            tracing::warn!(child = self.name, "did not end in time; killed");
            if let Err(error) = self.child.kill().await {
                tracing::warn!(child = self.name, %error, "could not be killed");
            }
        }
    }

    /// Ends it at once, as `kill -9` does.
    pub async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::debug!(child = self.name, %error, "had ended before it was killed");
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            if let Err(error) = rustix::process::kill_process(pid, signal) {
                tracing::debug!(child = self.name, %error, "had ended before the signal");
            }
        }
    }

    fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

/// Wraps a command so that the kernel kills the program when this process dies. Linux only; elsewhere
/// the program outlives a `kill -9` of its parent.
fn dying_with_us(command: Command) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    if !setpriv.exists() {
        return command;
    }
    let inner = command.as_std();
    let mut wrapped = Command::new(setpriv);
    wrapped.args(["--pdeathsig", "KILL"]).arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(folder) = inner.get_current_dir() {
        wrapped.current_dir(folder);
    }
    // The original's standard streams can't be read back; every caller of this module sets the same.
    wrapped.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    wrapped
}

/// Finds a program: by a variable, in PATH, or where `make` puts what it fetched.
///
/// # Errors
/// When it is nowhere.
fn find_program(
    environment: &Environment,
    program: &'static str,
    variable: &'static str,
) -> Result<PathBuf, ChildError> {
    if let Some(path) = environment.get(variable) {
        return Ok(PathBuf::from(path));
    }
    let cache = environment.get(XDG_CACHE_HOME).map(PathBuf::from);
    let cache = cache.or_else(|| environment.get(HOME).map(|home| Path::new(home).join(".cache")));
    let fetched = cache.map(|folder| folder.join("fly-llm/bin"));
    let path = environment.get(PATH).unwrap_or_default();
    // What make fetched comes first: a system's own nats-server is often too old.
    let mut folders = fetched.into_iter().chain(path.split(':').map(PathBuf::from));
    folders
        .find_map(|folder| Some(folder.join(program)).filter(|candidate| candidate.is_file()))
        .ok_or(ChildError::NotFound { program, variable })
}

/// A password for one run: 32 letters and digits.
fn fresh_password() -> String {
    use rand::RngExt;
    let mut random = rand::rng();
    (0..PASSWORD_LENGTH).map(|_| char::from(random.sample(rand::distr::Alphanumeric))).collect()
}
