//! `config check` explains every mistake; `config default` prints the built-in file;
//! `config import` reads another gateway's; `config schema` is for editors.

/// LiteLLM's configuration → ours.
mod import;

/// One entry of LiteLLM's `model_list` → one model.
mod deployment;

/// LiteLLM's prices.
mod prices;

use super::{say, told};
use crate::command_line::{ConfigCommand, ConfigFile};
use crate::role::{self, Failure};
use infra::config::{Config, DEFAULT_CONFIG, Model};
use infra::environment::Environment;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// What editors check and complete with; `tests/docs` makes it from docs/config.md.
const SCHEMA: &str = include_str!("../../../docs/config.schema.json");

pub(super) fn run(command: ConfigCommand, environment: &Environment) -> Result<ExitCode, Failure> {
    match command {
        ConfigCommand::Default { json: false } => say(DEFAULT_CONFIG.trim_end())?,
        ConfigCommand::Default { json: true } => say(default_values()?)?,
        ConfigCommand::Schema => say(SCHEMA.trim_end())?,
        ConfigCommand::Check { config, json } => check(&config, json, environment)?,
        ConfigCommand::Import { file, prices, json } => {
            return imported(&file, prices.as_deref(), json, environment);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn default_values() -> Result<String, Failure> {
    let values = serde_saphyr::from_str::<Value>(DEFAULT_CONFIG).map_err(Failure::new)?;
    Ok(values.to_string())
}

/// Tells every mistake, or what the configuration is.
fn check(file: &ConfigFile, json: bool, environment: &Environment) -> Result<(), Failure> {
    let config = match right(file, environment) {
        Ok(config) => config,
        Err(mistakes) => {
            if json {
                say(json!({"ok": false, "mistakes": mistakes}).to_string())?;
            }
            return Err(Failure::usage(mistakes.join("\nfly-llm: ")));
        }
    };
    let (models, pools) = (config.models.iter().count(), config.models.pools().len());
    let keyless = |model: &&Arc<Model>| model.key_wanted && model.api_keys.is_empty();
    let without: Vec<&str> =
        config.models.iter().filter(keyless).map(|model| model.name.as_str()).collect();
    let mut warnings = config.warnings(&role::today());
    // It is no part of the file, but here whoever renews the program looks for what it refuses.
    if let Err(failure) = role::admin_key(environment) {
        warnings.push(format!("no gateway starts: {failure}"));
    }
    let line = json!({"ok": true, "models": models, "pools": pools, "keyless": without,
        "warnings": warnings});
    told(json, line, format!("ok: {models} models in {pools} pools"))?;
    if json {
        return Ok(());
    }
    for warning in warnings {
        say(format!("warning: {warning}"))?;
    }
    for model in without {
        say(format!("note: {model} has no API key here, so it is not offered"))?;
    }
    Ok(())
}

/// The configuration, or everything that is wrong with it.
fn right(file: &ConfigFile, environment: &Environment) -> Result<Config, Vec<String>> {
    if let Some(path) = role::config_path(file) {
        let text = infra::config::read(&path).map_err(|error| vec![error.to_string()])?;
        let mistakes = Config::mistakes(&text, &path.display().to_string(), environment);
        if !mistakes.is_empty() {
            return Err(mistakes.iter().map(ToString::to_string).collect());
        }
    }
    role::read_config(file, environment).map_err(|failure| vec![failure.to_string()])
}

/// Prints the configuration; what could not be carried over goes to standard error.
fn imported(
    file: &Path,
    prices: Option<&Path>,
    json: bool,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let text = infra::config::read(file).map_err(Failure::usage)?;
    let prices = match prices {
        Some(file) => prices::Prices::read(file).map_err(Failure::usage)?,
        None => prices::Prices::default(),
    };
    let import::Imported { config, notes } =
        import::import(&text, &prices).map_err(Failure::usage)?;
    let mistakes = Config::mistakes(&config, "the imported configuration", environment);
    let code = if mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let line = json!({"config": config, "notes": notes, "mistakes": mistakes});
        say(line.to_string())?;
        return Ok(code);
    }
    for note in &notes {
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(std::io::stderr(), "not carried over: {note}");
    }
    say(config.trim_end())?;
    for mistake in &mistakes {
        let _ = writeln!(std::io::stderr(), "to be mended: {mistake}");
    }
    Ok(code)
}
