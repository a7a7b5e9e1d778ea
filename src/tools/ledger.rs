//! `ledger check` sums every account's events and compares them with its balance; `ledger rebuild`
//! has the balances made anew from the events.

use super::say;
use crate::command_line::LedgerCommand;
use crate::endpoints::Endpoints;
use crate::role::Failure;
use futures::StreamExt;
use infra::bus::Bus;
use infra::environment::Environment;
use infra::store::{Store, apply};
use schemas::subjects;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long nothing may be applied of what the ledger held at the start.
const STANDSTILL_MAX: Duration = Duration::from_secs(60);

/// Between two lines that tell how far a rebuild is.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What a check found.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    accounts: usize,
    events: u64,
    differences: Vec<Difference>,
}

/// A balance that is not the sum of its events.
#[derive(Debug, Serialize)]
struct Difference {
    account: String,
    ledger_micro_usd: i64,
    balance_micro_usd: i64,
}

pub(super) async fn run(
    command: LedgerCommand,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    match command {
        LedgerCommand::Check { json, data } => {
            let endpoints = Endpoints::find(environment, &data.data)?;
            let report = check(&endpoints.bus("ledger").await?, &endpoints.store().await?).await?;
            print(&report, json)?;
            Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        LedgerCommand::Rebuild { json, data } => {
            let endpoints = Endpoints::find(environment, &data.data)?;
            let (bus, store) = (endpoints.bus("ledger").await?, endpoints.store().await?);
            for partition in apply::partitions() {
                store.wipe_view(partition).await?;
            }
            let tell = |percent| match json {
                true => Ok(()),
                false => say(format!("rebuilding: {percent} %")),
            };
            watch_applied(&bus, &store, tell).await?;
            print(&check(&bus, &store).await?, json)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn print(report: &Report, json: bool) -> Result<(), Failure> {
    if json {
        return say(serde_json::to_string(report)?);
    }
    for difference in &report.differences {
        let Difference { account, ledger_micro_usd, balance_micro_usd } = difference;
        say(format!(
            "{account}: ledger {ledger_micro_usd} µUSD, balance {balance_micro_usd} µUSD"
        ))?;
    }
    let word = if report.ok { "ok: every balance is the sum of its events" } else { "NOT equal" };
    say(format!("{word} ({} accounts, {} events)", report.accounts, report.events))
}

/// Waits until the view has reached what the ledger holds now.
pub(super) async fn wait_until_applied(bus: &Bus, store: &Store) -> Result<(), Failure> {
    watch_applied(bus, store, |_| Ok(())).await
}

/// The same, and tells in percent how far it is. It waits as long as something is applied.
async fn watch_applied(
    bus: &Bus,
    store: &Store,
    tell: impl Fn(u64) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut goals = Vec::new();
    for partition in apply::partitions() {
        let goal = bus.last_recorded(&subjects::ledger_partition(partition)).await?;
        goals.push((partition, goal));
    }
    let whole: u64 = goals.iter().map(|(_, goal)| goal).sum();
    let (mut last, mut moved, mut told) = (0, Instant::now(), Instant::now());
    loop {
        let mut reached = 0;
        for (partition, goal) in &goals {
            reached += store.watermark(*partition).await?.min(*goal);
        }
        if reached >= whole {
            return Ok(());
        }
        if reached != last {
            (last, moved) = (reached, Instant::now());
        }
        if moved.elapsed() > STANDSTILL_MAX {
            let why = "the ledger is not being applied: is a billing worker running?";
            return Err(Failure::new(why));
        }
        if told.elapsed() > TELL_INTERVAL {
            told = Instant::now();
            tell(reached * 100 / whole)?;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

async fn check(bus: &Bus, store: &Store) -> Result<Report, Failure> {
    wait_until_applied(bus, store).await?;
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    let (mut events, mut reached) = (0, BTreeMap::new());
    for partition in apply::partitions() {
        let filter = subjects::ledger_partition(partition);
        let goal = store.watermark(partition).await?;
        reached.insert(partition, goal);
        if goal == 0 {
            continue;
        }
        let entries = bus.follow_ledger(&filter, 1).await?;
        tokio::pin!(entries);
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            if entry.sequence > goal {
                break;
            }
            events += 1;
            if let Some(event) = &entry.event {
                *sums.entry(event.account.to_string()).or_insert(0) += event.amount.0;
            }
            if entry.sequence == goal {
                break;
            }
        }
    }
    let balances = store.all_balances().await?;
    for (partition, before) in reached {
        if store.watermark(partition).await? != before {
            return Err(Failure::new("charges were written during the check: repeat it"));
        }
    }
    let accounts: std::collections::BTreeSet<_> = sums.keys().chain(balances.keys()).collect();
    let differences: Vec<Difference> = accounts
        .iter()
        .map(|account| Difference {
            account: account.to_string(),
            ledger_micro_usd: sums.get(*account).copied().unwrap_or(0),
            balance_micro_usd: balances.get(*account).map_or(0, |balance| balance.balance.0),
        })
        .filter(|found| found.ledger_micro_usd != found.balance_micro_usd)
        .collect();
    Ok(Report { ok: differences.is_empty(), accounts: accounts.len(), events, differences })
}
