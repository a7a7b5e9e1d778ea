//! Money that goes back takes its credit with it: in proportion, the bonus as well, rounded down
//! for the buyer, and never what has ended unused. The balance may fall below zero, when the credit
//! is spent already: then nothing starts until it is covered. A refund that fails and a dispute
//! that is won give back what they took. Auto-recharge stops before anything is taken.

use crate::client::{Dispute, Intent, Refund};
use crate::credit::{PAID, is_ours};
use crate::offer::share;
use crate::{Payments, PaymentsError};
use infra::bus::Bus;
use infra::bus::ledger::Recorded;
use infra::clock;
use schemas::ids::AccountId;
use schemas::ledger::{DisputeStanding, EventV1, Fact, LotKind};
use schemas::money::{Currency, MicroUsd, Money};
use schemas::recharge::RechargeStop;

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
        let share = self.share(bus, payment, &refund.id, (refund.amount, &refund.currency)).await?;
        let Some(share) = share else { return Ok(()) };
        let (name, payment) = (refund.id.clone(), share.payment.clone());
        let fact =
            Fact::Refund { refund: name.clone(), payment: payment.clone(), money: share.money };
        let taken = event(&share.account, share.credit.negated(), fact);
        match refund.status.as_deref() {
            // A pending one is on its way; if it fails, its credit comes back.
            Some("succeeded" | "pending" | "requires_action") | None => {
                take(bus, &taken).await?;
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
        let money = (dispute.amount, &*dispute.currency);
        let share = self.share(bus, payment, &dispute.id, money).await?;
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
                take(bus, &taken).await?;
            }
            "won" => self.give_back(bus, &taken, fact(DisputeStanding::Won)).await?,
            // An inquiry moves no money.
            _ => {}
        }
        Ok(())
    }

    /// Writes an event's contrary. The event itself is written first if nobody has: whoever handles
    /// an older word of it at this moment would write it later, and alone.
    async fn give_back(&self, bus: &Bus, taken: &EventV1, fact: Fact) -> Result<(), PaymentsError> {
        let amount = match bus.record(taken).await? {
            Recorded::Written(_) => taken.amount,
            Recorded::Before(before) => before.amount,
        };
        bus.record(&event(&taken.account, amount.negated(), fact)).await?;
        Ok(())
    }

    /// The share of a purchase that an amount of money is, which the refund or dispute called `own`
    /// moves. The purchase is written first, if nobody
    /// has yet: a refund may be heard of before the payment.
    async fn share(
        &self,
        bus: &Bus,
        payment: Option<&str>,
        own: &str,
        (minor, currency): (u64, &str),
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
        let brought = credited.credit.saturating_add(credited.bonus);
        let ended = ended(bus, &purchase.account, payment).await?;
        let taken = taken_by_others(bus, &purchase.account, payment, own).await?;
        let left = brought.0.saturating_sub(ended.0).saturating_sub(taken.0);
        let left = MicroUsd(left.max(0));
        Ok(Some(Share {
            account: purchase.account,
            payment: payment.to_owned(),
            money: Money { currency, minor },
            credit: of(credited.credit).saturating_add(of(credited.bonus)).min(left),
        }))
    }
}

/// What of a purchase and its bonus was taken at its end: nobody has it to give back.
async fn ended(bus: &Bus, account: &AccountId, payment: &str) -> Result<MicroUsd, PaymentsError> {
    let mut ended = MicroUsd::ZERO;
    for kind in [LotKind::Paid, LotKind::Bonus] {
        let expiry = Fact::Expiry { kind, source: payment.to_owned() };
        let expiry = event(account, MicroUsd::ZERO, expiry);
        if let Some(written) = bus.recorded(&expiry.subject()).await? {
            ended = ended.saturating_add(written.amount.negated());
        }
    }
    Ok(ended)
}

/// What other refunds and disputes of a purchase have taken, less what they gave back.
async fn taken_by_others(
    bus: &Bus,
    account: &AccountId,
    payment: &str,
    own: &str,
) -> Result<MicroUsd, PaymentsError> {
    let mut taken = MicroUsd::ZERO;
    for event in bus.account_returns(account).await? {
        let (name, of) = match &event.fact {
            Fact::Refund { refund, payment, .. } | Fact::RefundFailed { refund, payment } => {
                (refund, payment)
            }
            Fact::Dispute { dispute, payment, .. } => (dispute, payment),
            _ => continue,
        };
        if of == payment && name != own {
            taken = taken.saturating_add(event.amount.negated());
        }
    }
    Ok(taken)
}

/// Takes credit back, once. First auto-recharge stops: it would charge the card of who wants his
/// money back, because the balance falls.
async fn take(bus: &Bus, taken: &EventV1) -> Result<(), PaymentsError> {
    if bus.recorded(&taken.subject()).await?.is_some() {
        return Ok(());
    }
    let reason = RechargeStop::RETURNED.to_owned();
    let stop = RechargeStop { at_ms: clock::unix_ms(), reason };
    let account = &taken.account;
    let stopped = bus.change_recharge(account, |record| record.stopping(stop.clone())).await?;
    if stopped.is_some() {
        tracing::warn!(%account, "money went back, so that an auto-recharge is stopped");
    }
    bus.record(taken).await?;
    Ok(())
}

fn event(account: &AccountId, amount: MicroUsd, fact: Fact) -> EventV1 {
    EventV1 { account: account.clone(), at_ms: clock::unix_ms(), amount, fact }
}
