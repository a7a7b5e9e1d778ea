//! The customer's rooms. Each shows one account: that of the key which signed in.

/// What is left, and how it was used lately.
mod overview;

/// Usage by day, model and key.
mod usage;

/// The last requests, and the receipt of each.
pub(super) mod requests;

/// Keys: made, rotated, revoked.
pub(super) mod keys;

/// Lots, buying, purchases, statements.
pub(super) mod credit;

/// A saved card that is charged when credit is low.
mod recharge;

/// Talking to a model.
mod playground;

/// What was hidden of a conversation there.
mod hidden;

use super::doors;
use super::guard::{Customer, Guest};
use super::look::Look;
use super::texts::Account;
use crate::state::Gateway;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use std::sync::Arc;

/// All rooms of an account.
pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/account", get(overview::show))
        .route("/account/sign-in", get(doors::customer_door).post(doors::customer_enters))
        .route("/account/sign-out", post(doors::leave::<Customer>))
        .route("/account/usage", get(usage::show))
        .route("/account/usage.csv", get(usage::csv))
        .route("/account/requests", get(requests::list))
        .route("/account/requests/{request}", get(requests::receipt))
        .route("/account/keys", get(keys::list).post(keys::make))
        .route("/account/keys/{key}/rotate", get(keys::ask_rotate).post(keys::rotate))
        .route("/account/keys/{key}/revoke", get(keys::ask_revoke).post(keys::revoke))
        .route("/account/keys/{key}/similar", post(keys::reword))
        .route("/account/credit", get(credit::show).post(credit::buy))
        .route("/account/coupon", post(credit::redeem))
        .route("/account/recharge", post(recharge::wish))
        .route("/account/recharge/end", post(recharge::end))
        .route("/account/purchases/{payment}/receipt", get(credit::receipt))
        .route("/account/statements/{month}", get(credit::statement))
        .route("/account/playground", get(playground::show))
        .route("/account/playground/chat", post(playground::chat))
        .route("/account/playground/hidden", post(hidden::show))
}

/// A room of the account, with the others beside it.
fn room(look: &Look, who: &Customer, (at, title): (&str, &str), body: Markup) -> Response {
    let t = Account::of(look.language);
    let ways = [
        ("/account", t.overview),
        ("/account/playground", t.playground),
        ("/account/usage", t.usage),
        ("/account/requests", t.requests),
        ("/account/keys", t.keys),
        ("/account/credit", t.credit),
    ];
    look.room(who, (at, &ways), title, body)
}

/// NATS or Redis is away: nothing is wrong with what the customer did.
fn away(look: &Look, error: &dyn std::fmt::Display) -> Response {
    super::landing::told(look, &crate::problems::records_away(error))
}

/// Something that isn't there.
fn missing(look: &Look, who: &Customer, (at, title): (&str, &str), told: &str) -> Response {
    let mut page = room(look, who, (at, title), html! { div.empty { p { (told) } } });
    *page.status_mut() = StatusCode::NOT_FOUND;
    page
}

/// What the forms of a customer's rooms carry.
fn token(who: &Customer) -> String {
    who.token()
}
