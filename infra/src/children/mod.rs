//! nats-server and redis-server as children of this process, for `fly-llm up` and for tests: own
//! folder, free port, gone when this process is gone.

/// nats-server.
pub mod nats;

/// redis-server.
pub mod redis;

use crate::environment::{Environment, HOME, PATH, XDG_CACHE_HOME, names_of_secrets};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, ChildStdin, Command};

/// How long a child may take to become ready.
pub const READY_SECONDS_MAX: Duration = Duration::from_secs(20);

/// Between two looks whether a child is ready.
const READY_POLL: Duration = Duration::from_millis(10);

/// How often a child is started anew because its port was taken meanwhile.
const START_ATTEMPTS_MAX: u32 = 5;

/// Runs a program that the kernel kills when its parent dies.
const SETPRIV: &str = "/usr/bin/setpriv";

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

/// A program to start.
pub struct Launch {
    /// What it is called in messages.
    pub name: &'static str,
    /// Where it is.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What is added to its environment, which is ours without the secrets.
    pub environment: Vec<(&'static str, String)>,
    /// Where its standard error goes; ours when absent. Its standard output is always hidden.
    pub error_file: Option<PathBuf>,
}

/// A running child. Dropping it kills it. Its standard input is a pipe that ends with us.
pub struct ChildProcess {
    child: Child,
    name: &'static str,
    /// Held open: waiting for a child closes what is still in it, and the end of its standard input
    /// tells a child that we are gone.
    _input: Option<ChildStdin>,
}

impl ChildProcess {
    /// Starts a program that dies with this process: through `setpriv` where there is one (Linux);
    /// elsewhere only the end of its standard input tells it.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(launch: Launch) -> std::io::Result<Self> {
        let setpriv = Path::new(SETPRIV);
        let mut command = if setpriv.exists() {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL"]).arg(&launch.program);
            command
        } else {
            Command::new(&launch.program)
        };
        let errors = match &launch.error_file {
            Some(file) => Stdio::from(std::fs::File::create(file)?),
            None => Stdio::inherit(),
        };
        for name in names_of_secrets() {
            command.env_remove(name);
        }
        let mut child = command
            .args(&launch.arguments)
            .envs(launch.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(errors)
            .kill_on_drop(true)
            // A Ctrl-C in the terminal is for us: we end our children in their order.
            .process_group(0)
            .spawn()?;
        let input = child.stdin.take();
        Ok(Self { child, name: launch.name, _input: input })
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
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw)
            && let Err(error) = rustix::process::kill_process(pid, signal)
        {
            tracing::debug!(child = self.name, %error, "had ended before the signal");
        }
    }

    fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
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

/// Writes a file that only we can read.
///
/// # Errors
/// As the operating system says.
pub fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text.as_bytes())
}

/// A password for one run: 32 letters and digits, a letter first (NATS would read a number).
fn fresh_password() -> String {
    use rand::RngExt;
    let mut random = rand::rng();
    let rest = (1..PASSWORD_LENGTH).map(|_| char::from(random.sample(rand::distr::Alphanumeric)));
    std::iter::once('p').chain(rest).collect()
}
