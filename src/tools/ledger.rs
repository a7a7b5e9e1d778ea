//! `ledger check` sums every account's events since its last snapshot and compares them with its
//! balance; with `--whole` it reads all and proves the snapshots, too. `ledger rebuild` has the
//! balances made anew from the events; `ledger reconcile` writes what Stripe knows and they lack.

use super::say;
use crate::command_line::LedgerCommand;
use crate::endpoints::Endpoints;
use crate::role::{self, Failure};
use futures::StreamExt;
use infra::bus::Bus;
use infra::bus::tallies::Tallies;
use infra::clock;
use infra::counted::Rows;
use infra::environment::Environment;
use infra::progress::{Progress, Unit};
use infra::store::{Store, apply};
use payments::{Payments, Reconciled};
use schemas::ids::AccountId;
use schemas::ledger::EventV1;
use schemas::snapshots::{Closing, Cut};
use schemas::subjects;
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long nothing may be applied of what the ledger held at the start.
const STANDSTILL_MAX: Duration = Duration::from_secs(60);

/// How long after that the view may take to be declared complete. Billing first gives the gateways
/// two seconds to put back the holds of running requests.
const LIVE_WAIT_MAX: Duration = Duration::from_secs(30);

/// Accounts whose balances are read at one moment: nobody else is served by Redis meanwhile.
const ACCOUNTS_AT_ONCE_MAX: usize = 5_000;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What a check found.
#[derive(Debug, Default, Serialize)]
struct Report {
    ok: bool,
    accounts: usize,
    /// All that the balances are made of.
    events: u64,
    /// Those that were read; the others are in snapshots.
    read: u64,
    differences: Vec<Difference>,
    /// Snapshots that aren't the sum of their events.
    snapshots: Vec<String>,
    /// Events that came too late to count.
    late: Vec<Late>,
    /// Why the check came to no end: then nothing is said of any balance.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// An event that came more than a day after its time.
#[derive(Debug, Serialize)]
struct Late {
    subject: String,
    at: String,
    micro_usd: i64,
}

impl Late {
    fn of(event: &EventV1) -> Self {
        let (at, micro_usd) = (clock::rfc3339(event.at_ms), event.amount.0);
        Self { subject: event.subject(), at, micro_usd }
    }
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
        LedgerCommand::Check { whole, json, data } => {
            let endpoints = Endpoints::find(environment, &data.data)?;
            let (bus, store) = (endpoints.bus("ledger").await?, endpoints.store().await?);
            let report = match check(&bus, &store, whole).await {
                // Who reads JSON tells a check that came to no end from a difference by this.
                Err(failure) if json => {
                    let error = Some(failure.to_string());
                    say(serde_json::to_string(&Report { error, ..Report::default() })?)?;
                    return Err(failure);
                }
                report => report?,
            };
            print(&report, json)?;
            Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        LedgerCommand::Reconcile { config, hours, json, data } => {
            let config = role::read_config(&config, environment)?;
            let payments = Payments::new(&config).map_err(Failure::new)?.ok_or_else(|| {
                Failure::usage("STRIPE_SECRET_KEY is not set: there is nobody to ask")
            })?;
            let bus = Endpoints::find(environment, &data.data)?.bus("ledger").await?;
            let (period, mut found) = (Duration::from_secs(hours * 3_600), Reconciled::default());
            payments.reconcile(&bus, period, &mut found).await.map_err(Failure::new)?;
            let Reconciled { payments, credited, returns } = found;
            say(match json {
                true => json!({"payments": payments, "credited": credited, "returns": returns})
                    .to_string(),
                false => format!(
                    "{payments} payments, of which {credited} were not credited yet; {returns} \
                     refunds and disputes"
                ),
            })?;
            Ok(ExitCode::SUCCESS)
        }
        LedgerCommand::Rebuild { whole, json, data } => {
            let endpoints = Endpoints::find(environment, &data.data)?;
            let (bus, store) = (endpoints.bus("ledger").await?, endpoints.store().await?);
            for partition in apply::partitions() {
                match whole {
                    true => store.wipe_view_for_whole(partition).await?,
                    false => store.wipe_view(partition).await?,
                };
            }
            let mut progress = None;
            let begin = |whole| Progress::begin("rebuilding", Unit::Things("events"), whole);
            let tell = |reached, whole| progress.get_or_insert_with(|| begin(whole)).at(reached);
            let applied = watch_applied(&bus, &store, STANDSTILL_MAX, tell).await;
            progress.into_iter().for_each(Progress::end);
            applied?;
            wait_until_live(&store).await?;
            print(&check(&bus, &store, false).await?, json)?;
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
    for wrong in &report.snapshots {
        say(format!("snapshot of {wrong}: not the sum of its events"))?;
    }
    for Late { subject, at, micro_usd } in &report.late {
        say(format!("late, not counted: {subject} of {at}, {micro_usd} µUSD"))?;
    }
    let word = if report.ok { "ok: every balance is the sum of its events" } else { "NOT equal" };
    let Report { accounts, events, read, .. } = report;
    say(format!("{word} ({accounts} accounts, {events} events, {read} of them read)"))
}

/// Waits until the view has reached what the ledger holds now, as long as something is applied
/// within `standstill`.
///
/// # Errors
/// When nothing is, or NATS or Redis is away.
pub(super) async fn wait_until_applied(
    bus: &Bus,
    store: &Store,
    standstill: Duration,
) -> Result<(), Failure> {
    watch_applied(bus, store, standstill, |_, _| {}).await
}

/// The same, and tells how far of how much it is.
async fn watch_applied(
    bus: &Bus,
    store: &Store,
    standstill: Duration,
    mut tell: impl FnMut(u64, u64),
) -> Result<(), Failure> {
    let mut goals = Vec::new();
    for partition in apply::partitions() {
        let goal = bus.last_recorded(&subjects::ledger_partition(partition)).await?;
        goals.push((partition, goal));
    }
    let whole: u64 = goals.iter().map(|(_, goal)| goal).sum();
    let (mut last, mut moved) = (0, Instant::now());
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
        if moved.elapsed() > standstill {
            let why = "the ledger is not being applied: is a billing worker running?";
            return Err(Failure::new(why));
        }
        tell(reached, whole);
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Waits until every part takes requests again.
async fn wait_until_live(store: &Store) -> Result<(), Failure> {
    let began = Instant::now();
    for partition in apply::partitions() {
        while !store.is_live(partition).await? {
            if began.elapsed() > LIVE_WAIT_MAX {
                let why = "every balance is there, but requests are not taken yet: is a billing \
                           worker still running?";
                return Err(Failure::new(why));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
    Ok(())
}

async fn check(bus: &Bus, store: &Store, whole: bool) -> Result<Report, Failure> {
    wait_until_applied(bus, store, STANDSTILL_MAX).await?;
    let mut report = Report::default();
    let mut progress = Progress::begin("adding up", Unit::Things("events"), 0);
    for partition in apply::partitions() {
        check_part(bus, store, (partition, whole), &mut report).await?;
        progress.at(report.read);
    }
    progress.end();
    report.ok = report.differences.is_empty() && report.snapshots.is_empty();
    Ok(report)
}

async fn check_part(
    bus: &Bus,
    store: &Store,
    (partition, whole): (u16, bool),
    report: &mut Report,
) -> Result<(), Failure> {
    let goal = store.watermark(partition).await?;
    let last = bus.last_recorded(&subjects::ledger_partition(partition)).await?;
    if goal > last {
        return Err(Failure::new(format!(
            "Redis knows of event {goal} in part {partition}, and the ledger's last one is \
             {last}: it is a view of another ledger, or of this one before an older copy was \
             put back. `fly-llm ledger rebuild` makes it anew"
        )));
    }
    let closing = bus.last_closing(partition).await?;
    if let (Some(closing), true) = (&closing, whole) {
        report.snapshots.extend(wrong_snapshots(bus, partition, closing).await?);
    }
    let mut tallies = bus.tallies(partition, closing.filter(|_| !whole).as_ref(), goal).await?;
    if tallies.is_broken {
        report.snapshots.push(format!("part {partition}: not what its closing says"));
    }
    let mut accounts = store.account_names(partition).await?;
    accounts.extend(tallies.accounts.keys().cloned());
    let accounts: Vec<AccountId> = accounts.into_iter().collect();
    let mut through = goal;
    for some in accounts.chunks(ACCOUNTS_AT_ONCE_MAX) {
        let (at, balances) = store.balances_at(partition, some).await?;
        if at < through {
            return Err(Failure::new("the view was made anew during the check: repeat it"));
        }
        // To the moment of these balances: so charges may come all the time. An account whose
        // first event has come since the names were read is left to the next check.
        bus.tally_on(partition, &mut tallies, through, at).await?;
        through = at;
        let found = some.iter().zip(balances).map(|(account, balance)| Difference {
            ledger_micro_usd: tallies.accounts.get(account).map_or(0, |tally| tally.balance().0),
            balance_micro_usd: balance.0,
            account: account.to_string(),
        });
        report.differences.extend(found.filter(|it| it.ledger_micro_usd != it.balance_micro_usd));
    }
    tallies.accounts.retain(|account, _| accounts.binary_search(account).is_ok());
    report.events += tallies.events();
    report.read += tallies.read;
    report.late.extend(tallies.late.iter().map(Late::of));
    report.accounts += accounts.len();
    Ok(())
}

/// What was counted up to a cut.
async fn counted(bus: &Bus, cut: &Cut) -> Result<BTreeMap<AccountId, Rows>, Failure> {
    let mut rows: BTreeMap<AccountId, Rows> = BTreeMap::new();
    let mut counted = bus.counted(cut.partition, cut.through).await?;
    while let Some(some) = counted.next().await {
        let some = some?;
        rows.entry(some.account.clone()).or_default().add_counted(&some);
    }
    Ok(rows)
}

/// The accounts whose snapshots aren't what their events make.
async fn wrong_snapshots(
    bus: &Bus,
    partition: u16,
    closing: &Closing,
) -> Result<Vec<String>, Failure> {
    let cut = &closing.cut;
    let read = bus.tallies(partition, None, cut.through).await?;
    let told = bus.tallies(partition, Some(closing), cut.through).await?;
    let counted = counted(bus, cut).await?;
    let is_wrong = |account: &&AccountId| {
        let of = |tallies: &Tallies| tallies.accounts.get(account).map(|t| t.snapshot(cut));
        let rows = |of: &BTreeMap<AccountId, Rows>| of.get(account).cloned().unwrap_or_default();
        let miscounted = closing.requests.is_some() && rows(&read.counted) != rows(&counted);
        of(&read) != of(&told) || miscounted
    };
    let accounts: BTreeSet<&AccountId> = read.accounts.keys().chain(told.accounts.keys()).collect();
    let wrong = accounts.into_iter().filter(is_wrong);
    Ok(wrong.map(|account| format!("{account}: {}", cut.month)).collect())
}
