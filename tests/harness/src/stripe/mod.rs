//! Stripe on a real socket, as far as credit needs it: sessions, payments, refunds, disputes,
//! lists, idempotency keys, and webhooks that a test delivers as often, as late and as wrongly as
//! it likes. Written from docs.stripe.com/api; it shares no code with the client that talks to
//! it.

/// What its API answers.
mod api;

/// Saved cards, and payments from them.
mod cards;

/// Webhooks and their signatures.
mod events;

/// Its objects.
mod objects;

pub use events::{Delivery, StripeEvent};

use crate::client::Client;
use axum::serve::ListenerExt;
use objects::{Dispute, Intent, Objects, Refund, Session};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::task::JoinSet;

/// The key that it takes.
pub const SECRET_KEY: &str = "sk_test_of_the_harness";
/// What it signs webhooks with.
pub const WEBHOOK_SECRET: &str = "whsec_of_the_harness";

#[derive(Default)]
struct Shared {
    objects: Mutex<Objects>,
}

impl Shared {
    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap()
    }
}

/// The double; it ends with the test.
pub struct Stripe {
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

impl Stripe {
    /// Starts one that knows nothing.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        let router = api::router(Arc::clone(&shared));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, _server: server }
    }

    /// Where it is, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next calls with 500.
    pub fn fail_next(&self, calls: usize) {
        self.shared.objects().failures = calls;
    }

    /// Does the next calls that change something, and loses their answers.
    pub fn lose_next(&self, answers: usize) {
        self.shared.objects().losses = answers;
    }

    /// Declines saved cards from now on, for a reason; or takes them again.
    pub fn decline_cards(&self, reason: Option<&'static str>) {
        self.shared.objects().decline = reason;
    }

    /// A saved card is charged, and nobody has heard of it yet.
    pub fn charged(&self, minor: u64, metadata: Value, is_paid: bool) -> Vec<StripeEvent> {
        let mut objects = self.shared.objects();
        let intent = Intent {
            id: name("pi_alone", objects.intents.len() + 1),
            status: if is_paid { "succeeded" } else { "requires_payment_method" },
            amount: minor,
            currency: "usd".to_owned(),
            metadata,
            created: now(),
            card: None,
            decline: (!is_paid).then_some("expired_card"),
        };
        let json = intent.json();
        objects.intents.push(intent);
        let kinds: &[&str] = match is_paid {
            true => &["payment_intent.created", "payment_intent.succeeded"],
            false => &["payment_intent.created", "payment_intent.payment_failed"],
        };
        kinds.iter().map(|kind| StripeEvent::new(kind, json.clone())).collect()
    }

    /// What happened since the last call when saved cards were charged.
    pub fn charges(&self) -> Vec<StripeEvent> {
        std::mem::take(&mut self.shared.objects().events)
    }

    /// How many calls came.
    pub fn calls(&self) -> usize {
        self.shared.objects().calls
    }

    /// What was asked for when a session was made, by its form's names.
    pub fn session_form(&self, session: &str) -> Vec<(String, String)> {
        self.shared.objects().session(session).form.clone()
    }

    /// The buyer pays by card. The events are in the order in which Stripe makes them.
    pub fn pay(&self, session: &str) -> Vec<StripeEvent> {
        let mut objects = self.shared.objects();
        objects.begin_payment(session, "succeeded");
        let (session, intent) = objects.both(session);
        vec![
            StripeEvent::new("payment_intent.succeeded", intent),
            StripeEvent::new("checkout.session.completed", session),
        ]
    }

    /// The buyer chooses to pay later, at a convenience store.
    pub fn pay_later(&self, session: &str) -> Vec<StripeEvent> {
        let mut objects = self.shared.objects();
        objects.begin_payment(session, "requires_action");
        let (session, _) = objects.both(session);
        vec![StripeEvent::new("checkout.session.completed", session)]
    }

    /// The money of one who pays later has come, or will never come.
    pub fn money_comes(&self, session: &str, comes: bool) -> Vec<StripeEvent> {
        let mut objects = self.shared.objects();
        objects.end_payment(session, comes);
        let (session, intent) = objects.both(session);
        let kinds = match comes {
            true => ["payment_intent.succeeded", "checkout.session.async_payment_succeeded"],
            false => ["payment_intent.payment_failed", "checkout.session.async_payment_failed"],
        };
        let events = vec![StripeEvent::new(kinds[0], intent), StripeEvent::new(kinds[1], session)];
        objects.happened.extend(events.clone());
        events
    }

    /// Nobody paid in time.
    pub fn expire(&self, session: &str) -> StripeEvent {
        let mut objects = self.shared.objects();
        objects.session_mut(session).status = "expired";
        StripeEvent::new("checkout.session.expired", objects.session(session).json())
    }

    /// Money goes back, in the smallest unit. Answers the refund's name.
    pub fn refund(&self, session: &str, minor: u64, status: &'static str) -> (String, StripeEvent) {
        let mut objects = self.shared.objects();
        let intent = objects.intent_of(session).clone();
        let refund = Refund::new(&intent, minor, status);
        let (id, event) = (refund.id.clone(), StripeEvent::new("refund.created", refund.json()));
        objects.refunds.push(refund);
        (id, event)
    }

    /// What became of a refund.
    pub fn end_refund(&self, refund: &str, status: &'static str) -> StripeEvent {
        let mut objects = self.shared.objects();
        let refund = objects.refunds.iter_mut().find(|known| known.id == refund).unwrap();
        refund.status = status;
        let kind = if status == "failed" { "refund.failed" } else { "refund.updated" };
        let event = StripeEvent::new(kind, refund.json());
        objects.happened.push(event.clone());
        event
    }

    /// The buyer's bank wants all of it back. Answers the dispute's name.
    pub fn dispute(&self, session: &str, status: &'static str) -> (String, StripeEvent) {
        let intent = self.shared.objects().intent_of(session).clone();
        self.begin_dispute(Dispute::new(&intent, status))
    }

    /// It tells so in the smallest unit of a currency of its own.
    pub fn dispute_in(&self, session: &str, minor: u64, currency: &str) -> (String, StripeEvent) {
        let intent = self.shared.objects().intent_of(session).clone();
        let mut dispute = Dispute::new(&intent, "needs_response");
        (dispute.amount, dispute.currency) = (minor, currency.to_owned());
        self.begin_dispute(dispute)
    }

    fn begin_dispute(&self, dispute: Dispute) -> (String, StripeEvent) {
        let mut objects = self.shared.objects();
        let event = StripeEvent::new("charge.dispute.created", dispute.json());
        let id = dispute.id.clone();
        objects.disputes.push(dispute);
        (id, event)
    }

    /// What became of a dispute.
    pub fn end_dispute(&self, dispute: &str, status: &'static str) -> StripeEvent {
        let mut objects = self.shared.objects();
        let dispute = objects.disputes.iter_mut().find(|known| known.id == dispute).unwrap();
        dispute.status = status;
        let event = StripeEvent::new("charge.dispute.closed", dispute.json());
        objects.happened.push(event.clone());
        event
    }

    /// All that there is was made so many hours earlier; what happens to it happens now.
    pub fn age(&self, hours: u64) {
        let mut objects = self.shared.objects();
        let Objects { sessions, intents, refunds, disputes, .. } = &mut *objects;
        let made = sessions.iter_mut().map(|known| &mut known.created);
        let made = made.chain(intents.iter_mut().map(|known| &mut known.created));
        let made = made.chain(refunds.iter_mut().map(|known| &mut known.created));
        let made = made.chain(disputes.iter_mut().map(|known| &mut known.created));
        made.for_each(|created| *created -= hours * 3_600);
    }

    /// All payments that succeeded, in the smallest unit.
    pub fn paid(&self) -> Vec<u64> {
        let objects = self.shared.objects();
        let paid = objects.intents.iter().filter(|intent| intent.status == "succeeded");
        paid.map(|intent| intent.amount).collect()
    }

    /// Delivers an event to a gateway and answers the status.
    pub async fn deliver(&self, to: &Client, event: &StripeEvent, how: Delivery) -> u16 {
        let (body, signature) = event.signed(how);
        to.post_signed("/webhooks/stripe", body, &signature).await.status
    }
}

/// A name that Stripe would give.
fn name(prefix: &str, number: usize) -> String {
    format!("{prefix}_{number:024}")
}

/// Seconds since 1970.
fn now() -> u64 {
    infra::clock::unix_ms() / 1_000
}

/// A form's fields below a prefix, as an object.
fn below(form: &[(String, String)], prefix: &str) -> Value {
    let start = format!("{prefix}[");
    form.iter()
        .filter_map(|(name, value)| {
            let name = name.strip_prefix(&start)?.strip_suffix(']')?;
            Some((name.to_owned(), Value::from(value.as_str())))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// One of a form's fields.
fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

impl Objects {
    fn session(&self, id: &str) -> &Session {
        self.sessions.iter().find(|session| session.id == id).unwrap()
    }

    fn session_mut(&mut self, id: &str) -> &mut Session {
        self.sessions.iter_mut().find(|session| session.id == id).unwrap()
    }

    fn intent_of(&self, session: &str) -> &Intent {
        let id = self.session(session).intent.as_deref();
        self.intents.iter().find(|intent| Some(intent.id.as_str()) == id).unwrap()
    }

    fn both(&self, session: &str) -> (Value, Value) {
        (self.session(session).json(), self.intent_of(session).json())
    }

    fn begin_payment(&mut self, session: &str, status: &'static str) {
        let is_kept = |session: &Session| {
            field(&session.form, "payment_intent_data[setup_future_usage]") == Some("off_session")
        };
        let customer = self.session(session).customer.clone();
        let card = is_kept(self.session(session)).then(|| self.save_card(customer.as_deref()));
        let intent = Intent::of(self.session(session), card.clone(), status);
        let id = intent.id.clone();
        self.intents.push(intent);
        let session = self.session_mut(session);
        session.customer = card.map(|card| card.customer).or(session.customer.take());
        session.intent = Some(id);
        session.status = "complete";
        session.is_paid = status == "succeeded";
    }

    fn end_payment(&mut self, session: &str, comes: bool) {
        let id = self.session(session).intent.clone();
        let intent = self.intents.iter_mut().find(|intent| Some(&intent.id) == id.as_ref());
        intent.unwrap().status = if comes { "succeeded" } else { "requires_payment_method" };
        self.session_mut(session).is_paid = comes;
    }
}
