//! `POST /api/coupons/redeem`: a code becomes credit, as often as its limits allow and each time
//! once. First the account's number is claimed, then the credit is written under that number:
//! whoever dies in between leaves a claim whose credit the next call writes.

use super::asked::Query;
use super::error::ApiError;
use super::incoming;
use super::shapes::Redemption;
use super::usage::{Asker, UsageQuery, counted_asker};
use crate::problems::records_away;
use crate::state::Gateway;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use infra::bus::coupons::{Claim, CouponLimits};
use infra::bus::ledger::Recorded;
use infra::clock;
use infra::config::Coupon;
use schemars::JsonSchema;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::AccountId;
use schemas::ledger::{EventV1, Fact};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Redemption")]
#[serde(deny_unknown_fields)]
pub(super) struct WantedCoupon {
    code: String,
    /// Whose credit it becomes; only the operator may say so.
    #[schemars(with = "Option<String>")]
    account: Option<AccountId>,
}

/// Redeems.
pub(crate) async fn redeem(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<UsageQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Redemption>, ApiError> {
    let asker = counted_asker(&gateway, &headers).await?;
    let body = incoming::body(&gateway, &headers, body).await?;
    let wanted: WantedCoupon = incoming::json(&body)?;
    let named = query.account.map(AccountId::parse).transpose().map_err(|_| whose())?;
    let account = match (asker, wanted.account.or(named)) {
        (Asker::Account(own), None) => own,
        (Asker::Account(own), Some(named)) if own == named => own,
        (Asker::Operator, Some(named)) => known(&gateway, named).await?,
        _ => return Err(whose().into()),
    };
    let typed = wanted.code.trim();
    let mut coupons = gateway.config.coupons.iter();
    let coupon = coupons.find(|coupon| coupon.code.eq_ignore_ascii_case(typed));
    let coupon = coupon.ok_or_else(unknown)?;
    // What is written down goes on when the client hangs up.
    let (writer, coupon, of) = (Arc::clone(&gateway), coupon.clone(), account.clone());
    let redeeming = async move { credit(&writer, &coupon, &of).await.map(|()| coupon.credit_usd) };
    let credited = gateway.settlements.spawn("redeem a coupon", redeeming).await;
    let credit = credited.map_err(|error| records_away(&error))??;
    Ok(Json(Redemption {
        object: "redemption",
        account,
        code: typed.to_ascii_uppercase(),
        credit_usd: credit.as_usd(),
        credit_micro_usd: credit.0,
    }))
}

/// Ends well only for who has written a credit: each answer is one of its own. A call that claimed
/// and finds its credit written was taken for dead by another one, and claims anew.
async fn credit(gateway: &Gateway, coupon: &Coupon, account: &AccountId) -> Result<(), Problem> {
    while !credit_once(gateway, coupon, account).await? {}
    Ok(())
}

/// Whether a credit was written. When not, a number was used up: there is an end to that.
async fn credit_once(
    gateway: &Gateway,
    coupon: &Coupon,
    account: &AccountId,
) -> Result<bool, Problem> {
    let code = coupon.code.to_ascii_uppercase();
    let claimed = gateway.bus.coupon_claims(&code, account).await;
    for number in 1..=claimed.map_err(|error| records_away(&error))? {
        // Claimed before, by somebody who may not have come to write it.
        if write(gateway, coupon, account, number).await? {
            return Ok(true);
        }
    }
    let end = coupon.expires_at.as_deref().and_then(clock::parse_rfc3339);
    if end.is_some_and(|end| end <= clock::unix_ms()) {
        return Err(over());
    }
    let limits = CouponLimits { account_max: coupon.account_max, total_max: coupon.total_max };
    let claim = gateway.bus.claim_coupon(&code, account, limits).await;
    match claim.map_err(|error| records_away(&error))? {
        Claim::Number(number) => write(gateway, coupon, account, number).await,
        Claim::AccountMax => Err(had_it()),
        Claim::TotalMax => Err(used_up()),
    }
}

/// Writes the credit of a number; whether it was written just now.
async fn write(
    gateway: &Gateway,
    coupon: &Coupon,
    account: &AccountId,
    number: u32,
) -> Result<bool, Problem> {
    let code = coupon.code.to_ascii_uppercase();
    let event = EventV1 {
        account: account.clone(),
        at_ms: clock::unix_ms(),
        amount: coupon.credit_usd,
        fact: Fact::Grant {
            unique: format!("coupon-{code}-{number}"),
            note: format!("coupon {code}"),
        },
    };
    let recorded = gateway.bus.record(&event).await.map_err(|error| records_away(&error))?;
    Ok(matches!(recorded, Recorded::Written(_)))
}

async fn known(gateway: &Gateway, account: AccountId) -> Result<AccountId, Problem> {
    let found = gateway.bus.account(&account).await.map_err(|error| records_away(&error))?;
    found.map(|record| record.account).ok_or_else(whose)
}

fn whose() -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        "account が正しくありません。管理キーでは既存のアカウントを ?account=acct_… か本文の account で\
         指定し、APIキーでは省いてください。",
        "'account' is not valid: with the admin key name one that exists, by ?account=acct_… or \
         'account' in the body; with an API key leave it out.",
    )
    .at("account")
}

fn unknown() -> Problem {
    Problem::new(
        ErrorCode::NotFound,
        "このクーポンコードはありません。入力を確認してください。",
        "There is no such coupon code. Check what was typed.",
    )
    .at("code")
}

fn over() -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        "このクーポンコードの期限は切れています。",
        "This coupon code has expired.",
    )
    .at("code")
}

fn had_it() -> Problem {
    Problem::new(
        ErrorCode::Conflict,
        "このアカウントではクーポンコードをすでに使用しています。",
        "This account has redeemed the code already.",
    )
    .at("code")
}

fn used_up() -> Problem {
    Problem::new(
        ErrorCode::Conflict,
        "このクーポンコードは上限まで使用されています。",
        "The code has been redeemed as often as it may.",
    )
    .at("code")
}
