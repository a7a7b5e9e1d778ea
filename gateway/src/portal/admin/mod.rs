//! The operator's rooms. Whatever changes something is written to the audit log first; nothing
//! here shows a secret.

/// What happens now.
mod live;

/// Accounts, their keys, credit and ledger.
mod accounts;

/// Their keys, and the question before one ends.
mod keys;

/// The configuration as it was loaded.
mod config;

/// Models, Stripe's events, audit log.
mod shelf;

/// What is left of what was charged.
mod margin;

/// What the router would do.
mod router;

/// Requests of an account.
mod requests;

use super::doors;
use super::guard::{Guest, Operator};
use super::look::Look;
use super::texts::Admin;
use crate::state::Gateway;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use infra::clock;
use infra::store::audit::AuditRow;
use maud::{Markup, html};
use std::sync::Arc;

/// All rooms of the operator.
pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/admin", get(live::show))
        .route("/admin/live", get(live::follow))
        .route("/admin/cancel", post(live::cancel))
        .route("/admin/drain", post(live::drain))
        .route("/admin/sign-in", get(doors::operator_door).post(doors::operator_enters))
        .route("/admin/sign-out", post(doors::leave::<Operator>))
        .route("/admin/accounts", get(accounts::list).post(accounts::make))
        .route("/admin/accounts/{account}", get(accounts::show))
        .route("/admin/accounts/{account}/grant", post(accounts::grant))
        .route("/admin/accounts/{account}/keys", post(keys::make))
        .route("/admin/accounts/{account}/revoke", get(keys::ask_revoke).post(keys::revoke))
        .route("/admin/requests", get(requests::list))
        .route("/admin/requests/{account}/{request}", get(requests::receipt))
        .route("/admin/margin", get(margin::show))
        .route("/admin/models", get(shelf::models))
        .route("/admin/router", get(router::show).post(router::explain))
        .route("/admin/payments", get(shelf::payments))
        .route("/admin/config", get(config::show))
        .route("/admin/audit", get(shelf::audit))
}

/// A room of the operator, with the others beside it.
fn room(look: &Look, who: &Operator, (at, title): (&str, &str), body: Markup) -> Response {
    let t = Admin::of(look.language);
    let ways = [
        ("/admin", t.live),
        ("/admin/accounts", t.accounts),
        ("/admin/requests", t.requests),
        ("/admin/margin", t.margin),
        ("/admin/models", t.models),
        ("/admin/router", t.router),
        ("/admin/payments", t.payments),
        ("/admin/config", t.config),
        ("/admin/audit", t.audit),
    ];
    look.room(who, (at, &ways), title, body)
}

fn away(look: &Look, error: &dyn std::fmt::Display) -> Response {
    super::landing::told(look, &crate::problems::records_away(error))
}

fn with_status(status: StatusCode, mut page: Response) -> Response {
    *page.status_mut() = status;
    page
}

/// Writes what is about to be done into the log and where the audit page looks. Redis may be away:
/// then the log alone has it.
pub(crate) async fn audit(gateway: &Gateway, done: String) {
    tracing::info!(target: "audit", done, "the operator did");
    let row = AuditRow { at_ms: clock::unix_ms(), done };
    if let Err(error) = gateway.store.note_audit(&row).await {
        tracing::warn!(%error, "an operator's deed is only in the log");
    }
}

/// What the forms of the operator's rooms carry.
fn token(who: &Operator) -> Markup {
    html! { input type="hidden" name="token" value=(who.token()); }
}
