//! `/api/recharge`: what an account wishes its saved card to be charged for, shown, changed and
//! ended. Nothing is charged here: billing does, when the balance is low. A key with limits of its
//! own can't change it, because it would spend more than it may.

use super::asked::Query;
use super::checkout::{money, open, wrong};
use super::error::ApiError;
use super::incoming;
use super::shapes::{Recharge, RechargeMoney};
use super::usage::{Asker, UsageQuery, account_of, asker, may_see};
use crate::auth;
use crate::credits;
use crate::problems::records_away;
use crate::state::Gateway;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use infra::clock;
use payments::Payments;
use schemars::JsonSchema;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::AccountId;
use schemas::money::{Currency, MicroUsd, Money};
use schemas::recharge::{RechargeRecordV1, RechargeWish};
use serde::Deserialize;
use serde_json::Number;
use std::sync::Arc;

/// The routes of auto-recharge.
pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new().route("/api/recharge", get(show).put(change).delete(end))
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RechargeWish")]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedRecharge {
    /// The card is charged when the balance is less, in dollars.
    below: Number,
    /// What it is charged at once, in dollars or yen.
    amount: Number,
    #[schemars(with = "String")]
    currency: Currency,
    /// What it is charged in a calendar month at most, in the same currency.
    month_max: Number,
    /// Whose card; only the operator may say so.
    #[schemars(with = "Option<String>")]
    account: Option<AccountId>,
}

/// How it stands.
async fn show(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<UsageQuery>,
    headers: HeaderMap,
) -> Result<Json<Recharge>, ApiError> {
    open(&gateway)?;
    let asker = asker(&gateway, &headers)?;
    let account = account_of(&asker, query.account)?;
    may_see(&asker, &account)?;
    let record = gateway.bus.recharge(&account).await.map_err(|error| records_away(&error))?;
    Ok(Json(described(&gateway, &record)))
}

/// Wishes it, or wishes it again after a charge has failed.
async fn change(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Recharge>, ApiError> {
    let body = incoming::body(&gateway, &headers, body).await?;
    let wanted = incoming::json(&body)?;
    let record = wish(&gateway, &headers, wanted).await?;
    Ok(Json(described(&gateway, &record)))
}

/// Ends it: the card is forgotten, here and at Stripe.
async fn end(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<UsageQuery>,
    headers: HeaderMap,
) -> Result<Json<Recharge>, ApiError> {
    let record = forget(&gateway, &headers, query.account).await?;
    Ok(Json(described(&gateway, &record)))
}

/// Writes a wish.
///
/// # Errors
/// When it can't be as it is wished, or may not, or NATS is away.
pub(crate) async fn wish(
    gateway: &Gateway,
    headers: &HeaderMap,
    wanted: WantedRecharge,
) -> Result<RechargeRecordV1, Problem> {
    let payments = open(gateway)?;
    let account = manager(gateway, headers, wanted.account.as_ref().map(AccountId::to_string))?;
    let known = gateway.bus.account(&account).await.map_err(|error| records_away(&error))?;
    known.ok_or_else(|| {
        wrong("account", "そのアカウントはありません。", "There is no such account.")
    })?;
    let wish = checked(payments, &wanted)?;
    let change = |record: RechargeRecordV1| record.wishing(wish.clone(), clock::unix_ms());
    gateway.bus.set_recharge(&account, change).await.map_err(|error| records_away(&error))
}

/// Ends an account's auto-recharge.
///
/// # Errors
/// When it may not be ended by whoever asks, or NATS is away.
pub(crate) async fn forget(
    gateway: &Gateway,
    headers: &HeaderMap,
    account: Option<String>,
) -> Result<RechargeRecordV1, Problem> {
    let payments = open(gateway)?;
    let account = manager(gateway, headers, account)?;
    let before = gateway.bus.recharge(&account).await.map_err(|error| records_away(&error))?;
    let now_ms = clock::unix_ms();
    let changed = gateway.bus.set_recharge(&account, |record| record.ended(now_ms)).await;
    let changed = changed.map_err(|error| records_away(&error))?;
    // If Stripe can't be told, that is only logged: our record alone decides what is charged.
    if let Some(card) = &before.card
        && let Err(error) = payments.forget_card(card).await
    {
        tracing::warn!(%account, %error, "Stripe could not be told to forget a card");
    }
    Ok(changed)
}

/// Whose auto-recharge it is, if whoever asks may change it.
fn manager(
    gateway: &Gateway,
    headers: &HeaderMap,
    named: Option<String>,
) -> Result<AccountId, Problem> {
    let asker = asker(gateway, headers)?;
    let account = account_of(&asker, named)?;
    may_see(&asker, &account)?;
    if matches!(asker, Asker::Operator) {
        return Ok(account);
    }
    let key = auth::open(gateway, incoming::secret(headers).as_deref())?;
    // As it is recorded, without what its account's limits take away.
    if gateway.keys.get(&key.key).is_some_and(|own| own.limits.is_empty()) {
        return Ok(account);
    }
    Err(Problem::new(
        ErrorCode::PermissionDenied,
        "制限のあるキーでは自動チャージを変更できません。制限のないキーを使ってください。",
        "A key that has limits can't change auto-recharge. Use one that has none.",
    ))
}

fn checked(payments: &Payments, wanted: &WantedRecharge) -> Result<RechargeWish, Problem> {
    let price = money(&wanted.amount, wanted.currency, "amount")?;
    let offer = payments.recharge_offer(price).map_err(|error| {
        let told = format!("この金額ではチャージできません: {}。", error.japanese());
        wrong("amount", &told, &format!("{error}."))
    })?;
    let month_max = money(&wanted.month_max, wanted.currency, "month_max")?.minor;
    if month_max < price.minor {
        return Err(wrong(
            "month_max",
            "月の上限は1回のチャージ額以上にしてください。",
            "The most of a month is at least what is charged at once.",
        ));
    }
    let below = credits::usd(&wanted.below).ok().filter(|below| *below > MicroUsd::ZERO);
    // Otherwise one charge would not lift the balance, and the next would follow at once.
    let below = below.filter(|below| *below <= offer.credit).ok_or_else(|| {
        wrong(
            "below",
            "残高の基準は、0より大きく、1回のチャージで増えるクレジット以下のドルにしてください。",
            "Write dollars, more than 0 and no more than the credit that one charge brings.",
        )
    })?;
    Ok(RechargeWish { below, price, month_max })
}

fn described(gateway: &Gateway, record: &RechargeRecordV1) -> Recharge {
    let ends_seconds = gateway.store.month_end_seconds(clock::unix_ms());
    let stopped = record.stopped.as_ref();
    Recharge {
        object: "recharge",
        account: record.account.clone(),
        status: record.standing(ends_seconds).as_str(),
        wish: record.wish.as_ref().map(|wish| {
            let like = |minor| Money { minor, ..wish.price }.to_string();
            RechargeMoney {
                below_usd: wish.below.as_usd(),
                currency: wish.price.currency,
                amount: wish.price.to_string(),
                month_max: like(wish.month_max),
                charged_this_month: like(record.charged(ends_seconds, wish.price)),
            }
        }),
        has_card: record.card.is_some(),
        stopped_at: stopped.map(|stop| clock::rfc3339(stop.at_ms)),
        stopped_reason: stopped.map(|stop| stop.reason.clone()),
    }
}
