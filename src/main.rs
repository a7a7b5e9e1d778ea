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

/// Models of our own beside it.
mod local_models;

/// How their threads wait.
mod openmp;

/// Who gives out memory.
mod allocator;

/// The configuration file while a process runs.
mod reload;

/// The provider worker under changing configurations.
mod provider;

/// Commands that do one thing and end.
mod tools;

use clap::Parser;
use command_line::{Command, CommandLine, Worker};
use infra::environment::Environment;
use std::process::ExitCode;

fn main() -> ExitCode {
    let environment = match Environment::of_process().with_files() {
        Ok(environment) => environment,
        Err(error) => return role::Failure::usage(error).report(),
    };
    infra::telemetry::start(&environment);
    infra::net::install_cryptography();
    let command_line = CommandLine::parse();
    if let Command::Worker(Worker::Rakuten(_)) = &command_line.command {
        openmp::settle(&environment);
    }
    let runtime = match role::runtime(&environment) {
        Ok(runtime) => runtime,
        Err(failure) => return failure.report(),
    };
    let ended = runtime.block_on(role::run(command_line, environment));
    // A blocked read of standard input must not keep a process that has ended.
    runtime.shutdown_background();
    ended.unwrap_or_else(|failure| failure.report())
}
