//! Bought credit that ends: what is left of a lot is taken at its time, by an event of its own. The
//! rest is worked out from the account's last snapshot and its events since, and written only if
//! none has come meanwhile: a charge that comes in between makes the next look work it out anew.

use crate::Billing;
use infra::bus::ledger::Unmoved;
use infra::clock;
use infra::seldom::Seldom;
use infra::store::lots::DueLot;
use schemas::ledger::{EventV1, Fact};
use schemas::money::MicroUsd;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long the end of a lot waits for running requests that may still be paid from it, in
/// milliseconds. It is longer than a request by default (`gateway.request_seconds_max` is 600); one
/// that may take longer and isn't over by then is paid from what else the account has.
const RUNNING_GRACE_MS: u64 = 900_000;

/// Ends the lots of one part until `stop`.
pub(crate) async fn lapse(billing: Arc<Billing>, partition: u16, stop: CancellationToken) {
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        // A clock that jumps ahead must not take credit before its time.
        let now_ms = clock::unix_ms().min(clock::steady_ms());
        match billing.store.due_lots(partition, now_ms).await {
            Ok(due) => {
                for lot in due {
                    if let Err(error) = end(&billing, &lot).await {
                        tracing::warn!(%error, "a lot of credit can't be ended yet");
                    }
                }
            }
            Err(error) => {
                static AWAY: Seldom = Seldom::new();
                AWAY.say(|| tracing::warn!(partition, %error, "lots that end can't be looked for"));
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum NotEnded {
    #[error(transparent)]
    Bus(#[from] infra::bus::BusError),
    #[error(transparent)]
    Store(#[from] infra::store::StoreError),
}

async fn end(billing: &Billing, lot: &DueLot) -> Result<(), NotEnded> {
    let history = billing.bus.account_history(&lot.account).await?;
    let rest = history.lots().rest_of(lot.kind, &lot.source);
    if rest > MicroUsd::ZERO {
        if waits(billing, lot, rest).await? {
            return Ok(());
        }
        let (kind, source) = (lot.kind, lot.source.clone());
        let event = EventV1 {
            account: lot.account.clone(),
            at_ms: clock::unix_ms(),
            amount: rest.negated(),
            fact: Fact::Expiry { kind, source },
        };
        match billing.bus.record_unmoved(&event, history.last()).await? {
            Unmoved::Written => tracing::info!(account = %lot.account, "a lot of credit has ended"),
            // Something was written since: the rest may be another.
            Unmoved::Moved => return Ok(()),
        }
    }
    billing.store.forget_lot(lot).await?;
    Ok(())
}

/// Running requests may need the rest: they are waited for, but not for ever.
async fn waits(billing: &Billing, lot: &DueLot, rest: MicroUsd) -> Result<bool, NotEnded> {
    let balance = billing.store.balance(&lot.account).await?;
    let is_needed = balance.balance.0 - balance.held.0 < rest.0;
    let now_ms = clock::unix_ms().min(clock::steady_ms());
    Ok(is_needed && now_ms < lot.expires_ms + RUNNING_GRACE_MS)
}
