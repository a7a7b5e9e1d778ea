//! A month is closed when nothing of it can come any more: its part of the ledger is cut, and every
//! account that has events since the last cut gets a snapshot of what it has. Whoever cuts first
//! says where; the snapshots follow from the cut alone, so that several workers write the same
//! ones, and one that dies leaves a half that the next completes.

use crate::Billing;
use futures::{FutureExt, StreamExt, TryStreamExt};
use infra::bus::BusError;
use infra::bus::ledger::Recorded;
use infra::bus::tallies::Tallies;
use infra::calendar::TimeZone;
use infra::clock;
use schemas::ids::AccountId;
use schemas::ledger::{EventV1, Fact, LATE_AFTER_MS};
use schemas::money::MicroUsd;
use schemas::snapshots::{Closing, Cut};
use schemas::subjects;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(600);

/// Snapshots that are written at once.
const SNAPSHOTS_AT_ONCE_MAX: usize = 32;

/// Letters of a month as it is written, as in `2026-11`.
const MONTH_BYTES: usize = 7;

/// Why a month isn't closed.
#[derive(Debug, thiserror::Error)]
pub enum NotClosed {
    /// The ledger can't be read or written now.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The snapshots of the last closing aren't what it says.
    #[error(
        "the snapshots of {0} don't sum to what their closing says: see `ledger check --whole`"
    )]
    Broken(String),
    /// Something else stands where what we have summed up should.
    #[error("{0} is another than its events make")]
    Other(String),
}

/// Closes months of one part until `stop`.
pub(crate) async fn close(billing: Arc<Billing>, partition: u16, stop: CancellationToken) {
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        let closed = tokio::select! {
            () = stop.cancelled() => return,
            closed = close_month(&billing, partition, clock::unix_ms()) => closed,
        };
        match closed {
            Ok(None) => {}
            Ok(Some(closing)) => {
                let Closing { cut, accounts, events, .. } = closing;
                tracing::info!(partition, month = cut.month, accounts, events, "a month is closed");
            }
            Err(error) => tracing::error!(partition, %error, "a month can't be closed"),
        }
    }
}

/// Closes the last month of a part of which nothing can come any more at a time, in milliseconds
/// since 1970, if it has events that no snapshot has. Answers what was closed just now.
///
/// # Errors
/// When the ledger is away, or isn't what was snapshot; repeating it is safe.
pub async fn close_month(
    billing: &Billing,
    partition: u16,
    now_ms: u64,
) -> Result<Option<Closing>, NotClosed> {
    let bus = &billing.bus;
    let Some((month, ended_ms)) = last_over(now_ms) else { return Ok(None) };
    let before = bus.last_closing(partition).await?;
    if before.as_ref().is_some_and(|closing| closing.cut.month >= month) {
        return Ok(None);
    }
    let from = before.as_ref().map_or(0, |closing| closing.cut.through) + 1;
    let first = bus.first_event(&subjects::ledger_partition(partition), from).await?;
    if first.is_none_or(|event| event.at_ms >= ended_ms) {
        return Ok(None);
    }
    let cut = cut(billing, partition, &month).await?;
    let tallies = bus.tallies(partition, before.as_ref(), cut.through).await?;
    if tallies.is_broken {
        return Err(NotClosed::Broken(before.map_or(month, |closing| closing.cut.month)));
    }
    let writes: Vec<_> = facts(&tallies, &cut)
        .into_iter()
        .map(|(account, fact)| write(billing, account, fact).boxed())
        .collect();
    futures::stream::iter(writes)
        .buffer_unordered(SNAPSHOTS_AT_ONCE_MAX)
        .try_collect::<Vec<()>>()
        .await?;
    let accounts = tallies.accounts.len() as u64;
    let (events, balance) = (tallies.events(), tallies.balance());
    // From a closing that doesn't say it nobody can tell.
    let requests = match &before {
        None => Some(tallies.requests()),
        Some(before) => before.requests.map(|requests| requests + tallies.requests()),
    };
    let closing = Closing { cut, accounts, events, balance, requests };
    bus.record(&fact_of_part(Fact::Closing(closing.clone()))).await?;
    Ok(Some(closing))
}

/// Where the part is cut for a month: the first who asks decides.
async fn cut(billing: &Billing, partition: u16, month: &str) -> Result<Cut, BusError> {
    let through = billing.bus.last_recorded(&subjects::ledger_partition(partition)).await?;
    let ours = Cut { partition, month: month.to_owned(), through };
    match billing.bus.record(&fact_of_part(Fact::Cut(ours.clone()))).await? {
        Recorded::Written(_) => Ok(ours),
        Recorded::Before(event) => match event.fact {
            Fact::Cut(theirs) => Ok(theirs),
            _ => Err(BusError::request("cutting the ledger", "no cut stands on its subject")),
        },
    }
}

/// What is written of each account that has events since the last cut.
fn facts(tallies: &Tallies, cut: &Cut) -> Vec<(AccountId, Fact)> {
    let mut facts = Vec::new();
    for account in &tallies.touched {
        if let Some(tally) = tallies.accounts.get(account) {
            facts.push((account.clone(), Fact::Snapshot(tally.snapshot(cut).into())));
        }
        let rows = tallies.counted.get(account).into_iter();
        let counted = rows.flat_map(|rows| rows.counted(account, cut));
        facts.extend(counted.map(|it| (AccountId::of_part(), Fact::Counted(it.into()))));
    }
    facts
}

async fn write(billing: &Billing, account: AccountId, fact: Fact) -> Result<(), NotClosed> {
    let event = EventV1 { account, at_ms: clock::unix_ms(), amount: MicroUsd::ZERO, fact };
    match billing.bus.record(&event).await? {
        Recorded::Written(_) => Ok(()),
        Recorded::Before(before) if before.fact == event.fact => Ok(()),
        Recorded::Before(_) => Err(NotClosed::Other(event.subject())),
    }
}

fn fact_of_part(fact: Fact) -> EventV1 {
    let (account, at_ms) = (AccountId::of_part(), clock::unix_ms());
    EventV1 { account, at_ms, amount: MicroUsd::ZERO, fact }
}

/// The last month of which nothing can come any more, and when it ended. Months are those of
/// statements: Japan's.
fn last_over(now_ms: u64) -> Option<(String, u64)> {
    let month_of = |at_ms: u64| {
        let written = TimeZone::JAPAN.rfc3339(at_ms);
        written.get(..MONTH_BYTES).map(str::to_owned)
    };
    let open = month_of(now_ms.checked_sub(LATE_AFTER_MS)?)?;
    let ended_ms = clock::parse_rfc3339(&format!("{open}-01T00:00:00+09:00"))?;
    Some((month_of(ended_ms.checked_sub(1)?)?, ended_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_over_a_day_after_its_end() {
        let over = |at: &str| last_over(clock::parse_rfc3339(at).unwrap()).unwrap().0;
        assert_eq!(over("2026-12-01T23:59:59+09:00"), "2026-10");
        assert_eq!(over("2026-12-02T00:00:01+09:00"), "2026-11");
        assert_eq!(over("2027-01-20T00:00:00Z"), "2026-12");
        let (_, ended_ms) =
            last_over(clock::parse_rfc3339("2026-12-31T00:00:00Z").unwrap()).unwrap();
        assert_eq!(clock::rfc3339(ended_ms), "2026-11-30T15:00:00Z");
    }
}
