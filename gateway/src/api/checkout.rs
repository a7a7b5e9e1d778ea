//! `/api/plans` and `/api/checkout`: what is sold, and the way to Stripe's page;
//! `/checkout/success` and `/checkout/cancel`, where Stripe sends the buyer back. A purchase is
//! credited here only as a webhook would: the first of the two writes, the other finds it
//! written.

use super::asked::Query;
use super::error::ApiError;
use super::incoming;
use super::purchases::returned_of;
use super::shapes::{Checkout, List, PlanOffer};
use super::usage::{Asker, counted_asker};
use crate::auth::{issue, sha256_hex};
use crate::portal::checkout::{self as pages, Bought, FirstKey, PurchaseState, REPLACES};
use crate::portal::{Language, Look, Open};
use crate::serve::whereabouts::Whereabouts;
use crate::state::Gateway;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use infra::clock;
use payments::{
    Buyer, CallError, Credited, Offer, Order, Payments, PaymentsError, Session, Settled,
};
use schemars::JsonSchema;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::{AccountId, KeyId};
use schemas::money::{Currency, MicroUsd, Money};
use schemas::records::KeyRecordV1;
use serde::Deserialize;
use std::sync::Arc;

/// Longest e-mail address, in bytes (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

/// For so long after its making a new account's key that was lost is replaced, in milliseconds: the
/// connection may break while it is shown.
const KEY_REPLACED_MS_MAX: u64 = 600_000;

/// When a retry makes sense while Stripe is away, in milliseconds.
const AWAY_RETRY_MS: u64 = 5_000;

/// The routes of buying.
pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/api/plans", get(plans))
        .route("/api/checkout", post(checkout))
        .route("/checkout/success", get(success).post(reveal))
        .route("/checkout/cancel", get(cancelled))
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Purchase")]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedPurchase {
    /// A plan's name, or an amount of the buyer's own.
    plan: Option<String>,
    /// In dollars or yen.
    amount: Option<serde_json::Number>,
    #[schemars(with = "String")]
    currency: Currency,
    /// Whose credit it becomes; only the operator may say so.
    #[schemars(with = "Option<String>")]
    account: Option<AccountId>,
    /// Somebody new: an account is made when he has paid.
    email: Option<String>,
    /// Whether Stripe keeps the card for auto-recharge.
    #[serde(default)]
    save_card: bool,
}

/// What is sold.
async fn plans(State(gateway): State<Arc<Gateway>>) -> Result<Json<List<PlanOffer>>, ApiError> {
    let payments = open(&gateway)?;
    let in_currency = |currency| payments.offers(currency).into_iter();
    let both = in_currency(Currency::Usd).zip(in_currency(Currency::Jpy));
    let data = both.map(|(usd, jpy)| PlanOffer {
        id: usd.plan,
        usd: usd.price.to_string(),
        jpy: jpy.price.to_string(),
        credit_micro_usd: usd.credit.0,
        bonus_micro_usd: usd.bonus.0,
        credit_days: gateway.config.stripe.credit_days,
    });
    Ok(Json(List::of(data.collect())))
}

/// Opens Stripe's page.
async fn checkout(
    State(gateway): State<Arc<Gateway>>,
    Whereabouts(place): Whereabouts,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Checkout>, ApiError> {
    open(&gateway)?;
    let body = incoming::body(&gateway, &headers, body).await?;
    let (order, session) = begin(&gateway, (&headers, &place), incoming::json(&body)?).await?;
    Ok(Json(Checkout {
        object: "checkout",
        id: session.id,
        url: session.url,
        account: order.buyer.account,
        price: order.offer.price.to_string(),
        credit_micro_usd: order.offer.credit.0,
        bonus_micro_usd: order.offer.bonus.0,
    }))
}

/// Opens the page of a purchase.
///
/// # Errors
/// When nothing is sold like that, or Stripe is away.
pub(crate) async fn begin(
    gateway: &Arc<Gateway>,
    (headers, place): (&HeaderMap, &str),
    wanted: WantedPurchase,
) -> Result<(Order, Session), ApiError> {
    let payments = open(gateway)?;
    let offer = offer(payments, &wanted)?;
    let buyer = buyer(gateway, (headers, place), &wanted).await?;
    let base = public_url(gateway, headers);
    // Whoever has an account is led back to it: at the plans he would buy for a new one.
    let back = if buyer.new_name.is_none() { "?back=credit" } else { "" };
    let order = Order {
        buyer,
        offer,
        success_url: format!("{base}/checkout/success?session_id={{CHECKOUT_SESSION_ID}}"),
        cancel_url: format!("{base}/checkout/cancel{back}"),
        saves_card: wanted.save_card,
        in_japanese: Language::of(headers) == Language::Japanese,
        idempotency_key: KeyId::fresh().to_string(),
    };
    let session = payments.checkout(&order).await.map_err(|error| refused(&error))?;
    Ok((order, session))
}

fn offer(payments: &Payments, wanted: &WantedPurchase) -> Result<Offer, Problem> {
    let offer = match (&wanted.plan, &wanted.amount) {
        (Some(plan), None) => payments.plan(plan, wanted.currency),
        (None, Some(amount)) => payments.amount(money(amount, wanted.currency, "amount")?),
        _ => {
            return Err(wrong(
                "plan",
                "plan か amount のどちらか一つを指定してください。",
                "Say either plan or amount.",
            ));
        }
    };
    offer.map_err(|error| {
        let field = if wanted.plan.is_some() { "plan" } else { "amount" };
        wrong(
            field,
            &format!("この金額・プランは購入できません: {}。", error.japanese()),
            &format!("{error}."),
        )
    })
}

/// Dollars or yen, in the smallest unit, exactly.
pub(super) fn money(
    amount: &serde_json::Number,
    currency: Currency,
    field: &str,
) -> Result<Money, Problem> {
    let unit = match currency {
        Currency::Usd => 10_000,
        Currency::Jpy => 1_000_000,
    };
    let micro = MicroUsd::from_decimal(&amount.to_string()).ok();
    let micro = micro.filter(|micro| micro.0 > 0 && micro.0 % unit == 0);
    let minor = micro.map(|micro| (micro.0 / unit).unsigned_abs()).ok_or_else(|| {
        wrong(
            field,
            "ドル（セントまで）または円（整数）で指定してください。",
            "Write dollars with whole cents, or whole yen.",
        )
    })?;
    Ok(Money { currency, minor })
}

/// A key buys for its own account, as one of its requests; the operator for any, and a stranger for
/// a new one.
async fn buyer(
    gateway: &Arc<Gateway>,
    (headers, place): (&HeaderMap, &str),
    wanted: &WantedPurchase,
) -> Result<Buyer, ApiError> {
    let email = wanted.email.as_deref().map(email).transpose()?;
    if incoming::secret(headers).is_none() && wanted.account.is_none() {
        let email = email.ok_or_else(|| {
            wrong(
                "email",
                "APIキーか email が必要です。",
                "Send an API key, or say email to open a new account.",
            )
        })?;
        gateway.desk.admit_stranger(place, clock::unix_ms()).map_err(too_many)?;
        let (account, new_name) = (AccountId::fresh(), Some(email.clone()));
        return Ok(Buyer { account, new_name, email: Some(email), customer: None });
    }
    let account = match (counted_asker(gateway, headers).await?, &wanted.account) {
        (Asker::Account(own), None) => own,
        (Asker::Account(own), Some(named)) if own == *named => own,
        (Asker::Operator, Some(named)) => known(gateway, named).await?,
        (Asker::Operator, None) => {
            return Err(wrong("account", "account を指定してください。", "Say account.").into());
        }
        (Asker::Account(_), Some(_)) => {
            return Err(Problem::new(
                ErrorCode::PermissionDenied,
                "他のアカウントのクレジットは購入できません。",
                "This key can't buy for another account.",
            )
            .into());
        }
    };
    let customer = match wanted.save_card {
        true => gateway
            .bus
            .recharge(&account)
            .await
            .map_err(|error| crate::problems::records_away(&error))?,
        false => return Ok(Buyer { account, new_name: None, email, customer: None }),
    };
    let customer = customer.card.map(|card| card.customer);
    Ok(Buyer { account, new_name: None, email, customer })
}

async fn known(gateway: &Gateway, account: &AccountId) -> Result<AccountId, Problem> {
    let found = gateway
        .bus
        .account(account)
        .await
        .map_err(|error| crate::problems::records_away(&error))?;
    found.map(|record| record.account).ok_or_else(|| {
        wrong("account", "そのアカウントはありません。", "There is no such account.")
    })
}

/// Stripe checks it better: here only what is certainly none is refused.
fn email(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let parts = text.split_once('@');
    let fits = parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits && plain && text.len() <= EMAIL_BYTES_MAX {
        return Ok(text.to_owned());
    }
    Err(wrong("email", "メールアドレスを確認してください。", "Check the e-mail address."))
}

/// Where buyers reach us.
pub(crate) fn public_url(gateway: &Gateway, headers: &HeaderMap) -> String {
    if let Some(url) = &gateway.config.stripe.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = header(header::HOST.as_str()).unwrap_or("127.0.0.1");
    let scheme = if header("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    format!("{scheme}://{host}")
}

#[derive(Deserialize)]
struct Returned {
    session_id: Option<String>,
}

/// The buyer is back: his credit. Looking at the page, as a preview of its address does, makes no
/// key.
async fn success(
    State(gateway): State<Arc<Gateway>>,
    Query(returned): Query<Returned>,
    Whereabouts(place): Whereabouts,
    look: Look,
    headers: HeaderMap,
) -> Response {
    is_back(&gateway, (returned, &place), (&look, &headers), None).await
}

/// The buyer asks for the key of a new account.
async fn reveal(
    State(gateway): State<Arc<Gateway>>,
    Query(returned): Query<Returned>,
    look: Look,
    headers: HeaderMap,
    sent: Open,
) -> Response {
    let replaced = Some(sent.fields.text(REPLACES));
    is_back(&gateway, (returned, &sent.place), (&look, &headers), replaced).await
}

async fn is_back(
    gateway: &Gateway,
    (returned, place): (Returned, &str),
    (look, headers): (&Look, &HeaderMap),
    replaced: Option<&str>,
) -> Response {
    let not_found = || {
        let told = ("購入が見つかりません。", "There is no such purchase.");
        pages::problem(look, StatusCode::NOT_FOUND, told)
    };
    let (Some(payments), Some(id)) = (gateway.desk.payments(), returned.session_id) else {
        return not_found();
    };
    let busy = || {
        let told = (
            "確認に時間がかかっています。しばらくしてから再読み込みしてください。クレジットは失われません。",
            "This takes longer than usual. Load the page again in a moment: no credit is lost.",
        );
        pages::problem(look, StatusCode::SERVICE_UNAVAILABLE, told)
    };
    if gateway.desk.admit_return(place, clock::unix_ms()).is_err() {
        return busy();
    }
    match settle(gateway, payments, &id, replaced).await {
        Ok(Some(standing)) => standing.page(look, &public_url(gateway, headers)),
        Ok(None) => not_found(),
        Err(PaymentsError::Call(CallError::Unknown(_) | CallError::Refused(_))) => not_found(),
        Err(error) => {
            tracing::warn!(%error, "a buyer's return could not be settled");
            busy()
        }
    }
}

/// How the purchase of a session stands; nothing when it is none of ours.
async fn settle(
    gateway: &Gateway,
    payments: &Payments,
    session: &str,
    replaced: Option<&str>,
) -> Result<Option<PurchaseState>, PaymentsError> {
    let session = payments.session(session).await?;
    let payment = session.payment_intent.as_deref();
    let settled = match payment {
        Some(payment) => payments.settle(&gateway.bus, payment).await?,
        None => Settled::Unpaid,
    };
    Ok(Some(match (settled, session.status.as_deref(), session.url) {
        (Settled::Foreign, ..) => return Ok(None),
        (Settled::Credited(credited), ..) => {
            let returns = gateway.bus.account_returns(&credited.account).await?;
            let returned = returned_of(payment.unwrap_or_default(), credited.paid, &returns);
            let key = first_key(gateway, &session.id, &credited, replaced).await?;
            PurchaseState::Bought(Bought { credited, returned, key })
        }
        // A card that was declined: Stripe's page is still there, and takes another one.
        (_, Some("open"), Some(url)) => PurchaseState::Open(url),
        (_, Some("expired"), _) => PurchaseState::Expired,
        (Settled::Failed, ..) => PurchaseState::Failed,
        (Settled::Unpaid, ..) => PurchaseState::Pending,
    }))
}

/// The key of a new account: its name is made from the session's, so there is one and no second.
/// For some minutes it gets a new secret when it is asked for again, in the place of the one that
/// `replaced` ends with; that is empty for the first, and nothing when no key is asked for.
async fn first_key(
    gateway: &Gateway,
    session: &str,
    credited: &Credited,
    replaced: Option<&str>,
) -> Result<FirstKey, PaymentsError> {
    if !credited.is_new {
        return Ok(FirstKey::NotWanted);
    }
    let digest = sha256_hex(session.as_bytes());
    let Ok(key) = KeyId::parse(format!("key_{}", digest.get(..32).unwrap_or(&digest))) else {
        return Ok(FirstKey::NotWanted);
    };
    let issued = match (gateway.keys.get(&key), replaced) {
        (Some(made), _) if !is_replaceable(&made) => return Ok(FirstKey::ShownBefore),
        (made, None) => {
            return Ok(FirstKey::Waits { shown: made.map(|made| made.last_four.clone()) });
        }
        (Some(_), Some(last_four)) => {
            issue::rotate_if(&gateway.bus, &key, |made| made.last_four == last_four).await?
        }
        (None, Some(_)) => {
            let (account, key) = (credited.account.clone(), key.clone());
            issue::issue_once(&gateway.bus, key, account, "first key").await?
        }
    };
    if let Some(issued) = issued {
        let secret = issued.secret.clone();
        super::keys::learn(gateway, issued);
        return Ok(FirstKey::Shown(secret));
    }
    // The button was pressed twice, and the other one was faster: its secret stays.
    let made = gateway.bus.record_of::<KeyRecordV1>(&key).await?.map(|stored| stored.record);
    Ok(match made.filter(is_replaceable) {
        Some(made) => FirstKey::Waits { shown: Some(made.last_four) },
        None => FirstKey::ShownBefore,
    })
}

/// Whether a key may still get another secret by the page that showed it.
fn is_replaceable(made: &KeyRecordV1) -> bool {
    let age_ms = clock::unix_ms().saturating_sub(made.created_ms);
    made.revoked_ms.is_none() && age_ms < KEY_REPLACED_MS_MAX
}

#[derive(Deserialize)]
struct Left {
    back: Option<String>,
}

async fn cancelled(Query(left): Query<Left>, headers: HeaderMap) -> Response {
    pages::cancelled(&Look::without_place(&headers), left.back.as_deref() == Some("credit"))
}

/// Payments, or that nothing is sold here.
pub(super) fn open(gateway: &Gateway) -> Result<&Payments, Problem> {
    gateway.desk.payments().ok_or_else(|| {
        Problem::new(
            ErrorCode::NotFound,
            "このサーバーではクレジットを販売していません（STRIPE_SECRET_KEY が未設定です）。",
            "No credit is sold here: STRIPE_SECRET_KEY is not set.",
        )
    })
}

fn refused(error: &CallError) -> Problem {
    tracing::warn!(%error, "Stripe's page could not be opened");
    match error {
        CallError::Away(_) => Problem::new(
            ErrorCode::ServiceUnavailable,
            "決済サービスに接続できません。しばらくしてからもう一度お試しください。",
            "The payment service can't be reached. Try again in a moment.",
        )
        .retry_after_ms(AWAY_RETRY_MS),
        _ => Problem::new(
            ErrorCode::UpstreamError,
            "決済サービスがこの購入を受け付けませんでした。",
            "The payment service refused this purchase.",
        ),
    }
}

fn too_many(wait_ms: u64) -> Problem {
    Problem::new(
        ErrorCode::RateLimitExceeded,
        "購入の手続きが混み合っています。しばらくしてからもう一度お試しください。",
        "Too many purchases are being started. Try again in a moment.",
    )
    .retry_after_ms(wait_ms)
}

pub(super) fn wrong(field: &str, japanese: &str, english: &str) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, japanese, english).at(field)
}
