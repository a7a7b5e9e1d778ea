//! What a webhook says. Once the signature holds, only the name of its object is taken from it:
//! what is true of the object is asked from Stripe. So order, repetition and age of events don't
//! matter, and an event of a form that we don't know is no error.

use crate::{Payments, PaymentsError, Settled};
use serde_json::Value;
use stripe_webhook::{Webhook, WebhookError};

/// A webhook that is not Stripe's, as far as we can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// `stripe.webhook_secret` is missing.
    #[error("no webhook secret is configured")]
    NoSecret,
    /// The signature is missing or wrong, or too old.
    #[error("the signature is missing, wrong or older than five minutes")]
    Wrong,
    /// It is signed, but is no event.
    #[error("the body is no event")]
    NoEvent,
}

/// A signed event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The event's name.
    pub event: String,
    /// What happened, in Stripe's words.
    pub kind: String,
    /// What it happened to.
    pub object: NoticeObject,
}

/// What an event is about, by Stripe's name of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeObject {
    /// A visit of Stripe's page.
    Session(String),
    /// A payment.
    Payment(String),
    /// Money that goes back.
    Refund(String),
    /// A bank that wants money back.
    Dispute(String),
    /// Nothing that concerns credit.
    Other,
}

impl NoticeObject {
    /// By Stripe's name of its kind, and its own.
    pub(crate) fn of(kind: Option<&str>, id: Option<String>) -> Self {
        match (kind, id) {
            (Some("checkout.session"), Some(id)) => Self::Session(id),
            (Some("payment_intent"), Some(id)) => Self::Payment(id),
            (Some("refund"), Some(id)) => Self::Refund(id),
            (Some("dispute"), Some(id)) => Self::Dispute(id),
            _ => Self::Other,
        }
    }
}

impl Payments {
    /// Reads a webhook's body if Stripe has signed it.
    ///
    /// # Errors
    /// When it hasn't, or the body is no event.
    pub fn notice(&self, body: &str, signature: &str) -> Result<Notice, Unsigned> {
        let secret = self.settings.webhook_secret.as_ref().ok_or(Unsigned::NoSecret)?;
        match Webhook::construct_event(body, signature, secret.reveal()) {
            // The signature is looked at first: what can't be parsed is signed all the same.
            Ok(_) | Err(WebhookError::BadParse(_)) => read(body).ok_or(Unsigned::NoEvent),
            Err(_) => Err(Unsigned::Wrong),
        }
    }

    /// Does what an event asks for, and says what came of its payment. Repeating it changes
    /// nothing.
    ///
    /// # Errors
    /// When Stripe or the ledger is away: the event must come again.
    pub async fn follow(
        &self,
        bus: &infra::bus::Bus,
        object: &NoticeObject,
    ) -> Result<Option<Settled>, PaymentsError> {
        match object {
            NoticeObject::Session(id) => {
                let session = self.client.session(id).await?;
                let Some(payment) = session.payment_intent else { return Ok(None) };
                return self.settle(bus, &payment).await.map(Some);
            }
            NoticeObject::Payment(id) => return self.settle(bus, id).await.map(Some),
            NoticeObject::Refund(id) => {
                let refund = self.client.refund(id).await?;
                self.claw_back_refund(bus, &refund).await?;
            }
            NoticeObject::Dispute(id) => {
                let dispute = self.client.dispute(id).await?;
                self.claw_back_dispute(bus, &dispute).await?;
            }
            NoticeObject::Other => {}
        }
        Ok(None)
    }
}

fn read(body: &str) -> Option<Notice> {
    let event: Value = serde_json::from_str(body).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let object = &event["data"]["object"];
    let (event, kind) = (text(&event["id"])?, text(&event["type"])?);
    let object = NoticeObject::of(object["object"].as_str(), text(&object["id"]));
    Some(Notice { event, kind, object })
}
