//! What its API answers. A wrong key is 401, an unknown object 404, the same idempotency key with
//! another body 400: as docs.stripe.com/api says.

use super::objects::{Objects, Session};
use super::{SECRET_KEY, Shared, StripeEvent, cards, field};
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) type Pairs = Vec<(String, String)>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let guard = middleware::from_fn_with_state(Arc::clone(&shared), guard);
    Router::new()
        .route("/v1/checkout/sessions", get(sessions).post(create_session))
        .route("/v1/checkout/sessions/{id}", get(session))
        .route("/v1/payment_intents", get(intents).post(cards::charge))
        .route("/v1/payment_intents/{id}", get(intent))
        .route("/v1/customers/{id}", get(cards::customer))
        .route("/v1/payment_methods/{id}", get(cards::card))
        .route("/v1/payment_methods/{id}/detach", post(cards::detach))
        .route("/v1/refunds", get(refunds))
        .route("/v1/refunds/{id}", get(refund))
        .route("/v1/disputes", get(disputes))
        .route("/v1/disputes/{id}", get(dispute))
        .route("/v1/events", get(happened))
        .fallback(async || error(404, "invalid_request_error", "unrecognized request URL"))
        .layer(guard)
        .with_state(shared)
}

/// Counts, fails as told, and asks for the key.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let expected = format!("Bearer {SECRET_KEY}");
    let given = request.headers().get(header::AUTHORIZATION).cloned();
    let fails = {
        let mut objects = shared.objects();
        objects.calls += 1;
        let fails = objects.failures > 0;
        objects.failures = objects.failures.saturating_sub(1);
        fails
    };
    if fails {
        return error(500, "api_error", "as the test wishes");
    }
    if given.is_none_or(|given| given != expected.as_str()) {
        return error(401, "invalid_request_error", "Invalid API Key provided");
    }
    let is_written = request.method() == Method::POST;
    let answer = next.run(request).await;
    let mut objects = shared.objects();
    if is_written && objects.losses > 0 {
        objects.losses -= 1;
        return error(502, "api_error", "done, and lost on the way back");
    }
    answer
}

pub(super) fn error(status: u16, kind: &str, message: &str) -> Response {
    let body = json!({"error": {"type": kind, "message": message}});
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

pub(super) fn found(what: Option<Value>, id: &str) -> Response {
    match what {
        Some(object) => Json(object).into_response(),
        None => error(404, "invalid_request_error", &format!("No such object: '{id}'")),
    }
}

async fn create_session(
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
    for required in ["mode", "success_url", "line_items[0][price_data][currency]"] {
        if field(&form, required).is_none() {
            return error(400, "invalid_request_error", &format!("Missing: {required}"));
        }
    }
    let session = Session::of(form.clone());
    let answer = session.json();
    objects.sessions.push(session);
    if let Some(key) = key {
        objects.answers.insert(key, (form, 200, answer.clone()));
    }
    Json(answer).into_response()
}

/// The idempotency key of a call, unless that is answered already: the same parameters get the same
/// answer, also a decline; others are an error.
pub(super) fn answered_before(
    objects: &Objects,
    headers: &HeaderMap,
    form: &Pairs,
) -> Result<Option<String>, Box<Response>> {
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    let Some((before, status, answer)) = key.as_ref().and_then(|key| objects.answers.get(key))
    else {
        return Ok(key);
    };
    let answer = if before == form {
        (StatusCode::from_u16(*status).unwrap(), Json(answer.clone())).into_response()
    } else {
        error(400, "idempotency_error", "Keys for idempotent requests can only be…")
    };
    Err(Box::new(answer))
}

/// `application/x-www-form-urlencoded`; parameters have no order.
pub(super) fn form(body: &Bytes) -> Pairs {
    let text = std::str::from_utf8(body).unwrap();
    let decoded = |part: &str| {
        let mut bytes = Vec::new();
        let mut rest = part.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'+' => bytes.push(b' '),
                b'%' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    let digits = std::str::from_utf8(&digits).unwrap();
                    bytes.push(u8::from_str_radix(digits, 16).unwrap());
                }
                other => bytes.push(other),
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let mut pairs: Pairs = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
    pairs.sort();
    pairs
}

async fn session(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let objects = shared.objects();
    found(objects.sessions.iter().find(|known| known.id == id).map(Session::json), &id)
}

async fn intent(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let objects = shared.objects();
    found(objects.intents.iter().find(|known| known.id == id).map(|known| known.json()), &id)
}

async fn refund(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let objects = shared.objects();
    found(objects.refunds.iter().find(|known| known.id == id).map(|known| known.json()), &id)
}

async fn dispute(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let objects = shared.objects();
    found(objects.disputes.iter().find(|known| known.id == id).map(|known| known.json()), &id)
}

async fn sessions(State(shared): State<Arc<Shared>>, Query(query): Query<Pairs>) -> Response {
    page(&shared, &query, "/v1/checkout/sessions", |objects| {
        objects.sessions.iter().map(|known| (known.created, known.json())).collect()
    })
}

async fn intents(State(shared): State<Arc<Shared>>, Query(query): Query<Pairs>) -> Response {
    page(&shared, &query, "/v1/payment_intents", |objects| {
        objects.intents.iter().map(|known| (known.created, known.json())).collect()
    })
}

async fn refunds(State(shared): State<Arc<Shared>>, Query(query): Query<Pairs>) -> Response {
    page(&shared, &query, "/v1/refunds", |objects| {
        objects.refunds.iter().map(|known| (known.created, known.json())).collect()
    })
}

async fn disputes(State(shared): State<Arc<Shared>>, Query(query): Query<Pairs>) -> Response {
    page(&shared, &query, "/v1/disputes", |objects| {
        objects.disputes.iter().map(|known| (known.created, known.json())).collect()
    })
}

async fn happened(State(shared): State<Arc<Shared>>, Query(query): Query<Pairs>) -> Response {
    page(&shared, &query, "/v1/events", |objects| {
        objects.happened.iter().map(StripeEvent::listed).collect()
    })
}

/// A page of a list, the newest first.
fn page(
    shared: &Shared,
    query: &Pairs,
    url: &str,
    all: fn(&Objects) -> Vec<(u64, Value)>,
) -> Response {
    let since: u64 = field(query, "created[gte]").map_or(0, |since| since.parse().unwrap());
    let limit: usize = field(query, "limit").map_or(10, |limit| limit.parse().unwrap());
    let mut all = all(&shared.objects());
    all.retain(|(created, _)| *created >= since);
    if let Some(customer) = field(query, "customer") {
        all.retain(|(_, object)| object["customer"] == customer);
    }
    let types: Vec<&str> = query
        .iter()
        .filter_map(|(name, value)| name.starts_with("types[").then_some(value.as_str()))
        .collect();
    if !types.is_empty() {
        all.retain(|(_, object)| object["type"].as_str().is_some_and(|kind| types.contains(&kind)));
    }
    all.reverse();
    if let Some(after) = field(query, "starting_after") {
        let place = all.iter().position(|(_, object)| object["id"] == after).unwrap();
        all.drain(..=place);
    }
    let has_more = all.len() > limit;
    let data: Vec<Value> = all.into_iter().take(limit).map(|(_, object)| object).collect();
    Json(json!({"object": "list", "data": data, "has_more": has_more, "url": url})).into_response()
}
