//! A payment to credit: asked from Stripe, written to the ledger under the payment's own name. A
//! payment that is not ours, or not paid, brings nothing.

use crate::checkout::{
    ACCOUNT, BONUS_MICRO_USD, CREDIT, CREDIT_MICRO_USD, NEW_NAME, PLAN, PURPOSE,
};
use crate::client::Intent;
use crate::{Payments, PaymentsError, recharge};
use infra::bus::Bus;
use infra::bus::ledger::Recorded;
use infra::clock;
use schemas::ids::AccountId;
use schemas::ledger::{EventV1, Fact, TopUp, TopUpSource};
use schemas::money::{Currency, MicroUsd, Money};
use schemas::records::{AccountRecordV1, OwnLimits};

/// How Stripe calls a payment whose money has come.
pub(crate) const PAID: &str = "succeeded";

/// How it calls one whose money will not come: declined, never paid in at the shop, or cancelled.
const FAILED: [&str; 2] = ["requires_payment_method", "canceled"];

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// What came of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Its credit is in the ledger, now or since before.
    Credited(Credited),
    /// It is ours, but not paid (yet).
    Unpaid,
    /// It is ours, and its money will not come.
    Failed,
    /// It is none of ours.
    Foreign,
}

/// A payment whose credit is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credited {
    /// Whose credit it is.
    pub account: AccountId,
    /// What was paid.
    pub paid: Money,
    /// The credit.
    pub credit: MicroUsd,
    /// What came on top.
    pub bonus: MicroUsd,
    /// Whether the account was made by this purchase.
    pub is_new: bool,
    /// Whether it was credited just now.
    pub just_now: bool,
}

/// A payment of ours, as it was written into the payment.
pub(crate) struct Purchase {
    pub(crate) account: AccountId,
    pub(crate) top_up: EventV1,
    pub(crate) bonus: Option<EventV1>,
    new_name: Option<String>,
    paid: Money,
}

impl Payments {
    /// Credits a payment if it is paid and ours.
    ///
    /// # Errors
    /// When Stripe or the ledger is away; repeating it is safe.
    pub async fn settle(&self, bus: &Bus, payment: &str) -> Result<Settled, PaymentsError> {
        let intent = self.client.intent(payment).await?;
        self.settle_intent(bus, &intent).await
    }

    /// The same of a payment that Stripe has just told of.
    pub(crate) async fn settle_intent(
        &self,
        bus: &Bus,
        intent: &Intent,
    ) -> Result<Settled, PaymentsError> {
        if !is_ours(intent) {
            return Ok(Settled::Foreign);
        }
        if intent.status != PAID {
            recharge::note(bus, intent).await?;
            let has_failed = FAILED.contains(&intent.status.as_str());
            return Ok(if has_failed { Settled::Failed } else { Settled::Unpaid });
        }
        let purchase = self.purchase(intent)?;
        let credited = self.write(bus, &purchase).await?;
        // Only now: an auto-recharge that is over must be in the ledger, or another would begin.
        recharge::note(bus, intent).await?;
        Ok(Settled::Credited(credited))
    }

    /// Writes a purchase: the account if there is none, the credit, and what comes on top.
    pub(crate) async fn write(
        &self,
        bus: &Bus,
        purchase: &Purchase,
    ) -> Result<Credited, PaymentsError> {
        let account = &purchase.account;
        if bus.account(account).await?.is_none() {
            make_account(bus, purchase).await?;
        }
        let just_now = matches!(bus.record(&purchase.top_up).await?, Recorded::Written(_));
        if let Some(bonus) = &purchase.bonus {
            bus.record(bonus).await?;
        }
        let bonus = purchase.bonus.as_ref().map_or(MicroUsd::ZERO, |bonus| bonus.amount);
        Ok(Credited {
            account: account.clone(),
            paid: purchase.paid,
            credit: purchase.top_up.amount,
            bonus,
            is_new: purchase.new_name.is_some(),
            just_now,
        })
    }

    /// The purchase that a paid payment is.
    pub(crate) fn purchase(&self, intent: &Intent) -> Result<Purchase, PaymentsError> {
        let unreadable = |what| PaymentsError::Unreadable { payment: intent.id.clone(), what };
        let fact = |name: &str| intent.metadata.as_ref().and_then(|facts| facts.get(name)).cloned();
        let amount = |name: &'static str| {
            let amount = fact(name).and_then(|amount| amount.parse().ok()).map(MicroUsd);
            amount.filter(|amount| *amount >= MicroUsd::ZERO).ok_or_else(|| unreadable(name))
        };
        let account = fact(ACCOUNT).and_then(|account| AccountId::parse(account).ok());
        let account = account.ok_or_else(|| unreadable(ACCOUNT))?;
        let currency = Currency::parse(&intent.currency).ok_or_else(|| unreadable("currency"))?;
        let minor = intent.amount_received.ok_or_else(|| unreadable("amount_received"))?;
        let paid = Money { currency, minor };
        let expires_ms = intent.created * 1_000 + self.settings.credit_days * DAY_MS;
        let payment = intent.id.clone();
        let event = |amount, fact| EventV1 {
            account: account.clone(),
            at_ms: clock::unix_ms(),
            amount,
            fact,
        };
        let top_up = TopUp {
            payment: payment.clone(),
            paid,
            plan: fact(PLAN),
            source: match recharge::sequence_of(intent) {
                Some(_) => TopUpSource::Recharge,
                None => TopUpSource::Checkout,
            },
            expires_ms,
        };
        let bonus = amount(BONUS_MICRO_USD)?;
        Ok(Purchase {
            top_up: event(amount(CREDIT_MICRO_USD)?, Fact::TopUp(top_up)),
            bonus: (bonus > MicroUsd::ZERO)
                .then(|| event(bonus, Fact::Bonus { payment, expires_ms })),
            new_name: fact(NEW_NAME),
            account,
            paid,
        })
    }
}

/// Makes the account that a purchase is for. One that is not new had a record once, which a backup
/// didn't have: it gets another, so that somebody can be given its credit.
async fn make_account(bus: &Bus, purchase: &Purchase) -> Result<(), PaymentsError> {
    let account = purchase.account.clone();
    if purchase.new_name.is_none() {
        tracing::warn!(%account, "credit was bought for an account without a record: it is made");
    }
    let name = purchase.new_name.clone().unwrap_or_else(|| account.to_string());
    let (created_ms, limits, locale) = (clock::unix_ms(), OwnLimits::default(), None);
    let record = AccountRecordV1 { account, name, created_ms, limits, locale };
    // Whoever makes it at the same moment is right, too.
    bus.create_record(&record.account, &record).await?;
    Ok(())
}

/// Whether a payment was made by us.
pub(crate) fn is_ours(intent: &Intent) -> bool {
    let purpose = intent.metadata.as_ref().and_then(|facts| facts.get(PURPOSE));
    purpose.is_some_and(|purpose| purpose == CREDIT)
}
