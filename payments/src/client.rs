//! Calls of Stripe's API, each bounded in time and tried again where Stripe says that it is safe.
//! Of an answer only what we need is read, so that a field that Stripe adds or drops breaks
//! nothing. Sources: docs.stripe.com/api, docs.stripe.com/error-low-level,
//! docs.stripe.com/api/idempotent_requests.

use crate::notice::NoticeObject;
use infra::config::Stripe;
use infra::secret::Secret;
use miniserde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use stripe::{IdempotencyKey, RequestStrategy, StripeError, StripeRequest};
use stripe_checkout::checkout_session::{CreateCheckoutSession, ListCheckoutSession};
use stripe_client_core::{CustomizableStripeRequest, RequestBuilder, StripeMethod};
use stripe_core::dispute::ListDispute;
use stripe_core::payment_intent::{CreatePaymentIntent, ListPaymentIntent};
use stripe_core::refund::ListRefund;
use stripe_types::RangeQueryTs;

/// How often a call is tried.
const ATTEMPTS_MAX: u32 = 3;
/// Before the second attempt; doubled before the third.
const PAUSE: Duration = Duration::from_millis(200);
/// Objects in one page of a list: Stripe's largest.
const PAGE_OBJECTS_MAX: i64 = 100;
/// Pages that are read of one list.
const PAGES_MAX: usize = 200;
/// Longest name of an object, in bytes (docs.stripe.com/upgrades).
const NAME_BYTES_MAX: usize = 255;

/// Events that move money or end a payment (docs.stripe.com/api/events/types).
const MOVING: [&str; 13] = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
];

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Stripe refuses it: trying again is no use.
    #[error("Stripe refuses: {0}")]
    Refused(String),
    /// The card isn't charged, for a reason in Stripe's words.
    #[error("the card is declined: {0}")]
    Declined(String),
    /// Stripe doesn't know the object.
    #[error("Stripe doesn't know {0}")]
    Unknown(String),
    /// Stripe can't be reached, or has a problem of its own.
    #[error("Stripe is away: {0}")]
    Away(String),
}

/// A visit of Stripe's page.
#[derive(Debug, Clone, Deserialize)]
pub struct Session {
    /// Its name.
    pub id: String,
    /// `open`, `complete` or `expired`.
    pub status: Option<String>,
    /// Where the buyer pays; only while it is open.
    pub url: Option<String>,
    /// The payment, once there is one.
    pub payment_intent: Option<String>,
}

/// A payment.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Intent {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) amount_received: Option<u64>,
    pub(crate) currency: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) metadata: Option<HashMap<String, String>>,
    pub(crate) customer: Option<String>,
    pub(crate) payment_method: Option<String>,
    pub(crate) last_payment_error: Option<PaymentError>,
}

/// Why a payment failed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PaymentError {
    pub(crate) code: Option<String>,
    pub(crate) decline_code: Option<String>,
}

/// A card that Stripe has forgotten.
#[derive(Debug, Clone, Deserialize)]
struct PaymentMethod {}

/// Money that goes back.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) status: Option<String>,
    pub(crate) amount: u64,
    pub(crate) currency: String,
    pub(crate) payment_intent: Option<String>,
}

/// Money that the buyer's bank wants back.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) amount: u64,
    pub(crate) currency: String,
    pub(crate) payment_intent: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Happening {
    id: String,
    data: HappeningData,
}

#[derive(Debug, Clone, Deserialize)]
struct HappeningData {
    object: HappeningObject,
}

#[derive(Debug, Clone, Deserialize)]
struct HappeningObject {
    id: Option<String>,
    object: Option<String>,
}

impl Happening {
    /// What it happened to.
    pub(crate) fn object(self) -> NoticeObject {
        let HappeningObject { id, object } = self.data.object;
        NoticeObject::of(object.as_deref(), id)
    }
}

/// An object of a list.
pub(crate) trait Listed: Deserialize {
    fn id(&self) -> &str;
}

macro_rules! listed {
    ($($name:ident),+) => {
        $(impl Listed for $name {
            fn id(&self) -> &str {
                &self.id
            }
        })+
    };
}

listed!(Session, Intent, Refund, Dispute, Happening);

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
    has_more: bool,
}

/// Stripe's API with our key.
pub(crate) struct Client {
    inner: stripe::Client,
}

impl Client {
    pub(crate) fn new(key: &Secret, settings: &Stripe) -> Result<Self, CallError> {
        let base = format!("{}/", settings.api_base.trim_end_matches('/'));
        let inner = stripe::ClientBuilder::new(key.reveal())
            .url(base)
            .timeout(Duration::from_secs(settings.call_seconds_max))
            .build();
        inner.map(|inner| Self { inner }).map_err(|error| CallError::Refused(error.to_string()))
    }

    /// Makes a session; the same `key` makes the same one.
    pub(crate) async fn create_session(
        &self,
        wanted: &CreateCheckoutSession,
        key: &str,
    ) -> Result<Session, CallError> {
        self.call(|| wanted.build().customize(), Some(key), "the new session").await
    }

    pub(crate) async fn session(&self, id: &str) -> Result<Session, CallError> {
        let wanted = stripe_checkout::checkout_session::RetrieveCheckoutSession::new(named(id)?);
        let session: Session = self.call(|| wanted.build().customize(), None, id).await?;
        if session.id == id { Ok(session) } else { Err(CallError::Unknown(id.to_owned())) }
    }

    pub(crate) async fn intent(&self, id: &str) -> Result<Intent, CallError> {
        let wanted = stripe_core::payment_intent::RetrievePaymentIntent::new(named(id)?);
        self.call(|| wanted.build().customize(), None, id).await
    }

    /// Charges a saved card; the same `key` is the same charge.
    pub(crate) async fn charge(
        &self,
        wanted: &CreatePaymentIntent,
        key: &str,
    ) -> Result<Intent, CallError> {
        self.call(|| wanted.build().customize(), Some(key), "the charge").await
    }

    /// Lets Stripe forget a card. One that it doesn't know is forgotten.
    pub(crate) async fn forget_card(&self, card: &str) -> Result<(), CallError> {
        let path = format!("/payment_methods/{}/detach", named(card)?);
        let request = || RequestBuilder::new(StripeMethod::Post, path.clone()).customize();
        match self.call::<PaymentMethod>(request, None, card).await {
            Ok(_) | Err(CallError::Unknown(_) | CallError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn refund(&self, id: &str) -> Result<Refund, CallError> {
        let wanted = stripe_core::refund::RetrieveRefund::new(named(id)?);
        self.call(|| wanted.build().customize(), None, id).await
    }

    pub(crate) async fn dispute(&self, id: &str) -> Result<Dispute, CallError> {
        let wanted = stripe_core::dispute::RetrieveDispute::new(named(id)?);
        self.call(|| wanted.build().customize(), None, id).await
    }

    /// All sessions made since a second of 1970.
    pub(crate) async fn sessions_since(&self, since: i64) -> Result<Vec<Session>, CallError> {
        let first =
            ListCheckoutSession::new().created(RangeQueryTs::gte(since)).limit(PAGE_OBJECTS_MAX);
        self.all(|after| match after {
            None => first.build(),
            Some(id) => first.clone().starting_after(id).build(),
        })
        .await
    }

    /// All payments made since a second of 1970, of everybody or of one customer.
    pub(crate) async fn intents_since(
        &self,
        since: i64,
        customer: Option<&str>,
    ) -> Result<Vec<Intent>, CallError> {
        let mut first =
            ListPaymentIntent::new().created(RangeQueryTs::gte(since)).limit(PAGE_OBJECTS_MAX);
        if let Some(customer) = customer {
            first = first.customer(customer);
        }
        self.all(|after| match after {
            None => first.build(),
            Some(id) => first.clone().starting_after(id).build(),
        })
        .await
    }

    /// All refunds made since a second of 1970.
    pub(crate) async fn refunds_since(&self, since: i64) -> Result<Vec<Refund>, CallError> {
        let first = ListRefund::new().created(RangeQueryTs::gte(since)).limit(PAGE_OBJECTS_MAX);
        self.all(|after| match after {
            None => first.build(),
            Some(id) => first.clone().starting_after(id).build(),
        })
        .await
    }

    /// All disputes made since a second of 1970.
    pub(crate) async fn disputes_since(&self, since: i64) -> Result<Vec<Dispute>, CallError> {
        let first = ListDispute::new().created(RangeQueryTs::gte(since)).limit(PAGE_OBJECTS_MAX);
        self.all(|after| match after {
            None => first.build(),
            Some(id) => first.clone().starting_after(id).build(),
        })
        .await
    }

    /// What happened since a second of 1970 that moves money: Stripe keeps it for 30 days
    /// (docs.stripe.com/api/events/list).
    pub(crate) async fn happenings_since(&self, since: i64) -> Result<Vec<Happening>, CallError> {
        let wanted = |after: Option<String>| {
            let created = json!({"gte": since});
            let mut wanted =
                json!({"created": created, "limit": PAGE_OBJECTS_MAX, "types": MOVING});
            if let Some(after) = after {
                wanted["starting_after"] = after.into();
            }
            RequestBuilder::new(StripeMethod::Get, "/events").query(&wanted)
        };
        self.all(wanted).await
    }

    async fn all<T: Listed>(
        &self,
        page_after: impl Fn(Option<String>) -> RequestBuilder,
    ) -> Result<Vec<T>, CallError> {
        let mut all: Vec<T> = Vec::new();
        for _ in 0..PAGES_MAX {
            let after = all.last().map(|last| last.id().to_owned());
            let page: Page<T> = self
                .call(|| page_after(after.clone()).customize(), None, "the next page of a list")
                .await?;
            let is_last = !page.has_more || page.data.is_empty();
            all.extend(page.data);
            if is_last {
                return Ok(all);
            }
        }
        // The newest come first.
        tracing::error!(
            pages = PAGES_MAX,
            "a list of Stripe's is longer: what is older is left out"
        );
        Ok(all)
    }

    async fn call<T: Deserialize>(
        &self,
        request: impl Fn() -> CustomizableStripeRequest<T>,
        key: Option<&str>,
        what: &str,
    ) -> Result<T, CallError> {
        let mut pause = PAUSE;
        let mut attempt = 1;
        loop {
            let mut request = request();
            if let Some(key) = key {
                let key = IdempotencyKey::new(key);
                let key = key.map_err(|error| CallError::Refused(error.to_string()))?;
                request = request.request_strategy(RequestStrategy::Idempotent(key));
            }
            let error = match request.send(&self.inner).await {
                Ok(answer) => return Ok(answer),
                Err(error) => told(error, what),
            };
            if attempt == ATTEMPTS_MAX || !matches!(error, CallError::Away(_)) {
                return Err(error);
            }
            tracing::debug!(%error, attempt, "a call of Stripe is tried again");
            tokio::time::sleep(pause).await;
            (attempt, pause) = (attempt + 1, pause * 2);
        }
    }
}

/// The name of an object, as Stripe makes them: whatever else somebody asks for must not become
/// part of a call's path.
fn named(id: &str) -> Result<&str, CallError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match !id.is_empty() && id.len() <= NAME_BYTES_MAX && id.bytes().all(is_plain) {
        true => Ok(id),
        false => Err(CallError::Unknown(id.chars().take(NAME_BYTES_MAX).collect())),
    }
}

/// What an error means for us. Texts of Stripe's are kept short: they are for the log.
fn told(error: StripeError, what: &str) -> CallError {
    match error {
        StripeError::Stripe(_, 404) => CallError::Unknown(what.to_owned()),
        StripeError::Stripe(error, status) => {
            let text = error.message.clone().unwrap_or_default();
            let text = format!("{status} {}", text.chars().take(300).collect::<String>());
            match status {
                402 => {
                    let code = error.code.as_ref().map(|code| code.as_str().to_owned());
                    let reason = error.decline_code.clone().or(code);
                    CallError::Declined(reason.unwrap_or_else(|| "card_declined".to_owned()))
                }
                // Another call with the same key is under way, Stripe limits us, or has a problem.
                409 | 424 | 429 | 500.. => CallError::Away(text),
                _ => CallError::Refused(text),
            }
        }
        other => CallError::Away(other.to_string().chars().take(300).collect()),
    }
}
