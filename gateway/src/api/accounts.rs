//! `/api/accounts`: what an account's keys may do together, shown to and changed by the operator.

use super::allowance::{checked_name, given, shown, with_limits};
use super::asked::Path;
use super::error::ApiError;
use super::incoming;
use super::shapes::Account;
use crate::auth::follow::Table as _;
use crate::auth::issue::{self, AccountEdit};
use crate::portal::audit;
use crate::problems::records_away;
use crate::state::Gateway;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use infra::clock;
use infra::store::spending::Spending;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::AccountId;
use schemas::records::AccountRecordV1;
use std::sync::Arc;

/// The shortest language tag, in bytes.
const LOCALE_BYTES_MIN: usize = 2;

/// The longest, in bytes.
const LOCALE_BYTES_MAX: usize = 35;

with_limits! {
    /// What changes; what is absent stays, and `null` takes a limit away.
    #[schemars(rename = "AccountChange")]
    pub(super) struct Change {
        #[serde(default, deserialize_with = "given")]
        name: Option<String>,
        #[serde(default, deserialize_with = "given")]
        locale: Option<Option<String>>,
    }
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

fn checked(gateway: &Gateway, mut change: Change) -> Result<AccountEdit, Problem> {
    Ok(AccountEdit {
        name: change.name.as_deref().map(checked_name).transpose()?,
        limits: change.limits().checked(gateway)?,
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
    Account {
        object: "account",
        account: record.account.clone(),
        name: record.name.clone(),
        created_at: clock::rfc3339(record.created_ms),
        locale: record.locale.clone(),
        allowance: shown(&record.limits, &spent),
    }
}
