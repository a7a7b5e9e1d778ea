//! `GET /api/requests`: the last requests of an account, without a word of them. The receipt of
//! each tells more.

use super::asked::Query;
use super::error::ApiError;
use super::shapes::{self, EndedRequest, RequestList};
use super::usage::{self, Scope, UsageQuery};
use crate::problems::records_away;
use crate::state::Gateway;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use infra::clock;
use infra::store::apply::REQUESTS_MAX;
use infra::store::balances::{RequestEnd, RequestRow};
use schemas::error::{ErrorCode, Problem};
use schemas::money::MicroUsd;
use serde::Deserialize;
use std::sync::Arc;

/// Requests in an answer when nobody says how many.
const LIMIT_DEFAULT: usize = 20;

#[derive(Deserialize)]
pub(super) struct RequestsQuery {
    /// A text, so that a wrong one is answered by us.
    limit: Option<String>,
    key_id: Option<String>,
    account: Option<String>,
}

/// The newest first.
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<RequestsQuery>,
    headers: HeaderMap,
) -> Result<Json<RequestList>, ApiError> {
    let RequestsQuery { limit, key_id, account } = query;
    let Scope { account, key } = usage::scope(&gateway, &headers, UsageQuery { key_id, account })?;
    let limit = limit.as_deref().map_or(Ok(LIMIT_DEFAULT), checked_limit)?;
    let rows = gateway.store.requests(&account).await.map_err(|error| records_away(&error))?;
    let wanted = rows.iter().filter(|row| key.as_ref().is_none_or(|key| row.key == *key));
    let data = wanted.take(limit).map(described).collect();
    Ok(Json(RequestList { object: "list", account, key_id: key, data }))
}

fn checked_limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=REQUESTS_MAX.unsigned_abs()).contains(limit));
    limit.ok_or_else(|| {
        Problem::new(
            ErrorCode::InvalidRequest,
            format!("limit が正しくありません。1〜{REQUESTS_MAX}の整数を指定してください。"),
            format!("'limit' is not valid: give a whole number from 1 to {REQUESTS_MAX}."),
        )
        .at("limit")
    })
}

fn described(row: &RequestRow) -> EndedRequest {
    let (charge, end) = match &row.end {
        RequestEnd::Used { model, input, output, charge, outcome, cached } => {
            let end = shapes::RequestEnd::Used {
                model: model.clone(),
                input_tokens: *input,
                output_tokens: *output,
                outcome: *outcome,
                cached: *cached,
            };
            (*charge, end)
        }
        RequestEnd::Void { reason } => {
            (MicroUsd::ZERO, shapes::RequestEnd::Void { reason: *reason })
        }
    };
    EndedRequest {
        object: "request",
        request_id: row.request.clone(),
        key_id: row.key.clone(),
        recorded_at: clock::rfc3339(row.at_ms),
        charge_usd: charge.as_usd(),
        charge_micro_usd: charge.0,
        end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_whole_number_within_what_is_kept() {
        assert_eq!(checked_limit("1").unwrap(), 1);
        assert_eq!(checked_limit("1000").unwrap(), 1_000);
        for wrong in ["0", "1001", "-1", "1.5", "", "ten", "99999999999999999999"] {
            let problem = checked_limit(wrong).unwrap_err();
            assert_eq!(problem.parameter.as_deref(), Some("limit"), "{wrong}");
        }
    }
}
