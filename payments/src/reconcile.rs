//! What Stripe knows and the ledger may not: webhooks that never came. It asks for what happened
//! lately and does what their webhooks would have done.

use crate::{CallError, Payments, PaymentsError, Settled, recharge};
use infra::bus::Bus;
use infra::clock;
use std::time::Duration;

/// What a look at Stripe's records brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Payments that were looked at.
    pub payments: usize,
    /// Of these, such as had not been credited.
    pub credited: usize,
    /// Refunds and disputes that were looked at.
    pub returns: usize,
}

impl Payments {
    /// Does what the webhooks of the last `period` ask for. Repeating it changes nothing.
    ///
    /// # Errors
    /// When Stripe or the ledger is away. A single payment that Stripe refuses to tell of,
    /// or that can't be read, is logged and passed over.
    pub async fn reconcile(
        &self,
        bus: &Bus,
        period: Duration,
    ) -> Result<Reconciled, PaymentsError> {
        let since = clock::unix_ms() / 1_000;
        let since = i64::try_from(since.saturating_sub(period.as_secs())).unwrap_or(0);
        let mut reconciled = Reconciled::default();
        for session in self.client.sessions_since(since).await? {
            let Some(payment) = session.payment_intent else { continue };
            reconciled.payments += 1;
            match self.settle(bus, &payment).await {
                Ok(Settled::Credited(credited)) => {
                    reconciled.credited += usize::from(credited.just_now);
                }
                Ok(_) => {}
                Err(error) => pass_over(error)?,
            }
        }
        for intent in self.client.intents_since(since, None).await? {
            // The others are payments of the sessions above.
            if recharge::sequence_of(&intent).is_none() {
                continue;
            }
            reconciled.payments += 1;
            match self.settle_intent(bus, &intent).await {
                Ok(Settled::Credited(credited)) => {
                    reconciled.credited += usize::from(credited.just_now);
                }
                Ok(_) => {}
                Err(error) => pass_over(error)?,
            }
        }
        for refund in self.client.refunds_since(since).await? {
            reconciled.returns += 1;
            self.claw_back_refund(bus, &refund).await.or_else(pass_over)?;
        }
        for dispute in self.client.disputes_since(since).await? {
            reconciled.returns += 1;
            self.claw_back_dispute(bus, &dispute).await.or_else(pass_over)?;
        }
        Ok(reconciled)
    }
}

/// One payment that nobody can read, now or later, must not keep the others from being credited.
fn pass_over(error: PaymentsError) -> Result<(), PaymentsError> {
    match error {
        PaymentsError::Unreadable { .. }
        | PaymentsError::Call(CallError::Unknown(_) | CallError::Refused(_)) => {
            tracing::error!(%error, "a payment can't be looked at: look at it by hand");
            Ok(())
        }
        other => Err(other),
    }
}
