//! `credits grant` writes a ledger event and waits until it is in the balance; `credits show` reads
//! the balance. Once it is written the grant has succeeded, whatever comes then: who is told that
//! it failed gives it again.

use super::{OPERATORS_ONLY, keys, told};
use crate::command_line::CreditsCommand;
use crate::endpoints::Endpoints;
use crate::role::Failure;
use gateway::auth::issue;
use infra::bus::{Bus, BusError};
use infra::environment::Environment;
use infra::store::balances::Balance;
use schemas::ids::AccountId;
use schemas::ledger::{GRANT_MAX, is_grantable};
use schemas::money::MicroUsd;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

/// How long a grant waits to be seen in the balance while nothing is applied.
const APPLY_WAIT_MAX: Duration = Duration::from_secs(10);

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
            let (bus, store) = (endpoints.bus("credits").await?, endpoints.store().await?);
            is_there(&bus, &account).await?;
            let unique = unique.unwrap_or_else(keys::fresh_unique);
            let grant = issue::grant(&bus, &account, amount, &unique, &note);
            bus.unless_denied(OPERATORS_ONLY, grant).await.map_err(|error| match error {
                BusError::Denied(_) => Failure::new(error),
                _ => Failure::new(format!(
                    "{error}: the grant may be written all the same; repeat the command with \
                     `--unique {unique}`, which gives nothing twice"
                )),
            })?;
            let balance =
                match super::ledger::wait_until_applied(&bus, &store, APPLY_WAIT_MAX).await {
                    Ok(()) => store.balance(&account).await.map_err(Failure::from),
                    Err(not_applied) => Err(not_applied),
                };
            match balance {
                Ok(balance) => show(balance, &account, json)?,
                Err(why) => granted_only(&account, amount, &unique, &why, json)?,
            }
        }
        CreditsCommand::Show { account, json, data } => {
            let account = AccountId::parse(account).map_err(Failure::usage)?;
            let endpoints = Endpoints::find(environment, &data.data)?;
            is_there(&endpoints.bus("credits").await?, &account).await?;
            show(endpoints.store().await?.balance(&account).await?, &account, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Why so much can't be given.
pub(super) fn no_grant(amount: MicroUsd) -> String {
    format!("a grant is more than 0 USD and at most {GRANT_MAX}: ${amount} is not")
}

async fn is_there(bus: &Bus, account: &AccountId) -> Result<(), Failure> {
    let found = bus.unless_denied(OPERATORS_ONLY, bus.account(account)).await?;
    found.map(drop).ok_or_else(|| Failure::new(format!("there is no account {account}")))
}

fn show(balance: Balance, account: &AccountId, json: bool) -> Result<(), Failure> {
    let line = json!({
        "account": account,
        "balance_micro_usd": balance.balance.0,
        "held_micro_usd": balance.held.0,
    });
    told(json, line, format!("{account}  balance ${}  held ${}", balance.balance, balance.held))
}

/// The grant is written, and no balance shows it yet.
fn granted_only(
    account: &AccountId,
    amount: MicroUsd,
    unique: &str,
    why: &Failure,
    json: bool,
) -> Result<(), Failure> {
    let line = json!({
        "account": account,
        "granted_micro_usd": amount.0,
        "unique": unique,
        "applied": false,
    });
    let words = format!(
        "{account}  granted ${amount} (--unique {unique}): it is in the ledger, and the balance \
         shows it as soon as billing applies it. Don't give it again. ({why})"
    );
    told(json, line, words)
}
