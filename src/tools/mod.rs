//! Commands that do one thing and end. Their output is for scripts as much as for people.

/// `config …`
mod config;

/// `chat`.
mod chat;

/// `models`
mod models;

/// `keys …`
mod keys;

/// `credits …`
mod credits;

/// `ledger …`
mod ledger;

/// `route` and `mask`: lines in, lines out.
mod lines;

/// `similar`.
mod similar;

use crate::command_line::{Command, CommandLine, StreamsCommand};
use crate::endpoints::Endpoints;
use crate::role::{self, Failure};
use clap::CommandFactory;
use infra::environment::Environment;
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// What a tool says whose user of NATS may not do what it does.
const OPERATORS_ONLY: &str = "the tools are for the operator's user, not for a role's";

/// How long a health check may take.
const HEALTHCHECK_SECONDS_MAX: Duration = Duration::from_secs(3);

/// Runs a tool.
///
/// # Errors
/// When it can't do its work.
pub(crate) async fn run(command: Command, environment: Environment) -> Result<ExitCode, Failure> {
    match command {
        Command::Config(command) => config::run(command, &environment),
        Command::Models { json } => models::run(json),
        Command::Keys(command) => keys::run(command, &environment).await,
        Command::Credits(command) => credits::run(command, &environment).await,
        Command::Ledger(command) => ledger::run(command, &environment).await,
        Command::Route(arguments) => lines::route(&arguments, &environment),
        Command::Mask(arguments) => lines::mask(&arguments, &environment),
        Command::Similar(arguments) => similar::run(&arguments, &environment),
        Command::Chat(arguments) => chat::run(arguments, &environment).await,
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut CommandLine::command(), "fly-llm", &mut out);
            std::io::stdout().lock().write_all(&out)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Streams(StreamsCommand::Apply { config, json, data }) => {
            let config = role::read_config(&config, &environment)?;
            let bus = Endpoints::find(&environment, &data.data)?.bus("streams").await?;
            bus.apply_streams(&config.queue, &config.models.pools()).await?;
            told(json, json!({"ok": true}), "the streams are as they should be")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Healthcheck { url, json } => healthcheck(&url, json).await,
        Command::Up(_) | Command::Gateway(_) | Command::Worker(_) => {
            Err(Failure::usage("not a tool"))
        }
    }
}

async fn healthcheck(url: &str, json: bool) -> Result<ExitCode, Failure> {
    let client = infra::net::http_client(HEALTHCHECK_SECONDS_MAX)?;
    let answer = client.get(url).send().await.map_err(|error| match error.is_builder() {
        true => Failure::usage(format!("'{url}' is no URL: write one as http://HOST:8080/ready")),
        false => Failure::new(error),
    })?;
    let status = answer.status();
    let text = answer.text().await?;
    if json {
        say(&text)?;
    }
    if status.is_success() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new(format!("{url} answered {status}: {text}")))
}

/// Prints a line on standard output.
fn say(line: impl AsRef<str>) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout().lock(), "{}", line.as_ref())?)
}

/// Prints what was done: for a script, or for a person.
fn told(json: bool, line: Value, words: impl AsRef<str>) -> Result<(), Failure> {
    if json { say(line.to_string()) } else { say(words) }
}
