//! `/api/accounts`: what an account's keys may do together, shown to and changed by the operator.

use super::allowance::{
    checked_budget, checked_end, checked_limit, checked_models, checked_name, given,
};
use super::asked::Path;
use super::error::ApiError;
use super::incoming;
use super::shapes::{Account, Allowance};
use crate::auth::follow::Table as _;
use crate::auth::issue::{self, AccountEdit, BudgetsEdit};
use crate::portal::audit;
use crate::problems::records_away;
use crate::state::Gateway;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use infra::clock;
use infra::store::spending::Spending;
use schemars::JsonSchema;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::AccountId;
use schemas::money::MicroUsd;
use schemas::records::AccountRecordV1;
use serde::Deserialize;
use serde_json::Number;
use std::sync::Arc;

/// The shortest language tag, in bytes.
const LOCALE_BYTES_MIN: usize = 2;

/// The longest, in bytes.
const LOCALE_BYTES_MAX: usize = 35;

/// What changes; what is absent stays, and `null` takes a limit away.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "AccountChange")]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    #[serde(default, deserialize_with = "given")]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    expires_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    models: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "given")]
    max_budget: Option<Option<Number>>,
    #[serde(default, deserialize_with = "given")]
    max_budget_per_day: Option<Option<Number>>,
    #[serde(default, deserialize_with = "given")]
    max_budget_per_week: Option<Option<Number>>,
    #[serde(default, deserialize_with = "given")]
    max_budget_per_month: Option<Option<Number>>,
    #[serde(default, deserialize_with = "given")]
    requests_per_minute: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given")]
    tokens_per_minute: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given")]
    parallel: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given")]
    locale: Option<Option<String>>,
}

/// One, with what its keys have spent.
pub(super) async fn show(
    State(gateway): State<Arc<Gateway>>,
    Path(account): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Account>, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let id = AccountId::parse(account.clone()).map_err(|_| unknown(&account))?;
    let record = gateway.bus.account(&id).await.map_err(|error| records_away(&error))?;
    let record = record.ok_or_else(|| unknown(&account))?;
    let spent = spent(&gateway, &id).await?;
    Ok(Json(described(&record, spent)))
}

/// Changes one's name, end, models, budgets or limits.
pub(super) async fn change(
    State(gateway): State<Arc<Gateway>>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Account>, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let id = AccountId::parse(account.clone()).map_err(|_| unknown(&account))?;
    let body = incoming::body(&gateway, &headers, body).await?;
    let edit = checked(&gateway, incoming::json(&body)?)?;
    let spent = spent(&gateway, &id).await?;
    audit(&gateway, format!("change account {id}")).await;
    let stored =
        issue::edit_account(&gateway.bus, &id, edit).await.map_err(|error| records_away(&error))?;
    let stored = stored.ok_or_else(|| unknown(&account))?;
    let shown = described(&stored.record, spent);
    gateway.accounts.learn(stored);
    Ok(Json(shown))
}

fn checked(gateway: &Gateway, change: Change) -> Result<AccountEdit, Problem> {
    let end = |end: Option<String>| end.as_deref().map(checked_end).transpose();
    let models = |names: Option<Vec<String>>| match names {
        Some(names) => checked_models(gateway, names),
        None => Ok(None),
    };
    let budget = |field: &str, amount: Option<Option<Number>>| {
        amount.map(|amount| checked_budget(field, amount)).transpose()
    };
    let limit = |field: &str, limit: Option<Option<u64>>| {
        limit.map(|limit| checked_limit(field, limit)).transpose()
    };
    Ok(AccountEdit {
        name: change.name.as_deref().map(checked_name).transpose()?,
        expires_ms: change.expires_at.map(end).transpose()?,
        models: change.models.map(models).transpose()?,
        budget_max: budget("max_budget", change.max_budget)?,
        budgets: BudgetsEdit {
            day_max: budget("max_budget_per_day", change.max_budget_per_day)?,
            week_max: budget("max_budget_per_week", change.max_budget_per_week)?,
            month_max: budget("max_budget_per_month", change.max_budget_per_month)?,
        },
        requests_per_minute_max: limit("requests_per_minute", change.requests_per_minute)?,
        tokens_per_minute_max: limit("tokens_per_minute", change.tokens_per_minute)?,
        parallel_max: limit("parallel", change.parallel)?,
        locale: change.locale.map(|locale| locale.map(checked_locale).transpose()).transpose()?,
    })
}

fn checked_locale(locale: String) -> Result<String, Problem> {
    let is_tag = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if (LOCALE_BYTES_MIN..=LOCALE_BYTES_MAX).contains(&locale.len()) && is_tag(&locale) {
        return Ok(locale);
    }
    Err(Problem::new(
        ErrorCode::InvalidRequest,
        "locale が正しくありません。ja-JP のような言語タグを指定してください。",
        "'locale' is not valid: give a language tag such as ja-JP.",
    )
    .at("locale"))
}

async fn spent(gateway: &Gateway, account: &AccountId) -> Result<Spending, Problem> {
    let spent = gateway.store.account_spending(account, clock::unix_ms()).await;
    spent.map_err(|error| records_away(&error))
}

pub(super) fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().take(80).collect();
    Problem::new(
        ErrorCode::NotFound,
        format!("アカウント '{shown}' はありません。GET /api/keys で account を確認してください。"),
        format!("There is no account '{shown}'. GET /api/keys lists the account of every key."),
    )
    .at("account")
}

fn described(record: &AccountRecordV1, spent: Spending) -> Account {
    let limits = &record.limits;
    let [spent_today_usd, spent_this_week_usd, spent_this_month_usd] =
        spent.periods.map(MicroUsd::as_usd);
    let allowance = Allowance {
        expires_at: limits.expires_ms.map(clock::rfc3339),
        models: limits.models.clone(),
        max_budget: limits.budget_max.map(MicroUsd::as_usd),
        max_budget_per_day: limits.budgets.day_max.map(MicroUsd::as_usd),
        max_budget_per_week: limits.budgets.week_max.map(MicroUsd::as_usd),
        max_budget_per_month: limits.budgets.month_max.map(MicroUsd::as_usd),
        requests_per_minute: limits.requests_per_minute_max,
        tokens_per_minute: limits.tokens_per_minute_max,
        parallel: limits.parallel_max,
        spent_usd: spent.total.as_usd(),
        spent_today_usd,
        spent_this_week_usd,
        spent_this_month_usd,
    };
    Account {
        object: "account",
        account: record.account.clone(),
        name: record.name.clone(),
        created_at: clock::rfc3339(record.created_ms),
        locale: record.locale.clone(),
        allowance,
    }
}
