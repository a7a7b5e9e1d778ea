//! Models of our own beside `up`: each in a child that is started again when it falls, because
//! llama.cpp can abort its process.

use crate::command_line::ConfigFile;
use crate::role::{self, Failure};
use crate::up::CHILD_END_MAX;
use infra::bus::Bus;
use infra::children::{ChildProcess, Launch};
use infra::config::{Config, Model};
use infra::tasks::Tasks;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a model may take to load before the banner is printed without it.
const READY_MAX: Duration = Duration::from_secs(120);

/// The first pause before a fallen child is started again; it doubles up to the longest.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// The longest such pause.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Starts a child for each model of our own that has a file, with the environment that its pool's
/// workers have. Returns them.
///
/// # Errors
/// When this program doesn't know its own file.
pub(crate) fn start(
    config: &Config,
    file: &ConfigFile,
    environment_of: impl Fn(&str) -> Vec<(&'static str, String)>,
    (tasks, stop): &(Tasks, CancellationToken),
) -> Result<Vec<Arc<Model>>, Failure> {
    let mut started = Vec::new();
    for model in config.models.iter() {
        let Some(llama) = &model.llama else { continue };
        if llama.file.is_none() {
            tracing::warn!(
                model = model.name,
                "no GGUF is named (RAKUTEN_MODEL_PATH), so the local model is not offered"
            );
            continue;
        }
        if !role::HAS_LLAMA {
            tracing::warn!("this build has no llama.cpp, so the local model is not offered");
            continue;
        }
        let mut arguments: Vec<OsString> =
            ["worker", "rakuten", "--end-with-parent", "--name"].map(Into::into).into();
        arguments.push(model.name.clone().into());
        if let Some(file) = &file.config {
            arguments.extend(["--config".into(), file.clone().into_os_string()]);
        }
        let supervised = Supervised {
            program: std::env::current_exe()?,
            arguments,
            environment: environment_of(&model.pool),
        };
        tasks.spawn("local model", supervised.run(stop.clone()));
        started.push(Arc::clone(model));
    }
    Ok(started)
}

/// Waits until a model advertises itself, so that the printed curl line answers. Returns whether it
/// has.
pub(crate) async fn wait_for(bus: &Bus, model: &Model, stop: &CancellationToken) -> bool {
    let seen = tokio::time::timeout(READY_MAX, bus.wait_for_worker(&model.pool));
    let name = &model.name;
    tokio::select! {
        () = stop.cancelled() => return false,
        seen = seen => match seen {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => tracing::warn!(name, %error, "a local model can't be waited for"),
            Err(_) => tracing::warn!(name, "still loading; requests for this model wait"),
        }
    }
    false
}

/// A child that is started again whenever it falls.
struct Supervised {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, String)>,
}

impl Supervised {
    async fn run(self, stop: CancellationToken) {
        let mut pause = RESTART_PAUSE;
        while !stop.is_cancelled() {
            let started = tokio::time::Instant::now();
            match self.start() {
                Ok(mut child) => tokio::select! {
                    status = child.wait() => match status {
                        // Told to leave by the operator (`/api/workers/…/drain`).
                        Ok(status) if status.success() => tracing::info!(
                            "the rakuten worker has ended as it was asked to; a new one is started"
                        ),
                        status => tracing::error!(
                            ?status,
                            "the rakuten worker fell; it is started again"
                        ),
                    },
                    () = stop.cancelled() => return child.stop(CHILD_END_MAX * 2).await,
                },
                Err(error) => tracing::error!(%error, "the rakuten worker can't be started"),
            }
            if started.elapsed() > RESTART_PAUSE_MAX {
                pause = RESTART_PAUSE;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(RESTART_PAUSE_MAX),
            }
        }
    }

    fn start(&self) -> std::io::Result<ChildProcess> {
        ChildProcess::start(Launch {
            name: "rakuten worker",
            program: self.program.clone(),
            arguments: self.arguments.clone(),
            environment: self.environment.clone(),
            error_file: None,
        })
    }
}
