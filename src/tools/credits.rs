//! `credits grant` writes a ledger event and waits until it is in the balance; `credits show` reads
//! the balance.

use super::{keys, told};
use crate::command_line::CreditsCommand;
use crate::endpoints::Endpoints;
use crate::role::Failure;
use gateway::auth::issue;
use infra::bus::Bus;
use infra::environment::Environment;
use infra::store::Store;
use schemas::ids::AccountId;
use schemas::ledger::{GRANT_MAX, is_grantable};
use schemas::money::MicroUsd;
use serde_json::json;
use std::process::ExitCode;

pub(super) async fn run(
    command: CreditsCommand,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    match command {
        CreditsCommand::Grant { account, usd, note, unique, json, data } => {
            let account = AccountId::parse(account).map_err(Failure::usage)?;
            let amount = MicroUsd::from_decimal(&usd).map_err(Failure::usage)?;
            if !is_grantable(amount) {
                return Err(Failure::usage(no_grant(amount)));
            }
            let endpoints = Endpoints::find(environment, &data.data)?;
            let bus = endpoints.bus("credits").await?;
            is_there(&bus, &account).await?;
            let unique = unique.unwrap_or_else(keys::fresh_unique);
            issue::grant(&bus, &account, amount, &unique, &note).await?;
            super::ledger::wait_until_applied(&bus, &endpoints.store().await?).await?;
            show(&endpoints.store().await?, &account, json).await?;
        }
        CreditsCommand::Show { account, json, data } => {
            let account = AccountId::parse(account).map_err(Failure::usage)?;
            let endpoints = Endpoints::find(environment, &data.data)?;
            is_there(&endpoints.bus("credits").await?, &account).await?;
            show(&endpoints.store().await?, &account, json).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Why so much can't be given.
pub(super) fn no_grant(amount: MicroUsd) -> String {
    format!("a grant is more than 0 USD and at most {GRANT_MAX}: ${amount} is not")
}

async fn is_there(bus: &Bus, account: &AccountId) -> Result<(), Failure> {
    let found = bus.account(account).await?;
    found.map(drop).ok_or_else(|| Failure::new(format!("there is no account {account}")))
}

async fn show(store: &Store, account: &AccountId, json: bool) -> Result<(), Failure> {
    let balance = store.balance(account).await?;
    let line = json!({
        "account": account,
        "balance_micro_usd": balance.balance.0,
        "held_micro_usd": balance.held.0,
    });
    told(json, line, format!("{account}  balance ${}  held ${}", balance.balance, balance.held))
}
