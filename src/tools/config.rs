//! `config check` explains every mistake; `config default` prints the built-in file.

use super::say;
use crate::command_line::ConfigCommand;
use crate::role::{self, Failure};
use infra::config::DEFAULT_CONFIG;
use infra::environment::Environment;
use std::process::ExitCode;

pub(super) fn run(command: ConfigCommand, environment: &Environment) -> Result<ExitCode, Failure> {
    match command {
        ConfigCommand::Default => say(DEFAULT_CONFIG.trim_end())?,
        ConfigCommand::Check(file) => {
            let config = role::read_config(&file, environment)?;
            let privacy = gateway::privacy_settings(&config.privacy).map_err(Failure::usage)?;
            gateway::pii::Masker::new(privacy).map_err(Failure::usage)?;
            let models = config.models.iter().count();
            say(format!("ok: {models} models in {} pools", config.models.pools().len()))?;
            for model in config.models.iter().filter(|model| model.key_wanted) {
                if model.api_keys.is_empty() {
                    say(format!("note: {} has no API key here, so it is not offered", model.name))?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
