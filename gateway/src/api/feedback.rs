//! `POST /v1/feedback`: whether an answer was good, told by whoever asked. `GET /api/feedback`: how
//! often, by model and kind of work, and the rows behind it, for the operator. No text is in them.

use super::error::ApiError;
use super::incoming;
use super::shapes::{List, OpinionCounts};
use crate::auth;
use crate::conversation::task_of;
use crate::problems::records_away;
use crate::state::Gateway;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use infra::clock;
use infra::store::opinions::{OpinionRow, Signal};
use schemars::JsonSchema;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::ledger::Fact;
use schemas::subjects;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was thought of an answer.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rating {
    /// As it should be.
    Good,
    /// Not what was wanted.
    Bad,
}

/// A word on an answer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feedback {
    /// The answer's `x-request-id`.
    request_id: String,
    /// Good or bad.
    rating: Rating,
}

/// Takes one. Saying the same again changes nothing; saying otherwise counts instead.
pub(super) async fn take(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let key = auth::open(&gateway, incoming::secret(&headers).as_deref())?;
    let body = incoming::body(&gateway, &headers, body).await?;
    let Feedback { request_id, rating } = incoming::json(&body)?;
    let request = RequestId::parse(request_id).map_err(|_| unknown())?;
    let subject = subjects::ledger(&key.account, "use", request.as_str());
    let event = gateway.bus.recorded(&subject).await.map_err(|error| records_away(&error))?;
    let Some(Fact::Use(used)) = event.map(|event| event.fact) else { return Err(unknown().into()) };
    let signal = match rating {
        Rating::Good => Signal::Good,
        Rating::Bad => Signal::Bad,
    };
    let row = OpinionRow {
        task: task_of(used.route.as_deref()).to_owned(),
        request,
        at_ms: clock::unix_ms(),
        model: used.model,
        signal,
        route: used.route,
    };
    let counted =
        gateway.store.vote(&key.account, &row).await.map_err(|error| records_away(&error))?;
    if counted {
        gateway.count_opinion(&row);
    }
    Ok(Json(json!({
        "object": "feedback",
        "request_id": row.request,
        "model": row.model,
        "task": row.task,
        "rating": row.signal,
        "counted": counted,
    })))
}

fn unknown() -> Problem {
    Problem::new(
        ErrorCode::NotFound,
        "このアカウントに、その request_id の回答はありません。x-request-id を確認してください。",
        "No answer of this account has that request_id. Look at its x-request-id.",
    )
    .at("request_id")
}

/// How often, by model and kind of work.
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
) -> Result<Json<List<OpinionCounts>>, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let opinions = gateway.store.opinions().await.map_err(|error| records_away(&error))?;
    let count = |((model, task), counts): (&(_, _), &BTreeMap<String, i64>)| OpinionCounts {
        model: String::clone(model),
        task: String::clone(task),
        counts: Signal::ALL
            .map(Signal::as_str)
            .map(|signal| (signal, counts.get(signal).copied().unwrap_or(0)))
            .into(),
    };
    Ok(Json(List::of(opinions.iter().map(count).collect())))
}

/// The last ones, a row each, the oldest first: what a router can be trained on.
pub(super) async fn export(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let rows = gateway.store.opinion_rows().await.map_err(|error| records_away(&error))?;
    let lines = rows.iter().filter_map(|row| serde_json::to_string(row).ok());
    let text: String = lines.map(|line| line + "\n").collect();
    Ok(([(header::CONTENT_TYPE, "application/jsonl; charset=utf-8")], text))
}
