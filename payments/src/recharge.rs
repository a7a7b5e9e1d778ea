//! Auto-recharge: a saved card is charged for a charge that has begun, and its end is written. What
//! Stripe is told stands in the record alone and the idempotency key is made of account and number:
//! so whoever asks, and however often, it is one payment. Its credit comes as that of every other
//! payment, under the payment's own name.

use crate::checkout::{
    ACCOUNT, BONUS_MICRO_USD, CREDIT, CREDIT_MICRO_USD, PLAN, PURPOSE, RECHARGE, SAVES_CARD,
    currency_of,
};
use crate::client::Intent;
use crate::credit::PAID;
use crate::{CallError, Offer, OfferError, Payments, PaymentsError};
use infra::bus::Bus;
use infra::clock;
use infra::config::STRIPE_USD_MIN;
use schemas::ids::AccountId;
use schemas::money::Money;
use schemas::recharge::{RechargeAttempt, RechargeStop, SavedCard};
use std::collections::HashMap;
use stripe_core::payment_intent::{
    CreatePaymentIntent, CreatePaymentIntentAutomaticPaymentMethods,
    CreatePaymentIntentAutomaticPaymentMethodsAllowRedirects, CreatePaymentIntentOffSession,
};

/// How long Stripe remembers an idempotency key, less some hours: beyond this nothing is asked for
/// again, only looked for.
const KEY_LIFETIME_MS: u64 = 72_000_000;

/// How much Stripe's clock may be behind ours, in seconds.
const CLOCKS_APART_SECONDS: u64 = 3_600;

/// Longest reason that is kept, in characters.
const REASON_CHARACTERS_MAX: usize = 100;

/// How Stripe calls a payment that is on its way.
const ON_ITS_WAY: &str = "processing";

/// What came of charging a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charged {
    /// It is paid, and its credit is in the ledger.
    Paid,
    /// It isn't, and nothing is charged any more.
    Stopped(String),
    /// Stripe has never heard of it, so another one may begin.
    Lost,
    /// It is on its way.
    Pending,
}

/// What one look at Stripe says of a charge.
enum Found {
    Intent(Box<Intent>),
    Declined(String),
    Nothing,
}

fn found(intent: Intent) -> Found {
    Found::Intent(Box::new(intent))
}

impl Payments {
    /// What a recharge of a price brings: as the plan of that price, or as an amount of one's own.
    ///
    /// # Errors
    /// When nothing is sold for it.
    pub fn recharge_offer(&self, price: Money) -> Result<Offer, OfferError> {
        self.plan_of(price).map_or_else(|| self.amount(price), Ok)
    }

    /// What it brings for a wish that stands: one of before holds also when the smallest amount has
    /// become larger since, because its account counts on it.
    ///
    /// # Errors
    /// When nothing is sold for it.
    pub fn standing_offer(&self, price: Money) -> Result<Offer, OfferError> {
        self.plan_of(price).map_or_else(|| self.amount_from(STRIPE_USD_MIN, price), Ok)
    }

    fn plan_of(&self, price: Money) -> Option<Offer> {
        self.offers(price.currency).into_iter().find(|plan| plan.price == price)
    }

    /// Charges the card for a charge that has begun, and writes what came of it. Repeating it
    /// charges nothing twice.
    ///
    /// # Errors
    /// When Stripe, the ledger or the records are away: it is to be tried again.
    pub async fn charge(
        &self,
        bus: &Bus,
        account: &AccountId,
        attempt: &RechargeAttempt,
    ) -> Result<Charged, PaymentsError> {
        match self.find(account, attempt).await? {
            Found::Intent(intent) if intent.status == PAID => {
                self.settle_intent(bus, &intent).await?;
                Ok(Charged::Paid)
            }
            Found::Intent(intent) if intent.status == ON_ITS_WAY => Ok(Charged::Pending),
            Found::Intent(intent) => {
                let reason = reason_of(&intent);
                stop(bus, account, attempt.sequence, &reason).await?;
                Ok(Charged::Stopped(reason))
            }
            Found::Declined(reason) => {
                stop(bus, account, attempt.sequence, &reason).await?;
                Ok(Charged::Stopped(reason))
            }
            Found::Nothing => {
                let lost = |record: schemas::recharge::RechargeRecordV1| {
                    record.failed(attempt.sequence, None)
                };
                bus.change_recharge(account, lost).await?;
                Ok(Charged::Lost)
            }
        }
    }

    /// Lets Stripe forget a card.
    ///
    /// # Errors
    /// When Stripe is away.
    pub async fn forget_card(&self, card: &SavedCard) -> Result<(), CallError> {
        self.client.forget_card(&card.payment_method).await
    }

    /// The payment of a charge, which is made unless it is there.
    async fn find(
        &self,
        account: &AccountId,
        attempt: &RechargeAttempt,
    ) -> Result<Found, CallError> {
        let age_ms = clock::unix_ms().saturating_sub(attempt.begun_ms);
        if age_ms > KEY_LIFETIME_MS {
            return Ok(self.look_for(account, attempt).await?.map_or(Found::Nothing, found));
        }
        let key = format!("recharge-{account}-{}", attempt.sequence);
        let error = match self.client.charge(&request(account, attempt), &key).await {
            Ok(made) if made.status == PAID => return Ok(found(made)),
            // It is told as it was at first, and may have gone on since.
            Ok(made) => return self.client.intent(&made.id).await.map(found),
            Err(CallError::Declined(reason)) => return Ok(Found::Declined(reason)),
            Err(error) => error,
        };
        // The answer may be lost and the payment made.
        match (self.look_for(account, attempt).await?, error) {
            (Some(intent), _) => Ok(found(intent)),
            (None, CallError::Refused(reason)) => Ok(Found::Declined(reason)),
            (None, CallError::Unknown(what)) => Ok(Found::Declined(format!("unknown: {what}"))),
            (None, error) => Err(error),
        }
    }

    async fn look_for(
        &self,
        account: &AccountId,
        attempt: &RechargeAttempt,
    ) -> Result<Option<Intent>, CallError> {
        let since = (attempt.begun_ms / 1_000).saturating_sub(CLOCKS_APART_SECONDS);
        let since = i64::try_from(since).unwrap_or(0);
        let customer = Some(attempt.card.customer.as_str());
        let made = self.client.intents_since(since, customer).await?;
        Ok(made.into_iter().find(|intent| {
            fact(intent, ACCOUNT) == Some(account.as_str())
                && sequence_of(intent) == Some(attempt.sequence)
        }))
    }
}

/// Brings the record to where a payment of ours stands: its card is saved, its charge is over.
pub(crate) async fn note(bus: &Bus, intent: &Intent) -> Result<(), PaymentsError> {
    let account = fact(intent, ACCOUNT).and_then(|account| AccountId::parse(account).ok());
    let Some(account) = account else { return Ok(()) };
    let is_paid = intent.status == PAID;
    if let Some(sequence) = sequence_of(intent) {
        if is_paid {
            bus.change_recharge(&account, |record| record.done(sequence)).await?;
        } else if intent.status != ON_ITS_WAY {
            stop(bus, &account, sequence, &reason_of(intent)).await?;
        }
        return Ok(());
    }
    if let (true, Some(_), Some(customer), Some(payment_method)) =
        (is_paid, fact(intent, SAVES_CARD), &intent.customer, &intent.payment_method)
    {
        let (customer, payment_method) = (customer.clone(), payment_method.clone());
        let card = SavedCard { customer, payment_method, saved_ms: intent.created * 1_000 };
        bus.change_recharge(&account, |record| record.with_card(card.clone())).await?;
    }
    Ok(())
}

/// The number of the charge that a payment is; none of one that the buyer made himself.
pub(crate) fn sequence_of(intent: &Intent) -> Option<u64> {
    fact(intent, RECHARGE)?.parse().ok()
}

fn fact<'a>(intent: &'a Intent, name: &str) -> Option<&'a str> {
    intent.metadata.as_ref()?.get(name).map(String::as_str)
}

async fn stop(
    bus: &Bus,
    account: &AccountId,
    sequence: u64,
    reason: &str,
) -> Result<(), PaymentsError> {
    let reason: String = reason.chars().take(REASON_CHARACTERS_MAX).collect();
    let at_ms = clock::unix_ms();
    let stop = RechargeStop { at_ms, reason: reason.clone() };
    let stopped =
        bus.change_recharge(account, |record| record.failed(sequence, Some(stop.clone())));
    if stopped.await?.is_some() {
        tracing::warn!(%account, sequence, reason, "an auto-recharge failed and is stopped");
    }
    Ok(())
}

fn reason_of(intent: &Intent) -> String {
    let error = intent.last_payment_error.as_ref();
    let code = error.and_then(|error| error.decline_code.as_ref().or(error.code.as_ref()));
    code.unwrap_or(&intent.status).clone()
}

fn request(account: &AccountId, attempt: &RechargeAttempt) -> CreatePaymentIntent {
    let mut facts = HashMap::from([
        (PURPOSE.to_owned(), CREDIT.to_owned()),
        (ACCOUNT.to_owned(), account.to_string()),
        (CREDIT_MICRO_USD.to_owned(), attempt.credit.0.to_string()),
        (BONUS_MICRO_USD.to_owned(), attempt.bonus.0.to_string()),
        (RECHARGE.to_owned(), attempt.sequence.to_string()),
    ]);
    facts.extend(attempt.plan.iter().map(|plan| (PLAN.to_owned(), plan.clone())));
    // Nobody is there who could be sent to another page.
    let mut methods = CreatePaymentIntentAutomaticPaymentMethods::new(true);
    methods.allow_redirects = Some(CreatePaymentIntentAutomaticPaymentMethodsAllowRedirects::Never);
    let minor = i64::try_from(attempt.price.minor).unwrap_or(i64::MAX);
    CreatePaymentIntent::new(minor, currency_of(attempt.price.currency))
        .customer(attempt.card.customer.clone())
        .payment_method(attempt.card.payment_method.clone())
        .automatic_payment_methods(methods)
        .off_session(CreatePaymentIntentOffSession::Bool(true))
        .confirm(true)
        .description(format!("Fly-LLM credit ${}", attempt.credit))
        .metadata(facts)
}
