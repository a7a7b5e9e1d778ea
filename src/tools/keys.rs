//! `keys …`: what `/api/keys` does, for those who have no gateway at hand.

use super::{OPERATORS_ONLY, say, told};
use crate::command_line::KeysCommand;
use crate::endpoints::Endpoints;
use crate::role::Failure;
use gateway::auth::issue::{self, NewKey};
use infra::bus::Bus;
use infra::bus::records::RecordChange;
use infra::clock;
use infra::environment::Environment;
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::ledger::is_grantable;
use schemas::money::MicroUsd;
use schemas::records::KeyRecordV1;
use serde_json::json;
use std::collections::BTreeMap;
use std::process::ExitCode;

pub(super) async fn run(
    command: KeysCommand,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    match command {
        KeysCommand::Create { name, credit, account, json, data } => {
            let name = issue::checked_name(&name).ok_or_else(|| {
                Failure::usage("--name: write a name of 1 to 200 characters on one line")
            })?;
            let bus = Endpoints::find(environment, &data.data)?.bus("keys").await?;
            let made = create(&bus, name, credit, account, json);
            bus.unless_denied(OPERATORS_ONLY, made).await?;
        }
        KeysCommand::List { json, data } => {
            let bus = Endpoints::find(environment, &data.data)?.bus("keys").await?;
            for record in bus.unless_denied(OPERATORS_ONLY, all(&bus)).await? {
                list(&record, json)?;
            }
        }
        KeysCommand::Delete { key, json, data } => {
            let bus = Endpoints::find(environment, &data.data)?.bus("keys").await?;
            let wanted = KeyId::parse(key)?;
            bus.unless_denied(OPERATORS_ONLY, delete(&bus, &wanted)).await?;
            let line = json!({"key_id": wanted, "deleted": true});
            told(json, line, format!("{wanted} is deleted"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(
    bus: &Bus,
    name: String,
    credit: Option<String>,
    account: Option<String>,
    json: bool,
) -> Result<(), Failure> {
    let credit = credit.map(|usd| MicroUsd::from_decimal(&usd)).transpose();
    let credit = credit.map_err(Failure::usage)?;
    if let Some(amount) = credit.filter(|amount| !is_grantable(*amount)) {
        return Err(Failure::usage(super::credits::no_grant(amount)));
    }
    let account = account.map(AccountId::parse).transpose().map_err(Failure::usage)?;
    if let Some(account) = &account
        && bus.account(account).await?.is_none()
    {
        return Err(Failure::new(format!("there is no account {account}")));
    }
    let issued = issue::issue(bus, NewKey { name, account, ..NewKey::default() }).await?;
    let record = issued.record;
    if let Some(amount) = credit {
        let unique = format!("key-{}", record.key);
        issue::grant(bus, &record.account, amount, &unique, "with a new key").await?;
    }
    let (key, account) = (issued.secret.reveal(), &record.account);
    if json {
        return say(json!({"key": key, "key_id": record.key, "account": account}).to_string());
    }
    say(format!("key      {key}   (shown once)\nkey_id   {}\naccount  {account}", record.key))
}

async fn delete(bus: &Bus, wanted: &KeyId) -> Result<(), Failure> {
    let found = all(bus).await?.into_iter().find(|record| record.key == *wanted);
    let record = found.ok_or_else(|| {
        Failure::new(format!("there is no key {wanted}: `fly-llm keys list` shows all"))
    })?;
    issue::revoke(bus, &record.key).await?;
    Ok(())
}

/// All live keys, oldest first.
async fn all(bus: &Bus) -> Result<Vec<KeyRecordV1>, Failure> {
    use futures::StreamExt;
    let mut changes = bus.watch_records::<KeyRecordV1>().await?;
    let mut keys = BTreeMap::new();
    while let Some(change) = changes.next().await {
        match change? {
            RecordChange::Put(stored) => keys.insert(stored.record.key.clone(), stored.record),
            RecordChange::Current => break,
        };
    }
    let mut keys: Vec<_> = keys.into_values().filter(|key| key.revoked_ms.is_none()).collect();
    keys.sort_by_key(|key| key.created_ms);
    Ok(keys)
}

fn list(record: &KeyRecordV1, json: bool) -> Result<(), Failure> {
    let created = clock::rfc3339(record.created_ms);
    if json {
        let line = json!({
            "key_id": record.key, "account": record.account, "name": record.name,
            "last_four": record.last_four, "created_at": created,
        });
        return say(line.to_string());
    }
    // One made by an earlier version may have several lines.
    let name = record.name.replace(char::is_control, " ");
    say(format!("{}  {}  {created}  …{}  {name}", record.key, record.account, record.last_four))
}

/// A name that no other grant has.
pub(super) fn fresh_unique() -> String {
    RequestId::fresh().as_str().replace("req_", "cli-")
}
