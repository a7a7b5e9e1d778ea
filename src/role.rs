//! The roles and what each of them is given. A role that is not in this build says so.

use crate::command_line::{
    Command, CommandLine, ConfigFile, Gateway, MetricsPort, Plain, Rakuten, Worker,
};
use crate::endpoints::Endpoints;
use crate::reload::{GoesOn, Reload};
use crate::{provider, tools, up};
use gateway::{Dependencies, Listeners};
use infra::bus::Bus;
use infra::config::{BUILT_IN, Config, DEFAULT_CONFIG, Model};
use infra::environment::{ADMIN_API_KEY, Environment};
use infra::metrics::Metrics;
use infra::net::PromptListener;
use infra::runtime::RuntimeError;
use infra::secret::Secret;
use infra::shutdown;
use infra::status::{self, Status};
use infra::store::Store;
use infra::tasks::Tasks;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use worker_provider::Given;

/// Exit code for a wrong command line or configuration (`EX_USAGE`).
pub(crate) const EXIT_USAGE: u8 = 64;

/// The configuration that is read when none is named.
const CONFIG_HERE: &str = "config.yaml";

/// The shortest key of the operator that is taken, in characters: as random letters and digits they
/// are 119 bits. How random they are nobody can see.
const ADMIN_KEY_CHARACTERS_MIN: usize = 20;

/// How long the port may take to close.
const PORT_END_MAX: Duration = Duration::from_secs(2);

/// Whether this build can run a model of its own.
pub(crate) const HAS_LLAMA: bool = cfg!(feature = "rakuten");

/// Why the program ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// Something went wrong.
    pub(crate) fn new(message: impl ToString) -> Self {
        Self { message: message.to_string(), code: 1 }
    }

    /// The command line, the environment or the configuration is wrong.
    pub(crate) fn usage(message: impl ToString) -> Self {
        Self { message: message.to_string(), code: EXIT_USAGE }
    }

    /// Tells it and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(std::io::stderr(), "fly-llm: {}", self.message);
        ExitCode::from(self.code)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// Runs a command to its end.
///
/// # Errors
/// When it can't do its work.
pub(crate) async fn run(
    command_line: CommandLine,
    environment: Environment,
) -> Result<ExitCode, Failure> {
    if let Some(role) = command_line.command.role() {
        infra::trace::start(&environment, role).map_err(Failure::usage)?;
    }
    let ended = run_command(command_line.command, environment).await;
    infra::trace::finish().await;
    ended
}

async fn run_command(command: Command, environment: Environment) -> Result<ExitCode, Failure> {
    match command {
        Command::Up(arguments) => up::up(arguments, environment).await,
        Command::Gateway(arguments) => run_gateway(arguments, environment).await,
        Command::Worker(Worker::Provider(arguments)) => run_provider(arguments, environment).await,
        Command::Worker(Worker::Rakuten(arguments)) => run_rakuten(arguments, environment).await,
        Command::Worker(Worker::Billing(arguments)) => run_billing(arguments, environment).await,
        other => tools::run(other, environment).await,
    }
}

/// Reads the configuration.
///
/// # Errors
/// When it is wrong: exit code 64.
pub(crate) fn read_config(file: &ConfigFile, environment: &Environment) -> Result<Config, Failure> {
    let path = config_path(file);
    let config = match &path {
        Some(path) => {
            let text = infra::config::read(path).map_err(Failure::usage)?;
            config_of(&text, &path.display().to_string(), environment)?
        }
        None => config_of(DEFAULT_CONFIG, BUILT_IN, environment)?,
    };
    for warning in config.warnings(&today()) {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

/// The day, as `2026-01-31`.
pub(crate) fn today() -> String {
    infra::clock::rfc3339(infra::clock::unix_ms()).chars().take(10).collect()
}

/// The file that is read, if any.
pub(crate) fn config_path(file: &ConfigFile) -> Option<PathBuf> {
    let here = Path::new(CONFIG_HERE);
    file.config.clone().or_else(|| here.exists().then(|| here.to_owned()))
}

/// The configuration that a text is; `name` stands in messages.
///
/// # Errors
/// When it is wrong, also in what only masking knows: a kind or a pattern that is none.
pub(crate) fn config_of(
    text: &str,
    name: &str,
    environment: &Environment,
) -> Result<Config, Failure> {
    let config = Config::parse(text, name, environment).map_err(Failure::usage)?;
    let privacy = gateway::privacy_settings(&config.privacy);
    let checked = privacy.and_then(|privacy| Ok(privacy.check()?));
    checked.map_err(|error| Failure::usage(Config::mistake(text, name, error.to_string())))?;
    Ok(config)
}

/// A runtime with the threads that the operator wants.
///
/// # Errors
/// When the operator asks for what are no threads, or the system gives none.
pub(crate) fn runtime(environment: &Environment) -> Result<tokio::runtime::Runtime, Failure> {
    infra::runtime::build(environment).map_err(|error| match error {
        RuntimeError::Variable(_) => Failure::usage(error),
        RuntimeError::System(_) => Failure::new(error),
    })
}

/// What a configuration is read again for.
fn reload(file: &ConfigFile, environment: &Environment, config: &Arc<Config>) -> Reload {
    Reload {
        file: config_path(file),
        environment: environment.clone(),
        running: Arc::clone(config),
        adjust: |_| {},
        check: |_| Ok(()),
        goes_on: None,
        metrics: None,
    }
}

/// The address told, or else the configured one.
///
/// # Errors
/// When the configured one is none; the configuration has been checked for that.
pub(crate) fn address(told: Option<SocketAddr>, configured: &str) -> Result<SocketAddr, Failure> {
    told.map_or_else(|| configured.parse().map_err(Failure::usage), Ok)
}

/// A token that the first signal cancels.
pub(crate) fn stopped_by_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let tasks = infra::tasks::Tasks::new();
    tasks.spawn("signals", shutdown::stop_on_signal(stop.clone()));
    stop
}

/// The operator's key.
///
/// # Errors
/// When it could be guessed.
pub(crate) fn admin_key(environment: &Environment) -> Result<Option<Secret>, Failure> {
    let Some(key) = environment.get(ADMIN_API_KEY) else { return Ok(None) };
    if key.chars().count() < ADMIN_KEY_CHARACTERS_MIN {
        return Err(Failure::usage(format!(
            "{ADMIN_API_KEY} could be guessed, and whoever has it has all accounts: write \
             {ADMIN_KEY_CHARACTERS_MIN} characters or more, such as those of `openssl rand -hex 32`"
        )));
    }
    Ok(Some(Secret::new(key)))
}

async fn run_gateway(arguments: Gateway, environment: Environment) -> Result<ExitCode, Failure> {
    let config = read_config(&arguments.config, &environment)?;
    let admin_key = admin_key(&environment)?;
    if admin_key.is_none() {
        tracing::warn!(
            "ADMIN_API_KEY is not set: this gateway has no operator, so nobody can make keys or \
             grant credit through it: set it to a long random text"
        );
    }
    let endpoints = Endpoints::from_environment(&environment)?;
    let stop = stopped_by_signal();
    let bus = endpoints.bus("gateway").await?;
    let store = endpoints.store().await?.in_time_zone(config.budget.time_zone);
    bus.make_missing_streams(&config.queue, &config.models.pools()).await?;
    let api = PromptListener::bind(address(arguments.listen, &config.gateway.listen)?).await?;
    let metrics = address(arguments.metrics_listen, &config.gateway.metrics_listen)?;
    let metrics = PromptListener::bind_as("--metrics-listen", metrics).await?;
    tracing::info!(address = %api.local_address()?, "listening");
    let (config, counted, tasks) = (Arc::new(config), Metrics::new()?, Tasks::under(&stop));
    let reload = reload(&arguments.config, &environment, &config);
    let dependencies = Dependencies {
        configs: Reload { metrics: Some(counted.clone()), ..reload }.watch(&tasks),
        config,
        bus,
        store,
        metrics: counted,
        admin_key,
    };
    gateway::run(Listeners { api, metrics }, dependencies, stop.clone()).await?;
    tasks.stop().cancel();
    tasks.finish_or_warn(PORT_END_MAX, "the watch of the configuration").await;
    ended(&stop)
}

/// A role that was not asked to end has lost a part of itself: whoever supervises it is to know.
fn ended(stop: &CancellationToken) -> Result<ExitCode, Failure> {
    match stop.is_cancelled() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::new("it ended by itself: the log says which part of it failed")),
    }
}

/// What a worker may have beside its work.
struct Port {
    tasks: Tasks,
    /// What it counts.
    metrics: Metrics,
}

impl Port {
    /// Opens the port if one is told.
    async fn open(
        told: MetricsPort,
        (bus, store): (&Bus, Option<&Store>),
        needs_slots: bool,
        stop: &CancellationToken,
    ) -> Result<Self, Failure> {
        let port = Self { tasks: Tasks::new(), metrics: Metrics::new()? };
        if let Some(address) = told.metrics_listen {
            let listener = PromptListener::bind_as("--metrics-listen", address).await?;
            tracing::info!(address = %listener.local_address()?, "counters can be read");
            let (metrics, bus, store) = (port.metrics.clone(), bus.clone(), store.cloned());
            let leaving = stop.clone();
            let status = Status { metrics, bus, store, needs_slots, leaving };
            let until = port.tasks.stop().clone();
            port.tasks.spawn("metrics port", status::serve(listener, status, until));
        }
        Ok(port)
    }

    /// Closes it.
    async fn close(self) {
        self.tasks.stop().cancel();
        self.tasks.finish_or_warn(PORT_END_MAX, "the metrics port").await;
    }
}

async fn run_provider(arguments: Plain, environment: Environment) -> Result<ExitCode, Failure> {
    let config = read_config(&arguments.config, &environment)?;
    let bus = Endpoints::bus_from_environment(&environment, "worker provider").await?;
    let reload = reload(&arguments.config, &environment, &Arc::new(config));
    call_vendors(reload, bus, arguments.port, stopped_by_signal()).await
}

/// Serves the models that can be called from here.
async fn call_vendors(
    reload: Reload,
    bus: Bus,
    port: MetricsPort,
    stop: CancellationToken,
) -> Result<ExitCode, Failure> {
    let port = Port::open(port, (&bus, None), true, &stop).await?;
    if !reload.running.models.iter().any(|model| model.can_be_called()) {
        return Err(worker_provider::nothing_to_serve().into());
    }
    let check = |config: &Config| worker_provider::check(config).map_err(Failure::new);
    let reload = Reload { metrics: Some(port.metrics.clone()), check, ..reload };
    let configs = reload.watch(&port.tasks);
    let given = Given { bus, metrics: port.metrics.clone() };
    let ran = provider::serve(configs, given, stop).await;
    port.close().await;
    Ok(ran.map(|()| ExitCode::SUCCESS)?)
}

/// Watches a configuration of which this role takes nothing before its next start: a change of what
/// it has read is told in the log, and SIGHUP ends nothing.
fn only_tells(reload: Reload, goes_on: GoesOn, port: &Port) -> watch::Receiver<Arc<Config>> {
    let metrics = Some(port.metrics.clone());
    Reload { metrics, goes_on: Some(goes_on), ..reload }.watch(&port.tasks)
}

async fn run_billing(arguments: Plain, environment: Environment) -> Result<ExitCode, Failure> {
    let config = read_config(&arguments.config, &environment)?;
    let endpoints = Endpoints::from_environment(&environment)?;
    let bus = endpoints.bus("worker billing").await?;
    let store = endpoints.store().await?.in_time_zone(config.budget.time_zone);
    let payments = payments::Payments::new(&config).map_err(Failure::new)?;
    let config = Arc::new(config);
    let stop = stopped_by_signal();
    let port = Port::open(arguments.port, (&bus, Some(&store)), false, &stop).await?;
    let reload = reload(&arguments.config, &environment, &config);
    // Nothing of billing changes while it runs.
    let goes_on = GoesOn { role: "billing", is_changed: |config, running| config != running };
    let _configs = only_tells(reload, goes_on, &port);
    let billing = worker_billing::Billing { bus, store, metrics: port.metrics.clone(), payments };
    worker_billing::run(billing, stop.clone()).await;
    port.close().await;
    ended(&stop)
}

async fn run_rakuten(arguments: Rakuten, environment: Environment) -> Result<ExitCode, Failure> {
    let config = read_config(&arguments.config, &environment)?;
    let bus = Endpoints::bus_from_environment(&environment, "worker rakuten").await?;
    let stop = stopped_by_signal();
    if arguments.end_with_parent {
        stop_with_standard_input(stop.clone())?;
    }
    if !config.models.moved().is_empty() {
        let read = (&arguments.config, &environment);
        return call_elsewhere(config, read, bus, arguments.port, stop).await;
    }
    let port = Port::open(arguments.port, (&bus, None), true, &stop).await?;
    let name = arguments.name;
    let file = arguments.model.or_else(|| configured_file(&config, name.as_deref()));
    let running = Arc::new(config.clone());
    let reload = reload(&arguments.config, &environment, &running);
    // How a model of our own runs changes at the next start.
    let goes_on = GoesOn {
        role: "worker rakuten",
        is_changed: |config, running| {
            let own = |config: &Config| -> Vec<Arc<Model>> {
                config.models.iter().filter(|model| model.llama.is_some()).cloned().collect()
            };
            let others = |config: &Config| (config.workers.clone(), config.queue.clone());
            own(config) != own(running) || others(config) != others(running)
        },
    };
    let _configs = only_tells(reload, goes_on, &port);
    if let (Some(address), Some(file)) = (&arguments.fetch, &file) {
        tokio::select! {
            () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
            fetched = infra::fetch::file(address, file) => fetched?,
        }
    }
    let given = Given { bus, metrics: port.metrics.clone() };
    let ran = serve_llama(&config, name, file, given, stop).await;
    port.close().await;
    ran.map(|()| ExitCode::SUCCESS)
}

/// Serves our own models from where `RAKUTEN_LLM_API_BASE` says, and nothing else: who runs them
/// and who calls them are the same to NATS.
async fn call_elsewhere(
    mut config: Config,
    (file, environment): (&ConfigFile, &Environment),
    bus: Bus,
    port: MetricsPort,
    stop: CancellationToken,
) -> Result<ExitCode, Failure> {
    let only_moved = |config: &mut Config| config.models = config.models.moved();
    only_moved(&mut config);
    tracing::info!("RAKUTEN_LLM_API_BASE is set: the model is called there, and no file is loaded");
    let reload = Reload { adjust: only_moved, ..reload(file, environment, &Arc::new(config)) };
    call_vendors(reload, bus, port, stop).await
}

/// The file of the model of that name, else of the first of our own.
fn configured_file(config: &Config, name: Option<&str>) -> Option<PathBuf> {
    let is_meant = |model: &Model| name.is_none_or(|name| model.name == name);
    let mut models = config.models.iter().filter(|model| is_meant(model));
    models.find_map(|model| model.llama.as_ref())?.file.clone()
}

#[cfg(feature = "rakuten")]
async fn serve_llama(
    config: &Config,
    name: Option<String>,
    file: Option<PathBuf>,
    Given { bus, metrics }: Given,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let served = worker_rakuten::Served { name, file };
    worker_rakuten::run(config, served, bus, metrics, stop).await.map_err(Failure::new)
}

#[cfg(not(feature = "rakuten"))]
async fn serve_llama(
    _config: &Config,
    _name: Option<String>,
    _file: Option<PathBuf>,
    _given: Given,
    _stop: CancellationToken,
) -> Result<(), Failure> {
    Err(Failure::usage("this build has no llama.cpp: build with --features rakuten"))
}

/// A parent that is killed can't tell: the end of our standard input does.
fn stop_with_standard_input(stop: CancellationToken) -> Result<(), Failure> {
    let watch = move || {
        let mut nothing = std::io::sink();
        // Whatever ends the reading, the parent is gone.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut nothing);
        stop.cancel();
    };
    std::thread::Builder::new().name("parent".into()).spawn(watch)?;
    Ok(())
}
