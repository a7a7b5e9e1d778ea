//! `/api/keys`: made, listed and deleted by the operator. A secret is in the answer to its making
//! and nowhere else.

use super::error::ApiError;
use super::incoming;
use crate::auth::issue::{self, NewKey};
use crate::credits;
use crate::state::Gateway;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use infra::clock;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::{AccountId, KeyId};
use schemas::money::MicroUsd;
use schemas::records::KeyRecordV1;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Longest name of a key, in characters.
const NAME_CHARACTERS_MAX: usize = 200;

/// Models that a key may be limited to.
const MODELS_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    account: Option<AccountId>,
    expires_at: Option<String>,
    models: Option<Vec<String>>,
    max_budget: Option<serde_json::Number>,
}

/// Makes one.
pub(super) async fn create(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let body = incoming::body(&gateway, &headers, body).await?;
    let wanted = checked(&gateway, incoming::json(&body)?)?;
    if let Some(account) = &wanted.account {
        let known = gateway.bus.account(account).await.map_err(|error| away(&error))?;
        known.ok_or_else(|| {
            wrong("account", "既存のアカウント (acct_…)", "an account that exists (acct_…)")
        })?;
    }
    let issued = issue::issue(&gateway.bus, wanted).await.map_err(|error| away(&error))?;
    gateway.keys.learn(issued.record.clone());
    let mut shown = described(&issued.record, None);
    shown["key"] = issued.secret.reveal().into();
    Ok(Json(shown))
}

fn checked(gateway: &Gateway, wanted: Wanted) -> Result<NewKey, Problem> {
    let name = wanted.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_CHARACTERS_MAX {
        return Err(wrong("name", "1 – 200文字の名前", "a name of 1 to 200 characters"));
    }
    let expires_ms = wanted.expires_at.as_deref().map(clock::parse_rfc3339);
    if expires_ms.is_some_and(|moment| moment.is_none_or(|moment| moment <= clock::unix_ms())) {
        return Err(wrong(
            "expires_at",
            "未来の日時 (例: 2030-12-31T23:59:59Z)",
            "a moment in the future, such as 2030-12-31T23:59:59Z",
        ));
    }
    let budget_max = wanted.max_budget.map(|amount| credits::usd(&amount)).transpose();
    let budget_max = budget_max.map_err(|()| {
        wrong("max_budget", "USD の金額 (例: 50.0)", "an amount in USD, such as 50.0")
    })?;
    let models = wanted.models.filter(|models| !models.is_empty());
    if models.as_ref().is_some_and(|models| models.len() > MODELS_MAX) {
        return Err(wrong("models", "1000個までのモデル名", "up to 1000 names"));
    }
    for name in models.iter().flatten() {
        if gateway.config.models.get(name).is_none() {
            let shown: String = name.chars().take(80).collect();
            return Err(wrong(
                "models",
                &format!("設定にあるモデル名 ('{shown}' はありません)"),
                &format!("names of configured models ('{shown}' is none)"),
            ));
        }
    }
    let expires_ms = expires_ms.flatten();
    Ok(NewKey { name, account: wanted.account, expires_ms, models, budget_max })
}

/// All live ones, newest first, with what they have spent.
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let mut data = Vec::new();
    for record in gateway.keys.live() {
        let spent = gateway.store.spent(&record.account, &record.key).await;
        data.push(described(&record, spent.map_err(|error| away(&error))?.into()));
    }
    Ok(Json(json!({"object": "list", "data": data})))
}

/// Deletes one.
pub(super) async fn remove(
    State(gateway): State<Arc<Gateway>>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let record = find(&gateway, &key).filter(|record| record.revoked_ms.is_none());
    let record = record.ok_or_else(|| unknown(&key))?;
    let revoked = issue::revoke(&gateway.bus, &record).await.map_err(|error| away(&error))?;
    gateway.keys.learn(revoked);
    Ok(Json(json!({"key_id": record.key, "object": "api_key", "deleted": true})))
}

/// The key of a name, or of the secret itself (as the first version of the API took it).
pub(super) fn find(gateway: &Gateway, name: &str) -> Option<Arc<KeyRecordV1>> {
    let by_name = KeyId::parse(name).ok().and_then(|key| gateway.keys.get(&key));
    by_name.or_else(|| gateway.keys.open(name, clock::unix_ms()).ok())
}

/// Nobody has that key.
pub(super) fn unknown(name: &str) -> Problem {
    // A wrong name may be a secret by mistake: only its beginning is repeated.
    let shown: String = name.chars().take(8).collect();
    Problem::new(
        ErrorCode::NotFound,
        format!("キー '{shown}…' はありません。GET /api/keys で key_id を確認してください。"),
        format!("There is no key '{shown}…'. GET /api/keys lists every key_id."),
    )
    .at("key_id")
}

fn described(record: &KeyRecordV1, spent: Option<MicroUsd>) -> Value {
    json!({
        "object": "api_key",
        "key_id": record.key,
        "account": record.account,
        "name": record.name,
        "last_four": record.last_four,
        "created_at": clock::rfc3339(record.created_ms),
        "expires_at": record.expires_ms.map(clock::rfc3339),
        "models": record.models,
        "max_budget": record.budget_max.map(usd),
        "spent_usd": usd(spent.unwrap_or(MicroUsd::ZERO)),
    })
}

/// An amount as a number: the shortest form of the double is exact to the micro-USD.
pub(super) fn usd(amount: MicroUsd) -> f64 {
    amount.0 as f64 / 1_000_000.0
}

/// NATS or Redis couldn't be asked.
pub(super) fn away(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a record can't be read or written");
    Problem::new(
        ErrorCode::ServiceUnavailable,
        "記録を読み書きできません。少し待ってもう一度お試しください。",
        "Records can't be read or written now. Try again in a moment.",
    )
    .retry_after_ms(2_000)
}

fn wrong(field: &str, japanese: &str, english: &str) -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("{field} が正しくありません。{japanese} を指定してください。"),
        format!("'{field}' is not valid: give {english}."),
    )
    .at(field)
}
