//! The program `fly-llm`: reads its command and runs that role or tool. Everything else is in the
//! crates; no logic lives here.

/// What can be typed.
mod command_line;

/// The long-running roles.
mod role;

/// Where NATS and Redis are.
mod endpoints;

/// Everything on one machine.
mod up;

/// The configuration file while a process runs.
mod reload;

/// The provider worker under changing configurations.
mod provider;

/// Commands that do one thing and end.
mod tools;

use clap::Parser;
use command_line::CommandLine;
use infra::environment::Environment;
use std::process::ExitCode;

/// How many threads, if the operator says so: tokio reads it by itself.
const THREADS: &str = "TOKIO_WORKER_THREADS";

fn main() -> ExitCode {
    let environment = match Environment::of_process().with_files() {
        Ok(environment) => environment,
        Err(error) => return role::Failure::usage(error).report(),
    };
    infra::telemetry::start(&environment);
    infra::net::install_cryptography();
    let command_line = CommandLine::parse();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads(&environment) {
        builder.worker_threads(threads);
    }
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return role::Failure::from(error).report(),
    };
    let ended = runtime.block_on(role::run(command_line, environment));
    // A blocked read of standard input must not keep a process that has ended.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// Threads that this process may keep busy: one core is for NATS and Redis, because threads that
/// only wake each other cost more than they do. Nothing when the operator says it.
fn threads(environment: &Environment) -> Option<usize> {
    if environment.get(THREADS).is_some() {
        return None;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    Some(cores.saturating_sub(1).max(1))
}
