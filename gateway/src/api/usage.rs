//! `GET /api/usage` and `GET /api/credits`: what was used and what is left. A key sees its own
//! account; the operator sees all.

use super::accounts;
use super::asked::Query;
use super::error::ApiError;
use super::incoming;
use super::keys::{find, unknown};
use super::shapes::{Counters, Credits, Lot, LotList, UsageOfDay, UsageReport};
use crate::auth;
use crate::problems::records_away;
use crate::state::Gateway;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use infra::clock;
use infra::store::balances::UsageRow;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::{AccountId, KeyId};
use schemas::money::MicroUsd;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The counters of a usage row that are tokens.
pub(super) const TOKEN_COUNTERS: [&str; 5] =
    ["input", "cache_read", "cache_write", "output", "reasoning"];

#[derive(Deserialize)]
pub(crate) struct UsageQuery {
    pub(crate) key_id: Option<String>,
    pub(crate) account: Option<String>,
}

/// What was used, by day and model.
pub(super) async fn usage(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<UsageQuery>,
    headers: HeaderMap,
) -> Result<Json<UsageReport>, ApiError> {
    let Scope { account, key } = scope(&gateway, &headers, query)?;
    let rows = rows(&gateway, &account, key.as_ref()).await?;
    let mut total = BTreeMap::new();
    for (counter, count) in rows.iter().flat_map(|row| &row.counters) {
        *total.entry(counter.clone()).or_insert(0) += count;
    }
    Ok(Json(UsageReport {
        counters: counters(&total),
        object: "usage",
        account,
        key_id: key,
        data: rows.iter().map(described).collect(),
    }))
}

/// The rows of an account, or of one of its keys.
pub(super) async fn rows(
    gateway: &Gateway,
    account: &AccountId,
    key: Option<&KeyId>,
) -> Result<Vec<UsageRow>, Problem> {
    let mut rows = gateway.store.usage(account).await.map_err(|error| records_away(&error))?;
    rows.retain(|row| key.is_none_or(|key| row.key == key.as_str()));
    Ok(rows)
}

/// Whose records are asked for, and may be seen.
pub(super) struct Scope {
    pub(super) account: AccountId,
    /// Only this key's.
    pub(super) key: Option<KeyId>,
}

pub(super) fn scope(
    gateway: &Gateway,
    headers: &HeaderMap,
    query: UsageQuery,
) -> Result<Scope, Problem> {
    let asker = asker(gateway, headers)?;
    let key = query.key_id.as_deref();
    let key = key.map(|name| find(gateway, name).ok_or_else(|| unknown(name))).transpose()?;
    let account = match &key {
        Some(key) => key.account.clone(),
        None => account_of(&asker, query.account)?,
    };
    may_see(&asker, &account)?;
    Ok(Scope { account, key: key.map(|key| key.key.clone()) })
}

/// What is left.
pub(super) async fn credits(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<UsageQuery>,
    headers: HeaderMap,
) -> Result<Json<Credits>, ApiError> {
    let account = seen(&gateway, &asker(&gateway, &headers)?, query.account).await?;
    let balance = gateway.store.balance(&account).await.map_err(|error| records_away(&error))?;
    let available = MicroUsd(balance.balance.0 - balance.held.0);
    Ok(Json(Credits {
        object: "credits",
        account,
        balance_usd: balance.balance.as_usd(),
        held_usd: balance.held.as_usd(),
        available_usd: available.as_usd(),
        balance_micro_usd: balance.balance.0,
        held_micro_usd: balance.held.0,
    }))
}

/// What a balance is made of.
pub(super) async fn lots(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<UsageQuery>,
    headers: HeaderMap,
) -> Result<Json<LotList>, ApiError> {
    let asker = counted_asker(&gateway, &headers).await?;
    let account = seen(&gateway, &asker, query.account).await?;
    let history =
        gateway.bus.account_history(&account).await.map_err(|error| records_away(&error))?;
    let lots = history.lots();
    let left = lots.all().iter().filter(|lot| lot.rest > MicroUsd::ZERO);
    let data = left.map(|lot| Lot {
        kind: lot.kind,
        source: lot.source.clone(),
        expires_at: lot.expires_ms.map(clock::rfc3339),
        granted_usd: lot.granted.as_usd(),
        left_usd: lot.rest.as_usd(),
        left_micro_usd: lot.rest.0,
    });
    Ok(Json(LotList {
        object: "list",
        account,
        owed_usd: lots.owed().as_usd(),
        owed_micro_usd: lots.owed().0,
        data: data.collect(),
    }))
}

/// Who asks.
pub(super) enum Asker {
    /// With the admin key.
    Operator,
    /// With a key of an account.
    Account(AccountId),
}

pub(super) fn asker(gateway: &Gateway, headers: &HeaderMap) -> Result<Asker, Problem> {
    if incoming::is_admin(gateway.admin_key.as_ref(), headers) {
        return Ok(Asker::Operator);
    }
    let key = auth::open(gateway, incoming::secret(headers).as_deref())?;
    Ok(Asker::Account(key.account.clone()))
}

/// The same for what reads a whole ledger: it takes one of a key's requests of the minute.
pub(super) async fn counted_asker(
    gateway: &Arc<Gateway>,
    headers: &HeaderMap,
) -> Result<Asker, ApiError> {
    if incoming::is_admin(gateway.admin_key.as_ref(), headers) {
        return Ok(Asker::Operator);
    }
    let key = auth::open(gateway, incoming::secret(headers).as_deref())?;
    gateway.count_request(&key).await?;
    Ok(Asker::Account(key.account.clone()))
}

pub(super) fn account_of(asker: &Asker, named: Option<String>) -> Result<AccountId, Problem> {
    let wrong = || {
        Problem::new(
            ErrorCode::InvalidRequest,
            "?account=acct_… か ?key_id=key_… を指定してください。",
            "Say whose: add ?account=acct_… or ?key_id=key_….",
        )
        .at("account")
    };
    match (named, asker) {
        (Some(name), _) => AccountId::parse(name).map_err(|_| wrong()),
        (None, Asker::Account(account)) => Ok(account.clone()),
        (None, Asker::Operator) => Err(wrong()),
    }
}

pub(super) fn may_see(asker: &Asker, account: &AccountId) -> Result<(), Problem> {
    match asker {
        Asker::Operator => Ok(()),
        Asker::Account(own) if own == account => Ok(()),
        Asker::Account(_) => Err(Problem::new(
            ErrorCode::PermissionDenied,
            "他のアカウントは見られません。",
            "Other accounts can't be seen with this key.",
        )),
    }
}

/// The account that is meant, if there is one and it may be seen.
async fn seen(
    gateway: &Gateway,
    asker: &Asker,
    named: Option<String>,
) -> Result<AccountId, Problem> {
    let account = account_of(asker, named)?;
    may_see(asker, &account)?;
    if matches!(asker, Asker::Operator) {
        let found = gateway.bus.account(&account).await.map_err(|error| records_away(&error))?;
        found.ok_or_else(|| accounts::unknown(account.as_str()))?;
    }
    Ok(account)
}

fn described(row: &UsageRow) -> UsageOfDay {
    UsageOfDay {
        counters: counters(&row.counters),
        date: row.day.clone(),
        key_id: row.key.clone(),
        model: row.model.clone(),
    }
}

fn counters(counters: &BTreeMap<String, u64>) -> Counters {
    let count = |name: &str| counters.get(name).copied().unwrap_or(0);
    let cost = MicroUsd(i64::try_from(count("cost")).unwrap_or(i64::MAX));
    Counters {
        requests: count("requests"),
        cache_hits: count("cache_hits"),
        input_tokens: count("input"),
        cache_read_tokens: count("cache_read"),
        cache_write_tokens: count("cache_write"),
        output_tokens: count("output"),
        reasoning_tokens: count("reasoning"),
        total_tokens: TOKEN_COUNTERS.iter().map(|name| count(name)).sum(),
        cost_usd: cost.as_usd(),
        cost_micro_usd: cost.0,
    }
}
