//! The configuration file while a process runs: read again when it changes or at SIGHUP, taken
//! whole or not at all. A broken file changes nothing and is explained; nobody's answer is cut.

use crate::role::{self, Failure};
use infra::config::{Config, changes};
use infra::environment::Environment;
use infra::metrics::Metrics;
use infra::tasks::Tasks;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Between two looks at the file. A look asks for its size and times only.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What a process does with another configuration.
pub(crate) struct Reload {
    /// The file; without one there is nothing to read again.
    pub(crate) file: Option<PathBuf>,
    /// The environment as it was at the start.
    pub(crate) environment: Environment,
    /// What runs.
    pub(crate) running: Arc<Config>,
    /// What this role changes of every configuration.
    pub(crate) adjust: fn(&mut Config),
    /// What this role takes of another one: an error keeps the old.
    pub(crate) check: fn(&Config) -> Result<(), Failure>,
    /// Who it is that goes on with what it began with, whatever changes; nothing for a role that
    /// takes a change.
    pub(crate) goes_on: Option<GoesOn>,
    /// Where it is counted.
    pub(crate) metrics: Option<Metrics>,
}

/// A role that takes no change before its next start.
#[derive(Clone, Copy)]
pub(crate) struct GoesOn {
    /// What it is called.
    pub(crate) role: &'static str,
    /// Whether another configuration would change it.
    pub(crate) is_changed: fn(&Config, &Config) -> bool,
}

impl Reload {
    /// Watches until the tasks end. Whoever listens gets each configuration that is taken.
    pub(crate) fn watch(self, tasks: &Tasks) -> watch::Receiver<Arc<Config>> {
        let (sender, receiver) = watch::channel(Arc::clone(&self.running));
        let stop = tasks.stop().clone();
        tasks.spawn("configuration", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.follow(sender) => {}
            }
        });
        receiver
    }

    async fn follow(mut self, sender: watch::Sender<Arc<Config>>) {
        let mut hang_ups = HangUps::new();
        let mut text = self.text().unwrap_or_default();
        let mut seen = self.seen();
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        loop {
            let is_asked = tokio::select! {
                () = hang_ups.next() => true,
                _ = looks.tick() => false,
            };
            let now = self.seen();
            if !is_asked && now == seen {
                continue;
            }
            seen = now;
            self.read(&mut text, is_asked, &sender);
        }
    }

    /// Reads the file, and takes it if it can be taken.
    fn read(&mut self, text: &mut String, is_asked: bool, sender: &watch::Sender<Arc<Config>>) {
        let Some(file) = &self.file else {
            return tracing::warn!("SIGHUP: no configuration file was read, so none is read again");
        };
        let read = self.text();
        if !is_asked && read.as_ref().is_ok_and(|read| read == text) {
            return;
        }
        let told = file.display().to_string();
        let taken = read.and_then(|read| Ok((self.config(&read)?, read)));
        match taken {
            Ok((config, read)) => {
                let told = changes(text, &read);
                *text = read;
                self.take(config, &told, sender);
            }
            Err(failure) => {
                self.count("refused");
                tracing::error!(
                    file = told,
                    "the configuration stays as it was, because the file is wrong: {failure}"
                );
            }
        }
    }

    /// Tells what changes, and hands it over.
    fn take(
        &mut self,
        mut config: Config,
        told: &[infra::config::Change],
        sender: &watch::Sender<Arc<Config>>,
    ) {
        (self.adjust)(&mut config);
        if let Some(GoesOn { role, is_changed }) = self.goes_on {
            self.count("unchanged");
            if is_changed(&config, &self.running) {
                tracing::warn!(role, "it goes on as it began: its next start takes what changed");
            } else {
                tracing::info!(
                    role,
                    "the configuration was read again; nothing that it reads changes"
                );
            }
            return;
        }
        for change in told {
            tracing::info!(%change, "the configuration changes");
        }
        let waits = config.stay(&self.running);
        if !waits.is_empty() {
            let keys = waits.join(", ");
            tracing::warn!(keys, "these keys change at the next start only");
        }
        if config == *self.running {
            self.count("unchanged");
            return tracing::info!("the configuration was read again; nothing that runs changes");
        }
        self.count("taken");
        self.running = Arc::new(config);
        tracing::info!(changes = told.len(), "the configuration was read again and is taken");
        sender.send_replace(Arc::clone(&self.running));
    }

    fn config(&self, text: &str) -> Result<Config, Failure> {
        let name = self.file.as_deref().unwrap_or_else(|| "config.yaml".as_ref());
        let name = name.display().to_string();
        let config = role::config_of(text, &name, &self.environment)?;
        (self.check)(&config)?;
        Ok(config)
    }

    fn text(&self) -> Result<String, Failure> {
        let Some(file) = &self.file else { return Ok(String::new()) };
        infra::config::read(file).map_err(Failure::usage)
    }

    /// What a look sees: another file of the same name differs, too.
    fn seen(&self) -> Option<(u64, Option<std::time::SystemTime>, u64)> {
        let data = std::fs::metadata(self.file.as_ref()?).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&data);
        #[cfg(not(unix))]
        let inode = 0;
        Some((data.len(), data.modified().ok(), inode))
    }

    fn count(&self, result: &str) {
        if let Some(metrics) = &self.metrics {
            metrics.config_reloads_total.with_label_values(&[result]).inc();
        }
    }
}

/// SIGHUP, where there is such a thing.
struct HangUps {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl HangUps {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            signals: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
                .inspect_err(|error| tracing::warn!(%error, "SIGHUP can't be watched"))
                .ok(),
        }
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals
            && signals.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
