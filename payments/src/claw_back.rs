//! Money that goes back takes its credit with it: in proportion, the bonus as well, rounded down
//! for the buyer. The balance may fall below zero, when the credit is spent already: then nothing
//! starts until it is covered. A refund that fails and a dispute that is won give back what they
//! took.

use crate::client::{Dispute, Intent, Refund};
use crate::credit::{PAID, is_ours};
use crate::offer::share;
use crate::{Payments, PaymentsError};
use infra::bus::Bus;
use infra::clock;
use schemas::ids::AccountId;
use schemas::ledger::{DisputeStanding, EventV1, Fact};
use schemas::money::{Currency, MicroUsd, Money};

/// What goes back of which purchase.
struct Share {
    account: AccountId,
    payment: String,
    money: Money,
    credit: MicroUsd,
}

impl Payments {
    /// Brings the ledger to where a refund stands.
    pub(crate) async fn claw_back_refund(
        &self,
        bus: &Bus,
        refund: &Refund,
    ) -> Result<(), PaymentsError> {
        let payment = refund.payment_intent.as_deref();
        let share = self.share(bus, payment, refund.amount, &refund.currency).await?;
        let Some(share) = share else { return Ok(()) };
        let (name, payment) = (refund.id.clone(), share.payment.clone());
        let fact =
            Fact::Refund { refund: name.clone(), payment: payment.clone(), money: share.money };
        let taken = event(&share.account, share.credit.negated(), fact);
        match refund.status.as_deref() {
            // A pending one is on its way; if it fails, its credit comes back.
            Some("succeeded" | "pending" | "requires_action") | None => {
                bus.record(&taken).await?;
            }
            Some(_) => {
                let fact = Fact::RefundFailed { refund: name, payment };
                self.give_back(bus, &taken, fact).await?;
            }
        }
        Ok(())
    }

    /// Brings the ledger to where a dispute stands.
    pub(crate) async fn claw_back_dispute(
        &self,
        bus: &Bus,
        dispute: &Dispute,
    ) -> Result<(), PaymentsError> {
        let payment = dispute.payment_intent.as_deref();
        let share = self.share(bus, payment, dispute.amount, &dispute.currency).await?;
        let Some(share) = share else { return Ok(()) };
        let fact = |standing| Fact::Dispute {
            dispute: dispute.id.clone(),
            payment: share.payment.clone(),
            standing,
            money: share.money,
        };
        let taken = fact(DisputeStanding::Opened);
        let taken = event(&share.account, share.credit.negated(), taken);
        match dispute.status.as_str() {
            "needs_response" | "under_review" | "lost" => {
                bus.record(&taken).await?;
            }
            "won" => self.give_back(bus, &taken, fact(DisputeStanding::Won)).await?,
            // An inquiry moves no money.
            _ => {}
        }
        Ok(())
    }

    /// Writes the contrary of an event, if that had been written.
    async fn give_back(&self, bus: &Bus, taken: &EventV1, fact: Fact) -> Result<(), PaymentsError> {
        if let Some(taken) = bus.recorded(&taken.subject()).await? {
            bus.record(&event(&taken.account, taken.amount.negated(), fact)).await?;
        }
        Ok(())
    }

    /// The share of a purchase that an amount of money is. The purchase is written first, if nobody
    /// has yet: a refund may be heard of before the payment.
    async fn share(
        &self,
        bus: &Bus,
        payment: Option<&str>,
        minor: u64,
        currency: &str,
    ) -> Result<Option<Share>, PaymentsError> {
        let Some(payment) = payment else { return Ok(None) };
        let intent: Intent = self.client.intent(payment).await?;
        // Nothing goes back of what was never paid, and nothing is credited on its account.
        if !is_ours(&intent) || intent.status != PAID {
            return Ok(None);
        }
        let purchase = self.purchase(&intent)?;
        let credited = self.write(bus, &purchase).await?;
        let currency = Currency::parse(currency).ok_or_else(|| PaymentsError::Unreadable {
            payment: payment.to_owned(),
            what: "currency",
        })?;
        let of = |amount| share(amount, minor.min(credited.paid.minor), credited.paid.minor);
        Ok(Some(Share {
            account: purchase.account,
            payment: payment.to_owned(),
            money: Money { currency, minor },
            credit: of(credited.credit).saturating_add(of(credited.bonus)),
        }))
    }
}

fn event(account: &AccountId, amount: MicroUsd, fact: Fact) -> EventV1 {
    EventV1 { account: account.clone(), at_ms: clock::unix_ms(), amount, fact }
}
