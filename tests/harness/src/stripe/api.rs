//! What its API answers. A wrong key is 401, an unknown object 404, the same idempotency key with
//! another body 400: as docs.stripe.com/api says.

use super::objects::{Objects, Session};
use super::{SECRET_KEY, Shared, field};
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;

type Pairs = Vec<(String, String)>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let guard = middleware::from_fn_with_state(Arc::clone(&shared), guard);
    Router::new()
        .route("/v1/checkout/sessions", get(sessions).post(create_session))
        .route("/v1/checkout/sessions/{id}", get(session))
        .route("/v1/payment_intents/{id}", get(intent))
        .route("/v1/refunds", get(refunds))
        .route("/v1/refunds/{id}", get(refund))
        .route("/v1/disputes", get(disputes))
        .route("/v1/disputes/{id}", get(dispute))
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
    next.run(request).await
}

fn error(status: u16, kind: &str, message: &str) -> Response {
    let body = json!({"error": {"type": kind, "message": message}});
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

fn found(what: Option<Value>, id: &str) -> Response {
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
    let text = String::from_utf8(body.to_vec()).unwrap();
    let form = form(&text);
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    let mut objects = shared.objects();
    if let Some((before, answer)) = key.as_ref().and_then(|key| objects.answers.get(key)) {
        if *before != text {
            return error(400, "idempotency_error", "Keys for idempotent requests can only be…");
        }
        return Json(answer.clone()).into_response();
    }
    for required in ["mode", "success_url", "line_items[0][price_data][currency]"] {
        if field(&form, required).is_none() {
            return error(400, "invalid_request_error", &format!("Missing: {required}"));
        }
    }
    let session = Session::of(form);
    let answer = session.json();
    objects.sessions.push(session);
    if let Some(key) = key {
        objects.answers.insert(key, (text, answer.clone()));
    }
    Json(answer).into_response()
}

/// `application/x-www-form-urlencoded`.
fn form(text: &str) -> Pairs {
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
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
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
    all.reverse();
    if let Some(after) = field(query, "starting_after") {
        let place = all.iter().position(|(_, object)| object["id"] == after).unwrap();
        all.drain(..=place);
    }
    let has_more = all.len() > limit;
    let data: Vec<Value> = all.into_iter().take(limit).map(|(_, object)| object).collect();
    Json(json!({"object": "list", "data": data, "has_more": has_more, "url": url})).into_response()
}
