//! `config check` explains every mistake; `config default` prints the built-in file.

use super::{say, told};
use crate::command_line::ConfigCommand;
use crate::role::{self, Failure};
use infra::config::{DEFAULT_CONFIG, Model};
use infra::environment::Environment;
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;

pub(super) fn run(command: ConfigCommand, environment: &Environment) -> Result<ExitCode, Failure> {
    match command {
        ConfigCommand::Default => say(DEFAULT_CONFIG.trim_end())?,
        ConfigCommand::Check { config, json } => {
            let config = role::read_config(&config, environment)?;
            let privacy = gateway::privacy_settings(&config.privacy).map_err(Failure::usage)?;
            gateway::pii::Masker::new(privacy).map_err(Failure::usage)?;
            let (models, pools) = (config.models.iter().count(), config.models.pools().len());
            let keyless = |model: &&Arc<Model>| model.key_wanted && model.api_keys.is_empty();
            let without: Vec<&str> =
                config.models.iter().filter(keyless).map(|model| model.name.as_str()).collect();
            let line = json!({"ok": true, "models": models, "pools": pools, "keyless": without});
            told(json, line, format!("ok: {models} models in {pools} pools"))?;
            for model in without.iter().filter(|_| !json) {
                say(format!("note: {model} has no API key here, so it is not offered"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
