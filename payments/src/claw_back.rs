//! Money that goes back takes its credit with it: in proportion, the bonus as well, rounded down
//! for the buyer, and never what has ended unused. The balance may fall below zero, when the credit
//! is spent already: then nothing starts until it is covered. A refund that fails and a dispute
//! that is won give back what they took. Auto-recharge stops before anything is taken. It never
//! writes on what it hasn't read: two who look at once don't both take.

use crate::client::{Dispute, Intent, Refund};
use crate::credit::{PAID, is_ours};
use crate::returns::{Kind, Returns, Told};
use crate::{Payments, PaymentsError};
use infra::bus::{Bus, BusError};
use infra::clock;
use schemas::ids::AccountId;
use schemas::ledger::EventV1;
use schemas::money::{Currency, Money};
use schemas::recharge::RechargeStop;

/// How often what has gone back is read anew while others write it.
const ATTEMPTS_MAX: u32 = 64;

/// What Stripe says of a refund or dispute.
struct Word<'a> {
    kind: Kind,
    name: &'a str,
    payment: Option<&'a str>,
    /// In the smallest unit of the currency.
    minor: u64,
    currency: &'a str,
    /// Whether the money is gone.
    stands: bool,
}

impl Payments {
    /// Brings the ledger to where a refund stands.
    pub(crate) async fn claw_back_refund(
        &self,
        bus: &Bus,
        refund: &Refund,
    ) -> Result<(), PaymentsError> {
        // A pending one is on its way; if it fails, its credit comes back.
        let on_its_way = ["succeeded", "pending", "requires_action"];
        let stands = refund.status.as_deref().is_none_or(|status| on_its_way.contains(&status));
        let Refund { id: name, amount, currency, payment_intent, .. } = refund;
        let (kind, payment, minor) = (Kind::Refund, payment_intent.as_deref(), *amount);
        self.claw_back(bus, Word { kind, name, payment, minor, currency, stands }).await
    }

    /// Brings the ledger to where a dispute stands.
    pub(crate) async fn claw_back_dispute(
        &self,
        bus: &Bus,
        dispute: &Dispute,
    ) -> Result<(), PaymentsError> {
        let stands = match dispute.status.as_str() {
            "needs_response" | "under_review" | "lost" => true,
            "won" => false,
            // An inquiry moves no money.
            _ => return Ok(()),
        };
        let Dispute { id: name, amount, currency, payment_intent, .. } = dispute;
        let (kind, payment, minor) = (Kind::Dispute, payment_intent.as_deref(), *amount);
        self.claw_back(bus, Word { kind, name, payment, minor, currency, stands }).await
    }

    /// Writes what the ledger lacks of a refund or dispute. The purchase is written first, if
    /// nobody has yet: a refund may be heard of before the payment.
    async fn claw_back(&self, bus: &Bus, word: Word<'_>) -> Result<(), PaymentsError> {
        let Some(payment) = word.payment else { return Ok(()) };
        let intent: Intent = self.client.intent(payment).await?;
        // Nothing goes back of what was never paid, and nothing is credited on its account.
        if !is_ours(&intent) || intent.status != PAID {
            return Ok(());
        }
        let purchase = self.write(bus, &self.purchase(&intent)?).await?;
        let told = word.told(purchase.paid);
        for _ in 0..ATTEMPTS_MAX {
            let gone = bus.account_departures(&purchase.account).await?;
            let missing = Returns::of(payment, &purchase, &gone.events).missing(&told);
            let Some((amount, fact)) = missing else { return Ok(()) };
            if fact.takes_back() {
                stop_recharge(bus, &purchase.account).await?;
            }
            if !word.is_part_of(purchase.paid) {
                word.tell_operator(purchase.paid);
            }
            let (account, at_ms) = (purchase.account.clone(), clock::unix_ms());
            // Written or not: the next look says what is missing then.
            bus.record_departure(&EventV1 { account, at_ms, amount, fact }, &gone).await?;
        }
        Err(BusError::request("taking credit back", "others do so all the time").into())
    }
}

impl Word<'_> {
    fn is_part_of(&self, paid: Money) -> bool {
        Currency::parse(self.currency) == Some(paid.currency)
    }

    /// The same as a part of what was paid. Stripe may tell a dispute in another currency, whose
    /// smallest units are no part of the payment's: then all of it is meant, until a person looks.
    fn told(&self, paid: Money) -> Told {
        let Word { kind, name, minor, stands, .. } = *self;
        let money = if self.is_part_of(paid) { Money { minor, ..paid } } else { paid };
        Told { name: name.to_owned(), kind, money, stands }
    }

    fn tell_operator(&self, paid: Money) {
        let Word { name, minor, currency, .. } = *self;
        tracing::error!(
            name,
            minor,
            currency,
            %paid,
            "money goes back in another currency than was paid: the whole purchase's credit goes \
             with it; if that is too much, grant the rest by hand"
        );
    }
}

/// Auto-recharge stops first: it would charge the card of who wants his money back, because the
/// balance falls.
async fn stop_recharge(bus: &Bus, account: &AccountId) -> Result<(), PaymentsError> {
    let reason = RechargeStop::RETURNED.to_owned();
    let stop = RechargeStop { at_ms: clock::unix_ms(), reason };
    let stopped = bus.change_recharge(account, |record| record.stopping(stop.clone())).await?;
    if stopped.is_some() {
        tracing::warn!(%account, "money went back, so that an auto-recharge is stopped");
    }
    Ok(())
}
