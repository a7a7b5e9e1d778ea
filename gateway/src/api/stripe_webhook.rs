//! `POST /webhooks/stripe`: signed by Stripe, or refused. It answers 200 only when what the event
//! asks for is durable; with anything else Stripe sends it again, for days.

use super::checkout;
use super::error::ApiError;
use super::incoming;
use crate::state::Gateway;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use infra::clock;
use infra::store::notices::{NoticeOutcome, NoticeRow};
use payments::{CallError, Notice, NoticeObject, PaymentsError, Unsigned};
use schemas::error::{ErrorCode, Problem};
use serde_json::{Value, json};
use std::sync::Arc;

/// Largest event, in bytes. Stripe's are far smaller.
const EVENT_BYTES_MAX: usize = 1_048_576;

/// What is wrong with a webhook, for the one who sets it up.
fn unsigned(reason: Unsigned) -> Problem {
    let (code, japanese) = match reason {
        Unsigned::NoSecret => {
            (ErrorCode::ServiceUnavailable, "STRIPE_WEBHOOK_SECRET が未設定です。")
        }
        Unsigned::Wrong => (ErrorCode::InvalidRequest, "Stripe の署名が正しくありません。"),
        Unsigned::NoEvent => (ErrorCode::InvalidRequest, "本文がイベントではありません。"),
    };
    Problem::new(code, japanese, format!("{reason}."))
}

/// Does what a signed event asks for.
pub(super) async fn receive(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let payments = checkout::open(&gateway)?;
    let arrived = axum::body::to_bytes(body, EVENT_BYTES_MAX);
    let arrived = tokio::time::timeout(incoming::BODY_SECONDS_MAX, arrived).await;
    let body = arrived.map_err(|_| unsigned(Unsigned::NoEvent))?.map_err(|_| {
        Problem::new(
            ErrorCode::PayloadTooLarge,
            format!("イベントが大きすぎます（上限 {EVENT_BYTES_MAX} バイト）。"),
            format!("The event is too large (limit {EVENT_BYTES_MAX} bytes)."),
        )
    })?;
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    let text = std::str::from_utf8(&body).map_err(|_| unsigned(Unsigned::NoEvent))?;
    let notice = payments.notice(text, signature.unwrap_or_default()).map_err(unsigned)?;
    let result = payments.follow(&gateway.bus, &notice.object).await;
    let outcome = match &result {
        Ok(_) => NoticeOutcome::Done,
        // Stripe has no such object (a test event sent by hand), or the facts are not ours to read:
        // sending it again is no use.
        Err(PaymentsError::Call(CallError::Unknown(_)) | PaymentsError::Unreadable { .. }) => {
            NoticeOutcome::PassedOver
        }
        Err(_) => NoticeOutcome::Again,
    };
    let reason = match &result {
        // Stripe's own words stay in the log: they might name a card.
        Err(error) if outcome == NoticeOutcome::PassedOver => Some(error.to_string()),
        _ => None,
    };
    note(&gateway, &notice, (outcome, reason)).await;
    let event = notice.event;
    match result {
        Ok(_) => {}
        Err(error) if outcome == NoticeOutcome::PassedOver => {
            tracing::error!(event, kind = notice.kind, %error, "an event was passed over");
        }
        Err(error) => {
            tracing::warn!(event, kind = notice.kind, %error, "an event must come again");
            return Err(again().into());
        }
    }
    Ok(Json(json!({"received": true})))
}

/// Counts it, and keeps it for the operator's page. Redis may be away: money doesn't wait for that.
async fn note(
    gateway: &Gateway,
    notice: &Notice,
    (outcome, reason): (NoticeOutcome, Option<String>),
) {
    let (about, object) = match &notice.object {
        NoticeObject::Session(name) => ("session", Some(name)),
        NoticeObject::Payment(name) => ("payment", Some(name)),
        NoticeObject::Refund(name) => ("refund", Some(name)),
        NoticeObject::Dispute(name) => ("dispute", Some(name)),
        NoticeObject::Other => ("other", None),
    };
    gateway.metrics.stripe_events_total.with_label_values(&[about, outcome.as_str()]).inc();
    tracing::info!(
        event = notice.event,
        kind = notice.kind,
        object,
        outcome = outcome.as_str(),
        "Stripe told"
    );
    let row = NoticeRow {
        at_ms: clock::unix_ms(),
        event: notice.event.clone(),
        kind: notice.kind.clone(),
        object: object.cloned(),
        outcome,
        reason,
    };
    if let Err(error) = gateway.store.note_notice(&row).await {
        tracing::warn!(%error, "an event of Stripe is only in the log and the counters");
    }
}

fn again() -> Problem {
    Problem::new(
        ErrorCode::ServiceUnavailable,
        "今は処理できません。再送してください。",
        "This can't be done now. Send it again.",
    )
}
