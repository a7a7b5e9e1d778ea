//! Its objects, with the fields that Stripe's documentation calls required and those that matter
//! here. Names are counted, so that a list has an order.

use super::api::Pairs;
use super::cards::Card;
use super::{StripeEvent, below, field, name, now};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

static NUMBER: AtomicUsize = AtomicUsize::new(1);

fn fresh(prefix: &str) -> String {
    name(prefix, NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Everything that it remembers.
#[derive(Default)]
pub(super) struct Objects {
    pub(super) sessions: Vec<Session>,
    pub(super) intents: Vec<Intent>,
    pub(super) refunds: Vec<Refund>,
    pub(super) disputes: Vec<Dispute>,
    pub(super) cards: Vec<Card>,
    /// By idempotency key: what was asked, and what was answered.
    pub(super) answers: HashMap<String, (Pairs, u16, Value)>,
    /// What happened when saved cards were charged, as long as nobody has taken it.
    pub(super) events: Vec<StripeEvent>,
    /// What happened later to what there was, for its list of events.
    pub(super) happened: Vec<StripeEvent>,
    /// Why saved cards are declined.
    pub(super) decline: Option<&'static str>,
    /// Answers that are lost after the work is done.
    pub(super) losses: usize,
    pub(super) failures: usize,
    pub(super) calls: usize,
}

/// A visit of its page.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) form: Vec<(String, String)>,
    pub(super) status: &'static str,
    pub(super) is_paid: bool,
    pub(super) intent: Option<String>,
    pub(super) customer: Option<String>,
    pub(super) created: u64,
}

impl Session {
    pub(super) fn of(form: Vec<(String, String)>) -> Self {
        let (id, created) = (fresh("cs_test"), now());
        let customer = field(&form, "customer").map(str::to_owned);
        Self { id, form, status: "open", is_paid: false, intent: None, customer, created }
    }

    fn price(&self) -> u64 {
        field(&self.form, "line_items[0][price_data][unit_amount]").unwrap().parse().unwrap()
    }

    fn currency(&self) -> &str {
        field(&self.form, "line_items[0][price_data][currency]").unwrap()
    }

    pub(super) fn json(&self) -> Value {
        let is_open = self.status == "open";
        json!({
            "id": self.id,
            "object": "checkout.session",
            "amount_total": self.price(),
            "automatic_tax": {"enabled": false, "status": null},
            "cancel_url": field(&self.form, "cancel_url"),
            "client_reference_id": field(&self.form, "client_reference_id"),
            "created": self.created,
            "currency": self.currency(),
            "custom_fields": [],
            "custom_text": {},
            "customer": self.customer,
            "expires_at": self.created + 86_400,
            "livemode": false,
            "metadata": below(&self.form, "metadata"),
            "mode": "payment",
            "payment_intent": self.intent,
            "payment_method_types": ["card"],
            "payment_status": if self.is_paid { "paid" } else { "unpaid" },
            "shipping_options": [],
            "status": self.status,
            "success_url": field(&self.form, "success_url"),
            "url": is_open.then(|| format!("https://checkout.example/{}", self.id)),
        })
    }
}

/// A payment.
#[derive(Clone)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: &'static str,
    pub(super) amount: u64,
    pub(super) currency: String,
    pub(super) metadata: Value,
    pub(super) created: u64,
    /// The card, when it is a saved one or is saved by this payment.
    pub(super) card: Option<Card>,
    pub(super) decline: Option<&'static str>,
}

impl Intent {
    pub(super) fn of(session: &Session, card: Option<Card>, status: &'static str) -> Self {
        Self {
            id: fresh("pi"),
            status,
            amount: session.price(),
            currency: session.currency().to_owned(),
            metadata: below(&session.form, "payment_intent_data[metadata]"),
            created: now(),
            card,
            decline: None,
        }
    }

    pub(super) fn json(&self) -> Value {
        let received = if self.status == "succeeded" { self.amount } else { 0 };
        json!({
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": 0,
            "amount_received": received,
            "capture_method": "automatic",
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": self.card.as_ref().map(|card| &card.customer),
            "last_payment_error": self.decline.map(|reason| json!({
                "type": "card_error",
                "code": "card_declined",
                "decline_code": reason,
                "message": "Your card was declined.",
            })),
            "livemode": false,
            "metadata": self.metadata,
            "payment_method": self.card.as_ref().map(|card| &card.id),
            "payment_method_types": ["card"],
            "status": self.status,
        })
    }
}

/// Money that goes back.
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) status: &'static str,
    intent: String,
    amount: u64,
    currency: String,
    pub(super) created: u64,
}

impl Refund {
    pub(super) fn new(intent: &Intent, amount: u64, status: &'static str) -> Self {
        let (intent, currency) = (intent.id.clone(), intent.currency.clone());
        Self { id: fresh("re"), status, intent, amount, currency, created: now() }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "created": self.created,
            "currency": self.currency,
            "metadata": {},
            "payment_intent": self.intent,
            "status": self.status,
        })
    }
}

/// Money that a bank wants back.
pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) status: &'static str,
    intent: String,
    pub(super) amount: u64,
    pub(super) currency: String,
    pub(super) created: u64,
}

impl Dispute {
    pub(super) fn new(intent: &Intent, status: &'static str) -> Self {
        let (amount, currency) = (intent.amount, intent.currency.clone());
        let intent = intent.id.clone();
        Self { id: fresh("dp"), status, intent, amount, currency, created: now() }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": [],
            "charge": "ch_1",
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": {},
            "evidence_details": {"has_evidence": false, "past_due": false, "submission_count": 0},
            "is_charge_refundable": false,
            "livemode": false,
            "metadata": {},
            "payment_intent": self.intent,
            "reason": "fraudulent",
            "status": self.status,
        })
    }
}
