//! Auto-recharge: an account whose balance has fallen below what it wishes gets a charge of its
//! saved card. Of several billing workers one begins it, because the record changes once; whoever
//! finds one that nobody drives goes on with it. It never begins one on a balance that lacks an
//! event of the account: the credit of the last charge may be on its way.

use crate::Billing;
use futures::StreamExt;
use infra::bus::BusError;
use infra::bus::records::RecordChange;
use infra::clock;
use infra::store::{StoreError, apply};
use payments::{Charged, Payments, PaymentsError};
use schemas::ids::AccountId;
use schemas::ledger::{EventV1, Fact};
use schemas::recharge::{RechargeAttempt, RechargeRecordV1, RechargeStanding, RechargeStop};
use schemas::subjects;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Pause before a new start after an error.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// A charge that has begun so long ago, in milliseconds, is driven by whoever sees it: the one who
/// began it may be dead.
const ABANDONED_AFTER_MS: u64 = 10_000;

/// How long a charge that came to no end is left alone.
const REST: Duration = Duration::from_secs(10);

/// Charges that one worker drives at once.
const CHARGES_AT_ONCE_MAX: usize = 16;

/// Balances that are asked for at once.
const BALANCES_MAX: usize = 256;

/// Why looking has to start anew.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the stream of records ended")]
    Ended,
}

/// What is known of all accounts that ever wished it.
type Table = BTreeMap<AccountId, RechargeRecordV1>;

/// Looks after all accounts until `stop`.
pub(crate) async fn recharge(billing: Arc<Billing>, stop: CancellationToken) {
    let Some(payments) = &billing.payments else { return };
    loop {
        let interrupted = tokio::select! {
            () = stop.cancelled() => return,
            Err(interrupted) = watch(&billing, payments) => interrupted,
        };
        tracing::warn!(%interrupted, "looking after auto-recharge starts anew");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RESTART_PAUSE) => {}
        }
    }
}

async fn watch(billing: &Billing, payments: &Payments) -> Result<(), Interrupted> {
    let mut connections = billing.bus.connections();
    connections.borrow_and_update();
    let mut changes = billing.bus.watch_records().await?;
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    let mut table = Table::new();
    let mut rests = HashMap::new();
    let mut current = false;
    loop {
        tokio::select! {
            change = changes.next() => match change.ok_or(Interrupted::Ended)?? {
                RecordChange::Put(stored) => {
                    let record: RechargeRecordV1 = stored.record;
                    table.insert(record.account.clone(), record);
                }
                RecordChange::Current => current = true,
            },
            _ = looks.tick(), if current => look(billing, payments, &table, &mut rests).await?,
            // What was changed meanwhile may not be told.
            Ok(()) = connections.changed() => return Err(Interrupted::Ended),
        }
    }
}

/// Drives what nobody drives, and begins what is due.
async fn look(
    billing: &Billing,
    payments: &Payments,
    table: &Table,
    rests: &mut HashMap<AccountId, Instant>,
) -> Result<(), Interrupted> {
    rests.retain(|_, until| *until > Instant::now());
    let now_ms = clock::unix_ms();
    let abandoned = |attempt: &&RechargeAttempt| attempt.begun_ms + ABANDONED_AFTER_MS < now_ms;
    let running = table.values().filter_map(|record| {
        let attempt = record.running.as_ref().filter(abandoned)?;
        Some((record.account.clone(), attempt.clone()))
    });
    let mut charges: Vec<_> = running.filter(|(account, _)| !rests.contains_key(account)).collect();
    for record in low(billing, table).await? {
        if rests.contains_key(&record.account) {
            continue;
        }
        match begin(billing, payments, record).await? {
            Some(attempt) => charges.push((record.account.clone(), attempt)),
            // The balance isn't whole yet, or another worker was faster.
            None => continue,
        }
    }
    let driven = charges.into_iter().map(|(account, attempt)| async move {
        let charged = payments.charge(&billing.bus, &account, &attempt).await;
        tell(billing, &account, &attempt, &charged);
        (account, charged)
    });
    let mut driven = futures::stream::iter(driven).buffer_unordered(CHARGES_AT_ONCE_MAX);
    while let Some((account, charged)) = driven.next().await {
        if matches!(charged, Err(_) | Ok(Charged::Pending)) {
            rests.insert(account, Instant::now() + REST);
        }
    }
    Ok(())
}

/// The accounts that may be charged and whose balance is below what they wish.
async fn low<'a>(
    billing: &Billing,
    table: &'a Table,
) -> Result<Vec<&'a RechargeRecordV1>, Interrupted> {
    let ends_seconds = billing.store.month_end_seconds(clock::unix_ms());
    let mut live = Vec::new();
    for partition in apply::partitions() {
        live.push(billing.store.is_live(partition).await?);
    }
    // An incomplete view tells too little of every balance.
    let is_live = |account: &AccountId| {
        live.get(usize::from(subjects::partition(account))).copied().unwrap_or(false)
    };
    let wishing: Vec<&RechargeRecordV1> = table
        .values()
        .filter(|record| record.standing(ends_seconds) == RechargeStanding::On)
        .filter(|record| is_live(&record.account))
        .collect();
    let mut low = Vec::new();
    for some in wishing.chunks(BALANCES_MAX) {
        let accounts: Vec<AccountId> = some.iter().map(|record| record.account.clone()).collect();
        let balances = billing.store.balances(&accounts).await?;
        let with_balances = some.iter().zip(balances);
        low.extend(with_balances.filter_map(|(record, balance)| {
            record.wish.as_ref().is_some_and(|wish| balance < wish.below).then_some(*record)
        }));
    }
    Ok(low)
}

/// Begins a charge, if the balance is whole and low and nobody has begun one since.
async fn begin(
    billing: &Billing,
    payments: &Payments,
    record: &RechargeRecordV1,
) -> Result<Option<RechargeAttempt>, Interrupted> {
    let Some(wish) = &record.wish else { return Ok(None) };
    let account = &record.account;
    let offer = match payments.standing_offer(wish.price) {
        Ok(offer) => offer,
        Err(error) => {
            tracing::warn!(%account, %error, "an auto-recharge wishes what isn't sold any more");
            stop(billing, record, RechargeStop::NOT_SOLD).await?;
            return Ok(None);
        }
    };
    if is_frozen(billing, account).await? {
        return Ok(None);
    }
    let filter = subjects::ledger_account(account);
    let last = billing.bus.last_recorded(&filter).await?;
    if billing.store.watermark(subjects::partition(account)).await? < last {
        return Ok(None);
    }
    if billing.store.balance(account).await?.balance >= wish.below {
        return Ok(None);
    }
    let last = billing.bus.last_event(&filter).await?;
    // Whoever has wished it since wants credit all the same.
    let since_ms = record.wished_ms.unwrap_or(0);
    let has_ended =
        |event: EventV1| matches!(event.fact, Fact::Expiry { .. }) && event.at_ms > since_ms;
    if last.is_some_and(has_ended) {
        stop(billing, record, RechargeStop::EXPIRED).await?;
        return Ok(None);
    }
    let now_ms = clock::unix_ms();
    let ends_seconds = billing.store.month_end_seconds(now_ms);
    let change = |stored: RechargeRecordV1| {
        // What was looked at must still be so: a charge that came and went since is in the ledger
        // after the event that we compared with.
        let is_same = stored.begun == record.begun && stored.wish == record.wish;
        let bought = (offer.plan.clone(), offer.credit, offer.bonus);
        is_same.then(|| stored.beginning(now_ms, ends_seconds, bought)).flatten()
    };
    let begun = billing.bus.change_recharge(account, change).await?;
    Ok(begun.and_then(|record| record.running))
}

/// Whether nobody may use an account now: its owner couldn't switch it off.
async fn is_frozen(billing: &Billing, account: &AccountId) -> Result<bool, Interrupted> {
    let found = billing.bus.account(account).await?;
    let ends_ms = found.and_then(|record| record.limits.expires_ms);
    Ok(ends_ms.is_some_and(|ends_ms| ends_ms <= clock::unix_ms()))
}

/// Stops it, unless something was wished meanwhile.
async fn stop(
    billing: &Billing,
    record: &RechargeRecordV1,
    reason: &str,
) -> Result<(), Interrupted> {
    let stop = RechargeStop { at_ms: clock::unix_ms(), reason: reason.to_owned() };
    let account = &record.account;
    let change = |stored: RechargeRecordV1| {
        let is_same = stored == *record;
        is_same.then(|| stored.stopping(stop.clone())).flatten()
    };
    if billing.bus.change_recharge(account, change).await?.is_some() {
        tracing::warn!(%account, reason, "an auto-recharge is stopped");
    }
    Ok(())
}

fn tell(
    billing: &Billing,
    account: &AccountId,
    attempt: &RechargeAttempt,
    charged: &Result<Charged, PaymentsError>,
) {
    let sequence = attempt.sequence;
    let outcome = match charged {
        Ok(Charged::Paid) => {
            tracing::info!(%account, sequence, price = %attempt.price, "a card was charged");
            "paid"
        }
        Ok(Charged::Stopped(_)) => "stopped",
        Ok(Charged::Lost) => {
            tracing::warn!(%account, sequence, "Stripe never heard of a charge: it counts as none");
            "lost"
        }
        Ok(Charged::Pending) => return,
        Err(error) => {
            tracing::warn!(%account, sequence, %error, "a card can't be charged now");
            "away"
        }
    };
    billing.metrics.stripe_recharges_total.with_label_values(&[outcome]).inc();
}
