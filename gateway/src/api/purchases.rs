//! `/api/purchases` and `/api/statements`: what an account bought, its receipts, and what became of
//! its credit in a month. All of it is read from the ledger; nothing here is a record of its own.

use super::asked::{Path, Query};
use super::error::ApiError;
use super::shapes::{AccountList, Purchase};
use super::usage::{UsageQuery, counted_asker, scope};
use crate::portal::Look;
use crate::portal::receipt;
use crate::portal::statement::{self, Month};
use crate::problems::records_away;
use crate::state::Gateway;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use infra::clock;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::AccountId;
use schemas::ledger::{DisputeStanding, EventV1, Fact, TopUp};
use schemas::money::{MicroUsd, Money};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an account bought, the newest first.
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<UsageQuery>,
    headers: HeaderMap,
) -> Result<Json<AccountList<Purchase>>, ApiError> {
    let account = whose(&gateway, &headers, query).await?;
    let events =
        gateway.bus.account_purchases(&account).await.map_err(|error| records_away(&error))?;
    let returns =
        gateway.bus.account_returns(&account).await.map_err(|error| records_away(&error))?;
    let data = events
        .iter()
        .rev()
        .filter_map(|event| match &event.fact {
            Fact::TopUp(bought) => Some(described(event, bought, (&events, &returns))),
            _ => None,
        })
        .collect();
    Ok(Json(AccountList::of(account, data)))
}

fn described(
    event: &EventV1,
    bought: &TopUp,
    (events, returns): (&[EventV1], &[EventV1]),
) -> Purchase {
    Purchase {
        payment: bought.payment.clone(),
        created_at: clock::rfc3339(event.at_ms),
        plan: bought.plan.clone(),
        paid: bought.paid.to_string(),
        refunded: returned_of(&bought.payment, bought.paid, returns).to_string(),
        currency: bought.paid.currency,
        credit_usd: event.amount.as_usd(),
        bonus_usd: bonus_of(&bought.payment, events).as_usd(),
        expires_at: clock::rfc3339(bought.expires_ms),
        receipt: format!("/api/purchases/{}/receipt", bought.payment),
    }
}

pub(crate) fn bonus_of(payment: &str, events: &[EventV1]) -> MicroUsd {
    let bonus = events
        .iter()
        .find(|event| matches!(&event.fact, Fact::Bonus { payment: of, .. } if of == payment));
    bonus.map_or(MicroUsd::ZERO, |bonus| bonus.amount)
}

/// What went back of a purchase to its buyer, by refunds or by the buyer's bank.
pub(crate) fn returned_of(of: &str, paid: Money, returns: &[EventV1]) -> Money {
    let mut refunds: BTreeMap<&str, u64> = BTreeMap::new();
    let mut disputes: BTreeMap<&str, u64> = BTreeMap::new();
    for event in returns {
        match &event.fact {
            Fact::Refund { refund, payment, money, .. } if payment == of => {
                refunds.entry(refund).or_insert(money.minor);
            }
            // It may be told before the refund itself.
            Fact::RefundFailed { refund, payment } if payment == of => {
                refunds.insert(refund, 0);
            }
            Fact::Dispute { dispute, payment, standing, money, .. } if payment == of => {
                match standing {
                    DisputeStanding::Opened => {
                        disputes.entry(dispute).or_insert(money.minor);
                    }
                    DisputeStanding::Won => {
                        disputes.insert(dispute, 0);
                    }
                }
            }
            _ => {}
        }
    }
    let sum =
        refunds.values().chain(disputes.values()).fold(0_u64, |sum, it| sum.saturating_add(*it));
    Money { minor: sum.min(paid.minor), ..paid }
}

/// A receipt to print.
pub(crate) async fn receipt(
    State(gateway): State<Arc<Gateway>>,
    Path(payment): Path<String>,
    Query(query): Query<UsageQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let account = whose(&gateway, &headers, query).await?;
    let events = gateway.bus.account_purchase(&account, &payment).await;
    let events = events.map_err(|error| records_away(&error))?;
    let bought = events.iter().find_map(|event| match &event.fact {
        Fact::TopUp(bought) if bought.payment == payment => Some((event, bought)),
        _ => None,
    });
    let (event, bought) = bought.ok_or_else(|| {
        Problem::new(
            ErrorCode::NotFound,
            "この購入は見つかりません。GET /api/purchases で確認してください。",
            "There is no such purchase. GET /api/purchases lists them.",
        )
    })?;
    let record = gateway.bus.account(&account).await.map_err(|error| records_away(&error))?;
    let returns =
        gateway.bus.account_returns(&account).await.map_err(|error| records_away(&error))?;
    let receipt = receipt::Receipt {
        seller: &gateway.config.stripe,
        buyer: record.as_ref().map_or(account.as_str(), |record| record.name.as_str()),
        at_ms: event.at_ms,
        bought,
        returned: returned_of(&bought.payment, bought.paid, &returns),
        credit: event.amount,
        bonus: bonus_of(&payment, &events),
    };
    Ok(receipt.page(&Look::without_place(&headers)))
}

/// A month's statement to print.
pub(crate) async fn statement(
    State(gateway): State<Arc<Gateway>>,
    Path(month): Path<String>,
    Query(query): Query<UsageQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let month = Month::parse(&month).ok_or_else(|| {
        Problem::new(
            ErrorCode::InvalidRequest,
            "月を 2026-11 の形で指定してください。",
            "Write the month as 2026-11.",
        )
        .at("month")
    })?;
    let account = whose(&gateway, &headers, query).await?;
    let history = gateway.bus.account_month(&account, month.as_str(), month.begins_ms()).await;
    let history = history.map_err(|error| records_away(&error))?;
    let seller = &gateway.config.stripe;
    Ok(statement::page(&Look::without_place(&headers), seller, &account, &month, &history))
}

async fn whose(
    gateway: &Arc<Gateway>,
    headers: &HeaderMap,
    query: UsageQuery,
) -> Result<AccountId, ApiError> {
    counted_asker(gateway, headers).await?;
    Ok(scope(gateway, headers, query)?.account)
}
