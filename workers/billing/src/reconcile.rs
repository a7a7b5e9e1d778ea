//! Payments whose webhook never came: asked from Stripe now and then, and written as the webhook
//! would have. Several billing workers may do so at once.

use crate::Billing;
use payments::Reconciled;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(600);

/// How far a look goes back: Stripe sends a webhook again for three days.
const PERIOD: Duration = Duration::from_secs(72 * 3_600);

/// Looks at Stripe's records until `stop`; the first time at once.
pub(crate) async fn reconcile(billing: Arc<Billing>, stop: CancellationToken) {
    let Some(payments) = &billing.payments else { return };
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        let mut found = Reconciled::default();
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = payments.reconcile(&billing.bus, PERIOD, &mut found) => looked,
        };
        let credited = u64::try_from(found.credited).unwrap_or(u64::MAX);
        billing.metrics.stripe_reconciled_total.with_label_values::<&str>(&[]).inc_by(credited);
        match looked {
            Ok(()) => tracing::debug!(?found, "Stripe's records were compared with the ledger"),
            Err(error) => tracing::warn!(%error, "Stripe's records can't be compared now"),
        }
    }
}
