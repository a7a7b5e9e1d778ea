//! Customers, their cards, and payments that are made from a saved card while nobody is there
//! (docs.stripe.com/payments/save-and-reuse, docs.stripe.com/declines/codes). A decline is a 402
//! with the payment inside, and is remembered under its idempotency key as any other answer.

use super::api::{answered_before, error, form, found};
use super::objects::{Intent, Objects};
use super::{Shared, StripeEvent, below, field, name, now};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// A customer and the card that it has.
#[derive(Clone)]
pub(super) struct Card {
    pub(super) customer: String,
    pub(super) id: String,
    /// Whether the card still is the customer's.
    is_attached: bool,
    created: u64,
}

impl Card {
    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "payment_method",
            "billing_details": {"address": null, "email": null, "name": null, "phone": null},
            "card": {"brand": "visa", "exp_month": 12, "exp_year": 2030, "last4": "4242"},
            "created": self.created,
            "customer": self.is_attached.then_some(&self.customer),
            "livemode": false,
            "metadata": {},
            "type": "card",
        })
    }

    fn owner(&self) -> Value {
        json!({
            "id": self.customer,
            "object": "customer",
            "created": self.created,
            "livemode": false,
            "metadata": {},
        })
    }
}

impl Objects {
    /// Saves a card, for a customer that is there or a new one.
    pub(super) fn save_card(&mut self, customer: Option<&str>) -> Card {
        let number = self.cards.len() + 1;
        let customer = customer.map_or_else(|| name("cus", number), str::to_owned);
        let card = Card { customer, id: name("pm", number), is_attached: true, created: now() };
        self.cards.push(card.clone());
        card
    }

    fn card(&self, id: &str) -> Option<&Card> {
        self.cards.iter().find(|card| card.id == id)
    }
}

pub(super) async fn customer(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Response {
    let objects = shared.objects();
    found(objects.cards.iter().find(|card| card.customer == id).map(Card::owner), &id)
}

pub(super) async fn card(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    found(shared.objects().card(&id).map(Card::json), &id)
}

pub(super) async fn detach(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let mut objects = shared.objects();
    let card = objects.cards.iter_mut().find(|card| card.id == id);
    let detached = card.map(|card| {
        card.is_attached = false;
        card.json()
    });
    found(detached, &id)
}

/// Makes a payment and, as asked, confirms it at once.
pub(super) async fn charge(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = form(&body);
    let mut objects = shared.objects();
    let key = match answered_before(&objects, &headers, &form) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    for required in ["amount", "currency"] {
        if field(&form, required).is_none() {
            return error(400, "invalid_request_error", &format!("Missing: {required}"));
        }
    }
    let card = field(&form, "payment_method").and_then(|id| objects.card(id)).cloned();
    let customer = field(&form, "customer");
    let fits = card
        .as_ref()
        .is_some_and(|card| card.is_attached && customer == Some(card.customer.as_str()));
    if field(&form, "confirm") != Some("true") || field(&form, "off_session") != Some("true") {
        return error(400, "invalid_request_error", "this double charges saved cards only");
    }
    let (Some(card), true) = (card, fits) else {
        return error(400, "invalid_request_error", "The customer has no such payment method.");
    };
    let decline = objects.decline;
    let intent = Intent {
        id: name("pi_off", objects.intents.len() + 1),
        status: if decline.is_some() { "requires_payment_method" } else { "succeeded" },
        amount: field(&form, "amount").unwrap().parse().unwrap(),
        currency: field(&form, "currency").unwrap().to_owned(),
        metadata: below(&form, "metadata"),
        created: now(),
        card: Some(card),
        decline,
    };
    let json = intent.json();
    let kind = match decline {
        Some(_) => "payment_intent.payment_failed",
        None => "payment_intent.succeeded",
    };
    objects.events.push(StripeEvent::new(kind, json.clone()));
    objects.intents.push(intent);
    let (status, answer) = match decline {
        Some(_) => {
            let mut told = json["last_payment_error"].clone();
            told["payment_intent"] = json;
            (402, json!({"error": told}))
        }
        None => (200, json),
    };
    if let Some(key) = key {
        objects.answers.insert(key, (form, status, answer.clone()));
    }
    (StatusCode::from_u16(status).unwrap(), Json(answer)).into_response()
}
