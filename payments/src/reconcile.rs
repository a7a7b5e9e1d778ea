//! What Stripe knows and the ledger may not: webhooks that never came. It asks for what happened
//! lately and does what their webhooks would have done.

use crate::notice::NoticeObject;
use crate::{CallError, Payments, PaymentsError, Settled};
use infra::bus::Bus;
use infra::clock;
use std::collections::BTreeSet;
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
    /// Does what the webhooks of the last `period` ask for, and counts it, also if it can't come to
    /// its end. Repeating it changes nothing.
    ///
    /// # Errors
    /// When Stripe or the ledger is away. A single payment that Stripe refuses to tell of,
    /// or that can't be read, is logged and passed over.
    pub async fn reconcile(
        &self,
        bus: &Bus,
        period: Duration,
        reconciled: &mut Reconciled,
    ) -> Result<(), PaymentsError> {
        let since = clock::unix_ms() / 1_000;
        let since = i64::try_from(since.saturating_sub(period.as_secs())).unwrap_or(0);
        let mut seen = BTreeSet::new();
        for session in listed(self.client.sessions_since(since).await)? {
            seen.insert(NoticeObject::Session(session.id));
            let Some(payment) = session.payment_intent else { continue };
            let settled = self.settle(bus, &payment).await.map(Some);
            seen.insert(NoticeObject::Payment(payment));
            reconciled.count(settled)?;
        }
        for intent in listed(self.client.intents_since(since, None).await)? {
            let object = NoticeObject::Payment(intent.id.clone());
            // Payments of the sessions above are done.
            if seen.insert(object) {
                reconciled.count(self.settle_intent(bus, &intent).await.map(Some))?;
            }
        }
        for refund in listed(self.client.refunds_since(since).await)? {
            reconciled.returns += 1;
            self.claw_back_refund(bus, &refund).await.or_else(pass_over)?;
            seen.insert(NoticeObject::Refund(refund.id));
        }
        for dispute in listed(self.client.disputes_since(since).await)? {
            reconciled.returns += 1;
            self.claw_back_dispute(bus, &dispute).await.or_else(pass_over)?;
            seen.insert(NoticeObject::Dispute(dispute.id));
        }
        // What was made before may have changed since: a bank decides after weeks, and who pays at
        // a convenience store has days.
        for happening in listed(self.client.happenings_since(since).await)? {
            let object = happening.object();
            if object != NoticeObject::Other && seen.insert(object.clone()) {
                let is_return =
                    matches!(object, NoticeObject::Refund(_) | NoticeObject::Dispute(_));
                reconciled.returns += usize::from(is_return);
                reconciled.count(self.follow(bus, &object).await)?;
            }
        }
        Ok(())
    }
}

impl Reconciled {
    /// Counts a payment that was looked at.
    fn count(
        &mut self,
        settled: Result<Option<Settled>, PaymentsError>,
    ) -> Result<(), PaymentsError> {
        match settled {
            Ok(Some(Settled::Credited(credited))) => {
                self.payments += 1;
                self.credited += usize::from(credited.just_now);
            }
            Ok(settled) => self.payments += usize::from(settled.is_some()),
            Err(error) => pass_over(error)?,
        }
        Ok(())
    }
}

/// What our key may not list must not keep the rest from being looked at.
fn listed<T>(list: Result<Vec<T>, CallError>) -> Result<Vec<T>, CallError> {
    match list {
        Err(error @ CallError::Refused(_)) => {
            tracing::error!(%error, "Stripe lists nothing here: see what the key may read");
            Ok(Vec::new())
        }
        listed => listed,
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
