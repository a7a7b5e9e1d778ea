//! Holds that nobody settled: their gateway and worker are both gone. They are voided on the same
//! ledger subject that a charge would take, so a late charge and a void can't both exist.

use crate::Billing;
use infra::bus::ledger::Recorded;
use infra::clock;
use infra::store::holds::ExpiredHold;
use schemas::ledger::{EventV1, Fact, Void, VoidReason, Writer};
use schemas::money::MicroUsd;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Voids expired holds of one part until `stop`.
pub(crate) async fn expire(billing: Arc<Billing>, partition: u16, stop: CancellationToken) {
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        match billing.store.expired_holds(partition).await {
            Ok(expired) => {
                for hold in expired {
                    void(&billing, hold).await;
                }
            }
            Err(error) => tracing::warn!(partition, %error, "expired holds can't be looked for"),
        }
    }
}

async fn void(billing: &Billing, hold: ExpiredHold) {
    let event = EventV1 {
        account: hold.account,
        at_ms: clock::unix_ms(),
        amount: MicroUsd::ZERO,
        fact: Fact::Void(Void {
            request: hold.request,
            key: hold.key,
            reason: VoidReason::Expired,
            writer: Writer::Sweeper,
        }),
    };
    match billing.bus.record(&event).await {
        // Settled meanwhile: it only waits to be applied.
        Ok(Recorded::Before(_)) => {}
        Ok(Recorded::Written(_)) => {
            tracing::info!(request = ?event.request(), "a hold that nobody settled was voided");
            billing.metrics.holds_swept_total.with_label_values::<&str>(&[]).inc();
        }
        Err(error) => tracing::warn!(%error, "an expired hold could not be voided yet"),
    }
}
